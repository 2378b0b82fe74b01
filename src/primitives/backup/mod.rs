//! What a script may say about backups: databases, encrypted and signed, on a WebDAV server. How one is made, proven
//! and found is the driver's business.

mod catalogue;
mod create;
mod driver;
mod error;
#[cfg(test)]
mod faults;
mod identity;
mod manifest;
mod output;
mod producer;
mod signature;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

use crate::database::{Gateway, Target};
use crate::effect::{Change, Diff, Permit, Preview};
use crate::host::Host;
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, target, value};
use catalogue::LatestOptions;
use create::Begun;
use driver::Backups;
use error::BackupError;
use manifest::{Grade, Manifest};
use producer::{Dump, Globals, Place, Producers, cluster_name};
use rhai::plugin::*;
use rhai::{Dynamic, Map};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What all backups are, for a dry run that plans one and reads the list afterwards.
const BACKUPS: &str = "backup/";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CreateOptions {
    /// Maps, as for `sql`; they are taken out before the rest is read.
    databases: IgnoredAny,
    /// Whether roles go along; where nothing is said, they do where an `admin` is known.
    globals: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct VerifyOptions {
    /// At least this much must be proven.
    grade: Option<Grade>,
}

/// What was proven.
#[derive(Serialize)]
struct Verified {
    id: String,
    grade: Grade,
    objects: usize,
    bytes: u64,
}

#[export_module]
mod verbs {
    /// Makes a backup of databases and of their servers' roles, and returns its id. Nothing counts until all is there.
    ///
    /// ```rhai
    /// let id = backup::create(#{ databases: [gitea::database_in_use()] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn create(ctx: NativeCallContext, options: Map) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let (targets, globals) = wanted(options)?;
            let backups = Backups::on(host)?;
            let change = Change::new("backup create", backups.platform()).touching(BACKUPS).cancellable();
            let change = change.resting_on(targets.iter().flat_map(|target| [vec![target.resource()], target.grounds()].concat()));
            host.change(
                change,
                || {
                    host.wait::<_, BackupError, Fault>(backups.ready())?;
                    Ok(Preview::Action { request: request(&targets, globals) })
                },
                |permit, _| {
                    let begun = Begun::default();
                    let made = make(host, &backups, permit, &begun, &targets, globals);
                    if made.is_err() {
                        clean(host, &backups, permit, &begun);
                    }
                    made.map(|manifest| manifest.id)
                },
            )
        })
    }

    /// Proves a backup as far as the identities at hand allow, writes a signed receipt, and says which grade was reached.
    ///
    /// ```rhai
    /// let proof = backup::verify(state.backup);
    /// note(`${proof.objects} objects, ${proof.grade}`);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn verify(ctx: NativeCallContext, id: &str) -> RhaiResultOf<Dynamic> {
        proven(&ctx, id, Map::new())
    }

    /// Proves a backup at least up to a grade: `uploaded`, or `verified`, which needs an identity.
    ///
    /// ```rhai
    /// backup::verify(state.backup, #{ grade: "verified" });
    /// ```
    #[rhai_fn(name = "verify", volatile, return_raw)]
    pub fn verify_with(ctx: NativeCallContext, id: &str, options: Map) -> RhaiResultOf<Dynamic> {
        proven(&ctx, id, options)
    }

    /// The newest backup that is proven at least as `uploaded`, `()` where there is none.
    ///
    /// ```rhai
    /// let newest = backup::latest();
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn latest(ctx: NativeCallContext) -> RhaiResultOf<Dynamic> {
        found(&ctx, Map::new())
    }

    /// The newest backup that was made and proven lately enough, up to a grade, and holds these databases; `()` where
    /// there is none.
    ///
    /// ```rhai
    /// let recent = backup::latest(#{ verified_within: "1h", grade: "uploaded", databases: [source] });
    /// ```
    #[rhai_fn(name = "latest", volatile, return_raw)]
    pub fn latest_with(ctx: NativeCallContext, options: Map) -> RhaiResultOf<Dynamic> {
        found(&ctx, options)
    }

    /// All backups of this platform, newest first: id, age in seconds, size in bytes, grade, databases.
    ///
    /// ```rhai
    /// for backup in backup::list() { note(`${backup.id} ${backup.grade}`); }
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn list(ctx: NativeCallContext) -> RhaiResultOf<Dynamic> {
        read(&ctx, &[BACKUPS], |host| {
            let backups = Backups::on(host)?;
            host.wait::<_, BackupError, Fault>(backups.list())
        })
    }
}

fn proven(ctx: &NativeCallContext, id: &str, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let VerifyOptions { grade } = value::options(options)?;
        let backups = Backups::on(host)?;
        let identities = identity::identities(&host.settings, &host.files)?;
        host.change(
            Change::new("backup verify", id).touching(BACKUPS).cancellable(),
            || {
                host.wait::<_, BackupError, Fault>(backups.manifest(id))?;
                Ok(Preview::action(format!("read its objects back and sign a receipt for `{id}`")))
            },
            |permit, _| {
                let proven = host.wait::<_, BackupError, Fault>(backups.verify(permit, id, &identities, grade));
                proven.map(|(manifest, grade)| verified(&manifest, grade))
            },
        )
    })
}

fn verified(manifest: &Manifest, grade: Grade) -> Verified {
    Verified { id: manifest.id.clone(), grade, objects: manifest.objects.len(), bytes: manifest.bytes() }
}

fn found(ctx: &NativeCallContext, mut options: Map) -> RhaiResultOf<Dynamic> {
    read(ctx, &[BACKUPS], |host| {
        let databases = options.remove("databases");
        let mut wanted: LatestOptions = value::options(options)?;
        if let Some(databases) = databases {
            wanted.databases = databases_of(databases)?.iter().map(Target::title).collect();
        }
        let backups = Backups::on(host)?;
        host.wait::<_, BackupError, Fault>(backups.latest(&wanted))
    })
}

/// The databases that a script names, and whether their globals go along.
fn wanted(mut options: Map) -> Result<(Vec<Target>, Option<bool>), Fault> {
    let databases = options.remove("databases").unwrap_or(Dynamic::UNIT);
    let CreateOptions { globals, .. } = value::options(options)?;
    let mut targets: Vec<Target> = Vec::new();
    for target in databases_of(databases)? {
        match targets.iter().find(|known| known.title() == target.title()) {
            None => targets.push(target),
            Some(known) if known.members == target.members => {}
            Some(_) => {
                let reason = "another server in the same namespace has a database of this name: back them up one by one".into();
                return Err(BackupError::BadTarget { database: target.title(), reason }.into());
            }
        }
    }
    Ok((targets, globals))
}

const SHAPE: &str = "describe each as for `sql::connect`: host, database, user, password, members, admin";

/// A list of maps that describe databases, at least one.
fn databases_of(list: Dynamic) -> Result<Vec<Target>, Fault> {
    if let Some(pending) = value::pending_in(&list) {
        return Err(pending.into());
    }
    let wrong = || value::ValueError::Option { message: "option `databases`: a list of maps is expected".into(), help: Some(SHAPE.into()) };
    let maps = if list.is_unit() { Vec::new() } else { list.into_array().map_err(|_| wrong())? };
    // A variable that a closure has captured is shared, also inside a list.
    let map = |value: Dynamic| value.flatten().try_cast::<Map>().ok_or_else(wrong);
    let targets = maps.into_iter().map(|value| target::target(map(value)?)).collect::<Result<Vec<_>, Fault>>()?;
    if targets.is_empty() { Err(BackupError::Nothing.into()) } else { Ok(targets) }
}

/// What a dry run says.
fn request(targets: &[Target], globals: Option<bool>) -> Diff {
    let databases = targets.iter().map(|target| format!("dump database {}, encrypted", target.title()));
    let globals = servers(targets, globals).into_iter().map(|target| format!("dump the roles of {}, encrypted", cluster_name(target)));
    databases.chain(globals).fold(Diff::new(), Diff::note)
}

/// One database of each server whose globals go along.
fn servers(targets: &[Target], globals: Option<bool>) -> Vec<&Target> {
    let mut servers: Vec<&Target> = Vec::new();
    for target in targets.iter().filter(|target| globals.unwrap_or(target.admin.is_some())) {
        if !servers.iter().any(|known| cluster_name(known) == cluster_name(target)) {
            servers.push(target);
        }
    }
    servers
}

fn make(
    host: &Host,
    backups: &Backups,
    permit: &Permit,
    begun: &Begun,
    targets: &[Target],
    globals: Option<bool>,
) -> Result<Manifest, Fault> {
    let recipients = identity::recipients(&host.settings)?;
    let gateway = Gateway::on(host)?;
    let (mut dumps, mut roles) = (Producers::new(), Producers::new());
    let servers = servers(targets, globals);
    for target in targets {
        let place = Arc::new(Place::new(&gateway, target.unlock(host)?));
        if servers.iter().any(|server| std::ptr::eq(*server, target)) {
            roles.push(Box::new(Globals(Arc::clone(&place))));
        }
        dumps.push(Box::new(Dump(place)));
    }
    dumps.extend(roles);
    host.wait::<_, BackupError, Fault>(backups.create(permit, begun, &recipients, &dumps))
}

/// Removes what is unfinished. A Ctrl-C that ended the backup must not end this too; it takes seconds at most.
fn clean(host: &Host, backups: &Backups, permit: &Permit, begun: &Begun) {
    host.bridge.shield(true);
    let cleaned = host.wait::<(), BackupError, BackupError>(async {
        backups.discard(permit, begun).await;
        Ok(())
    });
    host.bridge.shield(false);
    if let Err(error) = cleaned {
        host.events.warn(error.to_string());
    }
}

pub fn primitive() -> Primitive {
    let verbs = vec![
        Verb::read("list"),
        Verb::read("latest").options::<LatestOptions>(),
        Verb::action("create").options::<CreateOptions>(),
        Verb::action("verify").options::<VerifyOptions>(),
    ];
    Primitive { name: "backup", module: exported_module!(verbs), verbs, types: |_| {} }
}
