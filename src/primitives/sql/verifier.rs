//! SCRAM-SHA-256 verifiers: what a server stores instead of a password. Made and checked here, so that no password
//! is ever sent in a statement (RFC 5802; the stored form is PostgreSQL's `SCRAM-SHA-256$iterations:salt$stored:server`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};
use sha2::Sha256;

/// A new verifier of a password, with a salt of its own.
pub fn of(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

/// Whether a stored verifier is this password's: we play the server to our own client, which then proves that both
/// derive the same server key.
pub fn matches(stored: &str, password: &str) -> bool {
    handshake(stored, password).unwrap_or(false)
}

fn handshake(stored: &str, password: &str) -> Option<bool> {
    let (head, keys) = stored.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = head.split_once(':')?;
    let (_, server_key) = keys.split_once(':')?;
    let mut client = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    let hello = String::from_utf8(client.message().to_vec()).ok()?;
    let hello = hello.strip_prefix("n,,")?;
    let nonce = hello.split_once("r=")?.1;
    let challenge = format!("r={nonce}railrun,s={salt},i={iterations}");
    client.update(challenge.as_bytes()).ok()?;
    let proof = String::from_utf8(client.message().to_vec()).ok()?;
    let spoken = format!("{hello},{challenge},{}", proof.rsplit_once(",p=")?.0);
    let mut signature = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(server_key).ok()?).ok()?;
    signature.update(spoken.as_bytes());
    let answer = format!("v={}", STANDARD.encode(signature.finalize().into_bytes()));
    Some(client.finish(answer.as_bytes()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_matches_its_own_password_only() {
        for password in ["hunter22", "p$w:d,=/+", "pässwörd", "a b", ""] {
            let stored = of(password);
            assert!(matches(&stored, password), "{password}");
            assert!(!matches(&stored, &format!("{password}x")), "{password}");
            assert!(!stored.contains("hunter22"));
        }
    }

    #[test]
    fn anything_that_is_not_a_verifier_matches_nothing() {
        for stored in ["", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$x:y$z:w", "SCRAM-SHA-256$4096:====$a:b", "ü$"] {
            assert!(!matches(stored, "hunter22"), "{stored}");
        }
    }
}
