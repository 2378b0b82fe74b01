//! One error type for everything a script can meet. It carries a driver's own error into Rhai and out again,
//! with the place in the script; how it is printed is `engine::report`'s business.

use crate::causes::with_causes;
use crate::effect::Interrupted;
use crate::script::{Pending, pending};
use miette::Diagnostic;
use rhai::{Dynamic, EvalAltResult, Position};
use std::fmt::{self, Display};
use std::sync::Arc;

/// Where in a script a verb was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub source: String,
    pub position: Position,
}

/// Any driver's error, cheap to copy, with the place it came from.
#[derive(Clone)]
pub struct Fault {
    diagnostic: Arc<dyn Diagnostic + Send + Sync>,
    pub origin: Option<Origin>,
}

impl Fault {
    pub fn diagnostic(&self) -> &(dyn Diagnostic + Send + Sync) {
        &*self.diagnostic
    }

    /// `helm::not_found`; what a script compares with `e.code`.
    pub fn code(&self) -> String {
        self.diagnostic.code().map_or_else(|| "error".into(), |code| code.to_string())
    }

    pub fn help(&self) -> Option<String> {
        self.diagnostic.help().map(|help| help.to_string())
    }

    /// The message and its causes, each said once.
    pub fn message(&self) -> String {
        with_causes(&*self.diagnostic)
    }

    /// Pins the place, unless one nearer to the cause is pinned already.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin.get_or_insert(origin);
        self
    }

    /// Whether this is about something that is not there: in a check that counts as "no".
    pub fn is_not_found(&self) -> bool {
        self.code().ends_with("::not_found")
    }

    /// Whether the question itself is wrong: asked again, it would get the same answer.
    pub fn cannot_pass(&self) -> bool {
        const ABOUT_SCRIPTS: [&str; 5] = ["duration::", "option::", "script::", "settings::", "value::"];
        const MALFORMED: [&str; 10] = [
            "command::empty",
            "helm::bad_name",
            "http::bad_header",
            "http::bad_url",
            "http::login_in_address",
            "http::no_tls_inside",
            "http::no_user",
            "http::two_bodies",
            "kube::bad_object",
            "process::missing",
        ];
        let code = self.code();
        ABOUT_SCRIPTS.iter().any(|prefix| code.starts_with(prefix)) || MALFORMED.contains(&code.as_str())
    }

    /// Whether nothing can be asked of the cluster at all: whatever else asks it would say the same.
    pub fn is_without_cluster(&self) -> bool {
        const CODES: [&str; 6] = ["no_kubeconfig", "bad_kubeconfig", "unknown_context", "wrong_cluster", "unreachable", "unauthorized"];
        self.code().strip_prefix("kube::").is_some_and(|code| CODES.contains(&code))
    }

    /// Whether railrun declined to go on, rather than tried and failed.
    pub fn is_refusal(&self) -> bool {
        const REFUSALS: [&str; 4] = ["kube::wrong_cluster", "environment::", "lock::", "plan::"];
        let code = self.code();
        let refused = REFUSALS.iter().any(|refusal| code.starts_with(refusal)) && code != "plan::unusable" && code != "plan::unwritable";
        refused || ["journal::changed", "journal::held"].contains(&code.as_str())
    }

    /// Into a Rhai error that scripts can catch; an unknown stays what it is, and cannot be caught.
    pub fn raise(self) -> Box<EvalAltResult> {
        if self.code() == pending::NAME {
            return Pending::new(self.message()).raise();
        }
        let position = self.origin.as_ref().map_or(Position::NONE, |origin| origin.position);
        EvalAltResult::ErrorRuntime(Dynamic::from(self), position).into()
    }

    /// Out of a Rhai error, however deeply calls wrapped it.
    pub fn find(error: &EvalAltResult) -> Option<Self> {
        match error {
            EvalAltResult::ErrorRuntime(value, _) | EvalAltResult::ErrorTerminated(value, _) => value.clone().try_cast::<Fault>(),
            EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => Self::find(inner),
            _ => None,
        }
    }
}

impl<E: Diagnostic + Send + Sync + 'static> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { diagnostic: Arc::new(error), origin: None }
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message())
    }
}

/// Whether this error says that the user pressed Ctrl-C.
pub fn is_interrupt(fault: &Fault) -> bool {
    fault.code() == Interrupted::ByUser.code().map(|code| code.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error("no release `x`")]
    #[diagnostic(code(helm::not_found), help("install it"))]
    struct NotFound;

    #[test]
    fn a_drivers_error_keeps_its_code_and_help_through_rhai() {
        let raised = Fault::from(NotFound).at(Origin { source: "s.rhai".into(), position: Position::new(3, 4) }).raise();
        let wrapped = EvalAltResult::ErrorInFunctionCall("f".into(), "s.rhai".into(), raised, Position::NONE);
        let fault = Fault::find(&wrapped).unwrap();
        assert_eq!((fault.code().as_str(), fault.help().as_deref()), ("helm::not_found", Some("install it")));
        assert_eq!(fault.origin.as_ref().unwrap().position.line(), Some(3));
        assert!(fault.is_not_found());
    }
}
