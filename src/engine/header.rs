//! `const TASK = #{ … }`, read from the syntax tree: nothing is evaluated. What is wrong with one is found here and
//! said by `check`.

use crate::engine::Source;
use crate::script::Origin;
use crate::script::value::nearest;
use rhai::{ASTFlags, Expr, Position, Stmt};

/// The keys a `TASK` may have, and what each says.
pub const KEYS: [(&str, &str); 6] = [
    ("id", "what commands call it: `\"T01\"`"),
    ("title", "what people call it"),
    ("needs", "tasks that must be done now: `[\"T01\"]`; they are asked, not remembered"),
    ("after", "tasks that go first where both are asked for"),
    ("on_request", "`true`: nobody waits for it, so that `status` counts it as no gap"),
    ("state_hub_task_id", "what another system calls it; JSON output repeats it"),
];

/// What a script says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskHeader {
    pub id: String,
    pub title: String,
    /// Tasks whose `done_when` must hold now.
    pub needs: Vec<String>,
    /// Tasks that go first where both are asked for.
    pub after: Vec<String>,
    /// Nobody waits for it: `status` shows it and counts it as no gap.
    pub on_request: bool,
    pub state_hub_task_id: Option<String>,
    /// The first paragraph of the script's `//!` lines.
    pub summary: String,
    pub place: Origin,
}

/// Something wrong with a `TASK`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub message: String,
    pub help: Option<String>,
    pub position: Position,
}

/// A task id that a `TASK` names, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub id: String,
    pub position: Position,
}

/// A `TASK` as it is written, with everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Written {
    pub id: Option<Named>,
    pub title: Option<String>,
    pub needs: Vec<Named>,
    pub after: Vec<Named>,
    pub on_request: bool,
    pub state_hub_task_id: Option<String>,
    pub position: Position,
    pub flaws: Vec<Flaw>,
}

impl TaskHeader {
    /// The header of a script, if it has one with an id and a title.
    pub fn read(source: &Source) -> Option<Self> {
        let written = Written::read(source)?;
        let ids = |named: Vec<Named>| named.into_iter().map(|one| one.id).collect();
        Some(Self {
            id: written.id?.id,
            title: written.title?,
            needs: ids(written.needs),
            after: ids(written.after),
            on_request: written.on_request,
            state_hub_task_id: written.state_hub_task_id,
            summary: summary(source.ast.doc()),
            place: Origin { source: source.name.clone(), position: written.position },
        })
    }
}

impl Written {
    /// The `TASK` of a script, or nothing if it is a plain one.
    pub fn read(source: &Source) -> Option<Self> {
        source.ast.statements().iter().find_map(|statement| match statement {
            Stmt::Var(parts, flags, _) if parts.0.name == "TASK" => Some(Self::of(&parts.1, parts.0.pos, *flags)),
            _ => None,
        })
    }

    fn of(value: &Expr, position: Position, flags: ASTFlags) -> Self {
        let mut written = Self { position, ..Self::default() };
        if !flags.contains(ASTFlags::CONSTANT) {
            written.flaw("`TASK` must be a constant", Some("write `const TASK = #{ … };`".into()), position);
        }
        let Expr::Map(entries, _) = value else {
            written.flaw("`TASK` must be a literal map", Some("write `const TASK = #{ id: \"T01\", title: \"…\" };`".into()), position);
            return written;
        };
        for (key, value) in &entries.0 {
            written.entry(&key.name, key.pos, value);
        }
        written.require();
        written
    }

    fn entry(&mut self, key: &str, position: Position, value: &Expr) {
        match key {
            "id" => self.id = self.text(key, value).map(|id| Named { id, position: value.position() }),
            "title" => self.title = self.text(key, value),
            "state_hub_task_id" => self.state_hub_task_id = self.text(key, value),
            "needs" => self.needs = self.list(key, value),
            "after" => self.after = self.list(key, value),
            "on_request" => match value {
                Expr::BoolConstant(flag, _) => self.on_request = *flag,
                _ => self.flaw(format!("`{key}` in `TASK` must be `true` or `false`"), None, value.start_position()),
            },
            _ => {
                let names = KEYS.map(|(name, _)| name);
                let help = match nearest(key, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a task has: {}", names.join(", ")),
                };
                self.flaw(format!("unknown key `{key}` in `TASK`"), Some(help), position);
            }
        }
    }

    fn require(&mut self) {
        for (key, missing) in [("id", self.id.is_none()), ("title", self.title.is_none())] {
            let said = self.flaws.iter().any(|flaw| flaw.message.contains(&format!("`{key}`")));
            if missing && !said {
                self.flaw(format!("`TASK` has no `{key}`"), None, self.position);
            }
        }
    }

    fn text(&mut self, key: &str, value: &Expr) -> Option<String> {
        match value {
            Expr::StringConstant(text, _) if !text.trim().is_empty() => Some(text.to_string()),
            Expr::StringConstant(_, position) => {
                self.flaw(format!("`{key}` in `TASK` is empty"), None, *position);
                None
            }
            _ => {
                self.flaw(
                    format!("`{key}` in `TASK` must be a literal text"),
                    Some("it is read without running anything".into()),
                    value.start_position(),
                );
                None
            }
        }
    }

    fn list(&mut self, key: &str, value: &Expr) -> Vec<Named> {
        let Expr::Array(items, _) = value else {
            self.flaw(
                format!("`{key}` in `TASK` must be a literal list of task ids"),
                Some(format!("write `{key}: [\"T01\"]`")),
                value.start_position(),
            );
            return Vec::new();
        };
        items.iter().filter_map(|item| self.text(key, item).map(|id| Named { id, position: item.position() })).collect()
    }

    fn flaw(&mut self, message: impl Into<String>, help: Option<String>, position: Position) {
        self.flaws.push(Flaw { message: message.into(), help, position });
    }
}

/// The first paragraph of `//!` lines, on one line.
fn summary(doc: &str) -> String {
    let lines = doc.lines().map(|line| line.trim().trim_start_matches("//!").trim());
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::repo;

    fn flaws(task: &str) -> Vec<(String, Option<String>)> {
        let source = repo::<str>(&[]).sources.compile("s.rhai", task).unwrap();
        let written = Written::read(&source).unwrap();
        written.flaws.into_iter().map(|flaw| (flaw.message, flaw.help)).collect()
    }

    #[test]
    fn every_flaw_of_a_task_is_found_at_once() {
        let found = flaws("const TASK = #{ titel: \"x\", id: 3, needs: \"T01\", after: [f()], on_request: 1 };");
        let messages: Vec<_> = found.iter().map(|(message, _)| message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unknown key `titel` in `TASK`",
                "`id` in `TASK` must be a literal text",
                "`needs` in `TASK` must be a literal list of task ids",
                "`after` in `TASK` must be a literal text",
                "`on_request` in `TASK` must be `true` or `false`",
                "`TASK` has no `title`",
            ]
        );
        assert_eq!(found[0].1.as_deref(), Some("did you mean `title`?"));
    }

    #[test]
    fn a_task_is_a_constant_and_a_literal() {
        assert_eq!(flaws("let TASK = #{ id: \"a\", title: \"b\" };")[0].0, "`TASK` must be a constant");
        assert_eq!(flaws("const TASK = f();")[0].0, "`TASK` must be a literal map");
    }
}
