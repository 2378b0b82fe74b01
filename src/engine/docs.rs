//! What the verbs say about themselves, as text for a terminal and as `docs/reference.md`. It is read from the
//! engine's own metadata, so it cannot be out of date; the words are the verbs' doc comments.

use crate::engine::examples;
use crate::engine::header::KEYS;
use crate::engine::vocabulary::{Param, Signature, Vocabulary, path};
use crate::engine::{METHODS, Method};
use crate::script::value::nearest;
use crate::script::{Fault, Kind, Verb};
use miette::Diagnostic;
use std::fmt::Write;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum DocsError {
    #[error("there is no verb `{name}`")]
    #[diagnostic(code(docs::unknown))]
    Unknown {
        name: String,
        #[help]
        help: String,
    },
}

/// What is known about `name` (`helm::upgrade`, or all of `helm`); without a name, a line for each verb.
pub fn text(name: Option<&str>) -> Result<String, Fault> {
    let book = Book::open();
    let Some(name) = name else { return Ok(book.overview(None)) };
    if name == "task" {
        return Ok(task());
    }
    if let Some(method) = name.strip_prefix("task.").and_then(|name| METHODS.iter().find(|method| method.name == name)) {
        return Ok(about(method));
    }
    if let Some(page) = book.page(name) {
        return Ok(page);
    }
    if book.words.has_namespace(name) {
        return Ok(book.overview(Some(name)));
    }
    Err(DocsError::Unknown { name: name.to_owned(), help: book.suggest(name) }.into())
}

/// `docs/reference.md`.
pub fn reference() -> String {
    Book::open().markdown()
}

/// What a verb does, in one word.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Read => "read",
        Kind::State => "state",
        Kind::Action => "action",
    }
}

struct Book {
    words: &'static Vocabulary,
}

impl Book {
    fn open() -> Self {
        Self { words: Vocabulary::of_this_binary() }
    }

    /// The ways to call a verb, the documented one first.
    fn signatures(&self, namespace: &str, verb: &Verb) -> Vec<&Signature> {
        let mut all: Vec<_> = self.words.overloads(namespace, verb.name).iter().filter(|one| one.namespace == namespace).collect();
        all.sort_by_key(|one| one.doc.is_empty());
        all
    }

    /// One line per verb, of one namespace or of all.
    fn overview(&self, namespace: Option<&str>) -> String {
        let mut text = String::new();
        for (home, verb) in self.words.verbs().filter(|(home, _)| namespace.is_none_or(|only| only == *home)) {
            let doc = self.signatures(home, verb).first().map(|one| first_sentence(&one.doc)).unwrap_or_default();
            let _ = writeln!(text, "{:<22} {:<7} {doc}", path(home, verb.name), word(verb.kind));
        }
        if namespace.is_none() {
            for method in &METHODS {
                let _ = writeln!(text, "{:<22} {:<7} {}", format!("task.{}", method.name), "", method.about);
            }
        }
        text
    }

    /// All about one verb.
    fn page(&self, name: &str) -> Option<String> {
        let (namespace, name) = name.rsplit_once("::").unwrap_or(("", name));
        let verb = self.words.verb(namespace, name)?;
        let mut text = String::new();
        let signatures = self.signatures(namespace, verb);
        let (told, bare): (Vec<&Signature>, Vec<&Signature>) = signatures.into_iter().partition(|one| !one.doc.is_empty());
        for (index, signature) in told.iter().enumerate() {
            let same = if index == 0 { bare.as_slice() } else { &[] };
            for one in [signature].into_iter().chain(same) {
                let _ = writeln!(text, "{}  {}", typed(one), word(verb.kind));
            }
            let _ = writeln!(text, "\n{}", indented(&signature.doc));
        }
        if !verb.options.is_empty() {
            let _ = writeln!(text, "    options: {}", verb.options.join(", "));
        }
        Some(text)
    }

    fn suggest(&self, name: &str) -> String {
        let all: Vec<String> = self.words.verbs().map(|(home, verb)| path(home, verb.name)).collect();
        let last = name.rsplit("::").next().unwrap_or(name);
        let near = nearest(name, all.iter().map(String::as_str)).map(str::to_owned);
        let near = near.or_else(|| self.words.verbs().find(|(_, verb)| verb.name == last).map(|(home, verb)| path(home, verb.name)));
        near.map_or_else(|| "`railrun docs` lists all".into(), |near| format!("did you mean `{near}`?"))
    }

    fn markdown(&self) -> String {
        let mut text = String::from(HEAD);
        let mut last = None;
        for (namespace, verb) in self.words.verbs() {
            if last.replace(namespace) != Some(namespace) {
                let _ = writeln!(text, "\n## {}", if namespace.is_empty() { "everywhere" } else { namespace });
            }
            self.entry(&mut text, namespace, verb);
        }
        text.push_str("\n## task\n\nWhat a hook is given. The closures of steps may take `|state|`, which all steps of a run share.\n\n");
        text.push_str(&task_table());
        text
    }

    fn entry(&self, text: &mut String, namespace: &str, verb: &Verb) {
        let signatures = self.signatures(namespace, verb);
        let _ = writeln!(text, "\n### {}\n", path(namespace, verb.name));
        for signature in &signatures {
            let _ = writeln!(text, "`{}`{}", typed(signature), if signature == &signatures[signatures.len() - 1] { "" } else { "  " });
        }
        let _ = writeln!(text, "\n*{}*{}", word(verb.kind), options(verb));
        for doc in signatures.iter().map(|one| one.doc.as_str()).filter(|doc| !doc.is_empty()) {
            let _ = writeln!(text, "\n{doc}");
        }
    }
}

const HEAD: &str = "# Reference

Every verb a script may say, written by `railrun docs --markdown` from the verbs themselves. *read*: alters nothing.
*state*: reaches a state, and does nothing when nothing differs. *action*: always acts, so that its step needs a `done`.
";

fn options(verb: &Verb) -> String {
    if verb.options.is_empty() {
        return String::new();
    }
    format!(" · options: {}", verb.options.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

/// `helm::upgrade(release: string, options: map)`; a handle's verb as it is written: `connection.query(sql: string)`.
fn typed(signature: &Signature) -> String {
    let show = |params: &[Param]| params.iter().map(|param| format!("{}: {}", param.name, param.kind)).collect::<Vec<_>>().join(", ");
    match signature.params.split_first() {
        Some((handle, rest)) if handle.mutable => format!("{}.{}({})", handle.name, signature.name, show(rest)),
        _ => format!("{}({})", signature.path(), show(&signature.params)),
    }
}

/// What comes before the first full stop, colon or semicolon.
fn first_sentence(doc: &str) -> String {
    let paragraph: Vec<_> = doc.lines().take_while(|line| !line.trim().is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let end = [". ", ": ", "; "].iter().filter_map(|stop| paragraph.find(stop)).min();
    paragraph[..end.unwrap_or(paragraph.len())].trim().trim_end_matches('.').to_owned()
}

fn indented(doc: &str) -> String {
    doc.lines()
        .filter(|line| !line.trim_start().starts_with(examples::FENCE))
        .map(|line| format!("    {line}").trim_end().to_owned() + "\n")
        .collect()
}

fn task() -> String {
    let keys = KEYS.iter().map(|(name, what)| format!("    {name}: {what}\n")).collect::<Vec<_>>().concat();
    let methods = METHODS.iter().map(about).collect::<Vec<_>>().join("\n");
    format!("const TASK = #{{ id: …, title: … }}\n{keys}\n{methods}")
}

fn about(method: &Method) -> String {
    format!("task.{}({})\n    {}\n", method.name, method.params.join(", "), method.about)
}

fn task_table() -> String {
    let mut text = String::from("| | |\n|---|---|\n");
    for (name, what) in KEYS {
        let _ = writeln!(text, "| `TASK.{name}` | {} |", what.replace('|', "\\|"));
    }
    for method in &METHODS {
        let _ = writeln!(text, "| `task.{}({})` | {} |", method.name, method.params.join(", "), method.about.replace('|', "\\|"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::repo;

    #[test]
    fn a_verb_is_shown_with_its_signatures_kind_options_and_words() {
        let page = text(Some("retry")).unwrap();
        for part in
            ["retry(options: map, attempt: closure)  read", "Calls a closure until", "options: times, every, timeout", "retry(#{ every:"]
        {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("```"), "{page}");
    }

    #[test]
    fn a_misspelt_verb_is_answered_with_what_was_meant() {
        for (asked, meant) in [("sops::sett", "sops::set"), ("helm::generate", "sops::generate"), ("retri", "retry")] {
            assert_eq!(text(Some(asked)).unwrap_err().help().unwrap(), format!("did you mean `{meant}`?"));
        }
    }

    #[test]
    fn the_overview_has_a_line_for_every_verb() {
        let overview = text(None).unwrap();
        assert!(overview.lines().any(|line| line.starts_with("sops::set ") && line.contains(" state ")), "{overview}");
        let book = Book::open();
        for name in book.words.verbs().map(|(namespace, verb)| path(namespace, verb.name)) {
            assert_eq!(overview.lines().filter(|line| line.split_whitespace().next() == Some(&name)).count(), 1, "{name}");
        }
        assert!(overview.lines().any(|line| line.starts_with("task.step ")), "{overview}");
    }

    /// A verb without words or example is half a verb: the message names it.
    #[test]
    fn every_verb_has_words_and_an_example_that_passes_check() {
        let repo = repo::<str>(&[]);
        let book = Book::open();
        let mut wrong = Vec::new();
        for (namespace, verb) in book.words.verbs() {
            let docs: Vec<_> = book.signatures(namespace, verb).iter().map(|one| one.doc.clone()).collect();
            let blocks: Vec<_> = docs.iter().flat_map(|doc| examples::blocks(doc)).collect();
            let name = path(namespace, verb.name);
            if blocks.is_empty() {
                wrong.push(format!("`{name}` has no example"));
            }
            for block in blocks {
                let found = examples::check(&repo.sources, &format!("docs of {name}"), &block.code);
                wrong.extend(found.into_iter().map(|finding| format!("{name}: {finding}\n{}", block.code)));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_reference_names_every_verb_once() {
        let reference = reference();
        for (namespace, verb) in Book::open().words.verbs() {
            let heading = format!("### {}\n", path(namespace, verb.name));
            assert_eq!(reference.matches(&heading).count(), 1, "{heading}");
        }
        assert!(reference.contains("## task"));
    }
}
