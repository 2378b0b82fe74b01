//! What a child program such as helm gets in a dry run: a kubeconfig that leads to this process, which hands on to the
//! API what the guard lets through and refuses the rest. Credentials stay here.

use super::guard::{self, Rights};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use kube::Client;
use kube::client::Body;
use rand::Rng;
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The one context of the kubeconfig that child programs get.
pub(super) const CONTEXT: &str = "dry-run";
/// The longest request that is read.
const LONGEST: usize = 16 * 1024 * 1024;
/// The longest line of a request's head, and how many there may be.
const LINE: u64 = 16 * 1024;
const LINES: usize = 100;

/// The guard, listening as long as this lives.
pub(super) struct Loopback {
    task: JoinHandle<()>,
    /// A file without a name: nothing is left behind, however this process ends.
    kubeconfig: File,
}

impl Loopback {
    pub async fn open(api: Client) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let token = format!("{:032x}", rand::rng().random::<u128>());
        let server = format!("http://{}/{token}", listener.local_addr()?);
        let prefix: Arc<str> = format!("/{token}/").into();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, api.clone(), Arc::clone(&prefix)));
            }
        });
        Ok(Self { task, kubeconfig: unnamed(&kubeconfig(&server))? })
    }

    /// Where child programs read the kubeconfig.
    pub fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.kubeconfig.as_raw_fd()).into()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn kubeconfig(server: &str) -> String {
    let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": CONTEXT,
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}],
        "clusters": [{"name": CONTEXT, "cluster": {"server": server}}], "users": [{"name": CONTEXT, "user": {}}]});
    config.to_string()
}

fn unnamed(content: &str) -> io::Result<File> {
    let open = |folder: &str| OpenOptions::new().read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE).open(folder);
    let mut file = open("/dev/shm").or_else(|_| open("/tmp"))?;
    file.write_all(content.as_bytes())?;
    Ok(file)
}

/// A request as it came in.
#[derive(Debug)]
struct Incoming {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer to be sent.
struct Answer {
    status: StatusCode,
    content_type: String,
    body: Bytes,
}

/// Answers one request after the other until the program closes the connection or says something odd.
async fn serve(mut stream: TcpStream, api: Client, prefix: Arc<str>) {
    // Head and body are two writes: without this the second would wait for the program's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    while let Some(request) = read(&mut reader).await {
        let head = request.method == Method::HEAD;
        let answer = answer(request, &api, &prefix).await;
        let start = format!(
            "HTTP/1.1 {} -\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
            answer.status.as_u16(),
            answer.content_type,
            answer.body.len()
        );
        let body = if head { &[][..] } else { &answer.body[..] };
        if writer.write_all(start.as_bytes()).await.is_err() || writer.write_all(body).await.is_err() {
            return;
        }
    }
}

/// One request, `None` at the end of the connection and for what is not HTTP/1.1 with a length.
async fn read(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<Incoming> {
    let first = line(reader).await?;
    let mut words = first.split(' ');
    let (method, uri) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let mut headers = HeaderMap::new();
    for _ in 0..LINES {
        let line = line(reader).await?;
        if line.is_empty() {
            let length = headers.get(header::CONTENT_LENGTH).map_or(Some(0), |length| length.to_str().ok()?.parse().ok())?;
            if length > LONGEST || headers.contains_key(header::TRANSFER_ENCODING) {
                return None;
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).await.ok()?;
            return Some(Incoming { method, uri, headers, body: body.into() });
        }
        let (name, value) = line.split_once(':')?;
        headers.append(name.parse::<header::HeaderName>().ok()?, value.trim().parse().ok()?);
    }
    None
}

async fn line(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut line = Vec::new();
    reader.take(LINE).read_until(b'\n', &mut line).await.ok()?;
    let line = String::from_utf8(line).ok()?;
    line.strip_suffix('\n').map(|line| line.trim_end_matches('\r').to_owned())
}

async fn answer(request: Incoming, api: &Client, prefix: &str) -> Answer {
    let shown = format!("{} {}", request.method, request.uri.path().replacen(prefix, "/", 1));
    match hand_on(request, prefix) {
        Err(reason) => refusal(StatusCode::FORBIDDEN, &format!("{reason}: {shown}")),
        Ok(request) => match send(request, api).await {
            Ok(answer) => answer,
            Err(error) => refusal(StatusCode::BAD_GATEWAY, &format!("{shown}: {error}")),
        },
    }
}

/// The request as the API shall have it; `Err` where a dry run keeps it back.
fn hand_on(request: Incoming, prefix: &str) -> Result<Request<Body>, &'static str> {
    let target = request.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let target = target.strip_prefix(prefix).ok_or("only programs that railrun started may ask here")?;
    let uri: Uri = format!("/{target}").parse().map_err(|_| "this is not an address")?;
    if !guard::permits(Rights::Reads, &request.method, &uri, Some(&request.body)) {
        return Err("a dry run sends no such request");
    }
    let watches = |query: &str| query.split('&').any(|word| matches!(word, "watch=1" | "watch=true"));
    if uri.query().is_some_and(watches) {
        return Err("a dry run does not watch");
    }
    let mut outgoing = Request::new(Body::from(request.body.to_vec()));
    *outgoing.method_mut() = request.method;
    *outgoing.uri_mut() = uri;
    for name in [header::ACCEPT, header::CONTENT_TYPE, header::USER_AGENT] {
        if let Some(value) = request.headers.get(&name) {
            outgoing.headers_mut().insert(name, value.clone());
        }
    }
    Ok(outgoing)
}

async fn send(request: Request<Body>, api: &Client) -> Result<Answer, kube::Error> {
    let response = api.send(request).await?;
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    let (status, content_type) = (response.status(), content_type.to_owned());
    Ok(Answer { status, content_type, body: response.into_body().collect_bytes().await? })
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    let reason = if status == StatusCode::FORBIDDEN { "Forbidden" } else { "InternalError" };
    let body =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status.as_u16(), "message": message});
    Answer { status, content_type: "application/json".into(), body: body.to_string().into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(method: &str, target: &str) -> Incoming {
        Incoming { method: method.parse().unwrap(), uri: target.parse().unwrap(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    #[test]
    fn a_program_may_read_and_try_but_not_alter() {
        let allowed = |method: &str, target: &str| hand_on(incoming(method, target), "/t0ken/").map(|request| request.uri().to_string());
        assert_eq!(allowed("GET", "/t0ken/api/v1/pods?limit=1").unwrap(), "/api/v1/pods?limit=1");
        assert!(allowed("PATCH", "/t0ken/api/v1/namespaces/a/pods/b?dryRun=All").is_ok());
        assert!(allowed("DELETE", "/t0ken/api/v1/namespaces/a/pods/b?dryRun=All").is_ok());
        let real = Incoming { body: "{}".into(), ..incoming("DELETE", "/t0ken/api/v1/namespaces/a/pods/b?dryRun=All") };
        assert!(hand_on(real, "/t0ken/").is_err());
        assert!(allowed("POST", "/t0ken/api/v1/namespaces").is_err());
        assert!(allowed("GET", "/t0ken/api/v1/namespaces/a/pods/b/exec?command=rm").is_err());
        assert!(allowed("GET", "/t0ken/api/v1/pods?watch=true").is_err());
    }

    #[test]
    fn nobody_else_on_this_machine_may_ask() {
        for target in ["/api/v1/pods", "/other/api/v1/pods", "/t0ken"] {
            assert!(hand_on(incoming("GET", target), "/t0ken/").is_err(), "{target}");
        }
    }

    #[tokio::test]
    async fn requests_are_read_with_their_length_and_nothing_else_is() {
        let text = &b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /y HTTP/1.1\r\n\r\n"[..];
        let mut reader = BufReader::new(text);
        let first = read(&mut reader).await.unwrap();
        assert_eq!((first.method, first.uri.path(), &first.body[..]), (Method::POST, "/x", &b"hi"[..]));
        assert_eq!(read(&mut reader).await.unwrap().uri.path(), "/y");
        for odd in [
            "",
            "nonsense\r\n\r\n",
            "GET /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /x HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
        ] {
            assert!(read(&mut BufReader::new(odd.as_bytes())).await.is_none(), "{odd}");
        }
    }
}
