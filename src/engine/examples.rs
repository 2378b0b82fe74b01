//! The ```` ```rhai ```` blocks in texts: found, and put through `check` as if they stood in a script.

use crate::engine::{self, Finding, Script, Sources, load};
use crate::script::Fault;
use miette::Severity;
use rhai::Position;

/// What opens and closes a block of code.
pub const FENCE: &str = "```";

/// One block of code in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of the text on which it begins.
    pub line: usize,
    pub code: String,
}

/// The blocks of a text that are marked as Rhai.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix(FENCE), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) if language.trim() == "rhai" => open = Some(Block { line: index + 2, code: String::new() }),
            (None, Some(block)) => {
                block.code.push_str(line);
                block.code.push('\n');
            }
            _ => {}
        }
    }
    blocks
}

/// What is wrong with an example. A whole script is checked as it is; a few lines as if they stood in a step, where
/// names that the reader is to fill in (`release`, `password`) need not be declared.
pub fn check(scripts: &Sources, name: &str, code: &str) -> Vec<Finding> {
    let is_script = code.lines().any(|line| line.starts_with("fn ") || line.starts_with("const TASK"));
    let text = if is_script { code.to_owned() } else { in_a_step(scripts, code) };
    let source = match scripts.compile(name, &text) {
        Ok(source) => source,
        Err(fault) => return failed(scripts, name, &fault),
    };
    let script = Script::of(scripts.path_of(name), &source, String::new());
    let found = engine::check(scripts, &[script]).into_iter().filter(|finding| finding.source == name);
    found.filter(|finding| !is_unfinished(finding, is_script)).collect()
}

fn failed(scripts: &Sources, name: &str, fault: &Fault) -> Vec<Finding> {
    let position = fault.origin.as_ref().map_or(Position::NONE, |origin| origin.position);
    scripts.get(name).map(|source| Finding::new(&source, fault.code(), fault.message(), position).maybe(fault.help())).into_iter().collect()
}

/// A few lines leave out what comes before and after them, and a script what is in the repository.
fn is_unfinished(finding: &Finding, is_script: bool) -> bool {
    match finding.code.as_str() {
        "check::unknown_task" | "import::unknown" => true,
        "check::unknown_variable" | "check::unset_state" | "check::unused_import" => !is_script,
        "check::hook" => finding.severity == Severity::Error && is_script,
        _ => false,
    }
}

fn in_a_step(scripts: &Sources, code: &str) -> String {
    let used = |name: &String| code.contains(&format!("{name}::"));
    let shared = load::shared(scripts);
    let imports: Vec<String> = shared.iter().filter(|name| used(name)).map(|name| format!("import \"{name}\" as {name}; ")).collect();
    let imports = imports.concat();
    let hook = [("task.require", "preconditions"), ("task.check", "done_when"), ("task.", "steps")];
    match hook.iter().find(|(method, _)| code.contains(method)) {
        Some((_, hook)) => format!("{imports}fn {hook}(task) {{\n{code}\n}}"),
        None => format!("{imports}fn steps(task) {{ task.step(\"example\", #{{ done: || false, run: |state| {{\n{code}\n}} }}); }}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::repo;

    #[test]
    fn blocks_are_found_with_their_lines() {
        let text = "# x\n\n```rhai\nlet a = 1;\n```\n```\nno\n```\n  ```rhai\n  b\n  ```\n";
        let found: Vec<_> = blocks(text).into_iter().map(|block| (block.line, block.code)).collect();
        assert_eq!(found, [(4, "let a = 1;\n".to_owned()), (10, "  b\n".to_owned())]);
    }

    #[test]
    fn a_typo_in_an_example_is_found_and_a_name_to_fill_in_is_not() {
        let repo = repo::<str>(&[]);
        let codes = |code: &str| check(&repo.sources, "README.md", code).into_iter().map(|found| found.code).collect::<Vec<_>>();
        assert_eq!(codes("sops::sett(file, \"a\", 1);"), ["check::unknown_verb"]);
        assert_eq!(codes("sops::set(file, \"a\", 1);\nlet state_of = state.seen;"), Vec::<String>::new());
        assert_eq!(codes("let x = ;"), ["script::syntax"]);
        assert_eq!(codes("fn done_when(task) {\n    task.chek(\"a\", || true);\n}"), ["check::unknown_function"]);
        assert_eq!(codes("task.check(\"a\", || true);"), Vec::<String>::new());
    }

    /// What a reader copies out of the documentation must work; the message names file and line.
    #[test]
    fn every_example_in_the_documentation_passes_check() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let scripts = Sources::new(root.to_owned());
        let mut wrong = Vec::new();
        for path in pages(root).into_iter().chain(pages(&root.join("docs"))) {
            let text = std::fs::read_to_string(&path).unwrap();
            for block in blocks(&text) {
                let name = format!("{}, line {}", scripts.name_of(&path), block.line);
                wrong.extend(check(&scripts, &name, &block.code).iter().map(|found| format!("{name}: {found}")));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn pages(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
    }
}
