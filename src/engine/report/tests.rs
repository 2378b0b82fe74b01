//! Whole reports, as a reader sees them.

use super::*;
use crate::engine::testing::{Repo, repo};
use crate::engine::{load, profile};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, Module, NativeCallContext};

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("`gitea` did not become ready: its pod crashes")]
#[diagnostic(
    code(helm::upgrade_failed),
    help("add `gitea` to `pgpool.customUsers` in `helm/postgresql-ha-values.sops.yaml`, then `railrun run t02`")
)]
struct Crashes(#[source] Cause);

#[derive(Debug, thiserror::Error)]
#[error("container `gitea` exited 1, 4 times; its last lines:\npq: password authentication failed for user \"gitea\"")]
struct Cause;

/// An engine with one verb, which fails as a driver does.
fn engine(repo: &Repo) -> Engine {
    let mut engine = profile::engine(None, &repo.sources);
    let mut module = Module::new();
    module.set_native_fn("upgrade", |ctx: NativeCallContext, _: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        let origin = Origin { source: ctx.call_source().unwrap_or_default().to_owned(), position: ctx.call_position() };
        Err(Fault::from(Crashes(Cause)).at(origin).raise())
    });
    engine.register_static_module("helm", module.into());
    engine
}

/// Runs `steps` of `scripts/s.rhai` and reports how it failed.
fn report(files: &[(&str, &str)]) -> Report {
    let repo = repo(files);
    let script = load(&repo.sources, &repo.path("scripts/s.rhai")).unwrap();
    let error = engine(&repo).call_fn::<Dynamic>(&mut rhai::Scope::new(), &script.ast, "steps", (1,)).unwrap_err();
    render(Failure::Script(&error, &script.name), &repo.sources, &Style::plain())
}

fn steps(body: &str) -> Report {
    report(&[("scripts/s.rhai", &format!("fn steps(task) {{\n{body}\n}}\n"))])
}

#[test]
fn a_failed_verb_is_shown_with_its_place_cause_and_next_step() {
    insta::assert_snapshot!(steps("    // now\n    helm::upgrade(\"gitea/gitea\");").rendered, @r#"
    helm::upgrade_failed

      × `gitea` did not become ready: its pod crashes
       ╭─[scripts/s.rhai:3:5]
     2 │     // now
     3 │     helm::upgrade("gitea/gitea");
       ·     ─────────────
     4 │ }
       ╰────
      cause: container `gitea` exited 1, 4 times; its last lines:
             pq: password authentication failed for user "gitea"
      help: add `gitea` to `pgpool.customUsers` in
            `helm/postgresql-ha-values.sops.yaml`, then `railrun run t02`
    "#);
}

#[test]
fn an_error_deep_in_the_stdlib_is_followed_out_to_the_script() {
    let report = report(&[
        ("scripts/s.rhai", "import \"gitea\" as gitea;\n\nfn steps(task) {\n    let run = || gitea::switch_over(1);\n    run.call();\n}\n"),
        ("stdlib/gitea.rhai", "import \"deploy\" as deploy;\nfn switch_over(n) {\n    deploy::out(\"gitea/gitea\")\n}\n"),
        ("stdlib/deploy.rhai", "fn out(release) {\n    helm::upgrade(release)\n}\n"),
    ]);
    insta::assert_snapshot!(report.rendered, @r#"
    helm::upgrade_failed

      × `gitea` did not become ready: its pod crashes
       ╭─[stdlib/deploy.rhai:2:5]
     1 │ fn out(release) {
     2 │     helm::upgrade(release)
       ·     ─────────────
     3 │ }
       ╰────
       ╭─[scripts/s.rhai:4:18]
     3 │ fn steps(task) {
     4 │     let run = || gitea::switch_over(1);
       ·                  ─────────┬────────
       ·                           ╰── called from here
     5 │     run.call();
       ╰────
      cause: container `gitea` exited 1, 4 times; its last lines:
             pq: password authentication failed for user "gitea"
      through: `out`, called at stdlib/gitea.rhai:3:5
      help: add `gitea` to `pgpool.customUsers` in
            `helm/postgresql-ha-values.sops.yaml`, then `railrun run t02`
    "#);
}

#[test]
fn a_closure_that_a_module_calls_is_shown_where_it_was_written() {
    let report = report(&[
        ("scripts/s.rhai", "import \"each\" as each;\n\nfn steps(task) {\n    each::run(|| to_uper(\"x\"));\n}\n"),
        ("stdlib/each.rhai", "fn run(run) {\n    run.call()\n}\n"),
    ]);
    assert_eq!(report.place.as_deref(), Some("scripts/s.rhai:4:18"));
}

#[test]
fn the_same_is_there_as_data() {
    let report = steps("    helm::upgrade(\"x\");");
    assert_eq!((report.code.as_str(), report.place.as_deref()), ("helm::upgrade_failed", Some("scripts/s.rhai:2:5")));
    assert!(report.message.starts_with("`gitea` did not become ready: its pod crashes: container `gitea` exited 1"));
    assert!(report.help.unwrap().starts_with("add `gitea`"));
}

#[test]
fn what_nobody_may_see_is_masked_before_lines_are_broken() {
    let style = Style::plain();
    style.redactor.learn("hunter 22 with blanks");
    let repo = repo::<str>(&[]);
    let thrown: Box<EvalAltResult> = format!("{} hunter 22 with blanks", "x".repeat(60)).into();
    let report = render(&*thrown, &repo.sources, &style);
    assert!(report.rendered.contains("[secret]") && !report.rendered.contains("hunter"), "{}", report.rendered);
    assert!(!report.message.contains("hunter"));
}

#[test]
fn rhais_own_messages_are_reworded() {
    let table = [
        ("to_uper(\"x\")", "there is no function `to_uper`", Some("did you mean `to_upper`?")),
        ("hlm::upgrade(1)", "there is no namespace `hlm`", Some("did you mean `helm`?")),
        ("let m = #{a: 1}; m.b", "the map has no key `b`", Some("`\"b\" in map` asks whether it is there")),
        ("let m = 4; m.b", "a number has no property `b`", None),
        ("let m = 4; m + #{}", "`+` does not go with a number and a map", None),
        ("let a = 4; if a { 3 }", "expected true or false, got a number", None),
        ("[1, 2][6]", "there is no element 6: the array has 2", Some("the first is 0, and -1 the last; `len()` says how many there are")),
        ("let m = (); m.b", "nothing has no property `b`", Some("what it is asked of is not there: look for it first, `if x != () { … }`")),
        ("throw \"no way\"", "no way", None),
        ("throw #{ code: \"a::b\", message: \"no way\", help: \"turn round\" }", "no way", Some("turn round")),
        ("sleep(3)", "`sleep` takes a duration, not a number", Some("write it like `sleep(\"10s\")`")),
        ("5 / 0", "division by zero: 5 / 0", None),
        (
            "\"x\".pad(true)",
            "`pad` does not take a text, true or false",
            Some("it is called as `pad(string, len, character)` or `pad(string, len, padding)`"),
        ),
        (
            "loop { }",
            "the script does not come to an end",
            Some("waiting is `kube::wait`, `retry` or `sleep`; a loop of its own never ends"),
        ),
    ];
    for (body, message, help) in table {
        let report = steps(body);
        assert_eq!((report.message.as_str(), report.help.as_deref()), (message, help), "{body}");
        assert!(report.place.is_some() || body.starts_with("loop"), "{body}");
    }
}

#[test]
fn an_error_in_an_imported_script_is_shown_there() {
    for (text, place) in [("const A = nothing();", "stdlib/x.rhai:1:11"), ("\n\nfn x( {}", "stdlib/x.rhai:3:7")] {
        let report = report(&[("scripts/s.rhai", "import \"x\" as x; fn steps(task) { 1 }"), ("stdlib/x.rhai", text)]);
        assert_eq!(report.place.as_deref(), Some(place));
    }
}
