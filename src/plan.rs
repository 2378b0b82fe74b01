//! What a dry run has planned so far: which resources a live run would have altered by now. Whether a read may
//! still be believed is decided from this; how it looks on a terminal is not.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub struct Plan {
    planned: Mutex<Vec<Planned>>,
    /// What the unknown waits for that a script was given last.
    unknown: Mutex<Option<String>>,
}

struct Planned {
    resource: String,
    after: String,
}

impl Plan {
    /// Remembers that the change called `after` alters these resources.
    pub fn add(&self, resources: &[String], after: &str) {
        let mut planned = self.planned();
        planned.extend(resources.iter().map(|resource| Planned { resource: resource.clone(), after: after.to_owned() }));
    }

    fn planned(&self) -> MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a script was given an unknown, known after this.
    pub fn give_unknown(&self, after: &str) {
        *self.unknown.lock().unwrap_or_else(PoisonError::into_inner) = Some(after.to_owned());
    }

    /// What an unknown that Rhai stumbled over waits for: it is the one that was given last.
    pub fn last_unknown(&self) -> String {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_else(|| "an earlier step".to_owned())
    }

    pub fn is_empty(&self) -> bool {
        self.planned().is_empty()
    }

    /// The latest planned change.
    pub fn last(&self) -> Option<String> {
        self.planned().last().map(|planned| planned.after.clone())
    }

    /// The latest planned change that touches one of these resources, or something it lies inside.
    pub fn touched_by<S: AsRef<str>>(&self, resources: &[S]) -> Option<String> {
        let planned = self.planned();
        let touches = |planned: &&Planned| resources.iter().any(|resource| lies_in(resource.as_ref(), &planned.resource));
        planned.iter().rev().find(touches).map(|planned| planned.after.clone())
    }
}

/// `platform/pod/x` lies in `platform/`; a name that does not end in `/` contains only itself.
fn lies_in(resource: &str, planned: &str) -> bool {
    resource == planned
        || (planned.ends_with('/') && resource.starts_with(planned))
        || (resource.ends_with('/') && planned.starts_with(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_inside_a_planned_change_waits_for_it() {
        let plan = Plan::default();
        assert!(plan.is_empty());
        plan.add(&["platform/".into()], "step 2, helm upgrade platform/postgresql-ha");
        assert_eq!(plan.touched_by(&["platform/pod"]).as_deref(), Some("step 2, helm upgrade platform/postgresql-ha"));
        assert_eq!(plan.touched_by(&["platform2/pod"]), None);
        assert_eq!(plan.touched_by(&["gitea/deployment/gitea"]), None);
    }
}
