//! Seeded bugs: each is a script that runs, or seems to, and the finding that it must give.

use crate::engine::report::{self, Style};
use crate::engine::testing::repo;
use crate::engine::{Finding, check, load};
use std::time::Instant;

/// What `check` finds in `scripts/s.rhai` among these files.
fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
    let repo = repo(files);
    let script = load(&repo.sources, &repo.path("scripts/s.rhai")).unwrap();
    check(&repo.sources, &[script])
}

/// The findings, a line each: code, line and column, message, help.
fn found(files: &[(&str, &str)]) -> Vec<String> {
    let line = |one: &Finding| {
        let place = one.place();
        let (rest, column) = place.rsplit_once(':').unwrap();
        let line = rest.rsplit(':').next().unwrap();
        format!("{} {line}:{column} {} | {}", one.code, one.message, one.help.as_deref().unwrap_or_default())
    };
    findings(files).iter().map(line).collect()
}

/// A script around the body of `steps`, which begins in line 2, column 1.
fn steps(body: &str) -> String {
    format!("fn steps(task) {{\n{body}\n}}\n")
}

/// Bugs in the body of `steps`: body, code, place, message, help.
const IN_STEPS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "task.step(\"a\", || sops::sett(\"f\", \"k\", 1));",
        "check::unknown_verb",
        "2:19",
        "there is no verb `sops::sett`",
        "did you mean `sops::set`?",
    ),
    (
        "task.step(\"a\", || sop::set(\"f\", \"k\", 1));",
        "check::unknown_namespace",
        "2:19",
        "there is no namespace `sop`",
        "did you mean `sops`?",
    ),
    ("task.step(\"a\", || noet(\"x\"));", "check::unknown_function", "2:19", "there is no function `noet`", "did you mean `note`?"),
    (
        "task.step(\"a\", || set(\"f\", \"k\", 1, 2, 3));",
        "check::wrong_arguments",
        "2:19",
        "`set` does not take 5 arguments",
        "it is called as `set(array, index, value)` or `set(blob, index, value)` or `set(map, property, value)`",
    ),
    (
        "task.step(\"a\", || note(\"x\".to_uper()));",
        "check::unknown_function",
        "2:28",
        "there is no method `to_uper`",
        "did you mean `to_upper`?",
    ),
    (
        "task.step(\"a\", || sops::set(\"f\", \"k\"));",
        "check::wrong_arguments",
        "2:19",
        "`sops::set` does not take 2 arguments",
        "it is called as `sops::set(file, path, new)`",
    ),
    (
        "task.step(\"a\", || note(\"x\".to_upper(1, 2, 3)));",
        "check::wrong_arguments",
        "2:28",
        "`to_upper` does not take 3 arguments",
        "it is called as `to_upper()`",
    ),
    (
        "task.step(\"a\", || sops::set(4, \"k\", 1));",
        "check::wrong_type",
        "2:29",
        "`sops::set` does not take a whole number here",
        "it takes `file` as a text",
    ),
    (
        "task.step(\"a\", || sleep(5));",
        "check::wrong_type",
        "2:25",
        "`sleep` does not take a whole number here",
        "it takes `time` as a duration or `time` as a text",
    ),
    (
        "task.step(\"a\", || exit());",
        "check::unknown_function",
        "2:19",
        "there is no function `exit`",
        "`throw` ends a step and undoes it; `return` leaves a function",
    ),
    (
        "task.step(\"a\", || retry(#{ timout: \"2m\" }, || true));",
        "check::unknown_option",
        "2:28",
        "`retry` has no option `timout`",
        "did you mean `timeout`?",
    ),
    (
        "task.step(\"a\", || retry(#{ timeout: \"2 parsecs\" }, || true));",
        "check::wrong_option",
        "2:37",
        "option `timeout`: `2 parsecs` is not a duration; write it like \"90s\", \"10m\" or \"24h\"",
        "",
    ),
    (
        "task.step(\"a\", || retry(#{ timeout: 90 }, || true));",
        "check::wrong_option",
        "2:37",
        "option `timeout`: expected a text, got a number",
        "",
    ),
    ("task.stpe(\"a\", || 1);", "check::unknown_function", "2:6", "`task` has no `stpe`", "did you mean `task.step`?"),
    (
        "task.step(\"a\");",
        "check::wrong_arguments",
        "2:6",
        "`task.step` does not take 1 argument",
        "it is called as `task.step(name, step)`",
    ),
    ("task.step(\"a\", #{ run: || 1, undoo: || 1 });", "check::unknown_option", "2:30", "a step has no `undoo`", "did you mean `undo`?"),
    ("task.step(\"a\", #{ undo: || 1 });", "check::step", "2:16", "the step has no `run`", "`run` holds the closure that carries it out"),
    (
        "task.step(\"a\", |a, b| a + b);",
        "check::wrong_arguments",
        "2:16",
        "the closure of `task.step` takes 2 arguments",
        "it is called with no arguments or 1 argument",
    ),
    (
        "task.step(\"a\", note(\"x\"));",
        "check::wrong_type",
        "2:16",
        "`task.step` needs a closure here",
        "write `|| …`: it is called when its time has come, not now",
    ),
    ("task.check(\"a\", || true);", "check::wrong_hook", "2:6", "`task.check` means nothing in `steps`", "it belongs into `done_when`"),
    (
        "task.step(\"a\", || 1);\ntask.step(\"a\", || 2);",
        "check::duplicate_name",
        "3:11",
        "`task.step` has had the name `a` already",
        "give each a name of its own: a run that goes on later finds them by it",
    ),
    (
        "for x in [1, 2] { task.step(`a${x}`, || note(x)); }",
        "check::captured_loop_variable",
        "2:38",
        "the closure would see only the last `x` of the loop",
        "`task.each(list, |task, x| …)` declares for each item",
    ),
    (
        "let a = sops::read(\"f\");\ntask.step(\"a\", || note(a));",
        "check::outside_a_step",
        "2:9",
        "`sops::read` reaches the world outside a step",
        "`steps` only declares: call it inside a closure, or through `task.remember`",
    ),
    (
        "let a = [\"f\"].map(|f| sops::read(f));\ntask.step(\"a\", || note(a));",
        "check::outside_a_step",
        "2:23",
        "`sops::read` reaches the world outside a step",
        "`steps` only declares: call it inside a closure, or through `task.remember`",
    ),
    ("task.step(\"a\", || note(nme));", "check::unknown_variable", "2:24", "there is no variable `nme` here", ""),
    (
        "let name = 1;\ntask.step(\"a\", || note(nme));",
        "check::unknown_variable",
        "3:24",
        "there is no variable `nme` here",
        "did you mean `name`?",
    ),
    ("task.step(\"a\", || note(global::LIMIT));", "check::unknown_variable", "2:24", "the script has no constant `LIMIT`", ""),
    (
        "let f = |x| x;\ntask.step(\"a\", || f(1));",
        "check::not_a_function",
        "3:19",
        "`f` is a variable, not a function",
        "`f` holds a closure: write `f.call(…)`",
    ),
    (
        "task.step(\"a\", || { let s = \" x \"; let t = s.trim(); note(t); });",
        "check::works_in_place",
        "2:46",
        "`trim` works in place and gives nothing back",
        "write `s.trim(…);` on a line of its own, then use `s`",
    ),
    (
        "task.step(\"a\", || if now() < \"10s\" { note(\"x\"); });",
        "check::compared_as_text",
        "2:28",
        "`<` compares durations as texts: \"10s\" comes before \"9s\"",
        "write `duration(\"10s\")`, on both sides",
    ),
    (
        "let limit = \"10s\";\ntask.step(\"a\", || if now() < limit { note(\"x\"); });",
        "check::compared_as_text",
        "3:28",
        "`<` compares durations as texts: \"10s\" comes before \"9s\"",
        "write `duration(\"10s\")`, on both sides",
    ),
    (
        "task.step(\"a\", || { let n = 5; if n == \"5\" { note(\"x\"); } });",
        "check::never_equal",
        "2:37",
        "`==` between a number and a text is always false",
        "turn one into the other with `parse_int()` or `to_string()`",
    ),
    (
        "task.step(\"a\", || { switch sops::set(\"f\", \"k\", 1) { 1 => note(\"x\"), _ => note(\"y\") } });",
        "check::swallows_unknown",
        "2:21",
        "`switch` on the answer of `sops::set`, which a dry run may not know",
        "ask the world what you need to know instead: a read says so when it is stale",
    ),
    (
        "task.step(\"a\", || { let r = sops::set(\"f\", \"k\", 1); note(r ?? 3); });",
        "check::swallows_unknown",
        "2:60",
        "`??` on the answer of `sops::set`, which a dry run may not know",
        "ask the world what you need to know instead: a read says so when it is stale",
    ),
    (
        "task.step(\"a\", || { let r = sops::set(\"f\", \"k\", 1); note(type_of(r)); });",
        "check::swallows_unknown",
        "2:58",
        "`type_of` on the answer of `sops::set`, which a dry run may not know",
        "ask the world what you need to know instead: a read says so when it is stale",
    ),
    (
        "task.step(\"a\", || note(\"${now()}\"));",
        "check::not_filled_in",
        "2:24",
        "`${…}` is filled in only between back-ticks",
        "write the text between back-ticks instead of quotes",
    ),
    (
        "task.step(\"a\", || { let c = sql::connect(#{}); c.execute(\"delete\"); });",
        "check::no_done",
        "2:50",
        "`sql::execute` always acts, and the step has no `done`",
        "write `#{ done: || …, run: || … }`: `done` says when it need not run again",
    ),
    ("import \"a\" as a;", "check::import", "2:8", "an import stands inside a function", "imports stand at the top of a script"),
    ("task.step(\"a\", || loop { break nme; });", "check::unknown_variable", "2:32", "there is no variable `nme` here", ""),
];

#[test]
fn every_bug_seeded_in_steps_is_found_at_its_place() {
    let wrong: Vec<_> = IN_STEPS
        .iter()
        .filter_map(|(body, code, place, message, help)| {
            let found = found(&[("scripts/s.rhai", &steps(body)), ("scripts/a.rhai", "fn f() {}")]);
            let wanted = format!("{code} {place} {message} | {help}");
            (found != [wanted.as_str()]).then(|| format!("{body}\n  wanted {wanted}\n  found  {}", found.join("\n         ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Bugs in a whole script: text, code, place, message.
const IN_SCRIPTS: &[(&str, &str, &str, &str)] = &[
    ("fn step(task) {\n}\n", "check::hook", "1:4", "`step` is never called"),
    ("fn steps() {\n}\n", "check::hook", "1:4", "`steps` takes no arguments, and would never be called"),
    ("private fn steps(task) {\n}\n", "check::hook", "1:12", "`steps` is private, and would never be called"),
    ("fn helper() {\n}\n", "check::hook", "1:1", "the script has nothing to run"),
    (
        "const TASK = #{ id: \"T01\", titel: \"x\", title: \"y\" };\nfn steps(task) {}",
        "check::task",
        "1:28",
        "unknown key `titel` in `TASK`",
    ),
    (
        "const TASK = #{ id: \"T09\", title: \"y\", needs: [\"T11\"] };\nfn steps(task) {}",
        "check::unknown_task",
        "1:48",
        "there is no task `T11`",
    ),
    (
        "const TASK = #{ id: \"T09\", title: \"y\", needs: [\"T09\"] };\nfn steps(task) {}",
        "check::task",
        "1:48",
        "`T09` names itself in `needs`",
    ),
    (
        "const TASK = #{ id: \"T10\", title: \"y\" };\nfn steps(task) {}",
        "check::task",
        "1:21",
        "`T10` is the id of `scripts/other.rhai` too",
    ),
    ("import \"comon\" as comon;\nfn steps(task) { comon::f(); }", "import::unknown", "1:8", "there is no script `comon` to import"),
    (
        "import \"../common\" as common;\nfn steps(task) { common::f(); }",
        "import::bad_name",
        "1:8",
        "`../common` is not the name of a script to import",
    ),
    ("import \"common\" as common;\nfn steps(task) {}", "check::unused_import", "1:20", "`common` is imported and not used"),
    ("import \"common\" as sops;\nfn steps(task) { sops::f(); }", "check::import", "1:20", "`sops` hides the verbs of that name"),
    (
        "import \"common\" as common;\nfn steps(task) { common::ff(); }",
        "check::unknown_function",
        "2:18",
        "`stdlib/common.rhai` has no function `ff`",
    ),
    (
        "import \"common\" as common;\nfn steps(task) { common::f(1); }",
        "check::wrong_arguments",
        "2:18",
        "`common::f` does not take 1 argument",
    ),
    (
        "import \"common\" as common;\nfn steps(task) { common::hidden(); }",
        "check::private_function",
        "2:18",
        "`common::hidden` is private",
    ),
    ("fn steps(task) { common::f(); }", "check::unknown_namespace", "1:18", "there is no namespace `common`"),
    (
        "import \"common\" as common;\nfn steps(task) { common::look(); }",
        "check::outside_a_step",
        "2:18",
        "`look` reaches the world through `sops::read` outside a step",
    ),
    (
        "import \"common\" as common;\nfn steps(task) { task.step(\"a\", || common::act(1)); }",
        "check::no_done",
        "2:36",
        "`act` always acts (through `sql::execute`), and the step has no `done`",
    ),
    (
        "const LIMIT = 3;\nfn steps(task) { task.step(\"a\", || note(LIMIT)); }",
        "check::unknown_variable",
        "2:41",
        "there is no variable `LIMIT` here",
    ),
    ("let limit = 3;\nfn steps(task) {}", "check::top_level", "1:5", "`limit` is a variable at top level"),
    ("note(\"x\");\nfn steps(task) {}", "check::top_level", "1:1", "only literals, imports and functions stand at top level"),
    ("const X = now();\nfn steps(task) {}", "check::top_level", "1:11", "`X` is not a literal"),
    (
        "fn steps(task) { helper(task); }\nfn helper(task) { task.stpe(\"a\", || 1); }",
        "check::unknown_function",
        "2:24",
        "`task` has no `stpe`",
    ),
    ("fn steps(task) { task.each([1], |task, x| task.stpe(\"a\", || x)); }", "check::unknown_function", "1:48", "`task` has no `stpe`"),
];

const COMMON: &str = "fn f() { }\nprivate fn hidden() { }\nfn look() { sops::read(\"f\") }\nfn act(c) { [1].map(|x| c.execute(\"x\")) }\n";

#[test]
fn every_bug_seeded_in_a_script_is_found_at_its_place() {
    let other = "const TASK = #{ id: \"T10\", title: \"x\" };\nfn steps(task) {}";
    let wrong: Vec<_> = IN_SCRIPTS
        .iter()
        .filter_map(|(text, code, place, message)| {
            let found = found(&[("scripts/s.rhai", text), ("scripts/other.rhai", other), ("stdlib/common.rhai", COMMON)]);
            let wanted = format!("{code} {place} {message} |");
            let right = found.len() == 1 && found[0].starts_with(&wanted);
            (!right).then(|| format!("{text}\n  wanted {wanted}\n  found  {}", found.join("\n         ")))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_circle_of_imports_is_shown_whole() {
    let files = [
        ("scripts/s.rhai", "import \"a\" as a;\nfn steps(task) { a::f(); }"),
        ("stdlib/a.rhai", "import \"b\" as b;\nfn f() { b::f() }"),
        ("stdlib/b.rhai", "import \"a\" as a;\nfn f() { a::f() }"),
    ];
    assert_eq!(
        found(&files),
        [
            "import::circle 1:8 the imports go in a circle: stdlib/a.rhai → stdlib/b.rhai → stdlib/a.rhai | move what both need into a script of its own"
        ]
    );
}

#[test]
fn a_syntax_error_in_an_import_is_shown_in_the_import() {
    let found =
        findings(&[("scripts/s.rhai", "import \"a\" as a;\nfn steps(task) { a::f(); }"), ("stdlib/a.rhai", "fn f() {\n    let x = ;\n}")]);
    assert_eq!(
        found.iter().map(|one| (one.code.as_str(), one.place())).collect::<Vec<_>>(),
        [("script::syntax", "stdlib/a.rhai:2:13".to_owned())]
    );
}

#[test]
fn several_findings_come_in_one_go_and_in_order() {
    let text = steps("task.step(\"b\", || sops::sett(1));\ntask.stpe(\"c\", || noet(1));");
    let found = findings(&[("scripts/s.rhai", &text)]);
    assert_eq!(found.iter().map(Finding::place).collect::<Vec<_>>(), ["scripts/s.rhai:2:19", "scripts/s.rhai:3:6", "scripts/s.rhai:3:19"]);
}

#[test]
fn a_finding_is_shown_with_its_source_underlined() {
    let found = findings(&[("scripts/s.rhai", &steps("    task.step(\"a\", || retry(#{ timout: \"2m\" }, || true));"))]);
    insta::assert_snapshot!(report::finding(&found[0], &Style::plain()).rendered, @r#"
    check::unknown_option

      × `retry` has no option `timout`
       ╭─[scripts/s.rhai:2:32]
     1 │ fn steps(task) {
     2 │     task.step("a", || retry(#{ timout: "2m" }, || true));
       ·                                ──────
     3 │ }
       ╰────
      help: did you mean `timeout`?
    "#);
}

/// What a task may say, all of it right.
const RIGHT: &str = r#"//! Does it right.

import "common" as common;

const TASK = #{ id: "T09", title: "Right", needs: ["T10"], after: ["T10"] };
const LIMIT = 60 * 5;

fn preconditions(task) {
    common::asked(task);
    if settings::get("hub", "") != "" {
        task.require("it is there", || sops::read("f").len() > 0);
    }
}

fn steps(task) {
    let before = task.remember("what there was", || sops::read("f"));
    let names = [1, 2].map(|number| `a-${number}`);
    let double = |x| x * 2;
    task.step("act", #{
        done: || sops::read("f") == before,
        run: |state| {
            state.seen = double.call(global::LIMIT);
            let connection = sql::connect(#{ database: "x" });
            connection.execute("x");
        },
        undo: || sops::set("f", "k", before),
    });
    task.step("set", || {
        let text = " x ";
        text.trim();
        sops::set("f", "k", text);
        names.for_each(|name| note(name));
        try { common::f(); } catch (e) { if e.code != "file::not_found" { throw; } }
        for (x, index) in names { note(`${x} ${index}`); }
        let map = #{ call_me: || 1 };
        note(map.call_me());
        if duration("90s") > duration("1m") { note(common::WORD); }
    });
    task.each(names, |task, name| task.step(`for ${name}`, || note(name)));
    task.commit("no way back");
}

fn done_when(task) {
    task.check("it is so", || evidence::find("certificate", "x").equal);
    task.check("and so", || helper(1, 2));
}

fn helper(a, b) {
    let sum = 0;
    while sum < 10 { sum += a + b; }
    switch sum { 12 => true, 13 if a > 12 => false, _ => common::look() != () }
}
"#;

#[test]
fn a_right_script_has_no_findings() {
    let common = format!("export const WORD = \"w\";\n{COMMON}fn asked(task) {{ task.require(\"x\", || look() != ()); }}\n");
    let other = "const TASK = #{ id: \"T10\", title: \"x\" };\nfn done_when(task) {}";
    let found = findings(&[("scripts/s.rhai", RIGHT), ("stdlib/common.rhai", &common), ("scripts/other.rhai", other)]);
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn all_scripts_are_checked_in_no_time() {
    let common = COMMON.to_owned();
    let repo = repo(&[("scripts/s.rhai", RIGHT), ("stdlib/common.rhai", &common)]);
    let script = load(&repo.sources, &repo.path("scripts/s.rhai")).unwrap();
    let scripts = vec![script; 8];
    let began = Instant::now();
    check(&repo.sources, &scripts);
    let limit = if cfg!(debug_assertions) { 1000 } else { 20 };
    assert!(began.elapsed().as_millis() < limit, "{:?}", began.elapsed());
}
