//! The way an error took through scripts: where it arose and who called whom. How it is shown is `report`'s business.

use crate::engine::Sources;
use crate::script::{Fault, Origin};
use rhai::{EvalAltResult, Position};

/// One call on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub function: String,
    pub called_at: Origin,
}

/// An error with its way, outermost call first.
pub struct Trace<'e> {
    pub cause: &'e EvalAltResult,
    pub leaf: Option<Origin>,
    pub frames: Vec<Frame>,
}

impl<'e> Trace<'e> {
    /// Follows an error that came out of `script`. Rhai gives the position of a call in the source *outside* it, and
    /// for a closure the source of whoever called it: the index of closures knows better.
    pub fn follow(error: &'e EvalAltResult, script: &str, scripts: &Sources) -> Self {
        let mut source = script.to_owned();
        let mut frames = Vec::new();
        let mut cause = error;
        loop {
            match cause {
                EvalAltResult::ErrorInFunctionCall(function, said, inner, position) => {
                    frames.push(Frame { function: function.clone(), called_at: Origin { source: source.clone(), position: *position } });
                    let said = if said.is_empty() { source.as_str() } else { said };
                    source = scripts.file_of(function, said).into_owned();
                    cause = inner;
                }
                EvalAltResult::ErrorInModule(name, inner, position) => {
                    frames.push(Frame {
                        function: format!("import {name}"),
                        called_at: Origin { source: source.clone(), position: *position },
                    });
                    source.clone_from(name);
                    cause = inner;
                }
                _ => break,
            }
        }
        frames.retain(|frame| frame.called_at.position.line().is_some());
        Self { cause, leaf: leaf(cause, source), frames }
    }
}

/// Where the error arose: what a verb pinned, else what Rhai says.
fn leaf(cause: &EvalAltResult, source: String) -> Option<Origin> {
    let pinned = Fault::find(cause).and_then(|fault| fault.origin).filter(|origin| origin.position.line().is_some());
    pinned.or_else(|| match cause.position() {
        Position::NONE => None,
        position => Some(Origin { source, position }),
    })
}
