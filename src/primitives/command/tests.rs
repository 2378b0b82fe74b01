//! The verb with real programs.

use super::driver::{Run, RunOptions};
use crate::effect::Mode;
use crate::primitives::trial::{Setup, Trial};
use crate::process::Process;
use crate::secret::Text;

fn trial(mode: Mode) -> Trial {
    let trial = Trial::new(Setup { mode, process: Process::real(), settings: "settings: {checkouts: {cluster: c}}" });
    trial.put("c/x", "");
    trial
}

#[test]
fn a_program_runs_without_a_shell_in_its_folder() {
    let trial = trial(Mode::Live);
    assert_eq!(trial.text("command::run([\"echo\", \"a b\", \"$HOME\", \"; ls\"]).stdout"), "a b $HOME ; ls\n");
    let folder = trial.folder.path().canonicalize().unwrap().join("c");
    assert_eq!(trial.text("command::run([\"pwd\"], #{folder: \"cluster\"}).stdout.trim()"), "");
    trial.run(&format!("expect(command::run([\"pwd\"], #{{folder: \"cluster\"}}).stdout, \"{}\\n\")", folder.display()));
    trial.run("expect(command::run([\"sh\", \"-c\", \"echo $A; cat\"], #{env: #{A: \"b\"}, stdin: secret::format(\"{}\", \"hunter22\")}).stdout, \"b\\nhunter22\")");
    assert_eq!(trial.host.redactor.redact("hunter22"), "[secret]");
    assert_eq!(trial.said().len(), 4);
}

#[test]
fn a_status_is_an_answer_of_a_read_and_an_error_of_an_action() {
    let trial = trial(Mode::Live);
    let run = |options: &str| format!("command::run([\"sh\", \"-c\", \"echo out; echo why >&2; exit 3\"], #{{{options}}})");
    trial.run(&format!("let e = {}; expect([e.status, e.stdout, e.stderr], [3, \"out\\n\", \"why\\n\"])", run("read_only: true")));
    assert_eq!(trial.text(&format!("{}.status", run("expect_status: [0, 3]"))), "3");
    let error = trial.eval(&run("")).unwrap_err();
    assert_eq!(error, "command::unexpected_status: `sh -c 'echo out; echo why >&2; exit 3'` exited 3:\n  why");
    assert_eq!(trial.code(&run("read_only: true, expect_status: 0")), "command::unexpected_status");
}

#[test]
fn a_signal_and_a_deadline_are_errors() {
    let trial = trial(Mode::Live);
    assert_eq!(trial.code("command::run([\"sh\", \"-c\", \"kill -9 $$\"], #{read_only: true})"), "process::failed");
    assert_eq!(trial.code("command::run([\"sleep\", \"5\"], #{timeout: \"100ms\"})"), "command::timeout");
    assert_eq!(trial.code("command::run([\"no-such-program\"])"), "process::missing");
}

#[test]
fn a_dry_run_runs_what_reads_and_shows_what_acts() {
    let trial = trial(Mode::DryRun);
    let acted = trial.eval("command::run([\"touch\", \"made\"], #{folder: \"cluster\", touches: [\"gitea/\"]})").unwrap();
    assert_eq!(acted.type_name(), std::any::type_name::<crate::script::Pending>());
    assert!(!trial.folder.path().join("c/made").exists());
    assert_eq!(trial.said(), [r#"plan command run touch made: {"edits":[{"note":"in `c`"}]}"#]);
    assert_eq!(trial.text("command::run([\"true\"], #{read_only: true}).status"), "0");
    assert_eq!(trial.host.plan.touched_by(&["gitea/pod"]).as_deref(), Some("`command run touch made`"));
}

#[test]
fn what_cannot_be_run_is_refused() {
    let trial = trial(Mode::Live);
    for folder in ["/", "..", "c/../.."] {
        assert_eq!(trial.code(&format!("command::run([\"true\"], #{{folder: \"{folder}\"}})")), "command::outside", "{folder}");
    }
    assert_eq!(trial.code("command::run([\"true\"], #{folder: \"none\"})"), "command::no_folder");
    assert_eq!(trial.code("command::run([\"true\"], #{folder: \"c/x\"})"), "command::no_folder");
    assert_eq!(trial.code("command::run([])"), "command::empty");
    assert_eq!(trial.code("command::run([\"echo\", 1])"), "command::not_text");
    assert_eq!(trial.code("command::run([\"echo\", secret::format(\"{}\", \"x\")])"), "command::not_text");
    assert_eq!(trial.code("command::run([\"echo\"], #{foldr: \"x\"})"), "option::invalid");
    assert!(trial.said().is_empty());
}

/// Without a cluster a program used the kubeconfig that it found at home, in a dry run too.
#[test]
fn where_the_cluster_cannot_be_reached_a_program_finds_no_other() {
    let settings = "default_environment: x\nenvironments: {x: {kubeconfig: /nowhere/kubeconfig}}";
    for mode in [Mode::DryRun, Mode::Live] {
        let trial = Trial::new(Setup { mode, process: Process::real(), settings });
        trial.run("expect(command::run([\"sh\", \"-c\", \"echo $KUBECONFIG\"], #{read_only: true}).stdout, \"/dev/null\\n\")");
    }
}

/// Two runs of one command line with other variables or another input were one and the same to a saved plan.
#[test]
fn what_a_program_gets_beside_its_words_tells_commands_apart() {
    let trial = trial(Mode::Live);
    let unseen = |name: &str, stdin: &str| {
        let env = [(name.to_owned(), "1".to_owned())].into();
        let options = RunOptions { env, stdin: Some(Text::Plain(stdin.into())), ..RunOptions::default() };
        Run::new(&trial.host, &["true".into()], &options).unwrap().unseen(&options)
    };
    assert_eq!(unseen("A", "in"), ["env A=1", "stdin in"]);
    assert_ne!(unseen("A", "in"), unseen("B", "in"));
    assert_ne!(unseen("A", "in"), unseen("A", "other"));
}
