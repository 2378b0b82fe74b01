//! A WebDAV server in memory for tests, one request per connection, that fails on request. It is not strict: the
//! sandbox's sabre/dav stand-in is.

use crate::webdav::{Account, Patience, WebDav};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered with this status and this `Retry-After`, and nothing is done.
    Status(u16, Option<u32>),
    /// The connection breaks off after this many bytes of the body; nothing is kept.
    Cut(usize),
    /// Only so much of the body is kept, and the answer is a success.
    Keep(usize),
    /// It is done, but answered with 504.
    Late,
    /// One bit is flipped in what is kept.
    Flip,
    /// No answer at all.
    Hang,
}

#[derive(Default)]
pub struct State {
    pub files: BTreeMap<String, Vec<u8>>,
    pub folders: BTreeSet<String>,
    /// `METHOD path status`, as they were answered.
    pub log: Vec<String>,
    /// Method, a part of the path, what, and how often.
    pub faults: Vec<(&'static str, &'static str, Fault, u32)>,
    pub available: Option<i64>,
    /// How far its clock is ahead, in seconds; `None` for no clock.
    pub clock: Option<i64>,
    /// Whether it computes hashes.
    pub hashes: bool,
}

#[derive(Clone)]
pub struct Standin {
    pub url: String,
    state: Arc<Mutex<State>>,
}

struct Request {
    method: String,
    path: String,
    headers: BTreeMap<String, String>,
}

impl Standin {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/dav", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { hashes: true, clock: Some(0), ..State::default() }));
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&shared)));
            }
        });
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fail(&self, method: &'static str, path: &'static str, fault: Fault, times: u32) {
        self.state().faults.push((method, path, fault, times));
    }

    pub fn account(&self) -> Account {
        Account { url: self.url.clone(), user: "u".into(), password: "right".into() }
    }

    pub fn client(&self) -> WebDav {
        WebDav::new(&self.account(), impatient()).unwrap()
    }
}

/// Short waits, so that a test of a wait is short too.
pub fn impatient() -> Patience {
    let millis = Duration::from_millis;
    Patience { connect: millis(500), request: millis(1500), idle: millis(1500), retry: millis(1500) }
}

async fn serve(connection: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(connection);
    let request = head(&mut stream).await?;
    let fault = next_fault(&state, &request);
    let answer = match &fault {
        Some(Fault::Status(status, retry)) => {
            let retry = retry.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
            format!("{status} x|{retry}|<e><message>on request</message></e>")
        }
        Some(Fault::Cut(after)) => {
            let mut some = vec![0; *after];
            let _ = stream.read_exact(&mut some).await;
            return Ok(());
        }
        Some(Fault::Hang) => {
            tokio::time::sleep(Duration::from_secs(30)).await;
            return Ok(());
        }
        fault => match body(&mut stream, &request).await {
            Some(body) => act(&mut state.lock().unwrap(), &request, body, fault.as_ref()),
            None => return Ok(()),
        },
    };
    let download = answer.strip_prefix("file|").map(|path| state.lock().unwrap().files[path].clone());
    if let Some(download) = download {
        let head = format!("HTTP/1.1 200 OK\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n", date(&state), download.len());
        stream.write_all(head.as_bytes()).await?;
        return stream.write_all(&download).await;
    }
    let mut parts = answer.splitn(3, '|');
    let (status, headers, text) = (parts.next().unwrap(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    state.lock().unwrap().log.push(format!("{} {} {}", request.method, request.path, status.split(' ').next().unwrap()));
    let head = format!("HTTP/1.1 {status}\r\n{}{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{text}", date(&state), text.len());
    stream.write_all(head.as_bytes()).await?;
    stream.flush().await
}

async fn head(stream: &mut BufReader<TcpStream>) -> std::io::Result<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let first = lines.first().cloned().unwrap_or_default();
    let mut words = first.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().trim_start_matches("/dav").trim_matches('/').to_owned();
    let headers =
        lines.iter().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Ok(Request { method, path, headers: headers.collect() })
}

/// The whole body, or `None` where it broke off.
async fn body(stream: &mut BufReader<TcpStream>, request: &Request) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if request.headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            stream.read_exact(&mut chunk).await.ok()?;
            if length == 0 {
                return Some(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
    let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    body.resize(length, 0);
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

fn next_fault(state: &Mutex<State>, request: &Request) -> Option<Fault> {
    let mut state = state.lock().unwrap();
    let fits =
        |(method, path, _, times): &&mut (&str, &str, Fault, u32)| *times > 0 && *method == request.method && request.path.contains(*path);
    let fault = state.faults.iter_mut().find(fits).map(|found| {
        found.3 -= 1;
        found.2.clone()
    });
    if fault.as_ref().is_some_and(|fault| matches!(fault, Fault::Cut(_) | Fault::Hang)) {
        state.log.push(format!("{} {} fault", request.method, request.path));
    }
    fault
}

fn date(state: &Mutex<State>) -> String {
    let ahead = state.lock().unwrap().clock;
    let now = |ahead: i64| jiff::Timestamp::now() + jiff::SignedDuration::from_secs(ahead);
    ahead.map(|ahead| format!("Date: {}\r\n", now(ahead).strftime("%a, %d %b %Y %H:%M:%S GMT"))).unwrap_or_default()
}

/// `status|headers|body`, or `file|path`.
fn act(state: &mut State, request: &Request, mut body: Vec<u8>, fault: Option<&Fault>) -> String {
    use base64::Engine as _;
    let expected = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode("u:right"));
    if request.headers.get("authorization") != Some(&expected) {
        return "401 no".into();
    }
    match fault {
        Some(Fault::Keep(bytes)) => body.truncate(*bytes),
        Some(Fault::Flip) => body[0] ^= 1,
        _ => {}
    }
    let parent = request.path.rsplit_once('/').map_or(String::new(), |(parent, _)| parent.to_owned());
    let there = |state: &State, path: &str| path.is_empty() || state.folders.contains(path);
    let path = request.path.clone();
    let answer = match request.method.as_str() {
        "PROPFIND" => propfind(state, &path, request.headers.get("depth").is_some_and(|depth| depth == "1")),
        "GET" if state.files.contains_key(&path) => return format!("file|{path}"),
        "MKCOL" if there(state, &path) => "405 exists".into(),
        "MKCOL" | "PUT" if !there(state, &parent) => "409 no parent".into(),
        "MKCOL" => {
            state.folders.insert(path);
            "201 made".into()
        }
        "PUT" => {
            let hash = hash(state, "X-Hash-SHA256: ", &body);
            state.files.insert(path, body);
            format!("201 put|{hash}")
        }
        "PATCH" if !state.hashes => "501 no".into(),
        "PATCH" if state.files.contains_key(&path) => format!("204 ok|{}", hash(state, "OC-Checksum: SHA256:", &state.files[&path])),
        "MOVE" => rename(state, request),
        "DELETE" => {
            state.folders.retain(|folder| *folder != path && !folder.starts_with(&format!("{path}/")));
            state.files.retain(|file, _| *file != path && !file.starts_with(&format!("{path}/")));
            "204 gone".into()
        }
        _ => "404 no".into(),
    };
    if matches!(fault, Some(Fault::Late)) { "504 late".into() } else { answer }
}

fn hash(state: &State, name: &str, body: &[u8]) -> String {
    if state.hashes { format!("{name}{}\r\n", super::hex(&Sha256::digest(body))) } else { String::new() }
}

fn rename(state: &mut State, request: &Request) -> String {
    let to = request.headers["destination"].split_once("/dav/").unwrap().1.to_owned();
    if request.headers["overwrite"] == "F" && state.files.contains_key(&to) {
        return "412 exists".into();
    }
    match state.files.remove(&request.path) {
        Some(content) => {
            state.files.insert(to, content);
            "201 moved".into()
        }
        None => "404 no".into(),
    }
}

fn propfind(state: &State, path: &str, deep: bool) -> String {
    let folder = path.is_empty() || state.folders.contains(path);
    if !folder && !state.files.contains_key(path) {
        return "404 no".into();
    }
    let inside = |other: &str| deep && folder && other.rsplit_once('/').map_or("", |(parent, _)| parent) == path && other != path;
    let mut xml = String::from("<d:multistatus xmlns:d=\"DAV:\">");
    for name in std::iter::once(path).chain(state.folders.iter().map(String::as_str).filter(|name| inside(name))) {
        if let Some(bytes) = state.files.get(name) {
            file(&mut xml, name, bytes.len());
        } else {
            let available =
                state.available.map(|bytes| format!("<d:quota-available-bytes>{bytes}</d:quota-available-bytes>")).unwrap_or_default();
            let _ = write!(
                xml,
                "<d:response><d:href>/dav/{name}/</d:href><d:propstat><d:prop><d:resourcetype><d:collection/></d:resourcetype>{available}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
            );
        }
    }
    for (name, content) in state.files.iter().filter(|(name, _)| inside(name)) {
        file(&mut xml, name, content.len());
    }
    format!("207 multi||{xml}</d:multistatus>")
}

fn file(xml: &mut String, name: &str, bytes: usize) {
    let _ = write!(
        xml,
        "<d:response><d:href>/dav/{name}</d:href><d:propstat><d:prop><d:resourcetype/><d:getcontentlength>{bytes}</d:getcontentlength></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    );
}
