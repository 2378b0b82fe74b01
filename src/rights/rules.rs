//! What a live run does beyond its preview: a table by the change's verb, and what its difference says will come or go.
//! Whatever a preview reads or tries is known from the wire and stands in no rule.

use super::waits::{settling, waited};
use super::{Need, Needs};
use crate::effect::{Change, Diff, Edit};

/// What a kind is called on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    pub group: String,
    pub plural: String,
    pub namespaced: bool,
}

/// What the rules have to know of the environment.
pub struct Around<'a> {
    /// Where evidence is kept.
    pub evidence: String,
    /// Whether databases are reached through the API server.
    pub forward: bool,
    /// What the cluster calls a kind.
    pub kind: &'a dyn Fn(&str) -> Option<Resource>,
}

/// What a rule is about.
#[derive(Clone, Copy)]
enum On {
    /// The object that the change names.
    Target,
    /// A resource in the namespace of what the change names.
    Beside(&'static str, &'static str),
    /// A resource where evidence is kept.
    Evidence(&'static str),
    /// Every object that the preview looked at or tried.
    Previewed,
    /// A resource in the namespace of each pod that the change rests on.
    Grounds(&'static str),
}

/// The verbs of changes, by how their name begins.
const RULES: &[(&str, On, &[&str])] = &[
    ("kube apply", On::Target, &["get", "create", "patch"]),
    ("kube patch", On::Target, &["get", "patch"]),
    ("kube scale", On::Target, &["get", "patch"]),
    ("kube restart", On::Target, &["get", "patch"]),
    ("kube delete", On::Target, &["get", "delete", "list", "watch"]),
    ("kube exec", On::Target, &["get"]),
    ("kube exec", On::Beside("", "pods"), &["get", "list"]),
    ("kube exec", On::Beside("", "pods/exec"), &["get", "create"]),
    // Helm keeps a release's revisions in Secrets; a revision that a killed helm left is patched.
    ("helm", On::Beside("", "secrets"), &["get", "list", "create", "update", "patch", "delete"]),
    // Its way back removes what was new.
    ("helm upgrade", On::Previewed, &["get", "create", "patch", "delete"]),
    ("helm rollback", On::Previewed, &["get", "create", "patch", "delete"]),
    ("helm uninstall", On::Previewed, &["get", "delete", "list", "watch"]),
    ("evidence record", On::Evidence("configmaps"), &["get", "create", "patch"]),
    ("sql", On::Grounds("pods"), &["get"]),
    ("sql", On::Grounds("services"), &["get"]),
    // A pod itself says which server it is; a copy runs in one.
    ("sql", On::Grounds("pods/exec"), &["get", "create"]),
    ("backup create", On::Grounds("pods"), &["get"]),
    ("backup create", On::Grounds("services"), &["get"]),
    ("backup create", On::Grounds("pods/exec"), &["get", "create"]),
];

/// Whoever makes roles without holding what they grant must be allowed to.
const GRANTING: &[(&str, &str)] =
    &[("roles", "escalate"), ("clusterroles", "escalate"), ("rolebindings", "bind"), ("clusterrolebindings", "bind")];

/// What a live run will do for this change that its preview did not do: `diff` is absent where the preview failed.
pub fn beyond(change: &Change, diff: Option<&Diff>, previewed: &Needs, around: &Around<'_>) -> Needs {
    let mut needs = Needs::new();
    for (_, on, verbs) in RULES.iter().filter(|(verb, ..)| is_called(change, verb)) {
        for (namespace, group, resource) in places(change, *on, previewed, around) {
            needs.extend(verbs.iter().map(|verb| Need::new(namespace.as_deref(), &group, &resource, verb)));
        }
    }
    needs.extend(settling(change, &needs));
    needs.extend(diff.into_iter().flat_map(|diff| said(diff, home(change).as_deref(), around)));
    if is_called(change, "backup create") || is_called(change, "sql") {
        needs.extend(reached(change, around));
    }
    needs.extend(granting(&needs));
    needs
}

pub(super) fn is_called(change: &Change, verb: &str) -> bool {
    change.verb == verb || change.verb.strip_prefix(verb).is_some_and(|rest| rest.starts_with(' '))
}

/// The namespace that the change's target names.
pub(super) fn home(change: &Change) -> Option<String> {
    change.target.split_once('/').map(|(namespace, _)| namespace.to_owned())
}

type Place = (Option<String>, String, String);

fn places(change: &Change, on: On, previewed: &Needs, around: &Around<'_>) -> Vec<Place> {
    let beside = |group: &str, resource: &str| home(change).map(|home| (Some(home), group.to_owned(), resource.to_owned()));
    match on {
        On::Target => object(&change.target, around).into_iter().collect(),
        On::Beside(group, resource) => beside(group, resource).into_iter().collect(),
        On::Evidence(resource) => vec![(Some(around.evidence.clone()), String::new(), resource.to_owned())],
        On::Previewed => previewed.iter().filter(|need| is_object(need)).map(place_of).collect(),
        On::Grounds(resource) => pods(change).map(|namespace| (Some(namespace), String::new(), resource.to_owned())).collect(),
    }
}

/// `namespace/kind/name` or `kind/name`.
fn object(name: &str, around: &Around<'_>) -> Option<Place> {
    let parts: Vec<&str> = name.split('/').collect();
    let (namespace, kind) = match parts[..] {
        [namespace, kind, _] | [namespace, kind, _, _] => (Some(namespace), kind),
        [kind, _] => (None, kind),
        _ => return None,
    };
    let resource = (around.kind)(kind)?;
    Some((namespace.filter(|_| resource.namespaced).map(str::to_owned), resource.group, resource.plural))
}

/// Whether this was about one object of the release: its namespace and helm's own Secrets are not.
fn is_object(need: &Need) -> bool {
    ["get", "patch"].contains(&need.verb.as_str()) && need.resource != "namespaces" && !need.resource.contains('/')
}

fn place_of(need: &Need) -> Place {
    (need.namespace.clone(), need.group.clone(), need.resource.clone())
}

/// The namespaces of the pods that a change rests on.
fn pods(change: &Change) -> impl Iterator<Item = String> {
    change.rests_on.iter().filter_map(|name| match name.split('/').collect::<Vec<_>>()[..] {
        [namespace, "pod" | "service", _] => Some(namespace.to_owned()),
        _ => None,
    })
}

/// What a difference says that comes, goes or runs.
fn said(diff: &Diff, home: Option<&str>, around: &Around<'_>) -> Needs {
    const WORDS: &[(&str, &[&str])] = &[
        ("new ", &["get", "create", "patch"]),
        // The way back makes it again.
        ("delete ", &["get", "create", "patch", "delete"]),
        // Helm removes a hook that is there before it makes it anew, and waits for its end.
        ("run hook ", &["get", "create", "delete", "list", "watch"]),
    ];
    let mut needs = Needs::new();
    for note in diff.edits.iter().filter_map(|edit| if let Edit::Note(note) = edit { Some(note) } else { None }) {
        for (word, verbs) in WORDS {
            let Some(name) = note.strip_prefix(word).and_then(|rest| rest.split([' ', ',', ':']).next()) else { continue };
            let Some((namespace, group, resource)) = object(name, around) else { continue };
            let namespaced = (around.kind)(name.rsplit('/').nth(1).unwrap_or_default()).is_some_and(|kind| kind.namespaced);
            let namespace = namespace.or_else(|| home.filter(|_| namespaced).map(str::to_owned));
            needs.extend(verbs.iter().map(|verb| Need::new(namespace.as_deref(), &group, &resource, verb)));
        }
    }
    needs
}

/// How a database is reached, and a volume read: through a pod that is made for it.
fn reached(change: &Change, around: &Around<'_>) -> Needs {
    let mut needs = Needs::new();
    for namespace in pods(change).filter(|_| around.forward) {
        needs.extend(["get", "create"].map(|verb| Need::within(&namespace, "", "pods/portforward", verb)));
        needs.insert(Need::within(&namespace, "discovery.k8s.io", "endpointslices", "list"));
    }
    let claims = change.rests_on.iter().filter_map(|name| name.split_once("/persistentvolumeclaim/"));
    for (namespace, _) in claims {
        needs.insert(Need::within(namespace, "", "persistentvolumeclaims", "get"));
        needs.extend(["get", "create", "delete"].map(|verb| Need::within(namespace, "", "pods", verb)));
        needs.extend(["get", "create"].map(|verb| Need::within(namespace, "", "pods/exec", verb)));
        needs.extend(waited(namespace));
    }
    needs
}

fn granting(needs: &Needs) -> Needs {
    let made = needs.iter().filter(|need| need.group == "rbac.authorization.k8s.io" && need.verb == "create");
    let verbs = |need: &Need| GRANTING.iter().find(|(resource, _)| *resource == need.resource).map(|(_, verb)| *verb);
    made.filter_map(|need| Some(Need { verb: verbs(need)?.into(), ..need.clone() })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(word: &str) -> Option<Resource> {
        let (group, plural, namespaced) = match word {
            "deployment" => ("apps", "deployments", true),
            "configmap" => ("", "configmaps", true),
            "namespace" => ("", "namespaces", false),
            "job" => ("batch", "jobs", true),
            "pod" => ("", "pods", true),
            "role" => ("rbac.authorization.k8s.io", "roles", true),
            _ => return None,
        };
        Some(Resource { group: group.into(), plural: plural.into(), namespaced })
    }

    fn around(forward: bool) -> Around<'static> {
        Around { evidence: "proofs".into(), forward, kind: &kind }
    }

    fn verbs(needs: &Needs, resource: &str) -> String {
        let of = needs.iter().filter(|need| need.resource == resource);
        let places = of.map(|need| format!("{}:{}", need.namespace.as_deref().unwrap_or("*"), need.verb));
        places.collect::<Vec<_>>().join(" ")
    }

    fn needs(change: &Change, diff: &Diff) -> Needs {
        beyond(change, Some(diff), &Needs::new(), &around(false))
    }

    #[test]
    fn an_apply_may_create_what_its_preview_only_patched() {
        let found = needs(&Change::new("kube apply", "a/configmap/x"), &Diff::new());
        assert_eq!(verbs(&found, "configmaps"), "a:create a:get a:patch");
    }

    #[test]
    fn a_command_in_a_pod_is_known_without_a_preview() {
        let found = needs(&Change::new("kube exec", "a/pod/x/c"), &Diff::new());
        assert_eq!((verbs(&found, "pods").as_str(), verbs(&found, "pods/exec").as_str()), ("a:get a:list", "a:create a:get"));
    }

    #[test]
    fn helm_keeps_revisions_in_secrets_and_makes_what_the_preview_tried() {
        let tried = Needs::from([
            Need::within("a", "apps", "deployments", "patch"),
            Need::within("a", "", "secrets", "list"),
            Need::new(None, "", "namespaces", "get").named("a"),
        ]);
        let diff = Diff::new().note("delete configmap/old").note("run hook job/migrate (pre-upgrade)");
        let found = beyond(&Change::new("helm upgrade", "a/r"), Some(&diff), &tried, &around(false));
        assert_eq!(verbs(&found, "secrets"), "a:create a:delete a:get a:list a:patch a:update");
        assert_eq!(verbs(&found, "deployments"), "a:create a:delete a:get a:list a:patch a:watch", "as its rollback takes, too");
        assert_eq!(verbs(&found, "configmaps"), "a:create a:delete a:get a:patch", "as its rollback takes, too");
        assert_eq!(verbs(&found, "jobs"), "a:create a:delete a:get a:list a:watch");
        assert_eq!((verbs(&found, "namespaces").as_str(), verbs(&found, "pods").as_str()), ("", "a:list a:watch"));
    }

    #[test]
    fn a_release_in_a_new_namespace_may_make_it() {
        let diff = Diff::new().note("new namespace/b").note("new release b/r, x 1");
        assert_eq!(verbs(&needs(&Change::new("helm upgrade", "b/r"), &diff), "namespaces"), "*:create *:get *:patch");
    }

    #[test]
    fn evidence_lies_in_its_own_namespace() {
        let found = needs(&Change::new("evidence record", "copy about database x/y"), &Diff::new());
        assert_eq!(verbs(&found, "configmaps"), "proofs:create proofs:get proofs:patch");
    }

    #[test]
    fn a_database_is_asked_through_its_pods_and_forwarded_where_it_is_far() {
        let change = Change::new("sql role", "x of a/db").resting_on(["a/pod/pg-0".to_owned()]);
        let near = beyond(&change, None, &Needs::new(), &around(false));
        let far = beyond(&change, None, &Needs::new(), &around(true));
        assert_eq!((verbs(&near, "pods/exec").as_str(), verbs(&near, "pods/portforward").as_str()), ("a:create a:get", ""));
        assert_eq!(verbs(&far, "pods/portforward"), "a:create a:get");
    }

    #[test]
    fn a_backup_of_a_volume_makes_a_pod_and_takes_it_away() {
        let change = Change::new("backup create", "p").resting_on(["a/persistentvolumeclaim/c".to_owned()]);
        let found = beyond(&change, None, &Needs::new(), &around(false));
        assert_eq!(verbs(&found, "pods"), "a:create a:delete a:get a:list a:watch");
    }

    #[test]
    fn who_makes_roles_must_be_allowed_to_grant() {
        let found = needs(&Change::new("kube apply", "a/role/x"), &Diff::new());
        assert_eq!(verbs(&found, "roles"), "a:create a:escalate a:get a:patch");
    }
}
