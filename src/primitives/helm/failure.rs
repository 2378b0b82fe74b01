//! What it means that helm failed: another one was faster, a hook is to blame, or helm itself says what went wrong.

use super::driver::Helm;
use super::error::{HelmError, Proof, said};
use super::pending::Unfinished;
use super::release::{History, Hook, ReleaseName};
use crate::cluster::Name;
use crate::process::ProcessError;

impl Helm<'_> {
    /// Turns a failure of helm into its cause and one next step.
    pub async fn failed(&self, attempt: &'static str, release: &ReleaseName, hooks: &[Hook], error: ProcessError) -> HelmError {
        let ProcessError::Failed { status, stderr, ending, .. } = error else { return error.into() };
        let history = self.history(release).await.unwrap_or_default();
        let unfinished = history.latest().and_then(|latest| Unfinished::of(latest).ok().flatten());
        if let (Some(_), Some(unfinished)) = (status, unfinished) {
            return unfinished.refuse(
                release,
                "another helm is at work on it".into(),
                "wait until it has ended, then run the same command again",
            );
        }
        if let Some(failed) = self.failed_hook(release, hooks, &stderr).await {
            return failed;
        }
        let reason = if stderr.trim().is_empty() { format!("it {ending}") } else { said(&stderr) };
        HelmError::Failed { attempt, release: release.to_string(), reason, help: way_on(release, &history) }
    }

    /// The hook that made helm fail, with its root cause, where one is to blame.
    async fn failed_hook(&self, release: &ReleaseName, hooks: &[Hook], stderr: &str) -> Option<HelmError> {
        for hook in hooks.iter().filter(|hook| matches!(hook.kind.as_str(), "Job" | "job" | "Pod" | "pod")) {
            let name = Name::new(&release.namespace, &hook.kind.to_lowercase(), &hook.name);
            let Ok(Some(found)) = self.cluster.diagnose(&name).await else { continue };
            if found.is_trouble() {
                let reason = format!("its hook `{}/{}` fails: {}", name.kind, name.name, found.cause);
                let lines = found.detail.iter().map(String::as_str).chain([said(stderr).as_str()]).collect::<Vec<_>>().join("\n");
                return Some(HelmError::NotReady { release: release.to_string(), reason, help: found.help, proof: Proof(lines) });
            }
        }
        None
    }
}

fn way_on(release: &ReleaseName, history: &History) -> String {
    match history.0.iter().rev().find(|stored| stored.status == "deployed") {
        Some(stored) => {
            let revision = stored.revision;
            format!("revision {revision} is still the deployed one: `helm::rollback(\"{release}\", {revision})` puts its objects back")
        }
        None => "what it had made is still there: mend the cause and run the same command again".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::helm::release::{Stored, tests::secret};

    #[test]
    fn the_way_back_names_the_revision_that_is_still_deployed() {
        let history =
            |status| History::new(vec![Stored::of(&secret("g", 2, status)).unwrap(), Stored::of(&secret("g", 3, "failed")).unwrap()]);
        let release = ReleaseName::parse("ns/g").unwrap();
        assert!(way_on(&release, &history("deployed")).contains("`helm::rollback(\"ns/g\", 2)`"));
        assert!(way_on(&release, &history("failed")).contains("run the same command again"));
    }
}
