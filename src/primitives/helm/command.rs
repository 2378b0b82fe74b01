//! What helm is asked, as command lines. Pure: nothing here runs anything. Values are never among the words; they
//! come on stdin.

use super::release::ReleaseName;
use crate::duration::Span;
use crate::process::Command;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// How long a release may take, where a script does not say.
pub const TIMEOUT: Duration = Duration::from_secs(600);

/// The programs and places that every command line shares.
#[derive(Clone, Debug)]
pub struct Program {
    pub program: String,
    pub folder: std::path::PathBuf,
    /// Which cluster is meant.
    pub environment: Vec<(String, String)>,
}

impl Program {
    pub fn command(&self, args: Vec<String>) -> Command {
        let command = Command::new(&self.program, args).folder(&self.folder).env("HELM_DRIVER", "secret");
        self.environment.iter().fold(command, |command, (name, value)| command.env(name, value))
    }
}

/// The chart of a release and how helm finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChartRef {
    /// A path, `repo/name`, or an `oci://` address.
    pub chart: String,
    pub version: Option<String>,
}

impl ChartRef {
    fn args(&self) -> Vec<String> {
        let version = self.version.iter().flat_map(|version| ["--version".to_owned(), version.clone()]);
        std::iter::once(self.chart.clone()).chain(version).collect()
    }
}

/// Renders as the API server would get it; nothing is written.
pub fn render(release: &ReleaseName, chart: &ChartRef) -> Vec<String> {
    let how = ["--install", "--reset-values", "--dry-run=server", "--output", "json", "--values", "-"];
    [words(["upgrade", &release.name]), chart.args(), namespace(release), words(how)].concat()
}

/// Renders beside a revision that helm holds for unfinished: there it refuses [`render`].
pub fn render_unfinished(release: &ReleaseName, chart: &ChartRef) -> Vec<String> {
    let how = ["--is-upgrade", "--dry-run=server", "--values", "-"];
    [words(["template", &release.name]), chart.args(), namespace(release), words(how)].concat()
}

/// Renders without asking the cluster, with the kinds that the chart itself would bring.
pub fn render_alone(release: &ReleaseName, chart: &ChartRef) -> Vec<String> {
    let how = ["--include-crds", "--values", "-"];
    [words(["template", &release.name]), chart.args(), namespace(release), words(how)].concat()
}

pub fn show_chart(chart: &ChartRef) -> Vec<String> {
    [words(["show", "chart"]), chart.args()].concat()
}

/// Upgrades or installs, without helm's own waiting. `force` takes fields back that others own (helm 4 only).
pub fn upgrade(release: &ReleaseName, options: &UpgradeOptions, force: bool) -> Vec<String> {
    let chart = options.chart_ref();
    let mut args = [words(["upgrade", &release.name]), chart.args(), namespace(release)].concat();
    let when = |flag: bool, word: &str| flag.then(|| word.to_owned());
    args.extend(when(options.install, "--install"));
    args.extend(when(options.create_namespace, "--create-namespace"));
    args.extend(when(force, "--force-conflicts"));
    args.extend(words(["--reset-values", "--timeout", &seconds(options.timeout()), "--values", "-"]));
    args
}

pub fn rollback(release: &ReleaseName, revision: i64, timeout: Duration, force: bool) -> Vec<String> {
    let mut args = [words(["rollback", &release.name, &revision.to_string()]), namespace(release)].concat();
    args.extend(force.then(|| "--force-conflicts".to_owned()));
    args.extend(words(["--timeout", &seconds(timeout)]));
    args
}

pub fn uninstall(release: &ReleaseName, timeout: Duration) -> Vec<String> {
    [words(["uninstall", &release.name]), namespace(release), words(["--timeout", &seconds(timeout)])].concat()
}

pub fn version() -> Vec<String> {
    words(["version", "--template", "{{.Version}}"])
}

/// Values as helm reads them: JSON is YAML.
pub fn stdin(values: &Value) -> Vec<u8> {
    values.to_string().into_bytes()
}

/// Whether a command line is a helm that changes this release.
pub fn changes(words: &[String], release: &ReleaseName) -> bool {
    let verb = ["install", "upgrade", "rollback", "uninstall"].iter().any(|verb| words.iter().any(|word| word == verb));
    let space = |word: &String| *word == release.namespace || word.strip_prefix("--namespace=") == Some(&release.namespace);
    let dry = words.iter().any(|word| word.starts_with("--dry-run") && word != "--dry-run=none");
    verb && !dry && words.contains(&release.name) && words.iter().any(space)
}

fn namespace(release: &ReleaseName) -> Vec<String> {
    words(["--namespace", &release.namespace])
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn seconds(timeout: Duration) -> String {
    format!("{}s", timeout.as_secs().max(1))
}

/// How a release is to be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpgradeOptions {
    pub chart: String,
    #[serde(default)]
    pub version: Option<String>,
    /// Maps, or YAML texts; a later one lies over an earlier one, all of them over the files.
    #[serde(default)]
    pub values: super::values::Layers,
    /// Files with values, encrypted with SOPS or not, from the root.
    #[serde(default)]
    pub values_files: Vec<String>,
    /// Whether an absent release is installed.
    #[serde(default)]
    pub install: bool,
    #[serde(default)]
    pub timeout: Option<Span>,
    #[serde(default)]
    pub wait: Option<bool>,
    #[serde(default)]
    pub create_namespace: bool,
    /// A rendering that this run has made so lately, of the same chart with the same values, is not made again.
    #[serde(default)]
    pub rendered_within: Option<Span>,
}

impl UpgradeOptions {
    pub fn chart_ref(&self) -> ChartRef {
        ChartRef { chart: self.chart.clone(), version: self.version.clone() }
    }

    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, |span| span.0)
    }

    pub fn waits(&self) -> bool {
        self.wait.unwrap_or(true)
    }
}

/// How a release is left or gone back to.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaitOptions {
    pub timeout: Option<Span>,
    pub wait: Option<bool>,
}

impl WaitOptions {
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, |span| span.0)
    }

    pub fn waits(&self) -> bool {
        self.wait.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> ReleaseName {
        ReleaseName::parse("platform/pg").unwrap()
    }

    fn options() -> UpgradeOptions {
        UpgradeOptions { chart: "bitnami/postgresql-ha".into(), version: Some("16.3.4".into()), ..UpgradeOptions::default() }
    }

    #[test]
    fn a_rendering_is_a_dry_run_on_the_server() {
        assert_eq!(
            render(&release(), &options().chart_ref()).join(" "),
            "upgrade pg bitnami/postgresql-ha --version 16.3.4 --namespace platform --install --reset-values --dry-run=server --output json --values -"
        );
    }

    #[test]
    fn an_upgrade_installs_only_when_asked_and_never_waits_itself() {
        assert_eq!(
            upgrade(&release(), &options(), false).join(" "),
            "upgrade pg bitnami/postgresql-ha --version 16.3.4 --namespace platform --reset-values --timeout 600s --values -"
        );
        let all = UpgradeOptions { install: true, create_namespace: true, timeout: Some(Span(Duration::from_millis(10))), ..options() };
        let args = upgrade(&release(), &all, true).join(" ");
        assert!(args.ends_with("--install --create-namespace --force-conflicts --reset-values --timeout 1s --values -"), "{args}");
    }

    #[test]
    fn the_ways_back_name_release_and_revision() {
        assert_eq!(rollback(&release(), 3, TIMEOUT, false).join(" "), "rollback pg 3 --namespace platform --timeout 600s");
        assert_eq!(uninstall(&release(), TIMEOUT).join(" "), "uninstall pg --namespace platform --timeout 600s");
    }

    #[test]
    fn another_helm_at_work_on_the_release_is_recognised() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(changes(&words("helm upgrade pg ./chart -n platform --wait"), &release()));
        assert!(changes(&words("helm rollback pg 1 --namespace=platform"), &release()));
        assert!(!changes(&words("helm upgrade pg ./chart -n other"), &release()));
        assert!(!changes(&words("helm upgrade pg ./chart -n platform --dry-run=server"), &release()));
        assert!(!changes(&words("helm get values pg -n platform"), &release()));
    }
}
