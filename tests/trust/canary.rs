//! A canary: one secret, used everywhere a script can put it, is in nothing that railrun writes or says, in no form.

use super::cluster::{NAMESPACE, kubectl, locked, test};
use crate::support::sandbox::{self, shell};
use std::path::{Path, PathBuf};

const CANARY: &str = "c4n\"ary/p+w%1&yell0w";

/// It goes into an object, into `state` and what is remembered, and through a program that says it on stderr and fails.
const SCRIPT: &str = r#"
const TASK = #{ id: "T90", title: "Canary" };
fn steps(task) {
    let remembered = task.remember("it", || kube::secret("trust/secret/canary", "word"));
    task.step("an object", |state| {
        kube::apply(#{ apiVersion: "v1", kind: "Secret", metadata: #{ namespace: "trust", name: "copy" }, stringData: #{ word: kube::secret("trust/secret/canary", "word") } });
        state.word = kube::secret("trust/secret/canary", "word");
    });
    task.step("a program", #{ done: || false, run: |state| {
        note(`${command::run(["cat"], #{ stdin: state.word, read_only: true }).stdout}`);
        command::run(["sh", "-c", "tee /dev/stderr | base64 -w0 >&2; exit 3"], #{ stdin: state.word });
    } });
}
"#;

/// The canary as it is, escaped for JSON and for an address, and in base64.
fn forms() -> [String; 4] {
    let json = serde_json::to_string(CANARY).expect("JSON").trim_matches('"').to_owned();
    let url = CANARY.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    let base64 = shell(&format!("printf %s '{CANARY}' | base64 -w0")).trim().trim_end_matches('=').to_owned();
    [CANARY.into(), json, url.collect(), base64]
}

/// Every file below a folder, with its text.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let text = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned();
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![(path.display().to_string(), text(&path))] };
    entries.flat_map(below).collect()
}

#[test]
fn a_secret_is_in_no_plan_journal_history_stream_or_report() {
    if !sandbox::is_up() {
        return;
    }
    let test = test("canary", "").script(SCRIPT);
    kubectl(&format!("-n {NAMESPACE} delete secret canary copy --ignore-not-found"));
    kubectl(&format!("-n {NAMESPACE} create secret generic canary --from-literal=word='{CANARY}'"));
    let run = "scripts/it.rhai";
    let runs = [
        test.run_with(&["plan", run, "--out", "plan.json", "--verbose"]),
        test.run_with(&[run, "--verbose"]).exits(1),
        test.run_with(&[run, "--fresh", "--output", "json", "--junit", "report.xml"]).exits(1),
        test.run_with(&["apply", "plan.json", "--allow-pending", "--verbose"]),
        test.run_with(&["history"]).success(),
    ];
    let journal = files(&test.path(".railrun/runs")).into_iter().next().expect("a journal").0;
    let name = Path::new(&journal).file_stem().expect("a name").to_string_lossy().into_owned();
    let story = test.run_with(&["history", &name]).success();
    assert!(story.stdout.contains("an object"), "{}", story.stdout);
    assert_eq!(kubectl(&format!("-n {NAMESPACE} get secret copy -o jsonpath='{{.data.word}}' | base64 -d")), CANARY, "it was used");
    let mut places = files(&test.path(""));
    for name in ["plan.json", "report.xml", ".railrun/key"] {
        assert!(places.iter().any(|(path, _)| path.ends_with(name)), "no `{name}` among what is looked at");
    }
    for (index, ran) in runs.iter().chain([&story]).enumerate() {
        places.extend([(format!("stdout of run {index}"), ran.stdout.clone()), (format!("stderr of run {index}"), ran.stderr.clone())]);
    }
    assert!(runs[1].stderr.contains("[secret]"), "nothing was masked:\n{}", runs[1].stderr);
    for (place, text) in places {
        for form in forms() {
            assert!(!text.contains(&form), "the canary, as `{}…`, is in {place}:\n{text}", &form[..5]);
        }
    }
    kubectl(&format!("-n {NAMESPACE} delete secret canary copy"));
    assert!(!locked("canary"));
}
