//! What this process and the programs it starts have from the shell, and what of it they shall not have.

use super::Command;
use rustix::process::{Resource, Rlimit, setrlimit};

/// A crash leaves no memory on the disk, neither this process's nor that of a program it started: secrets would be in it.
/// Both stay readable below `/proc`, where programs find their kubeconfig.
pub fn no_core_dumps() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}

/// The variables of ours that would lead a program that is given a kubeconfig to another cluster.
pub(super) fn withheld(command: &Command) -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| leads_elsewhere(command, name)).collect()
}

fn leads_elsewhere(command: &Command, name: &str) -> bool {
    let given = |name: &str| command.env.iter().any(|(given, _)| given == name);
    let leads = name.starts_with("HELM_KUBE") || name.starts_with("KUBERNETES_SERVICE_") || name == "KUBERNETES_MASTER";
    leads && given("KUBECONFIG") && !given(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_another_cluster_is_not_handed_on_beside_a_kubeconfig() {
        let given = Command::new("helm", ["list"]).env("KUBECONFIG", "x").env("HELM_KUBECONTEXT", "dry-run");
        for name in ["HELM_KUBEAPISERVER", "HELM_KUBETOKEN", "KUBERNETES_SERVICE_HOST"] {
            assert!(leads_elsewhere(&given, name), "{name}");
            assert!(!leads_elsewhere(&Command::new("helm", ["list"]), name), "{name}");
        }
        assert!(!leads_elsewhere(&given, "HELM_KUBECONTEXT") && !leads_elsewhere(&given, "HELM_CACHE_HOME"));
    }
}
