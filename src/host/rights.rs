//! Which rights this run takes, and whether they are held. A dry run learns them; a live one asks for those of each change
//! before its intent, which catches what could not be foreseen before the first step.

use super::Host;
use crate::cluster::{Cluster, ClusterError};
use crate::effect::{Change, Diff, Interrupted, Preview};
use crate::rights::{self, Around, Need, Needs, Resource};
use crate::settings::Reach;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is known of the rights of a run.
#[derive(Default)]
pub struct Rights {
    /// What changes take beyond what their previews asked.
    beyond: Mutex<Needs>,
    /// What the change takes whose preview was the last.
    current: Mutex<Needs>,
    /// Rights that are known to be held.
    held: Mutex<Needs>,
    /// What database users lack for the changes they are to make, in words.
    grants: Mutex<Vec<String>>,
    /// What the users of the databases that were entered may do.
    users: Mutex<Vec<User>>,
}

/// A user of a database, and what he may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `platform`: where the server runs, as targets name it.
    pub place: String,
    pub database: String,
    pub name: String,
    /// Which of [`MARKS`] he has.
    pub may: Vec<&'static str>,
}

/// What a user is asked about: the role's own marks, and what `has_*_privilege` says.
pub const MARKS: [&str; 6] =
    [SUPERUSER, "CREATEROLE", "CREATEDB", "SELECT on pg_authid", "CREATE on the database", "SELECT on every table"];
const SUPERUSER: &str = "SUPERUSER";

/// What a change of a database takes, and of whom.
const GRANTS: &[(&str, Side, &str)] = &[
    ("sql role", Side::Server, "CREATEROLE"),
    ("sql role", Side::Server, "SELECT on pg_authid"),
    ("sql database", Side::Server, "CREATEDB"),
    ("sql copy", Side::Target, "CREATE on the database"),
    ("sql copy", Side::Source, "SELECT on every table"),
];

/// Which of the databases that a change names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The server of what is changed.
    Server,
    Target,
    Source,
}

impl Rights {
    /// A preview begins: what is asked from here on is about one change.
    pub(super) fn begin(&self, host: &Host) {
        self.users().clear();
        if let Some(cluster) = host.cluster.get() {
            cluster.requests().begin();
        }
    }

    /// What the change takes, now that its preview has ended. One whose preview failed tells only what its words do.
    pub(super) fn learn<T, E>(&self, host: &Host, what: &Change, found: &Result<Preview<T>, E>) {
        let Some(cluster) = host.cluster.get() else { return };
        let previewed = cluster.requests().recent();
        let diff = match found {
            // What an earlier change makes is not there yet: that nothing differs says nothing.
            Ok(Preview::Same(_)) if host.dry_run() && host.plan.touched_by(&what.touches).is_some() => None,
            Ok(Preview::Same(_)) => {
                self.beyond().extend(rights::settling(what, &previewed));
                return;
            }
            Ok(Preview::Differs { diff, .. } | Preview::Action { request: diff }) => Some(diff),
            Err(_) => None,
        };
        let change = change(host, cluster, what, diff, &previewed);
        self.beyond().extend(change.clone());
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = previewed.into_iter().chain(change).collect();
        let missing = self.missing(what);
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).extend(missing);
    }

    /// What a read will take of what is not there yet, for a dry run, which cannot ask it: as if it were a change that rests
    /// on the same.
    pub fn foresee(&self, host: &Host, read: &Change) {
        let Some(cluster) = host.cluster.get().filter(|_| host.dry_run()) else { return };
        let needs = change(host, cluster, read, None, &Needs::new());
        self.beyond().extend(needs);
    }

    /// Whoever enters a database says what he may do there.
    pub fn entered(&self, user: User) {
        let mut users = self.users();
        if !users.contains(&user) {
            users.push(user);
        }
    }

    /// What the users that a change works as lack for it.
    fn missing(&self, what: &Change) -> Vec<String> {
        let users = self.users();
        let rules = GRANTS.iter().filter(|(verb, ..)| *verb == what.verb);
        let lacks = rules.flat_map(|(_, side, word)| {
            let concerned = users.iter().filter(|user| is_concerned(user, what, *side));
            let lacking = concerned.filter(|user| ![SUPERUSER, word].iter().any(|mark| user.may.contains(mark)));
            lacking.map(move |user| format!("`{word}` for the database user `{}` of `{}/{}`", user.name, user.place, user.database))
        });
        lacks.collect()
    }

    /// Everything that the run has taken so far, and what its changes would take.
    pub fn needs(&self, host: &Host) -> Needs {
        let asked = host.cluster.get().map(|cluster| cluster.requests().all()).unwrap_or_default();
        asked.into_iter().chain(self.beyond().clone()).chain(host.lock_needs()).collect()
    }

    /// What database users lack for the changes that were previewed.
    pub fn lacking_grants(&self) -> Vec<String> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn beyond(&self) -> MutexGuard<'_, Needs> {
        self.beyond.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn users(&self) -> MutexGuard<'_, Vec<User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a live run will do for this change beyond its preview.
fn change(host: &Host, cluster: &Cluster, what: &Change, diff: Option<&Diff>, previewed: &Needs) -> Needs {
    let kind = |word: &str| {
        let kind: Result<_, ClusterError> = host.bridge.wait(cluster.kind(word));
        kind.ok().map(|kind| Resource { group: kind.group, plural: kind.plural, namespaced: kind.namespaced })
    };
    let evidence = host.settings.text("evidence.namespace").unwrap_or_else(|_| "default".into());
    let around = Around { evidence, forward: host.settings.environment.reach == Reach::Forward, kind: &kind };
    rights::beyond(what, diff, previewed, &around)
}

fn is_concerned(user: &User, what: &Change, side: Side) -> bool {
    let here = format!("database {}/{}", user.place, user.database);
    match side {
        Side::Server => what.touches.iter().any(|touched| {
            let touched = touched.split_once(' ').map_or(touched.as_str(), |(_, touched)| touched);
            touched.strip_prefix(&user.place).is_some_and(|rest| rest.starts_with('/'))
        }),
        Side::Target => what.touches.contains(&here),
        Side::Source => what.rests_on.contains(&here),
    }
}

/// What is lacking. Where that could not be asked, the change itself will tell; whoever was stopped while asking is stopped.
fn answered(lacking: Result<Vec<Need>, ClusterError>) -> Result<Vec<Need>, Interrupted> {
    match lacking {
        Err(ClusterError::Interrupted(reason)) => Err(reason),
        lacking => Ok(lacking.unwrap_or_default()),
    }
}

impl Host {
    /// What the lock takes.
    fn lock_needs(&self) -> Needs {
        let namespace = self.lock_wanted().namespace;
        ["get", "create", "update", "delete"].map(|verb| Need::within(&namespace, "coordination.k8s.io", "leases", verb)).into()
    }

    /// Which of these rights the user of the kubeconfig does not have.
    pub fn lacking(&self, needs: Needs) -> Result<Vec<Need>, ClusterError> {
        let mut held = self.rights.held.lock().unwrap_or_else(PoisonError::into_inner);
        let asked: Needs = needs.difference(&held).cloned().collect();
        let lacking = self.bridge.wait::<_, _, ClusterError>(self.cluster()?.lacking(asked.clone()))?;
        held.extend(asked.into_iter().filter(|need| !lacking.contains(need)));
        Ok(lacking)
    }

    /// Whether everything is held that the change takes whose preview was the last.
    pub(super) fn may_make(&self, what: &Change) -> Result<(), Interrupted> {
        let needs = std::mem::take(&mut *self.rights.current.lock().unwrap_or_else(PoisonError::into_inner));
        if needs.is_empty() {
            return Ok(());
        }
        let lacking: Vec<String> = answered(self.lacking(needs))?.iter().map(Need::to_string).collect();
        if lacking.is_empty() { Ok(()) } else { Err(Interrupted::lacking(&format!("`{what}`"), &lacking)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, database: &str, may: &[&'static str]) -> User {
        User { place: "platform".into(), database: database.into(), name: name.into(), may: may.to_vec() }
    }

    fn missing(what: &Change, user: User) -> String {
        let rights = Rights::default();
        rights.entered(user);
        rights.missing(what).join("; ")
    }

    #[test]
    fn a_role_takes_more_than_a_login() {
        let role = Change::new("sql role", "x of platform/gitea").touching("role platform/x");
        let may = ["CREATEROLE"];
        assert_eq!(
            missing(&role, user("ops", "postgres", &may)),
            "`SELECT on pg_authid` for the database user `ops` of `platform/postgres`"
        );
        assert_eq!(missing(&role, user("ops", "postgres", &[SUPERUSER])), "");
    }

    #[test]
    fn a_copy_reads_on_one_side_and_makes_on_the_other() {
        let copy = Change::new("sql copy", "x").touching("database platform/gitea").resting_on(["database platform/old".to_owned()]);
        let reads = ["SELECT on every table"];
        assert_eq!(missing(&copy, user("a", "old", &reads)), "");
        assert_eq!(missing(&copy, user("a", "gitea", &reads)), "`CREATE on the database` for the database user `a` of `platform/gitea`");
    }

    #[test]
    fn a_user_of_another_server_is_not_asked() {
        let database = Change::new("sql database", "apps/x").touching("database apps/x");
        assert_eq!(missing(&database, user("a", "postgres", &[])), "");
    }

    #[test]
    fn whoever_is_stopped_while_rights_are_asked_for_is_stopped() {
        let lost = Interrupted::LockLost("it was not renewed".into());
        assert_eq!(answered(Err(lost.clone().into())).unwrap_err(), lost);
        assert!(answered(Err(ClusterError::NoKubeconfig { looked: String::new() })).unwrap().is_empty());
    }
}
