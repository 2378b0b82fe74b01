//! What `check` says of values files: keys that no chart reads, at their place. Which files belong to which charts is
//! read from the settings: wherever a `chart` stands beside `values`.

use crate::chart::{self, Chart};
use crate::chart_values;
use crate::engine::Finding;
use crate::files::Files;
use crate::settings::Settings;
use rhai::Position;
use serde_yaml::Value;
use std::path::PathBuf;
use std::sync::Arc;

/// Findings in every values file that the settings name. A chart that is not on this machine is passed over.
pub fn check_values(settings: &Settings, files: &Files) -> Vec<Finding> {
    let mut pairs = Vec::new();
    collect(settings.values(), &mut pairs);
    let checkouts = settings.find("checkouts").and_then(Value::as_mapping).into_iter().flatten();
    let folders: Vec<PathBuf> = checkouts.filter_map(|(_, folder)| folder.as_str()).map(|folder| files.path(folder)).collect();
    pairs.iter().flat_map(|pair| pair.findings(files, &folders)).collect()
}

/// A chart and the file with its values.
struct Pair<'s> {
    chart: &'s str,
    version: Option<&'s str>,
    values: &'s str,
}

fn collect<'s>(value: &'s Value, pairs: &mut Vec<Pair<'s>>) {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    if let (Some(chart), Some(values)) = (text("chart"), text("values")) {
        pairs.push(Pair { chart, version: text("version"), values });
    }
    for (_, inner) in value.as_mapping().into_iter().flatten() {
        collect(inner, pairs);
    }
}

impl Pair<'_> {
    fn findings(&self, files: &Files, folders: &[PathBuf]) -> Vec<Finding> {
        let Some(chart) = self.chart(files) else { return Vec::new() };
        let mut places: Vec<PathBuf> = folders.iter().map(|folder| folder.join(self.values)).chain([files.path(self.values)]).collect();
        places.sort();
        places.dedup();
        let texts = places.iter().filter_map(|place| Some((place, files.read(place).ok()?)));
        let name = |place: &PathBuf| place.strip_prefix(files.root()).unwrap_or(place).display().to_string();
        texts.flat_map(|(place, text)| found(&chart, &name(place), text)).collect()
    }

    fn chart(&self, files: &Files) -> Option<Chart> {
        let local = files.path(self.chart);
        if local.exists() { Chart::read(&local).ok() } else { chart::fetched(self.chart, self.version?) }
    }
}

fn found(chart: &Chart, name: &str, text: String) -> Vec<Finding> {
    let text: Arc<str> = text.into();
    let unread = chart_values::unread(chart, &text);
    let finding = |unread: chart_values::Unread| {
        let line = u16::try_from(unread.line).unwrap_or(u16::MAX);
        let position = Position::new(line.max(1), u16::try_from(unread.column).unwrap_or(1));
        let message = format!("the chart `{}` does not read `{}`", chart.name, unread.key);
        let help = unread.meant.map(|meant| format!("did you mean `{meant}`?"));
        Finding::in_text(name, text.clone(), "check::unread_value", message, position).warning().maybe(help)
    };
    unread.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Mode;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test writes files")]
    fn a_values_file_is_checked_against_the_chart_beside_it_in_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("tiny/Chart.yaml", "name: tiny");
        write("tiny/values.yaml", "replicas: 1");
        write("apps/helm/v.yaml", "a: 1\nreplica: 2\n");
        let text =
            "settings: {checkouts: {apps: apps}, app: {chart: tiny, values: helm/v.yaml}, other: {chart: none/none, values: helm/v.yaml}}";
        let settings = Settings::parse("railrun.yaml", text, None, &[]).unwrap();
        let found = check_values(&settings, &Files::new(folder.path().to_owned(), Mode::Live));
        let shown: Vec<String> = found.iter().map(|finding| format!("{} {finding}", finding.place())).collect();
        assert_eq!(
            shown,
            ["apps/helm/v.yaml:1:1 the chart `tiny` does not read `a`", "apps/helm/v.yaml:2:1 the chart `tiny` does not read `replica`"]
        );
        assert_eq!(found[1].help.as_deref(), Some("did you mean `replicas`?"));
    }
}
