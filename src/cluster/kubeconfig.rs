//! Finds the kubeconfig and the context that an environment means. Who is at the other end is `connect`'s business.

use crate::cluster::ClusterError;
use crate::settings::Environment;
use kube::config::{KubeConfigOptions, Kubeconfig as Parsed, KubeconfigError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which kubeconfig and context lead to the cluster; what a child program such as helm is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubeconfig {
    /// One file, or several that are merged, as `$KUBECONFIG` has them.
    pub files: Vec<PathBuf>,
    pub context: String,
}

impl Kubeconfig {
    /// As a value for `$KUBECONFIG`.
    pub fn path(&self) -> OsString {
        // Whole, for a program that is started in another folder.
        let whole = self.files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
        std::env::join_paths(whole).unwrap_or_else(|_| self.files.first().cloned().unwrap_or_default().into())
    }

    pub fn shown(&self) -> String {
        shown(&self.files)
    }
}

fn shown(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(":")
}

const K3S: &str = "/etc/rancher/k3s/k3s.yaml";

/// The files to read: the environment's, else `$KUBECONFIG`, else the home folder's, else k3s's own.
fn files(
    chosen: Option<&str>,
    variable: Option<OsString>,
    home: Option<&Path>,
    is_file: impl Fn(&Path) -> bool,
) -> Result<Vec<PathBuf>, ClusterError> {
    if let Some(chosen) = chosen {
        let path = match (chosen.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(chosen),
        };
        return Ok(vec![path]);
    }
    let named: Vec<PathBuf> = variable.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect();
    if !named.is_empty() {
        return Ok(named);
    }
    let usual = [home.map(|home| home.join(".kube/config")), Some(K3S.into())];
    let found = usual.iter().flatten().find(|path| is_file(path)).cloned();
    found.map(|path| vec![path]).ok_or_else(|| ClusterError::NoKubeconfig {
        looked: format!(
            "`$KUBECONFIG`, `{}`",
            usual.iter().flatten().map(|path| path.display().to_string()).collect::<Vec<_>>().join("`, `")
        ),
    })
}

/// Reads the kubeconfig of an environment into a client configuration with time-outs.
pub(super) async fn load(environment: &Environment) -> Result<(Kubeconfig, kube::Config), ClusterError> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let files = files(environment.kubeconfig.as_deref(), std::env::var_os("KUBECONFIG"), home.as_deref(), Path::is_file)?;
    let parsed = read(&files)?;
    let context = context(&parsed, environment.context.as_deref(), &files)?;
    let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(parsed, &options).await.map_err(|error| bad(&files, &error))?;
    Ok((Kubeconfig { files, context }, with_time_outs(config)))
}

fn with_time_outs(mut config: kube::Config) -> kube::Config {
    config.connect_timeout = Some(Duration::from_secs(5));
    config.write_timeout = Some(Duration::from_secs(30));
    config
}

fn read(files: &[PathBuf]) -> Result<Parsed, ClusterError> {
    let merged = files.iter().try_fold(Parsed::default(), |merged, file| Parsed::read_from(file).and_then(|next| merged.merge(next)));
    merged.map_err(|error| bad(files, &error))
}

fn context(parsed: &Parsed, wanted: Option<&str>, files: &[PathBuf]) -> Result<String, ClusterError> {
    let known: Vec<&str> = parsed.contexts.iter().map(|context| context.name.as_str()).collect();
    let wanted = wanted.or(parsed.current_context.as_deref()).filter(|name| !name.is_empty());
    match wanted {
        Some(name) if known.contains(&name) => Ok(name.to_owned()),
        _ => {
            let context = wanted.map_or_else(|| "chosen".to_owned(), |name| format!("`{name}`"));
            let help = if known.is_empty() { "it has none at all".into() } else { format!("it has: {}", known.join(", ")) };
            Err(ClusterError::UnknownContext { path: shown(files), context, help })
        }
    }
}

fn bad(files: &[PathBuf], error: &KubeconfigError) -> ClusterError {
    let help = match error {
        KubeconfigError::ReadConfig(cause, _) if cause.kind() == std::io::ErrorKind::PermissionDenied => {
            "copy it to a file of your own that only you may read, and point `kubeconfig` there"
        }
        KubeconfigError::ReadConfig(..) => "check the path in `$KUBECONFIG`, `--kubeconfig` or the environment's `kubeconfig`",
        _ => "`kubectl config view` shows what is in it",
    };
    let reason = match error {
        KubeconfigError::ReadConfig(cause, _) => cause.to_string(),
        other => other.to_string(),
    };
    ClusterError::BadKubeconfig { path: shown(files), reason, help: help.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chosen: Option<&str>, variable: Option<&str>, there: &[&str]) -> Result<String, ClusterError> {
        let is_file = |path: &Path| there.iter().any(|known| Path::new(known) == path);
        files(chosen, variable.map(OsString::from), Some(Path::new("/home/me")), is_file).map(|files| shown(&files))
    }

    #[test]
    fn the_environments_choice_comes_before_the_variable_and_the_usual_places() {
        let there = ["/home/me/.kube/config", K3S];
        assert_eq!(found(Some("~/a.yaml"), Some("/b"), &there).unwrap(), "/home/me/a.yaml");
        assert_eq!(found(None, Some("/b:/c:"), &there).unwrap(), "/b:/c");
        assert_eq!(found(None, Some(""), &there).unwrap(), "/home/me/.kube/config");
        assert_eq!(found(None, None, &[K3S]).unwrap(), K3S);
    }

    #[test]
    fn without_any_it_says_where_it_looked() {
        let error = found(None, None, &[]).unwrap_err();
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.starts_with("looked at `$KUBECONFIG`, `/home/me/.kube/config`, `/etc/rancher/k3s/k3s.yaml`;"), "{help}");
    }

    #[test]
    fn a_wrong_context_lists_those_there_are() {
        let parsed = Parsed::from_yaml("contexts: [{name: one, context: {cluster: c}}]\ncurrent-context: one").unwrap();
        assert_eq!(context(&parsed, None, &[]).unwrap(), "one");
        let error = context(&parsed, Some("two"), &["/k".into()]).unwrap_err();
        assert_eq!(error.to_string(), "`/k` has no context `two`");
        assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "it has: one");
        assert!(context(&Parsed::default(), None, &[]).is_err());
    }
}
