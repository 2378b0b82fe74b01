//! What a wait for workloads watches, and what it asks when it takes long.

use super::rules::{home, is_called};
use super::{Need, Needs};
use crate::effect::Change;

/// The changes that are waited for until their workloads are ready.
const WAIT: &[&str] = &["kube scale", "kube restart", "helm upgrade", "helm rollback"];

/// What a wait watches, and what it asks when it takes long.
const WATCHED: &[(&str, &str, &[&str])] =
    &[("", "pods", &["list", "watch"]), ("", "pods/log", &["get"]), ("", "events", &["list"]), ("", "persistentvolumeclaims", &["list"])];

/// Kinds that become ready.
const WORKLOADS: &[&str] = &["deployments", "statefulsets", "daemonsets", "jobs", "replicasets"];

/// What is watched until the workloads among these are ready, also where nothing differed: they may still be starting.
pub fn settling(change: &Change, needs: &Needs) -> Needs {
    let home = home(change).filter(|_| WAIT.iter().any(|verb| is_called(change, verb)));
    home.map_or_else(Needs::new, |home| waited(&home).chain(workloads(needs)).collect())
}

/// What one wait for objects of a kind watches, and what it asks when it takes long.
pub fn waiting(namespace: Option<&str>, group: &str, resource: &str) -> Needs {
    let itself = ["list", "watch"].map(|verb| Need::new(namespace, group, resource, verb));
    itself.into_iter().chain(namespace.into_iter().flat_map(waited)).collect()
}

pub(super) fn waited(namespace: &str) -> impl Iterator<Item = Need> {
    let heartbeats = Need::within("kube-node-lease", "coordination.k8s.io", "leases", "list");
    let watched = WATCHED.iter().flat_map(move |(group, resource, verbs)| {
        verbs.iter().map(move |verb| Need::within(namespace, group, resource, verb)).collect::<Vec<_>>()
    });
    watched.chain([heartbeats])
}

fn workloads(needs: &Needs) -> Needs {
    let started = needs.iter().filter(|need| WORKLOADS.contains(&need.resource.as_str()));
    started.flat_map(|need| ["list", "watch"].map(|verb| Need { verb: verb.into(), ..need.clone() })).collect()
}
