//! `kube` on the real sandbox, in namespaces of its own.

use crate::support::sandbox::{is_up, shell, variable};
use crate::support::{Test, environment};

/// An image that the sandbox always has, with a shell in it.
const IMAGE: &str = "localhost/gitea:1.26.0";

/// A namespace with a workload `d` of one pod and a config `c`; it goes when the test ends.
struct Place(&'static str);

impl Place {
    fn new(name: &'static str) -> Option<Self> {
        if !is_up() {
            return None;
        }
        shell(&format!(
            "kubectl delete namespace {name} --ignore-not-found >/dev/null; kubectl create namespace {name} >/dev/null
             kubectl create configmap c -n {name} --from-literal=a=b --field-manager=somebody >/dev/null
             kubectl create deployment d -n {name} --image={IMAGE} -- sleep 100000 >/dev/null
             kubectl patch deployment d -n {name} -p '{{\"spec\":{{\"template\":{{\"spec\":{{\"terminationGracePeriodSeconds\":0}}}}}}}}' >/dev/null
             kubectl rollout status deployment d -n {name} --timeout=60s >/dev/null"
        ));
        Some(Self(name))
    }

    /// A script with one step; `HERE` in it is the namespace.
    fn step(&self, options: &str) -> Test {
        let text = format!("fn steps(task) {{ task.step(\"it\", {options}); }}").replace("HERE", self.0);
        Test::new()
            .file("railrun.yaml", &environment(self.0, ""))
            .script(&text)
            .env("KUBECONFIG", &variable("KUBECONFIG").expect("the sandbox's environment"))
    }

    fn field(&self, object: &str, path: &str) -> String {
        shell(&format!("kubectl get {object} -n {} -o jsonpath='{{{path}}}'", self.0))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        shell(&format!("kubectl delete namespace {} --wait=false >/dev/null 2>&1 || true", self.0));
    }
}

const APPLY: &str =
    "|| kube::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ namespace: \"HERE\", name: \"new\" }, data: #{ a: \"1\" } })";

#[test]
fn apply_makes_an_object_once() {
    let Some(place) = Place::new("test-kube-apply") else { return };
    place.step(APPLY).dry_run().run().success().says("+ configmap/new: data.a: 1");
    assert_eq!(shell("kubectl get configmap new -n test-kube-apply --ignore-not-found"), "");
    place.step(APPLY).run().success().says("1 changed");
    place.step(APPLY).run().success().does_not_say("1 changed");
}

#[test]
fn apply_leaves_a_field_to_who_keeps_it_and_says_who() {
    let Some(place) = Place::new("test-kube-conflict") else { return };
    let taken = "|| kube::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ namespace: \"HERE\", name: \"c\" }, data: #{ a: \"mine\" } })";
    place.step(taken).run().exits(1).says("kube::conflict").says("field `.data.a` belongs to").says("`somebody`");
    assert_eq!(place.field("configmap/c", ".data.a"), "b");
}

#[test]
fn a_dry_run_shows_what_would_lie_in_a_namespace_that_it_would_make() {
    let Some(place) = Place::new("test-kube-planned") else { return };
    let both = "|| { kube::apply(#{ apiVersion: \"v1\", kind: \"Namespace\", metadata: #{ name: \"HERE-too\" } });
        kube::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ namespace: \"HERE-too\", name: \"new\" }, data: #{ a: \"1\" } }); }";
    place.step(both).dry_run().run().success().says("+ configmap/new: data.a: 1");
    assert_eq!(shell("kubectl get namespace test-kube-planned-too --ignore-not-found"), "");
}

#[test]
fn a_secret_is_applied_but_never_shown() {
    let Some(place) = Place::new("test-kube-secret") else { return };
    let secret = "|| { kube::apply(#{ apiVersion: \"v1\", kind: \"Secret\", metadata: #{ namespace: \"HERE\", name: \"s\" },
        stringData: #{ word: secret::format(\"{}\", \"hunter22\") } }); note(kube::get(\"HERE/secret/s\").data.word); }";
    let ran = place.step(secret).run().success().says("[secret]").does_not_say("hunter22").does_not_say("aHVudGVyMjI=");
    assert!(!ran.stdout.contains("hunter22"));
    assert_eq!(place.field("secret/s", ".data.word"), "aHVudGVyMjI=");
    let used = "|| expect(kube::exec(\"HERE/deployment/d\", [\"cat\"], #{ stdin: [kube::secret(\"HERE/secret/s\", \"word\")], read_only: true }).stdout.len(), 9)";
    place.step(used).run().success().does_not_say("hunter22");
}

#[test]
fn patch_changes_fields_and_takes_them_away() {
    let Some(place) = Place::new("test-kube-patch") else { return };
    let patch = "|| kube::patch(\"HERE/cm/c\", #{ data: #{ a: (), z: \"1\" } })";
    place.step(patch).dry_run().run().success().says("- configmap/c: data.a").says("+ configmap/c: data.z: 1");
    assert_eq!(place.field("configmap/c", ".data"), "{\"a\":\"b\"}");
    place.step(patch).run().success().says("1 changed");
    assert_eq!(place.field("configmap/c", ".data"), "{\"z\":\"1\"}");
    place.step(patch).run().success().does_not_say("1 changed");
    place
        .step("|| kube::patch(\"HERE/cm/nope\", #{})")
        .run()
        .exits(1)
        .says("kube::not_found")
        .says("there is no `test-kube-patch/configmap/nope`");
}

#[test]
fn scale_stops_with_a_note_and_starts_without_it() {
    let Some(place) = Place::new("test-kube-scale") else { return };
    let stop = "|| { kube::scale(\"HERE/deploy/d\", 0, #{ note: #{ by: \"T99\" } }); }";
    let note = "|| expect(kube::get(\"HERE/deployment/d\").metadata.annotations[\"railrun.dev/stopped-replicas\"], \"1\")";
    place.step(stop).dry_run().run().success().says("~ spec.replicas: 1 → 0").says("railrun.dev/stopped-by: T99");
    assert_eq!(place.field("deployment/d", ".spec.replicas"), "1");
    place.step(stop).run().success().says("1 changed");
    assert_eq!(shell("kubectl get pods -n test-kube-scale -o name"), "", "the verb waits until the pods are gone");
    place.step(stop).run().success().does_not_say("1 changed");
    place.step(note).run().success();
    place.step("|| kube::scale(\"HERE/deploy/d\", 1)").run().success().says("1 changed");
    assert_eq!(place.field("deployment/d", ".status.readyReplicas"), "1");
    assert!(!place.field("deployment/d", ".metadata.annotations").contains("railrun.dev"));
    place.step("|| kube::scale(\"HERE/cm/c\", 1)").run().exits(1).says("cannot be scaled: it has no replicas");
}

#[test]
fn delete_waits_until_it_is_gone() {
    let Some(place) = Place::new("test-kube-delete") else { return };
    let delete = "|| kube::delete(\"HERE/deployment/d\")";
    place.step(delete).dry_run().run().success().says("delete it; made 2");
    place.step(delete).run().success().says("1 changed");
    assert_eq!(shell("kubectl get deployment d -n test-kube-delete --ignore-not-found"), "");
    place.step(delete).run().success().does_not_say("1 changed");
    shell("kubectl patch configmap c -n test-kube-delete -p '{\"metadata\":{\"finalizers\":[\"example.org/stay\"]}}'");
    let ran = place.step("|| kube::delete(\"HERE/configmap/c\", #{ timeout: \"1s\" })").run();
    shell("kubectl patch configmap c -n test-kube-delete --type=merge -p '{\"metadata\":{\"finalizers\":null}}'");
    ran.exits(1).says("finalizer `example.org/stay`");
}

#[test]
fn restart_replaces_the_pods_and_leaves_a_mark() {
    let Some(place) = Place::new("test-kube-restart") else { return };
    let restart = "#{ done: || \"annotations\" in kube::get(\"HERE/deployment/d\").spec.template.metadata, run: || kube::restart(\"HERE/deployment/d\") }";
    let before = shell("kubectl get pods -n test-kube-restart -o name");
    place.step(restart).dry_run().run().success().says("replace 1 pods, one after the other");
    assert_eq!(shell("kubectl get pods -n test-kube-restart -o name"), before);
    place.step(restart).run().success().says("1 changed");
    assert_eq!(place.field("deployment/d", ".status.updatedReplicas"), "1");
    assert!(place.field("deployment/d", ".spec.template.metadata.annotations").contains("railrun.dev/restarted-by"));
    place.step(restart).run().success().says("already done");
    let wrong = "#{ done: || false, run: || kube::restart(\"HERE/configmap/c\") }";
    place.step(wrong).run().exits(1).says("cannot be restarted: it is no workload");
}

#[test]
fn exec_acts_unless_it_is_declared_to_read() {
    let Some(place) = Place::new("test-kube-exec") else { return };
    let exec =
        "#{ done: || kube::exec(\"HERE/deployment/d\", [\"test\", \"-e\", \"/tmp/x\"], #{ read_only: true, may_fail: true }).status == 0,
        run: || kube::exec(\"HERE/deployment/d\", [\"touch\", \"/tmp/x\"]) }";
    place.step(exec).dry_run().run().success().says("run `touch /tmp/x`");
    place.step(exec).dry_run().run().success().does_not_say("already done");
    place.step(exec).run().success().says("1 changed");
    place.step(exec).run().success().says("already done");
    let fails = "|| kube::exec(\"HERE/deployment/d\", [\"sh\", \"-c\", \"echo no such table >&2; exit 3\"], #{ read_only: true })";
    place.step(fails).run().exits(1).says("exited 3").says("no such table");
}

#[test]
fn a_wait_in_vain_ends_early_with_the_cause() {
    let Some(place) = Place::new("test-kube-vain") else { return };
    let sick = "password authentication failed for user gitea";
    let wait = "|| kube::wait(\"HERE/deployment/sick\", #{ timeout: \"5m\" })";
    shell(&format!("kubectl create deployment sick -n test-kube-vain --image={IMAGE} -- sh -c 'echo {sick}; exit 1'"));
    place.step(wait).run().exits(1).says("kube::not_ready").says("the database refuses its password").says("exited 1, 4 times");
}
