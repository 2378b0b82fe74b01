//! Documents that only the holder of the signing key can have written. age does not say who encrypted: this does.
//! What is in a document is `manifest`'s business.
//!
//! A document is a JSON object with a member `signature` (base64): ed25519 over its kind, a newline, and the object
//! without that member in serde_json's compact form. White space means nothing; everything else is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::{Signature, Signer, SigningKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const MEMBER: &str = "signature";

/// Signs documents, and recognises those it signed.
pub struct Signet(SigningKey);

impl Signet {
    /// From the text of a private key: PKCS#8 PEM (`openssl genpkey -algorithm ed25519`), or 32 bytes in base64
    /// (`openssl rand -base64 32`).
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.starts_with("-----BEGIN") {
            return SigningKey::from_pkcs8_pem(text).map(Self).map_err(|_| "it is not an ed25519 key in PKCS#8 PEM".into());
        }
        let bytes = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(|bytes| Self(SigningKey::from_bytes(&bytes))).ok_or_else(|| "it is neither PKCS#8 PEM nor 32 bytes in base64".into())
    }

    /// The document as text, signed.
    pub fn sign(&self, kind: &str, document: &impl Serialize) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(document)?;
        let signature = self.0.sign(&message(kind, &value)?);
        if let Value::Object(members) = &mut value {
            members.insert(MEMBER.into(), STANDARD.encode(signature.to_bytes()).into());
        }
        Ok(serde_json::to_string_pretty(&value)? + "\n")
    }

    /// The document, if this key signed it as this kind; else why it is not believed.
    pub fn open<T: DeserializeOwned>(&self, kind: &str, text: &[u8]) -> Result<T, String> {
        let mut value: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON".to_string())?;
        let signature = value.as_object_mut().and_then(|members| members.shift_remove(MEMBER));
        let signature = signature.as_ref().and_then(Value::as_str).ok_or("it has no signature")?;
        let signature = STANDARD.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        let signature = signature.ok_or("its signature is malformed")?;
        let message = message(kind, &value).map_err(|error| error.to_string())?;
        self.0.verifying_key().verify_strict(&message, &signature).map_err(|_| "the signature does not fit".to_string())?;
        serde_json::from_value(value).map_err(|error| format!("this version does not understand it: {error}"))
    }
}

/// The signed bytes. The kind keeps a receipt from passing as a manifest.
fn message(kind: &str, value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let mut message = format!("railrun {kind}\n").into_bytes();
    serde_json::to_writer(&mut message, value)?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signet(byte: u8) -> Signet {
        Signet::parse(&STANDARD.encode([byte; 32])).unwrap()
    }

    #[test]
    fn what_was_signed_is_read_back() {
        let document = json!({"id": "x", "bytes": u64::MAX, "ü": [1, null]});
        let text = signet(1).sign("manifest", &document).unwrap();
        assert_eq!(signet(1).open::<Value>("manifest", text.as_bytes()).unwrap(), document);
        let reformatted = text.replace('\n', " ");
        assert_eq!(signet(1).open::<Value>("manifest", reformatted.as_bytes()).unwrap(), document);
    }

    #[test]
    fn any_change_another_key_and_another_kind_are_refused() {
        let text = signet(1).sign("manifest", &json!({"id": "x", "bytes": 12})).unwrap();
        for (signet, kind, text) in [
            (signet(1), "manifest", text.replace("12", "13")),
            (signet(1), "manifest", text.replace("{\n", "{\n\"more\": 1,")),
            (signet(2), "manifest", text.clone()),
            (signet(1), "receipt", text.clone()),
            (signet(1), "manifest", text.replace("signature", "signatur")),
            (signet(1), "manifest", "[]".into()),
            (signet(1), "manifest", String::new()),
        ] {
            assert!(signet.open::<Value>(kind, text.as_bytes()).is_err(), "{kind} {text}");
        }
    }

    #[test]
    fn a_key_of_openssl_is_read() {
        let pem =
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        assert!(Signet::parse(pem).is_ok());
        assert!(Signet::parse("c2hvcnQ=").is_err());
        assert!(Signet::parse("-----BEGIN nonsense").is_err());
    }
}
