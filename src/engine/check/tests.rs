//! Seeded bugs: each is a script that runs, or seems to, and the finding that it must give.

mod seeds;

use crate::engine::report::{self, Style};
use crate::engine::testing::repo;
use crate::engine::{Finding, Script, Sources, all, check, load};
use seeds::{COMMON, IN_SCRIPTS, IN_STEPS};
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

fn grown(list) {
    list.push(1);
    list
}

fn helper(a, b) {
    let sum = grown([]).len();
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

/// A script cut at any place, or with any word taken out, is answered and not a panic.
#[test]
fn no_mutilated_script_makes_check_panic() {
    let repo = repo(&[("stdlib/common.rhai", COMMON)]);
    let words: Vec<&str> = RIGHT.split_inclusive(|end: char| !end.is_alphanumeric()).collect();
    let mut compiled = 0;
    for index in 0..words.len() {
        let without = [&words[..index], &words[index + 1..]].concat().concat();
        for text in [without, words[..index].concat()] {
            if let Ok(source) = repo.sources.compile("s.rhai", &text) {
                for found in &check(&repo.sources, &[Script::of(repo.path("s.rhai"), &source, String::new())]) {
                    assert!(!found.place().is_empty());
                }
                compiled += 1;
            }
        }
    }
    assert!(compiled > 100, "{compiled}");
}

#[test]
fn the_scripts_of_this_repository_have_no_findings() {
    let scripts = Sources::new(env!("CARGO_MANIFEST_DIR").into());
    let own: Vec<Script> = all(&scripts).iter().map(|path| load(&scripts, path).unwrap()).collect();
    let found: Vec<String> = check(&scripts, &own).iter().map(|found| format!("{}: {found}", found.place())).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Rhai 1.27 called the `file` of `b` where `a` had called its own: a values file was written to the wrong checkout.
#[test]
fn two_functions_of_one_name_in_scripts_that_run_together_are_found() {
    let a = ("stdlib/a.rhai", "import \"b\" as b;\nfn file() { \"a\" }\nfn own() { file() + b::own() }");
    let script = ("scripts/s.rhai", "import \"a\" as a;\nfn steps(task) { task.step(\"x\", || note(a::own())); }");
    let namesakes = found(&[script, a, ("stdlib/b.rhai", "fn file() { \"b\" }\nfn own() { file() }")]);
    assert_eq!(
        namesakes,
        ["check::namesakes 2:12 `file` may be the one of `stdlib/a.rhai` at run time | give one of the two functions another name"]
    );
    assert_eq!(found(&[script, a, ("stdlib/b.rhai", "fn file() { \"b\" }\nfn own() { \"b\" }")]), [""; 0]);
}
