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
mod request;
mod server;
mod signature;
mod stream;
#[cfg(test)]
mod tests;
mod verify;
mod volume;

use crate::database::Target;
use crate::effect::{Change, Preview};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, target, value};
use catalogue::LatestOptions;
use create::Begun;
use driver::Backups;
use error::BackupError;
use manifest::{Grade, Manifest};
use request::{CreateOptions, Request};
use rhai::plugin::*;
use rhai::{Dynamic, Map};
use serde::{Deserialize, Serialize};

/// What all backups are, for a dry run that plans one and reads the list afterwards.
const BACKUPS: &str = "backup/";

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
    /// Makes a backup and returns its id: of `databases` and their servers' roles, of Valkey servers (`valkey`) and of
    /// `volumes`, in this order. A volume is read through a helper pod that mounts its claim. Nothing counts until all
    /// is there.
    ///
    /// ```rhai
    /// let id = backup::create(#{ databases: [gitea::database_in_use()], volumes: ["gitea/persistentvolumeclaim/gitea-shared-storage"] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn create(ctx: NativeCallContext, options: Map) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let request = requested(options)?;
            let backups = Backups::on(host)?;
            let change = Change::new("backup create", backups.platform()).touching(BACKUPS).cancellable();
            let change = change.resting_on(request.grounds());
            host.change(
                change,
                || {
                    host.wait::<_, BackupError, Fault>(backups.ready())?;
                    Ok(Preview::Action { request: request.shown() })
                },
                |permit, _| {
                    let begun = Begun::default();
                    let made = request.make(host, &backups, permit, &begun);
                    if made.is_err() {
                        request::shielded(host, backups.discard(permit, &begun));
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

/// All that a script wants in a backup.
fn requested(mut options: Map) -> Result<Request, Fault> {
    let given = options.remove("databases").unwrap_or(Dynamic::UNIT);
    if let Some(pending) = options.values().find_map(value::pending_in) {
        return Err(pending.into());
    }
    let options: CreateOptions = value::options(options)?;
    Request::new(if given.is_unit() { Vec::new() } else { databases_of(given)? }, options)
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

pub fn primitive() -> Primitive {
    let verbs = vec![
        Verb::read("list"),
        Verb::read("latest").options::<LatestOptions>(),
        Verb::action("create").options::<CreateOptions>(),
        Verb::action("verify").options::<VerifyOptions>(),
    ];
    Primitive { name: "backup", module: exported_module!(verbs), verbs, types: |_| {} }
}
