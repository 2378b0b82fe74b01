//! Fingerprints that say whether two things are the same and nothing else: HMAC-SHA256 under a key that never leaves the
//! journal's folder, so that a weak secret cannot be guessed from one.

use super::{JournalError, Store, failed};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::Sha256;
use std::fmt::{self, Debug};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;

const LENGTH: usize = 32;
/// So many hex digits of a fingerprint are kept: 128 bits.
const SHOWN: usize = 32;

#[derive(Clone)]
pub struct Key([u8; LENGTH]);

impl Key {
    /// The fingerprint of some bytes, in hex.
    pub fn fingerprint(&self, bytes: &[u8]) -> String {
        let bytes = self.derived(bytes).0;
        bytes.iter().take(SHOWN / 2).fold(String::new(), |hex, byte| hex + format!("{byte:02x}").as_str())
    }

    /// Names the key without giving it away.
    pub fn name(&self) -> String {
        self.fingerprint(b"the name of this key")[..12].to_owned()
    }

    /// Another key, always the same for the same bytes; whoever has not this one cannot make it.
    #[must_use]
    pub fn derived(&self, bytes: &[u8]) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| unreachable!("a key of any length is taken"));
        mac.update(bytes);
        Self(mac.finalize().into_bytes().into())
    }

    /// What a generator of random numbers starts from.
    pub fn seed(&self) -> [u8; LENGTH] {
        self.0
    }

    fn random() -> Self {
        let mut bytes = [0; LENGTH];
        rand::rng().fill(&mut bytes);
        Self(bytes)
    }

    #[cfg(test)]
    pub fn for_tests() -> Self {
        Self([7; LENGTH])
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[key {}]", self.name())
    }
}

impl Store {
    /// The key of this folder, made at its first use.
    pub fn key(&self) -> Result<Key, JournalError> {
        let path = self.folder.join("key");
        match std::fs::read(&path) {
            Ok(bytes) => {
                let bytes: Result<[u8; LENGTH], _> = bytes.try_into();
                bytes.map(Key).map_err(|_| failed("read the key of", &path, &ErrorKind::InvalidData.into()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => self.new_key(),
            Err(error) => Err(failed("read the key of", &path, &error)),
        }
    }

    /// Whoever comes second takes the key of whoever came first: it is linked into place whole, or not at all.
    #[expect(clippy::disallowed_methods, reason = "the door to the journal")]
    fn new_key(&self) -> Result<Key, JournalError> {
        let (key, path) = (Key::random(), self.folder.join("key"));
        let beside = self.folder.join(format!("key.{}", std::process::id()));
        let write = || {
            self.make()?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(&key.0)?;
            file.sync_all()?;
            std::fs::hard_link(&beside, &path)
        };
        let written = write();
        let _ = std::fs::remove_file(&beside);
        match written {
            Ok(()) => Ok(key),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.key(),
            Err(error) => Err(failed("write the key of", &path, &error)),
        }
    }
}
