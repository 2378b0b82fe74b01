//! Making a backup: every object as a stream, the signed manifest last. Without a manifest there is no backup, so a
//! backup that fails or is cancelled is none.

use crate::effect::Permit;
use crate::primitives::backup::driver::Backups;
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::{self, FORMAT, MANIFEST, Manifest, Object};
use crate::primitives::backup::producer::{self, Produced, Producer, Producers};
use crate::primitives::backup::stream;
use crate::webdav::{Replace, WebDavError};
use age::x25519::Recipient;
use jiff::Timestamp;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Less free space than this is none.
const LEAST_FREE: u64 = 1 << 20;
/// How long the remains of a failed backup are worked on.
const CLEANING: Duration = Duration::from_secs(10);

/// The folder of a backup under way: known to whoever must remove it if it is not finished.
#[derive(Default)]
pub struct Begun(Mutex<Option<String>>);

impl Begun {
    fn set(&self, id: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(id.to_owned());
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Backups {
    /// Asks the server whether a backup could be made now: it answers, it knows us, its clock is right, it has room.
    pub async fn ready(&self) -> Result<(), BackupError> {
        let mut folder = self.folder.as_str();
        let entry = loop {
            match self.dav.stat(folder).await? {
                Some(entry) => break entry,
                None if folder.is_empty() => return Err(WebDavError::NotFound { path: "/".into() }.into()),
                None => folder = folder.rsplit_once('/').map_or("", |(parent, _)| parent),
            }
        };
        self.compare_clocks()?;
        match entry.available {
            Some(bytes) if bytes < LEAST_FREE => {
                let reason = format!("its quota leaves {bytes} bytes");
                Err(WebDavError::Quota { request: format!("backups of `{}`", self.platform), reason }.into())
            }
            _ => Ok(()),
        }
    }

    /// Makes a backup of all that is produced. What has begun is noted in `begun` until it is finished.
    pub async fn create(
        &self,
        permit: &Permit,
        begun: &Begun,
        recipients: &[Recipient],
        producers: &Producers<'_>,
    ) -> Result<Manifest, BackupError> {
        self.ready().await?;
        let (id, made_at) = self.begin(permit, begun).await?;
        let (mut objects, mut tools): (Vec<Object>, Vec<_>) = (Vec::new(), Vec::new());
        for producer in producers {
            let (object, tool) = self.patiently(|| self.store(permit, &id, recipients, &**producer)).await?;
            objects.push(object);
            tools.extend(tool);
        }
        let (run, platform, tools) = (self.run.clone(), self.platform.clone(), producer::tools(tools));
        let manifest = Manifest { format: FORMAT, id: id.clone(), run, platform, made_at, tools, objects };
        let unsigned = |error: serde_json::Error| BackupError::Unreadable { id, path: MANIFEST.into(), reason: error.to_string() };
        let text = self.signet.sign("manifest", &manifest).map_err(unsigned)?;
        self.dav.deposit(permit, &self.path(&manifest.id, MANIFEST), text.as_bytes(), Replace::Never).await?;
        begun.take();
        Ok(manifest)
    }

    /// Removes what an unfinished backup left, as far as the server lets us. It has no manifest, so nothing believes
    /// in it anyway.
    pub async fn discard(&self, permit: &Permit, begun: &Begun) {
        if let Some(id) = begun.take() {
            let removed = tokio::time::timeout(CLEANING, self.dav.remove(permit, &format!("{}/{id}", self.folder))).await;
            if !matches!(removed, Ok(Ok(()))) {
                self.events.warn(format!("the unfinished backup `{id}` could not be removed; it has no manifest and does not count"));
            }
        }
    }

    /// A folder that nobody else has: a second backup of the same run in the same second waits for the next one.
    async fn begin(&self, permit: &Permit, begun: &Begun) -> Result<(String, Timestamp), BackupError> {
        self.dav.make_folders(permit, "", &self.folder).await?;
        loop {
            let now = Timestamp::now();
            let id = manifest::id(now, &self.run);
            match self.dav.make_folder(permit, &format!("{}/{id}", self.folder)).await {
                Ok(()) => {
                    begun.set(&id);
                    return Ok((id, now));
                }
                Err(WebDavError::Exists { .. }) => tokio::time::sleep(Duration::from_millis(250)).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn store(
        &self,
        permit: &Permit,
        id: &str,
        recipients: &[Recipient],
        producer: &dyn Producer,
    ) -> Result<(Object, Option<(String, String)>), BackupError> {
        let title = producer.title();
        let Produced { content, output, tool } = producer.start().await?;
        let path = self.path(id, &content.path());
        if let Some((folder, _)) = content.path().rsplit_once('/') {
            self.dav.make_folders(permit, &format!("{}/{id}", self.folder), folder).await?;
        }
        let (writer, reader) = stream::pipe();
        let sealed = async {
            match stream::seal(output, recipients, writer, self.progress(&title, None)).await {
                // The upload has given up and is about to say why.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::future::pending().await,
                sealed => sealed.map_err(|error| broke(error, &title)),
            }
        };
        let deposited = async { Ok(self.dav.deposit(permit, &path, reader, Replace::Never).await?) };
        let (plain, deposited) = tokio::try_join!(sealed, deposited)?;
        self.events.progress(&title, plain.bytes, Some(plain.bytes), "bytes");
        Ok((Object::new(content, deposited, plain.bytes, plain.sha256()), tool))
    }
}

/// What ended a stream: the producer's own error, where it was that.
fn broke(error: io::Error, what: &str) -> BackupError {
    match error.downcast::<BackupError>() {
        Ok(error) => error,
        Err(error) => BackupError::ProducerBroke { what: what.into(), reason: error.to_string() },
    }
}
