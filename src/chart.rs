//! A chart as it lies on disk, as a folder or an archive: its defaults, its templates' text and its subcharts. What
//! a release makes of it is helm's business; which value keys it reads is decided in `chart_values`.

use flate2::read::GzDecoder;
use miette::Diagnostic;
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ChartError {
    #[error("cannot read the chart `{path}`: {reason}")]
    #[diagnostic(code(chart::unreadable))]
    Unreadable { path: String, reason: String },
}

/// A chart with everything that decides which values it reads.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    pub name: String,
    pub version: String,
    /// What `values.yaml` says.
    pub values: Value,
    /// Under which key of the values each subchart finds its own.
    pub subcharts: Vec<(String, Chart)>,
    /// Keys that switch subcharts on and off: `postgresql.enabled`.
    pub conditions: Vec<String>,
    /// All templates, one after the other, with those of library charts.
    pub templates: String,
    /// Whether it only lends templates to the chart it lies in.
    pub library: bool,
}

/// Subcharts of subcharts of subcharts lie less deep than this.
const DEEPEST: usize = 16;

type Contents = BTreeMap<String, Vec<u8>>;

impl Chart {
    /// Reads a chart's folder or its `.tgz`.
    pub fn read(path: &Path) -> Result<Self, ChartError> {
        let unreadable = |reason: String| ChartError::Unreadable { path: path.display().to_string(), reason };
        let contents = if path.is_dir() { folder(path) } else { std::fs::read(path).and_then(|bytes| archive(&bytes)) };
        let contents = contents.map_err(|error| unreadable(error.to_string()))?;
        Self::from_contents(contents).map_err(unreadable)
    }

    fn from_contents(mut contents: Contents) -> Result<Self, String> {
        let about = yaml(contents.remove("Chart.yaml").as_deref().ok_or("it has no `Chart.yaml`")?)?;
        let values = contents.remove("values.yaml").map_or(Ok(Value::Null), |bytes| yaml(&bytes))?;
        let text = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let dependencies = about.get("dependencies").and_then(Value::as_sequence).cloned().unwrap_or_default();
        let subcharts = subcharts(&contents, &dependencies);
        let own = contents.iter().filter(|(name, _)| name.starts_with("templates/")).map(|(_, bytes)| String::from_utf8_lossy(bytes));
        let mut templates = own.collect::<Vec<_>>().join("\n");
        for (_, library) in subcharts.iter().filter(|(_, chart)| chart.library) {
            templates.push_str(&library.templates);
        }
        Ok(Self {
            name: text("name"),
            version: text("version"),
            values,
            conditions: dependencies.iter().flat_map(conditions).collect(),
            subcharts,
            templates,
            library: text("type") == "library",
        })
    }
}

/// A chart that helm has fetched from a repository or a registry, as it lies in helm's cache on this machine: helm 3
/// keeps it by name and version, helm 4 by its content.
pub fn fetched(chart: &str, version: &str) -> Option<Chart> {
    let name = chart.rsplit('/').next()?;
    let by_name = cache("HELM_REPOSITORY_CACHE", "repository")?.join(format!("{name}-{version}.tgz"));
    if by_name.is_file() {
        return Chart::read(&by_name).ok();
    }
    let content = cache("HELM_CONTENT_CACHE", "content")?;
    let folders = std::fs::read_dir(content).ok()?.flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten()).map(|file| file.path());
    let charts =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "chart")).filter_map(|file| Chart::read(&file).ok());
    charts.into_iter().find(|found| found.name == name && found.version == version)
}

/// A folder of helm's cache: named by its own variable, or below that of the whole cache.
fn cache(variable: &str, below: &str) -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder(variable)
        .or_else(|| Some(folder("HELM_CACHE_HOME")?.join(below)))
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("helm").join(below)))
        .or_else(|| Some(folder("HOME")?.join(".cache/helm").join(below)))
}

fn yaml(bytes: &[u8]) -> Result<Value, String> {
    serde_yaml::from_slice(bytes).map_err(|error| error.to_string())
}

fn conditions(dependency: &Value) -> Vec<String> {
    let condition = dependency.get("condition").and_then(Value::as_str).unwrap_or_default();
    condition.split(',').map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).collect()
}

/// The charts below `charts/`, under their alias where they have one.
fn subcharts(contents: &Contents, dependencies: &[Value]) -> Vec<(String, Chart)> {
    let mut folders: BTreeMap<&str, Contents> = BTreeMap::new();
    let mut charts = Vec::new();
    for (path, bytes) in contents {
        match path.strip_prefix("charts/").map(|path| (path, path.split_once('/'))) {
            Some((_, Some((folder, rest)))) => {
                folders.entry(folder).or_default().insert(rest.to_owned(), bytes.clone());
            }
            Some((file, None)) if is_archive(file) => {
                charts.extend(archive(bytes).ok().and_then(|inner| Chart::from_contents(inner).ok()));
            }
            _ => {}
        }
    }
    charts.extend(folders.into_values().filter_map(|inner| Chart::from_contents(inner).ok()));
    charts.into_iter().flat_map(|chart| keys(&chart, dependencies).into_iter().map(move |key| (key, chart.clone()))).collect()
}

fn keys(chart: &Chart, dependencies: &[Value]) -> Vec<String> {
    let text = |dependency: &Value, key: &str| dependency.get(key).and_then(Value::as_str).map(str::to_owned);
    let mine = dependencies.iter().filter(|dependency| text(dependency, "name").as_ref() == Some(&chart.name));
    let keys: Vec<String> = mine.map(|dependency| text(dependency, "alias").unwrap_or_else(|| chart.name.clone())).collect();
    if keys.is_empty() { vec![chart.name.clone()] } else { keys }
}

/// The files of a chart's folder that matter here, by their path inside it.
fn folder(root: &Path) -> std::io::Result<Contents> {
    let mut contents = Contents::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let inside = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if path.is_dir() {
                // A link that leads upwards would have no end.
                if inside.matches('/').count() < DEEPEST {
                    open.push(path);
                }
            } else if matters(&inside) {
                contents.insert(inside, std::fs::read(&path)?);
            }
        }
    }
    Ok(contents)
}

fn matters(path: &str) -> bool {
    let inner = path.rsplit_once("charts/").map_or(path, |(_, inner)| inner.split_once('/').map_or(inner, |(_, rest)| rest));
    matches!(inner, "Chart.yaml" | "values.yaml") || inner.starts_with("templates/") || is_archive(path)
}

fn is_archive(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "tgz")
}

/// The files of a chart's archive, without its outermost folder. Only regular files are looked at.
fn archive(bytes: &[u8]) -> std::io::Result<Contents> {
    let mut tar = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut tar)?;
    let mut contents = Contents::new();
    let mut long_name = None;
    let mut rest = tar.as_slice();
    while let Some((header, after)) = rest.split_at_checked(512).filter(|(header, _)| header[0] != 0) {
        let size = octal(&header[124..136]);
        let Some(body) = after.get(..size) else { break };
        match header[156] {
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(|| name(header));
                let inside = name.split_once('/').map_or(name.clone(), |(_, inside)| inside.to_owned());
                if matters(&inside) {
                    contents.insert(inside, body.to_vec());
                }
            }
            b'x' => long_name = pax_path(body),
            b'L' => long_name = Some(text(body)),
            _ => {}
        }
        rest = after.get(size.next_multiple_of(512)..).unwrap_or_default();
    }
    Ok(contents)
}

fn name(header: &[u8]) -> String {
    let prefix = if &header[257..262] == b"ustar" { text(&header[345..500]) } else { String::new() };
    let name = text(&header[..100]);
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

fn octal(field: &[u8]) -> usize {
    usize::from_str_radix(text(field).trim(), 8).unwrap_or(usize::MAX)
}

/// The path in a pax header: lines of `length key=value`.
fn pax_path(body: &[u8]) -> Option<String> {
    let body = String::from_utf8_lossy(body).into_owned();
    body.lines().find_map(|line| line.split_once(' ').and_then(|(_, pair)| pair.strip_prefix("path=")).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn tgz(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = GzEncoder::new(Vec::new(), Compression::fast());
        for (name, content) in files {
            let mut header = [0u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[156] = b'0';
            archive.write_all(&header).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
            archive.write_all(&vec![0; content.len().next_multiple_of(512) - content.len()]).unwrap();
        }
        archive.write_all(&[0; 1024]).unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn an_archive_gives_defaults_templates_and_subcharts_under_their_alias() {
        let bytes = tgz(&[
            ("app/Chart.yaml", "name: app\nversion: 1.2.3\ndependencies: [{name: db, alias: store, condition: 'store.enabled, db.on'}]"),
            ("app/values.yaml", "replicas: 1"),
            ("app/templates/a.yaml", "{{ .Values.replicas }}"),
            ("app/README.md", "not read"),
            ("app/charts/db/Chart.yaml", "name: db"),
            ("app/charts/db/values.yaml", "size: 1Gi"),
        ]);
        let chart = Chart::from_contents(archive(&bytes).unwrap()).unwrap();
        assert_eq!((chart.name.as_str(), chart.version.as_str()), ("app", "1.2.3"));
        assert_eq!(chart.conditions, ["store.enabled", "db.on"]);
        assert_eq!(chart.templates, "{{ .Values.replicas }}");
        let (key, store) = &chart.subcharts[0];
        assert_eq!((key.as_str(), store.values["size"].as_str()), ("store", Some("1Gi")));
    }

    #[test]
    fn a_broken_archive_is_an_error_and_never_a_panic() {
        assert!(archive(b"no gzip").is_err());
        let cut = &tgz(&[("app/Chart.yaml", "name: app")])[..40];
        assert!(archive(cut).is_err());
        assert!(Chart::from_contents(Contents::new()).is_err());
    }
}
