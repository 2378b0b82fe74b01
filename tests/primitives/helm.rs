//! `helm` on the real sandbox, in namespaces of its own, with a chart that is small enough to read here.

use crate::support::sandbox::{is_up, shell, variable};
use crate::support::{Test, environment};

const VALUES: &str = "text: hello\nextra: \"\"\nset: \"\"\nhook: \"\"\nimage: \"\"\n";
const TEMPLATES: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-c"}
data:
  text: {{ .Values.text | quote }}
  {{- with .Values.extra }}
  extra: {{ . | quote }}
  {{- end }}
---
apiVersion: v1
kind: Secret
metadata: {name: "{{ .Release.Name }}-s"}
stringData: {password: {{ .Values.text | quote }}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: "{{ .Release.Name }}-p", annotations: {helm.sh/resource-policy: keep}}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
{{- with .Values.set }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "{{ $.Release.Name }}-x"}
spec:
  replicas: 0
  serviceName: x
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec: {volumes: [{name: c, configMap: {name: c, defaultMode: 0755}}], containers: [{name: c, image: pause}]}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: {{ . }}}}}}]
{{- end }}
{{- with .Values.image }}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ $.Release.Name }}-d"}
spec:
  selector: {matchLabels: {a: d}}
  template:
    metadata: {labels: {a: d}}
    spec: {containers: [{name: c, image: {{ . }}, imagePullPolicy: Never}]}
{{- end }}
{{- with .Values.hook }}
---
apiVersion: batch/v1
kind: Job
metadata: {name: "{{ $.Release.Name }}-hook", annotations: {helm.sh/hook: pre-upgrade}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: {{ . }}, imagePullPolicy: Never}]}}}
{{- end }}
"#;

/// A namespace for one test; it goes when the test ends.
struct Place(&'static str);

impl Place {
    fn new(name: &'static str) -> Option<Self> {
        if !is_up() {
            return None;
        }
        shell(&format!("kubectl delete namespace {name} --ignore-not-found >/dev/null; kubectl create namespace {name} >/dev/null"));
        Some(Self(name))
    }

    /// A script with one step; `HERE` in it is the namespace, `CHART` begins the options of a release.
    fn step(&self, body: &str) -> Test {
        let chart = "chart: \"tiny\", install: true, timeout: \"20s\"";
        let body = body.replace("HERE", self.0).replace("CHART", chart);
        let text = format!("fn steps(task) {{ task.step(\"it\", || {{ {body}; }}); }}");
        Test::new()
            .file("tiny/Chart.yaml", "apiVersion: v2\nname: tiny\nversion: 1.0.0\n")
            .file("tiny/values.yaml", VALUES)
            .file("tiny/templates/all.yaml", TEMPLATES)
            .file("railrun.yaml", &environment(self.0, ""))
            .script(&text)
            .env("KUBECONFIG", &variable("KUBECONFIG").expect("the sandbox's environment"))
    }

    fn upgrade(&self, values: &str) -> Test {
        self.step(&format!("helm::upgrade(\"HERE/r\", #{{ CHART, values: #{{ {values} }} }})"))
    }

    fn text(&self) -> String {
        shell(&format!("kubectl get configmap r-c -n {} -o jsonpath='{{.data}}'", self.0))
    }

    fn history(&self) -> String {
        shell(&format!("helm history r -n {} -o json | jq -r '[.[].status] | join(\" \")'", self.0)).trim().to_owned()
    }

    /// Gives a revision another status, as a helm that was killed leaves it.
    fn mark(&self, revision: u32, status: &str) {
        shell(&format!(
            "s=sh.helm.release.v1.r.v{revision}; f=$(mktemp); trap 'rm $f' EXIT
             kubectl get secret $s -n {ns} -o jsonpath='{{.data.release}}' | base64 -d | base64 -d | gunzip |
               jq -c '.info.status=\"{status}\" | .info.last_deployed=\"2026-01-01T00:00:00Z\"' | gzip | base64 -w0 | base64 -w0 > $f
             jq -n --rawfile r $f '{{metadata: {{labels: {{status: \"{status}\"}}}}, data: {{release: $r}}}}' > $f.json
             kubectl patch secret $s -n {ns} --type merge --patch-file $f.json >/dev/null; rm $f.json",
            ns = self.0
        ));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        shell(&format!("kubectl delete namespace {} --wait=false >/dev/null", self.0));
    }
}

#[test]
fn an_upgrade_changes_once_and_a_dry_run_only_shows_it() {
    let Some(place) = Place::new("test-helm-once") else { return };
    place.upgrade("text: \"one\"").dry_run().run().success().says("new release test-helm-once/r, tiny 1.0.0").says("new configmap/r-c");
    assert_eq!(shell("kubectl get secret,configmap -n test-helm-once -l app.kubernetes.io/managed-by=Helm -o name"), "");
    place.upgrade("text: \"one\"").run().success().says("1 changed");
    place.upgrade("text: \"one\"").run().success().does_not_say("changed");
    place.upgrade("text: \"two\"").run().success().says("1 changed");
    assert_eq!((place.text().as_str(), place.history().as_str()), (r#"{"text":"two"}"#, "superseded deployed"));
}

#[test]
fn what_the_chart_sets_is_put_back_and_what_it_does_not_set_is_left() {
    let Some(place) = Place::new("test-helm-drift") else { return };
    place.upgrade("text: \"one\", extra: \"e\"").run().success();
    shell("kubectl patch configmap r-c -n test-helm-drift --type merge -p '{\"data\":{\"text\":\"by hand\",\"own\":\"x\"}}'");
    place.upgrade("text: \"one\", extra: \"e\"").dry_run().run().success().says("data.text: by hand → one").does_not_say("own");
    place.upgrade("text: \"one\"").run().success().says("1 changed");
    assert_eq!(place.text(), r#"{"own":"x","text":"one"}"#);
    place.upgrade("text: \"one\"").run().success().does_not_say("changed");
}

#[test]
fn with_helm_4_it_is_the_same() {
    let Some(place) = Place::new("test-helm-four") else { return };
    let program = format!("helm.program={}/bin/helm4", variable("RAILRUN_SANDBOX_CACHE").expect("the sandbox's environment"));
    let upgrade = |values: &str| place.upgrade(values).args(["--set", &program]);
    upgrade("text: \"one\", extra: \"e\"").run().success().says("1 changed");
    shell("kubectl patch configmap r-c -n test-helm-four --type merge -p '{\"data\":{\"text\":\"by hand\",\"own\":\"x\"}}'");
    upgrade("text: \"one\"").dry_run().run().success().says("data.text: by hand → one").says("data.extra: e").does_not_say("own");
    upgrade("text: \"one\"").run().success().says("1 changed");
    upgrade("text: \"one\"").run().success().does_not_say("changed");
    place.step("helm::rollback(\"HERE/r\", 1)").args(["--set", &program]).run().success().says("1 changed");
    assert_eq!(place.text(), r#"{"extra":"e","own":"x","text":"one"}"#);
}

#[test]
fn an_absent_release_is_installed_only_when_asked() {
    let Some(place) = Place::new("test-helm-absent") else { return };
    place.step("helm::upgrade(\"HERE/r\", #{ chart: \"tiny\" })").run().exits(1).says("helm::not_found").says("install: true");
    place.step("helm::upgrade(\"HERE-none/r\", #{ CHART })").run().exits(1).says("helm::no_namespace").says("create_namespace: true");
    place.step("helm::upgrade(\"HERE/r\", #{ CHART, chart: \"gone\" })").run().exits(2);
    place.step("helm::upgrade(\"HERE/r\", #{ chart: \"gone\", install: true })").run().exits(1).says("helm::chart_not_found");
    place.upgrade("set: \"{{\"").run().exits(1);
}

#[test]
fn a_field_that_cannot_change_is_explained_before_anything_is_written() {
    let Some(place) = Place::new("test-helm-fixed") else { return };
    place.upgrade("set: \"1Mi\"").run().success();
    let refused = place.upgrade("text: \"two\", set: \"2Mi\"").run().exits(1).says("helm::immutable");
    refused.says("spec.volumeClaimTemplates[data].spec.resources.requests.storage");
    assert_eq!((place.text().as_str(), place.history().as_str()), (r#"{"text":"hello"}"#, "deployed"));
}

#[test]
fn a_release_left_by_a_killed_helm_is_explained_and_recovered_from() {
    let Some(place) = Place::new("test-helm-killed") else { return };
    place.upgrade("text: \"one\"").run().success();
    place.mark(1, "pending-install");
    place.upgrade("text: \"two\"").dry_run().run().success().says("a killed helm left it `pending-install`").says("(secret changed)");
    place.upgrade("text: \"two\"").run().success();
    place.upgrade("text: \"three\"").run().success();
    place.mark(2, "deployed");
    place.mark(3, "pending-upgrade");
    place.upgrade("text: \"three\"").run().success().says("1 changed");
    assert_eq!((place.text().as_str(), place.history().as_str()), (r#"{"text":"three"}"#, "superseded superseded failed deployed"));
}

#[test]
fn a_rollback_names_its_revision_and_does_nothing_the_second_time() {
    let Some(place) = Place::new("test-helm-back") else { return };
    place.upgrade("text: \"one\"").run().success();
    place.upgrade("text: \"two\", set: \"1Mi\"").run().success();
    let back = "helm::rollback(\"HERE/r\", 1)";
    place.step(back).dry_run().run().success().says("back from revision 2 to 1").says("delete statefulset/r-x");
    place.step(back).run().success().says("1 changed");
    place.step(back).run().success().does_not_say("changed");
    place.step("helm::rollback(\"HERE/r\", 9)").run().exits(1).says("helm::no_revision").says("it has: 1, 2, 3");
    assert_eq!(place.text(), r#"{"text":"one"}"#);
}

#[test]
fn an_uninstall_names_what_stays_and_does_nothing_the_second_time() {
    let Some(place) = Place::new("test-helm-gone") else { return };
    place.upgrade("text: \"one\"").run().success();
    let go = "let left = helm::uninstall(\"HERE/r\"); note(left.kept.len().to_string() + \" kept\")";
    place.step(go).dry_run().run().success().says("delete configmap/r-c").says("leave persistentvolumeclaim/r-p in place");
    place.step(go).run().success().says("1 kept");
    place.step(go).run().success().says("0 kept");
    assert_eq!(shell("kubectl get configmap,pvc -n test-helm-gone -o name | grep r-"), "persistentvolumeclaim/r-p\n");
}

#[test]
fn what_does_not_become_ready_is_reported_with_its_cause() {
    let Some(place) = Place::new("test-helm-ready") else { return };
    let failed = place.upgrade("image: \"no-such:1\"").run().exits(1).says("helm::upgrade_failed");
    failed.says("deployment/r-d").says("no-such:1");
    let failed = place.upgrade("hook: \"no-such:2\"").run().exits(1).says("helm::upgrade_failed");
    failed.says("hook `job/r-hook`").says("no-such:2");
}

#[test]
fn a_script_reads_a_live_release() {
    let Some(place) = Place::new("test-helm-read") else { return };
    place.upgrade("text: \"one\", extra: \"e\"").run().success();
    let reads = "expect(helm::status(\"HERE/r\").revision, 1); expect(helm::list(\"HERE\").map(|r| r.chart), [\"tiny\"]);
        expect(helm::values(\"HERE/r\").extra, \"e\"); expect(helm::status(\"HERE/r\").status, \"deployed\");
        expect(helm::in_sync(\"HERE/r\", #{ chart: \"tiny\", values: \"{text: one, extra: e}\" }), true);
        expect(helm::diff(\"HERE/r\", #{ chart: \"tiny\", values: [#{ text: \"one\" }, \"extra: f\"] })[0].to, \"f\");
        try { helm::status(\"HERE/none\") } catch (e) { expect(e.code, \"helm::not_found\") }";
    place.step(reads).run().success();
}

#[test]
fn a_key_that_the_chart_does_not_read_is_warned_about_at_its_place() {
    let Some(place) = Place::new("test-helm-keys") else { return };
    let step = place.step("helm::upgrade(\"HERE/r\", #{ CHART, values_files: [\"helm/v.yaml\"] })");
    let said = step.file("helm/v.yaml", "# a comment\ntext: one\nexrta: x\n").dry_run().run().success();
    said.says("helm/v.yaml:3:1: the chart `tiny` does not read `exrta`; did you mean `extra`?");
}
