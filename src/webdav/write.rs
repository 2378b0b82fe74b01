//! What alters something on a WebDAV server. Each takes a [`Permit`]; putting a stream there so that it is whole or
//! not at all is `deposit`'s business.

use crate::effect::Permit;
use crate::webdav::error::WebDavError;
use crate::webdav::{WebDav, answer};
use bytes::Bytes;
use std::time::Duration;

/// Whether a rename may replace what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    Never,
    Allowed,
}

/// How often a destination is looked at after a gateway gave up, a second apart.
const LOOKS: u32 = 20;

impl WebDav {
    /// Makes a folder; its parent must be there. One that exists already is [`WebDavError::Exists`].
    pub async fn make_folder(&self, _: &Permit, path: &str) -> Result<(), WebDavError> {
        self.ask("MKCOL", path, |request| request).await.map(drop)
    }

    /// Makes the folders that are not there yet on the way from `base` to `below`.
    pub async fn make_folders(&self, permit: &Permit, base: &str, below: &str) -> Result<(), WebDavError> {
        let mut path = base.to_owned();
        for part in below.split('/').filter(|part| !part.is_empty()) {
            path = format!("{path}/{part}");
            match self.make_folder(permit, path.trim_start_matches('/')).await {
                Ok(()) | Err(WebDavError::Exists { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts a small file. Answers with the server's own sha256 where it computes one.
    pub(super) async fn put_whole(&self, _: &Permit, path: &str, content: Bytes) -> Result<Option<String>, WebDavError> {
        let response = self.ask("PUT", path, |request| request.header("X-Hash", "sha256").body(content.clone())).await?;
        Ok(answer::sha256(response.headers()))
    }

    /// Renames a file. A gateway that gives up half-way does not decide: the destination does.
    pub async fn rename(&self, _: &Permit, from: &str, to: &str, replace: Replace) -> Result<(), WebDavError> {
        let destination = self.address(to).to_string();
        let overwrite = if replace == Replace::Allowed { "T" } else { "F" };
        let moved = self.ask("MOVE", from, |request| request.header("Destination", &destination).header("Overwrite", overwrite)).await;
        match moved {
            Ok(_) => Ok(()),
            Err(WebDavError::Exists { .. }) => Err(WebDavError::Exists { path: to.into() }),
            Err(error @ (WebDavError::Gateway { .. } | WebDavError::Cut { .. } | WebDavError::Stalled { .. })) => {
                if self.moved_late(from, to).await { Ok(()) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a rename took effect although its answer was lost: the source is gone and the destination is there.
    async fn moved_late(&self, from: &str, to: &str) -> bool {
        for _ in 0..LOOKS {
            if matches!(self.stat(from).await, Ok(None)) {
                return matches!(self.stat(to).await, Ok(Some(_)));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    }

    /// Whether a file of this size shows up on the server within a while.
    pub(super) async fn arrives(&self, path: &str, bytes: u64) -> bool {
        for _ in 0..LOOKS {
            if matches!(self.stat(path).await, Ok(Some(entry)) if entry.bytes == Some(bytes)) {
                return true;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        false
    }

    /// Removes a file, or a folder with all that is in it; what is not there is no error.
    pub async fn remove(&self, _: &Permit, path: &str) -> Result<(), WebDavError> {
        match self.ask("DELETE", path, |request| request).await {
            Ok(_) | Err(WebDavError::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The sha256 of a file as the server reads it from its storage now; `None` where it cannot compute one. (Nextcloud's
    /// `X-Recalculate-Hash`; it stores the result beside the file, hence the permit.)
    pub async fn recalculate(&self, _: &Permit, path: &str) -> Result<Option<String>, WebDavError> {
        match self.once("PATCH", path, |request| request.header("X-Recalculate-Hash", "sha256"), self.patience.idle).await {
            Ok(response) => Ok(answer::sha256(response.headers())),
            Err(WebDavError::Refused { status: 400 | 405 | 415 | 501, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
