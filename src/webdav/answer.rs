//! Reading what a WebDAV server answers: multistatus, its error text, its clock, its hashes. Pure functions; asking
//! is the door's business.

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde::Deserialize;
use std::time::Duration;

/// A file or folder on the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its last path segment, decoded.
    pub name: String,
    pub folder: bool,
    /// `None` for folders.
    pub bytes: Option<u64>,
    /// What may still be written below it; `None` where the server sets no limit or does not say.
    pub available: Option<u64>,
}

#[derive(Deserialize)]
struct Multistatus {
    #[serde(rename = "response", default)]
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    href: String,
    #[serde(rename = "propstat", default)]
    propstats: Vec<Propstat>,
}

#[derive(Deserialize)]
struct Propstat {
    status: String,
    prop: Prop,
}

#[derive(Default, Deserialize)]
struct Prop {
    #[serde(rename = "getcontentlength")]
    length: Option<String>,
    #[serde(rename = "resourcetype")]
    kind: Option<ResourceType>,
    #[serde(rename = "quota-available-bytes")]
    available: Option<String>,
}

#[derive(Deserialize)]
struct ResourceType {
    collection: Option<serde::de::IgnoredAny>,
}

/// The entries of a multistatus; the first is the resource that was asked about.
pub fn entries(xml: &str) -> Result<Vec<Entry>, String> {
    let parsed: Multistatus = quick_xml::de::from_str(xml).map_err(|error| error.to_string())?;
    Ok(parsed.responses.into_iter().map(entry).collect())
}

fn entry(response: Response) -> Entry {
    let mut found = Prop::default();
    for propstat in response.propstats.into_iter().filter(|propstat| propstat.status.contains(" 200")) {
        found.length = found.length.or(propstat.prop.length);
        found.kind = found.kind.or(propstat.prop.kind);
        found.available = found.available.or(propstat.prop.available);
    }
    let folder = found.kind.is_some_and(|kind| kind.collection.is_some());
    let bytes = found.length.and_then(|length| length.trim().parse().ok()).filter(|_| !folder);
    // Nextcloud says -1, -2 or -3 for not computed, unknown and unlimited.
    let available = found.available.and_then(|bytes| bytes.trim().parse().ok());
    Entry { name: last_segment(&response.href), folder, bytes, available }
}

fn last_segment(href: &str) -> String {
    let last = href.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let mut bytes = Vec::with_capacity(last.len());
    let mut rest = last.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok()).and_then(|two| u8::from_str_radix(two, 16).ok());
        if let (b'%', Some(byte)) = (first, hex) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The text of a server's error page, where it is sabre/dav's.
pub fn message(body: &str) -> String {
    #[derive(Deserialize)]
    struct Error {
        message: Option<String>,
    }
    let message = quick_xml::de::from_str::<Error>(body).ok().and_then(|error| error.message).unwrap_or_default();
    message.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

/// A reason as the end of a sentence: nothing, or `: reason`.
pub fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {}", reason.trim_end_matches('.')) }
}

/// How long the server asks to wait, as seconds or as a date.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let wait = http_date(text)?.duration_since(Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// The server's clock.
pub fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}

/// The sha256 that the server computed itself: `X-Hash-SHA256` after a PUT, `OC-Checksum` after a recalculation.
pub fn sha256(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let hash = text("x-hash-sha256").or_else(|| text("oc-checksum")?.strip_prefix("SHA256:").map(str::to_owned))?;
    let hash = hash.trim().to_lowercase();
    (hash.len() == 64).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:oc="http://owncloud.org/ns">
      <d:response><d:href>/remote.php/dav/files/u/a%20b/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>
        <d:quota-available-bytes>-3</d:quota-available-bytes></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat>
        <d:propstat><d:prop><d:getcontentlength/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat></d:response>
      <d:response><d:href>/remote.php/dav/files/u/a%20b/%C3%BC.age</d:href><d:propstat><d:prop><d:resourcetype/>
        <d:getcontentlength>12</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
      </d:multistatus>"#;

    #[test]
    fn a_multistatus_lists_folder_and_files() {
        let folder = Entry { name: "a b".into(), folder: true, bytes: None, available: None };
        let file = Entry { name: "ü.age".into(), folder: false, bytes: Some(12), available: None };
        assert_eq!(entries(XML).unwrap(), [folder, file]);
    }

    #[test]
    fn what_is_no_multistatus_is_an_error_or_empty_never_a_panic() {
        assert!(entries("<html>").is_err());
        assert!(entries("").is_err());
        assert_eq!(last_segment("/x/%zz%"), "%zz%");
        assert_eq!(message("no xml"), "");
    }

    #[test]
    fn a_server_asks_to_wait_in_seconds_or_until_a_date() {
        let header = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        assert_eq!(retry_after(&header("120")), Some(Duration::from_secs(120)));
        assert_eq!(retry_after(&header("Sun, 06 Nov 1994 08:49:37 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon")), None);
    }

    #[test]
    fn the_servers_own_hash_is_found_wherever_it_stands() {
        let hash = "AB".repeat(32);
        let header = |name: &'static str, text: String| HeaderMap::from_iter([(name.parse().unwrap(), text.parse().unwrap())]);
        assert_eq!(sha256(&header("x-hash-sha256", hash.clone())), Some(hash.to_lowercase()));
        assert_eq!(sha256(&header("oc-checksum", format!("SHA256:{hash}"))), Some(hash.to_lowercase()));
        assert_eq!(sha256(&header("oc-checksum", "SHA1:ab".into())), None);
    }
}
