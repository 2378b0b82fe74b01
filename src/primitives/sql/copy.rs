//! A copy of a database that is proven or marked as incomplete, never half there and whole to look at. What is moved
//! is `transfer`'s business, whether it is equal the certificate's.

use super::certificate::Certificate;
use super::database;
use super::driver::{Server, SqlError, WHOLE, within};
use super::mark::Mark;
use super::measure::{Hash, measure};
use super::room::too_small;
use super::state::{Owners, Reason, State, not_empty, reasons, unfit_source};
use super::transfer::{LOCK, Transfer};
use super::writers::writers;
use crate::database::{Identity, Primary, Session, quote_name, quote_text};
use crate::duration::Span;
use crate::effect::{Diff, Permit, Preview};
use crate::event::Events;
use crate::host::Host;
use serde::Deserialize;
use serde_json::Value;
use std::cell::Cell;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct CopyOptions {
    /// Copies although somebody writes to the source: what they write meanwhile is not in the copy.
    pub allow_writers: bool,
    /// How long it may take; 6 hours where it is left out.
    pub timeout: Option<Span>,
}

/// How many differences of an earlier copy are named.
const NAMED: usize = 5;
/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);
/// How long a copy that was interrupted a moment ago may take to let go of its lock.
const LET_GO: Duration = Duration::from_secs(10);

/// Two databases, one of which is to be like the other.
pub struct Copy<'c> {
    source: Server<'c, 'c>,
    target: Server<'c, 'c>,
    options: CopyOptions,
    events: Events,
    /// In a dry run, the earlier step without which the target may not be there yet.
    expected: Option<String>,
    /// In a dry run that has planned something, what does not hold may hold by then.
    may_hold_then: bool,
}

impl<'c> Copy<'c> {
    pub fn new(host: &Host, source: Server<'c, 'c>, target: Server<'c, 'c>, options: CopyOptions) -> Self {
        let grounds = std::iter::once(target.target().resource()).chain(target.target().grounds()).collect::<Vec<_>>();
        let expected = host.dry_run().then(|| host.plan.touched_by(&grounds)).flatten();
        let may_hold_then = host.dry_run() && !host.plan.is_empty();
        Self { source, target, options, events: host.events.clone(), expected, may_hold_then }
    }

    pub async fn preview(&self) -> Result<Preview<Certificate>, SqlError> {
        let (source, target) = tokio::join!(State::of(&self.source), State::of(&self.target));
        let source = source?;
        let mut target = match (target, &self.expected) {
            (Err(_), Some(step)) => return self.foresee(&source, step).await,
            (target, _) => target?,
        };
        if let Some(certificate) = self.still_equal(&source, &mut target).await? {
            return Ok(Preview::Same(certificate));
        }
        let reasons = self.reasons(&source, &target).await?;
        if !reasons.is_empty() && !self.may_hold_then {
            return Err(self.refuse(&reasons));
        }
        let diff = must_hold(self.summary(&source), &reasons);
        Ok(Preview::differs(match (target.is_leftover(), target.untouched) {
            (true, true) => diff.note("drops the earlier copy there: the source has changed since, and nobody has written to the copy"),
            (true, false) => diff.note("drops what an unfinished copy left there"),
            _ => diff,
        }))
    }

    /// Whether it may begin; else every reason why it would be refused.
    pub async fn ready(&self) -> Result<bool, SqlError> {
        let (source, mut target) = tokio::try_join!(State::of(&self.source), State::of(&self.target))?;
        if self.still_equal(&source, &mut target).await?.is_some() {
            return Ok(true);
        }
        let reasons = self.reasons(&source, &target).await?;
        if reasons.is_empty() { Ok(true) } else { Err(self.refuse(&reasons)) }
    }

    /// What can be said while the target is not there yet.
    async fn foresee(&self, source: &State, step: &str) -> Result<Preview<Certificate>, SqlError> {
        let mut reasons = unfit_source(source);
        reasons.extend(self.writers().await?);
        let diff = must_hold(self.summary(source), &reasons);
        Ok(Preview::differs(diff.aside(format!("what the target holds is known after {step}"))))
    }

    pub async fn apply(&self, permit: &Permit) -> Result<Certificate, SqlError> {
        let limit = self.options.timeout.map_or(WHOLE, |timeout| timeout.0);
        within(&format!("the copy to `{}`", self.target.target().title()), limit, Box::pin(self.run(permit))).await
    }

    async fn run(&self, permit: &Permit) -> Result<Certificate, SqlError> {
        let inside = self.target.inside().await?;
        self.lock(&inside.session).await?;
        let (source, mut target) = tokio::try_join!(State::of(&self.source), State::of(&self.target))?;
        if let Some(certificate) = self.still_equal(&source, &mut target).await? {
            return Ok(certificate);
        }
        let from = source.identity.clone().ok_or_else(|| self.source.not_understood("it has no identity"))?;
        if let Some(reason) = not_empty(&target) {
            return Err(self.refuse(&[reason]));
        }
        let anew;
        let held = if target.is_leftover() {
            anew = self.empty(permit, &from, target.comment.as_deref()).await?;
            self.lock(&anew.session).await?;
            &anew
        } else {
            inside
        };
        self.mark(permit, &held.session, &Mark::incomplete(&from)).await?;
        self.transfer(held, &source, &target).run(permit, &self.events).await?;
        held.session.execute(permit, "ANALYZE", &[]).await?;
        let certificate = self.certify(&held.session, hash(&source, &target)).await?;
        self.proven(permit, held, certificate).await
    }

    fn transfer<'a>(&'a self, held: &'a Primary, source: &State, target: &State) -> Transfer<'a> {
        Transfer { source: &self.source, target: &self.target, held, owners: self.owners(), major: target.major(), size: source.size }
    }

    async fn certify(&self, to: &Session, hash: Hash) -> Result<Certificate, SqlError> {
        certify(&self.source, &self.source.inside().await?.session, &self.target, to, hash, &self.events).await
    }

    async fn proven(&self, permit: &Permit, held: &Primary, certificate: Certificate) -> Result<Certificate, SqlError> {
        if !certificate.equal {
            let differences = certificate.differences.iter().map(ToString::to_string).collect();
            return Err(SqlError::NotEqual { from: self.source.target().title(), to: self.target.target().title(), differences });
        }
        self.mark(permit, &held.session, &Mark::certified(&certificate.digest, &certificate.source)).await?;
        Ok(certificate)
    }

    /// The certificate of an earlier copy from this source, if it still holds. Where it does not because only the source
    /// has changed, the target is noted as untouched.
    async fn still_equal(&self, source: &State, target: &mut State) -> Result<Option<Certificate>, SqlError> {
        let Some(Mark::Certified { from, digest }) = target.mark() else { return Ok(None) };
        if source.identity.as_ref().is_none_or(|identity| identity.to_string() != from) {
            return Ok(None);
        }
        let certificate = compare(&self.source, &self.target, &self.events).await?;
        target.untouched = certificate.digest == digest;
        // What only the copy has says most: somebody put it there.
        let mut differences: Vec<_> = certificate.differences.iter().collect();
        differences.sort_by_key(|difference| difference.source.is_some());
        target.unequal = differences.into_iter().take(NAMED).map(ToString::to_string).collect();
        Ok(certificate.equal.then_some(certificate))
    }

    async fn reasons(&self, source: &State, target: &State) -> Result<Vec<Reason>, SqlError> {
        let inside = self.target.inside().await?;
        if self.target.target().admin.is_none() {
            return Err(SqlError::NoAdmin { target: self.target.target().title() });
        }
        if inside.pod.is_none() {
            return Err(SqlError::NoMembers { target: self.target.target().title() });
        }
        let users = [self.source.target(), self.target.target()].map(|side| side.login.user.as_str());
        let mut found = reasons(source, target, self.owners(), users);
        let (too_small, writers) = tokio::join!(too_small(&self.target.gateway, inside, source.size), self.writers());
        found.extend(too_small);
        found.extend(writers?);
        Ok(found)
    }

    async fn writers(&self) -> Result<Option<Reason>, SqlError> {
        if self.options.allow_writers { Ok(None) } else { writers(&self.source.inside().await?.session).await }
    }

    fn refuse(&self, reasons: &[Reason]) -> SqlError {
        let reasons = reasons.iter().map(ToString::to_string).collect();
        SqlError::CopyRefused { from: self.source.target().title(), to: self.target.target().title(), reasons }
    }

    fn summary(&self, source: &State) -> Diff {
        let (from, to) = (self.source.target().title(), self.target.target().title());
        let diff = Diff::new().note(format!("copies {} tables from {from} to {to}, and proves that both are equal", source.tables));
        let diff = source.identity.iter().fold(diff, |diff, identity| diff.note(format!("from the server and database {identity}")));
        let schema: String = source.schema.chars().take(12).collect();
        let diff = diff.note(format!("its schema is {schema}, its size {}", order(source.size)));
        diff.aside(format!("{} MB", source.size.div_ceil(1024 * 1024)))
    }

    fn owners(&self) -> Owners {
        if self.source.target().login.user == self.target.target().login.user { Owners::Kept } else { Owners::Given }
    }

    /// Makes sure that nobody else copies into the target, until this session ends.
    async fn lock(&self, session: &Session) -> Result<(), SqlError> {
        let deadline = tokio::time::Instant::now() + LET_GO;
        while session.value("SELECT pg_try_advisory_lock($1)", &[LOCK.into()]).await? != Value::Bool(true) {
            if tokio::time::Instant::now() > deadline {
                return Err(SqlError::UnderWay { target: self.target.target().title() });
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Drops the target with what an unfinished copy left in it, and makes it anew as it was. It is marked before
    /// anybody could take it for a whole one.
    async fn empty(&self, permit: &Permit, from: &Identity, comment: Option<&str>) -> Result<Primary, SqlError> {
        let name = &self.target.target().database;
        let session = &self.target.maintenance().await?.session;
        let owned = database::find(session, name).await?.ok_or_else(|| self.target.not_understood("the database went away"))?;
        session.execute(permit, &format!("DROP DATABASE {} WITH (FORCE)", quote_name(name)), &[]).await?;
        session.execute(permit, &owned.create(), &[]).await?;
        session.execute(permit, &comment_on(name, &Mark::incomplete(from).put(comment)), &[]).await?;
        Ok(self.target.gateway.primary(self.target.access, name).await?)
    }

    async fn mark(&self, permit: &Permit, session: &Session, mark: &Mark) -> Result<(), SqlError> {
        let comment = comment(session).await?;
        session.execute(permit, &comment_on(&self.target.target().database, &mark.put(comment.as_deref())), &[]).await?;
        Ok(())
    }
}

/// The order of a size: a database that is written to keeps it.
fn order(bytes: u64) -> String {
    match bytes / (1024 * 1024) {
        0 => "below 1 MB".into(),
        size => format!("of the order of {} MB", 10_u64.pow(size.ilog10())),
    }
}

/// What does not hold now and must hold then. It says nothing about what is copied.
fn must_hold(diff: Diff, reasons: &[Reason]) -> Diff {
    reasons.iter().fold(diff, |diff, Reason { must, but }| diff.aside(format!("must hold then: {must} (now: {but})")))
}

fn comment_on(database: &str, text: &str) -> String {
    format!("COMMENT ON DATABASE {} IS {}", quote_name(database), quote_text(text))
}

/// The comment of the database that a session is in.
pub async fn comment(session: &Session) -> Result<Option<String>, SqlError> {
    let sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";
    Ok(session.value(sql, &[]).await?.as_str().map(str::to_owned))
}

fn hash(source: &State, target: &State) -> Hash {
    if source.major() == target.major() { Hash::Native } else { Hash::Md5 }
}

/// Holds two databases against each other as they are now.
pub async fn compare(source: &Server<'_, '_>, target: &Server<'_, '_>, events: &Events) -> Result<Certificate, SqlError> {
    let (from, to) = (&source.inside().await?.session, &target.inside().await?.session);
    let hash = if major(from).await? == major(to).await? { Hash::Native } else { Hash::Md5 };
    certify(source, from, target, to, hash, events).await
}

async fn major(session: &Session) -> Result<u64, SqlError> {
    let version = session.value("SELECT current_setting('server_version_num')::int", &[]).await?;
    Ok(version.as_u64().unwrap_or_default() / 10_000)
}

impl Server<'_, '_> {
    /// What an earlier copy wrote into the database's comment.
    pub async fn mark(&self) -> Result<Option<Mark>, SqlError> {
        Ok(Mark::find(comment(&self.inside().await?.session).await?.as_deref()))
    }
}

async fn certify(
    source: &Server<'_, '_>,
    from: &Session,
    target: &Server<'_, '_>,
    to: &Session,
    hash: Hash,
    events: &Events,
) -> Result<Certificate, SqlError> {
    let what = format!("compare {}", target.target().title());
    let told = Cell::new(Instant::now());
    let told = |done, all| {
        if done == all || told.get().elapsed() >= TELL {
            told.set(Instant::now());
            events.progress(&what, done, Some(all), "tables");
        }
    };
    let (source, target) = tokio::try_join!(
        measure(from, &source.target().login.user, hash, &|_, _| {}),
        measure(to, &target.target().login.user, hash, &told),
    )?;
    Ok(Certificate::between(&source, &target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_come_do_not_change_the_order_of_a_size() {
        const MB: u64 = 1024 * 1024;
        assert_eq!(order(14 * MB), "of the order of 10 MB");
        assert_eq!(order(14 * MB), order(40 * MB));
        assert_ne!(order(14 * MB), order(140 * MB));
        assert_eq!(order(MB / 2), "below 1 MB");
    }

    #[test]
    fn a_comment_cannot_escape_its_quotes() {
        assert_eq!(comment_on("g", "it's"), "COMMENT ON DATABASE \"g\" IS 'it''s'");
    }
}
