//! Least privilege, on the real cluster: the roles that `plan --rbac` prints suffice, and whoever lacks one right is told so
//! before anything is written.

use super::cluster::{audit, kubeconfig, kubectl, writes};
use crate::support::account::{self, Account};
use crate::support::{Ran, Test, environment, sandbox};
use serde_json::Value;

const CHART: &str = "apiVersion: v2\nname: small\nversion: 1.0.0\n";
const TEMPLATES: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-c"}
data: {text: hello}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}-d"}
spec:
  selector: {matchLabels: {a: d}}
  template:
    metadata: {labels: {a: d}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "docker.io/bitnami/valkey:8", imagePullPolicy: Never, command: [sleep, "3600"]}]
"#;

/// Two steps: an object, and a release that is waited for; then a command in its pod's namespace is looked at.
const SCRIPT: &str = r#"
const TASK = #{ id: "T90", title: "Least" };
fn steps(task) {
    task.step("an object", || { kube::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ namespace: "HERE", name: "own" }, data: #{ word: "x" } }); });
    task.step("a release", || { helm::upgrade("HERE/small", #{ chart: "./chart", install: true, timeout: "2m" }); });
    task.step("it runs", || { kube::wait("HERE/deployment/small-d", #{ timeout: "1m" }); kube::scale("HERE/deployment/small-d", 0); });
}
"#;

/// A namespace, and a folder whose environment works as a user of it who may do nothing yet. `HERE` in a script is the namespace.
struct Home {
    name: &'static str,
    account: Account,
    test: Test,
}

impl Home {
    fn new(name: &'static str, script: &str) -> Self {
        let account = Account::new(name);
        let own = format!("kubeconfig: ./user.json, reach: direct, settings: {{lock: {{namespace: {name}, lasts: 3s}}}}");
        let test = Test::new().file("railrun.yaml", &environment(name, &own)).file("user.json", account.kubeconfig());
        let test = test.script(&script.replace("HERE", name));
        let test = test.file("chart/Chart.yaml", CHART).file("chart/values.yaml", "{}\n").file("chart/templates/all.yaml", TEMPLATES);
        Self { name, account, test }
    }

    /// What `plan --rbac` prints for somebody who may look at everything.
    fn roles(&self) -> Vec<Value> {
        let ran = self.test.run_with(&["plan", "scripts/it.rhai", "--rbac", "--kubeconfig", &kubeconfig()]).success();
        account::roles(&ran.stdout)
    }

    fn grant(&self, roles: &[Value]) {
        self.account.grant(roles);
    }

    fn run(&self) -> Ran {
        self.test.run()
    }
}

/// Takes a verb on a resource away; it must have been there.
fn without(roles: &[Value], resource: &str, verb: &str) -> Vec<Value> {
    let mut roles = roles.to_vec();
    let mut taken = 0;
    for rule in roles.iter_mut().flat_map(|role| role["rules"].as_array_mut().expect("rules")) {
        if rule["resources"].as_array().expect("resources").iter().any(|known| known == resource) {
            let verbs = rule["verbs"].as_array_mut().expect("verbs");
            let before = verbs.len();
            verbs.retain(|known| known != verb);
            taken += before - verbs.len();
        }
    }
    assert!(taken > 0, "nobody asked for `{verb}` on `{resource}`: {roles:?}");
    roles
}

#[test]
fn the_printed_roles_alone_suffice_and_one_verb_less_stops_before_the_first_change() {
    if !sandbox::is_up() {
        return;
    }
    let home = Home::new("least-run", SCRIPT);
    let roles = home.roles();
    for (resource, verb, said) in [
        ("configmaps", "create", "`create` on `configmaps` in `least-run`"),
        ("deployments", "patch", "`patch` on `deployments.apps` in `least-run`"),
        ("secrets", "update", "`update` on `secrets` in `least-run`"),
        ("leases", "create", "`create` on `leases.coordination.k8s.io` in `least-run`"),
    ] {
        home.grant(&without(&roles, resource, verb));
        let since = audit().len();
        home.run().exits(1).says("rights::missing").says(said).does_not_say("undone");
        assert_eq!(writes(&home.account.user(), since), Vec::<String>::new(), "without `{verb}` on `{resource}`");
    }
    home.grant(&roles);
    let since = audit().len();
    home.run().success().says("the rights for all steps are held");
    assert!(
        writes(&home.account.user(), since).iter().any(|write| write.contains("/deployments")),
        "the user whose writes are looked for wrote nothing"
    );
    home.run().success();
}

#[test]
fn a_saved_plan_asks_for_its_rights_before_anything_else() {
    if !sandbox::is_up() {
        return;
    }
    let home = Home::new("least-plan", SCRIPT);
    let roles = home.roles();
    home.grant(&roles);
    home.test.run_with(&["plan", "scripts/it.rhai", "--out", "plan.json"]).success();
    home.grant(&without(&roles, "deployments", "create"));
    let since = audit().len();
    home.test.run_with(&["apply", "plan.json"]).exits(1).says("for this plan").says("`create` on `deployments.apps` in `least-plan`");
    assert_eq!(writes(&home.account.user(), since), Vec::<String>::new());
}

#[test]
fn what_a_dry_run_could_not_foresee_is_asked_for_before_it_is_done() {
    if !sandbox::is_up() {
        return;
    }
    let script = r#"
const TASK = #{ id: "T90", title: "Least" };
fn put(name) { kube::apply(#{ apiVersion: "v1", kind: "ConfigMap", metadata: #{ namespace: "HERE", name: name }, data: #{ word: "x" } }); }
fn steps(task) {
    task.step("an object", || put("own"));
    task.step("unforeseen", || { let word = kube::get("HERE/configmap/own").data.word; kube::delete(`HERE/configmap/${word}`); });
}
"#;
    let home = Home::new("least-later", script);
    let ran = home.test.run_with(&["plan", "scripts/it.rhai", "--rbac", "--kubeconfig", &kubeconfig()]).success();
    assert!(ran.stdout.contains("# Not in it: step `unforeseen` is known to its end only after"), "{}", ran.stdout);
    kubectl(&format!("-n {} create configmap x", home.name));
    home.grant(&home.roles());
    let since = audit().len();
    home.run()
        .exits(1)
        .says("rights::missing")
        .says("`delete` on `configmaps` in `least-later`")
        .says("kube delete least-later/configmap/x");
    assert!(!writes(&home.account.user(), since).iter().any(|write| write.starts_with("delete") && write.contains("configmaps")));
}
