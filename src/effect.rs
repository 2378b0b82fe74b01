//! The one idea: a change is a difference, and applying it takes a [`Permit`].
//!
//! Dry run, idempotence, the event stream and everything that reads it hang on [`change`]; no primitive knows
//! that they exist. What is printed or remembered about a change is the [`Stage`]'s business, not this file's.

mod diff;
mod interrupted;

pub use diff::{Diff, Edit, Sealed};
pub use interrupted::Interrupted;

use serde::Serialize;
use std::fmt::{self, Display};

/// The right to alter something. Only [`change`] makes one, and it only lends it.
#[derive(Debug)]
pub struct Permit(());

#[cfg(test)]
impl Permit {
    /// For the tests of a driver below [`change`].
    pub fn for_tests() -> Self {
        Self(())
    }
}

/// Whether differences are applied or only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    DryRun,
    Live,
}

/// What is about to be altered: the verb, its target as scripts write it, and the resources it touches.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub verb: &'static str,
    pub target: String,
    /// Every resource this change alters, in the words that reads use too (`platform/release/postgresql-ha`).
    /// A resource that ends in `/` stands for everything inside it.
    pub touches: Vec<String>,
    /// What must be there for its preview to know anything; an earlier planned change to it makes a failed preview
    /// pending, but this change does not alter it.
    pub rests_on: Vec<String>,
    /// Whether Ctrl-C may abandon it half-way without leaving harm (a copy, a backup, a wait).
    pub cancellable: bool,
}

impl Change {
    pub fn new(verb: &'static str, target: impl Into<String>) -> Self {
        Self { verb, target: target.into(), touches: Vec::new(), rests_on: Vec::new(), cancellable: false }
    }

    /// Names one more resource that this change alters.
    #[must_use]
    pub fn touching(mut self, resource: impl Into<String>) -> Self {
        self.touches.push(resource.into());
        self
    }

    /// Names what it stands on without altering it.
    #[must_use]
    pub fn resting_on(mut self, resources: impl IntoIterator<Item = String>) -> Self {
        self.rests_on.extend(resources);
        self
    }

    #[must_use]
    pub fn cancellable(mut self) -> Self {
        self.cancellable = true;
        self
    }
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.target)
    }
}

/// What a preview found. It reads only.
#[derive(Debug)]
pub enum Preview<T> {
    /// Nothing differs: this is the answer, and nothing is written.
    Same(T),
    /// A state to reach; after it was applied the same preview says [`Preview::Same`].
    Differs { diff: Diff, foretold: Option<T> },
    /// Something to do, not a state: exec, restart, a POST, a backup.
    Action { request: Diff },
}

impl<T> Preview<T> {
    pub fn differs(diff: Diff) -> Self {
        Preview::Differs { diff, foretold: None }
    }

    pub fn action(request: impl Into<String>) -> Self {
        Preview::Action { request: Diff::new().note(request) }
    }
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome<T> {
    /// Nothing differed.
    Unchanged(T),
    /// It was applied, or a dry run foretells this answer.
    Changed(T),
    /// A dry run cannot know the answer before the change named here has been made.
    Pending(String),
}

/// Where a change takes place: it knows the mode, is told what happens, and remembers what a dry run planned.
pub trait Stage {
    fn mode(&self) -> Mode;
    /// The preview found nothing to do.
    fn unchanged(&self, what: &Change);
    /// A dry run found this difference and goes on as if it had been made.
    fn planned(&self, what: &Change, diff: &Diff);
    /// Written before the first effect.
    fn intent(&self, what: &Change, diff: &Diff);
    /// Written after the last effect; `Err` holds what went wrong, in words.
    fn done(&self, what: &Change, result: Result<(), &str>);
    /// The planned change that already touches what `what` touches, if any.
    fn waits_for(&self, what: &Change) -> Option<String>;
    /// Whether this change may begin (an interrupted run starts none).
    fn may_begin(&self) -> Result<(), Interrupted>;
    /// Whether exactly this difference may be applied: a saved plan admits what it holds and nothing else.
    fn admit(&self, _: &Change, _: &Diff) -> Result<(), Interrupted> {
        Ok(())
    }
    /// What a preview that failed means where a saved plan foresaw it.
    fn unforeseen(&self, _: &Change, _: &str) -> Option<Interrupted> {
        None
    }
}

/// Makes a change, or shows it.
///
/// `preview` reads only. `apply` is the only code that is ever handed a [`Permit`], and in a dry run it is not called.
///
/// # Errors
/// What `preview` or `apply` returned. In a dry run, a preview that fails on something which an earlier planned
/// change touches is not an error but [`Outcome::Pending`].
pub fn change<T, E: Display + From<Interrupted>>(
    stage: &impl Stage,
    what: Change,
    preview: impl FnOnce() -> Result<Preview<T>, E>,
    apply: impl FnOnce(&Permit, &Diff) -> Result<T, E>,
) -> Result<Outcome<T>, E> {
    stage.may_begin()?;
    let dry_run = stage.mode() == Mode::DryRun;
    let found = match preview() {
        Ok(found) => found,
        Err(error) => {
            return match stage.waits_for(&what) {
                Some(earlier) if dry_run => {
                    stage.planned(&what, &Diff::new().note(format!("known after {earlier}")));
                    Ok(Outcome::Pending(earlier))
                }
                _ => Err(stage.unforeseen(&what, &error.to_string()).map_or(error, E::from)),
            };
        }
    };
    let (diff, foretold) = match found {
        Preview::Same(answer) => {
            stage.unchanged(&what);
            return Ok(Outcome::Unchanged(answer));
        }
        Preview::Differs { diff, foretold } => (diff, foretold),
        Preview::Action { request } => (request, None),
    };
    if dry_run {
        stage.planned(&what, &diff);
        return Ok(foretold.map_or_else(|| Outcome::Pending(what.to_string()), Outcome::Changed));
    }
    stage.may_begin()?;
    stage.admit(&what, &diff)?;
    stage.intent(&what, &diff);
    // Asking and writing down took time, in which the lock may have been lost.
    let result = stage.may_begin().map_err(E::from).and_then(|()| apply(&Permit(()), &diff));
    match &result {
        Ok(_) => stage.done(&what, Ok(())),
        Err(error) => stage.done(&what, Err(&error.to_string())),
    }
    result.map(Outcome::Changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Log {
        mode: Mode,
        said: RefCell<Vec<String>>,
        /// From its intent on the lock is lost.
        loses: bool,
    }
    impl Log {
        fn say(&self, line: String) {
            self.said.borrow_mut().push(line);
        }
    }
    impl Stage for Log {
        fn mode(&self) -> Mode {
            self.mode
        }
        fn unchanged(&self, what: &Change) {
            self.say(format!("unchanged {what}"));
        }
        fn planned(&self, what: &Change, _: &Diff) {
            self.say(format!("planned {what}"));
        }
        fn intent(&self, what: &Change, _: &Diff) {
            self.say(format!("intent {what}"));
        }
        fn done(&self, what: &Change, result: Result<(), &str>) {
            self.say(format!("done {what} {result:?}"));
        }
        fn waits_for(&self, _: &Change) -> Option<String> {
            None
        }
        fn may_begin(&self) -> Result<(), Interrupted> {
            let begun = self.said.borrow().iter().any(|line| line.starts_with("intent"));
            if self.loses && begun { Err(Interrupted::LockLost("it was not renewed".into())) } else { Ok(()) }
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("broken")]
    struct Broken;
    impl From<Interrupted> for Broken {
        fn from(_: Interrupted) -> Self {
            Broken
        }
    }

    fn run(mode: Mode, preview: Preview<i32>, apply: Result<i32, Broken>) -> (Vec<String>, Result<Outcome<i32>, Broken>) {
        let log = Log { mode, said: RefCell::default(), loses: false };
        let result = change(&log, Change::new("scale", "a/b"), || Ok(preview), |_, _| apply);
        (log.said.into_inner(), result)
    }

    #[test]
    fn an_empty_difference_changes_nothing() {
        let (log, result) = run(Mode::Live, Preview::Same(1), Err(Broken));
        assert_eq!(log, ["unchanged scale a/b"]);
        assert_eq!(result.unwrap(), Outcome::Unchanged(1));
    }

    #[test]
    fn a_dry_run_never_applies() {
        let (log, result) = run(Mode::DryRun, Preview::differs(Diff::new()), Err(Broken));
        assert_eq!(log, ["planned scale a/b"]);
        assert_eq!(result.unwrap(), Outcome::Pending("scale a/b".into()));
    }

    #[test]
    fn a_live_change_is_written_down_before_and_after() {
        let (log, result) = run(Mode::Live, Preview::differs(Diff::new()), Ok(2));
        assert_eq!(log, ["intent scale a/b", "done scale a/b Ok(())"]);
        assert_eq!(result.unwrap(), Outcome::Changed(2));
    }

    #[test]
    fn a_failed_change_is_written_down_as_failed() {
        let (log, result) = run(Mode::Live, Preview::action("x"), Err(Broken));
        assert_eq!(log, ["intent scale a/b", "done scale a/b Err(\"broken\")"]);
        assert!(result.is_err());
    }

    /// SIGSTOP while the intent was written, and another holder since: helm and SQL have no fence on the wire.
    #[test]
    fn a_lock_that_is_lost_while_the_intent_is_written_stops_the_change() {
        let log = Log { mode: Mode::Live, said: RefCell::default(), loses: true };
        let apply = |_: &Permit, _: &Diff| panic!("this run is not the only one any more");
        let result: Result<Outcome<i32>, Broken> = change(&log, Change::new("scale", "a/b"), || Ok(Preview::action("x")), apply);
        assert_eq!(log.said.into_inner(), ["intent scale a/b", "done scale a/b Err(\"broken\")"]);
        assert!(result.is_err());
    }
}
