//! What a script wants in a backup, and the producers that bring it. How each works is theirs.

use crate::cluster::Name;
use crate::database::{Gateway, Target};
use crate::effect::{Diff, Permit};
use crate::host::Host;
use crate::primitives::backup::create::Begun;
use crate::primitives::backup::driver::Backups;
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::identity;
use crate::primitives::backup::manifest::Manifest;
use crate::primitives::backup::producer::{Dump, Globals, Place, Producers, cluster_name};
use crate::primitives::backup::server::{Rdb, Server};
use crate::primitives::backup::volume::{self, Helper, Volume};
use crate::script::Fault;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::future::Future;
use std::sync::Arc;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CreateOptions {
    /// Maps, as for `sql`; they are taken out before the rest is read.
    databases: IgnoredAny,
    /// Whether roles go along; where nothing is said, they do where an `admin` is known.
    globals: Option<bool>,
    /// Maps with `name`, `pod` and `password`.
    valkey: Vec<Server>,
    /// Claims, as `namespace/persistentvolumeclaim/name`.
    volumes: Vec<String>,
}

/// All that goes into one backup.
pub struct Request {
    targets: Vec<Target>,
    globals: Option<bool>,
    servers: Vec<Server>,
    volumes: Vec<Name>,
}

impl Request {
    /// What the options say, with the databases read beforehand.
    pub fn new(targets: Vec<Target>, options: CreateOptions) -> Result<Self, Fault> {
        let CreateOptions { globals, valkey: servers, volumes, .. } = options;
        let volumes = volumes.iter().map(|claim| Ok(Name::parse(claim)?)).collect::<Result<Vec<_>, Fault>>()?;
        let targets = distinct(targets)?;
        if targets.is_empty() && servers.is_empty() && volumes.is_empty() {
            return Err(BackupError::Nothing.into());
        }
        Ok(Self { targets, globals, servers, volumes })
    }

    /// What a dry run must know of before it can tell.
    pub fn grounds(&self) -> Vec<String> {
        let databases = self.targets.iter().flat_map(|target| [vec![target.resource()], target.grounds()].concat());
        let pods = self.servers.iter().map(|server| server.pod.clone());
        databases.chain(pods).chain(self.volumes.iter().map(Name::to_string)).collect()
    }

    /// What a dry run says.
    pub fn shown(&self) -> Diff {
        let databases = self.targets.iter().map(|target| format!("dump database {}, encrypted", target.title()));
        let globals = self.with_globals().into_iter().map(|target| format!("dump the roles of {}, encrypted", cluster_name(target)));
        let servers = self.servers.iter().map(|server| format!("dump the Valkey {}, encrypted", server.name));
        let volumes = self.volumes.iter().map(|claim| format!("read the volume of {claim} through a helper pod, encrypted"));
        databases.chain(globals).chain(servers).chain(volumes).fold(Diff::new(), Diff::note)
    }

    pub fn make(&self, host: &Host, backups: &Backups, permit: &Permit, begun: &Begun) -> Result<Manifest, Fault> {
        let recipients = identity::recipients(&host.settings)?;
        let (gateway, cluster) = (Gateway::on(host)?, host.cluster()?);
        let mut producers = self.dumps(host, &gateway)?;
        for server in &self.servers {
            host.reveal(&server.password)?;
            producers.push(Box::new(Rdb { cluster, server }));
        }
        let image = if self.volumes.is_empty() { String::new() } else { host.settings.text(volume::IMAGE).map_err(BackupError::from)? };
        let helpers: Vec<Helper> = self.volumes.iter().map(|claim| Helper::new(claim, &image, &host.run_id)).collect();
        for helper in helpers.iter().cloned() {
            producers.push(Box::new(Volume { cluster, helper }));
        }
        let made = host.wait::<_, BackupError, Fault>(async {
            for helper in &helpers {
                helper.start(cluster, permit).await?;
            }
            backups.create(permit, begun, &recipients, &producers).await
        });
        for helper in &helpers {
            shielded(host, helper.remove(cluster, permit, &host.events));
        }
        made
    }

    fn dumps<'h>(&'h self, host: &'h Host, gateway: &'h Gateway<'h>) -> Result<Producers<'h>, Fault> {
        let (mut dumps, mut roles) = (Producers::new(), Producers::new());
        let servers = self.with_globals();
        for target in &self.targets {
            let place = Arc::new(Place::new(gateway, target.unlock(host)?));
            if servers.iter().any(|server| std::ptr::eq(*server, target)) {
                roles.push(Box::new(Globals(Arc::clone(&place))));
            }
            dumps.push(Box::new(Dump(place)));
        }
        dumps.extend(roles);
        Ok(dumps)
    }

    /// One database of each server whose globals go along.
    fn with_globals(&self) -> Vec<&Target> {
        let mut servers: Vec<&Target> = Vec::new();
        for target in self.targets.iter().filter(|target| self.globals.unwrap_or(target.admin.is_some())) {
            if !servers.iter().any(|known| cluster_name(known) == cluster_name(target)) {
                servers.push(target);
            }
        }
        servers
    }
}

/// Each database once; two servers of one namespace with a database of the same name cannot be told apart.
fn distinct(given: Vec<Target>) -> Result<Vec<Target>, Fault> {
    let mut targets: Vec<Target> = Vec::new();
    for target in given {
        match targets.iter().find(|known| known.title() == target.title()) {
            None => targets.push(target),
            Some(known) if known.members == target.members => {}
            Some(_) => {
                let reason = "another server in the same namespace has a database of this name: back them up one by one".into();
                return Err(BackupError::BadTarget { database: target.title(), reason }.into());
            }
        }
    }
    Ok(targets)
}

/// Cleans up. A Ctrl-C that ended the backup must not end this too; it takes seconds at most.
pub fn shielded(host: &Host, work: impl Future<Output = ()>) {
    host.bridge.shield(true);
    let cleaned = host.wait::<(), BackupError, BackupError>(async {
        work.await;
        Ok(())
    });
    host.bridge.shield(false);
    if let Err(error) = cleaned {
        host.events.warn(error.to_string());
    }
}
