//! A live run that applies a saved plan: what is found is held against what was planned, and where it differs the report
//! says who wrote it.

use super::Host;
use crate::cluster::{ClusterError, Name, manager_of};
use crate::effect::{Change, Diff, Interrupted};

const HELP: &str = "nothing of this change was written, and nothing was undone; make the plan anew or put the field back, and `railrun \
                    apply` goes on after the steps that ran (a plain run does too, held to no plan); `railrun undo` takes them back";

impl Host {
    /// Whether the saved plan, if there is one, has exactly this difference here.
    pub(super) fn as_planned(&self, what: &Change, diff: &Diff) -> Result<(), Interrupted> {
        let Some(expected) = self.expected.get() else { return Ok(()) };
        expected.admit(what, diff).map_err(|drift| {
            let manager = drift.field.as_deref().and_then(|field| self.manager(what, field));
            let by = manager.map_or_else(String::new, |manager| format!(" (written by `{manager}`)"));
            Interrupted::Drift { said: self.redactor.redact(&format!("{}{by}", drift.said)), help: HELP.into() }
        })
    }

    /// A planned change whose preview fails now: something else was put in its way.
    pub(super) fn not_as_planned(&self, what: &Change, error: &str) -> Option<Interrupted> {
        let planned = self.expected.get().is_some_and(|expected| expected.has(what)) && self.bridge.halted().is_none();
        planned.then(|| Interrupted::Drift { said: format!("`{what}` is no longer possible as planned: {error}"), help: HELP.into() })
    }

    /// Who wrote a field of an object that this change touches.
    fn manager(&self, what: &Change, field: &str) -> Option<String> {
        let (label, path) = field.split_once(": ").unwrap_or(("", field));
        let namespace = what.target.split('/').next().unwrap_or_default();
        let name = if label.is_empty() { what.target.clone() } else { format!("{namespace}/{label}") };
        let names = [Name::parse(&name), Name::parse(&what.target)];
        let cluster = self.cluster().ok()?;
        names.into_iter().flatten().find_map(|name| {
            let object: Result<_, ClusterError> = self.bridge.wait(cluster.get(&name));
            manager_of(&object.ok().flatten()?, path)
        })
    }
}
