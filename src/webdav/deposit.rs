//! A stream becomes a file on the server whole or not at all: it goes to a temporary name, size and hash are compared,
//! and only then it gets its name. Where the bytes come from is the caller's business.

use crate::effect::Permit;
use crate::webdav::error::{UNFINISHED, WebDavError, final_name};
use crate::webdav::{Replace, WebDav, answer};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use sha2::{Digest, Sha256};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// A file as it lies on the server now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposited {
    pub bytes: u64,
    pub sha256: String,
    /// Whether the server computed the same hash itself.
    pub hashed_there: bool,
}

/// A stream shorter than this is sent as one piece, with its length, and can be sent again.
const WHOLE: usize = 4 << 20;
const PIECE: usize = 128 << 10;
const PIECES_IN_FLIGHT: usize = 8;

/// What ends a body on purpose. A channel that closes without it broke off.
const END: Bytes = Bytes::new();

impl WebDav {
    /// Puts all of `source` under `path`. An error of `source` (a producer that failed) leaves nothing there.
    pub async fn deposit(
        &self,
        permit: &Permit,
        path: &str,
        source: impl AsyncRead + Unpin,
        replace: Replace,
    ) -> Result<Deposited, WebDavError> {
        let unfinished = format!("{path}.{}{UNFINISHED}", ulid::Ulid::generate());
        let placed = async {
            let (deposited, theirs) = self.send(permit, &unfinished, source).await?;
            self.compare(&unfinished, path, &deposited, theirs.as_deref()).await?;
            self.rename(permit, &unfinished, path, replace).await?;
            Ok(deposited)
        };
        let placed = placed.await;
        if placed.is_err() {
            // Best effort: what stays there has a name that nothing believes in.
            let _ = tokio::time::timeout(Duration::from_secs(10), self.remove(permit, &unfinished)).await;
        }
        placed
    }

    async fn send(
        &self,
        permit: &Permit,
        path: &str,
        mut source: impl AsyncRead + Unpin,
    ) -> Result<(Deposited, Option<String>), WebDavError> {
        let mut start = BytesMut::with_capacity(PIECE);
        let broke = |error: io::Error| WebDavError::Source { path: final_name(path).into(), reason: error.to_string() };
        while start.len() < WHOLE {
            if source.read_buf(&mut start).await.map_err(broke)? == 0 {
                let whole = start.freeze();
                let ours = Deposited { bytes: whole.len() as u64, sha256: hex(&Sha256::digest(&whole)), hashed_there: false };
                let put = self.put_whole(permit, path, whole).await;
                return self.settle(path, ours, put).await;
            }
        }
        self.put_stream(permit, path, start.freeze(), source).await
    }

    /// Feeds the body piece by piece, as fast as the server takes it.
    async fn put_stream(
        &self,
        _: &Permit,
        path: &str,
        start: Bytes,
        source: impl AsyncRead + Unpin,
    ) -> Result<(Deposited, Option<String>), WebDavError> {
        let (pieces, body) = mpsc::channel(PIECES_IN_FLIGHT);
        let sent = Arc::new(AtomicU64::new(0));
        let body = reqwest::Body::wrap_stream(outgoing(body, Arc::clone(&sent)));
        let put = self.once("PUT", path, |request| request.header("X-Hash", "sha256").body(body), Duration::MAX);
        let so_far = || sent.load(Ordering::SeqCst);
        let both = async {
            let feed = feed(pieces, start, source);
            tokio::pin!(put, feed);
            tokio::select! {
                // The server's word comes first: where it gave up, the feed only stumbles over that. A success before
                // all was sent is none.
                biased;
                answered = &mut put => Err(match answered {
                    Ok(_) => WebDavError::Truncated { path: final_name(path).into(), sent: so_far(), stored: 0 },
                    Err(error) => told(error, so_far()),
                }),
                fed = &mut feed => match fed {
                    Ok(ours) => Ok((put.await, ours)),
                    Err(error) => Err(WebDavError::Source { path: final_name(path).into(), reason: error.to_string() }),
                },
            }
        };
        let (answered, ours) = tokio::select! {
            both = both => both?,
            stalled = self.watch(path, &sent) => return Err(stalled),
        };
        self.settle(path, ours, answered.map(|response| answer::sha256(response.headers()))).await
    }

    /// A gateway that gave up does not decide whether a file came to be whole: its size on the server does.
    async fn settle(
        &self,
        path: &str,
        ours: Deposited,
        put: Result<Option<String>, WebDavError>,
    ) -> Result<(Deposited, Option<String>), WebDavError> {
        let theirs = match put {
            Ok(theirs) => theirs,
            Err(error @ WebDavError::Gateway { .. }) if !self.arrives(path, ours.bytes).await => return Err(error),
            Err(WebDavError::Gateway { .. }) => None,
            Err(error) => return Err(told(error, ours.bytes)),
        };
        Ok((Deposited { hashed_there: theirs.is_some(), ..ours }, theirs))
    }

    /// Ends when nothing has moved for too long.
    async fn watch(&self, path: &str, sent: &AtomicU64) -> WebDavError {
        let mut before = None;
        loop {
            let now = sent.load(Ordering::SeqCst);
            if before == Some(now) {
                return WebDavError::Stalled { request: format!("PUT `{}`", final_name(path)), sent: now, limit: self.patience.idle };
            }
            before = Some(now);
            tokio::time::sleep(self.patience.idle).await;
        }
    }

    /// The size is asked again whatever the PUT was answered with, and a hash of the server must be ours.
    async fn compare(&self, unfinished: &str, path: &str, ours: &Deposited, theirs: Option<&str>) -> Result<(), WebDavError> {
        let stored = self.stat(unfinished).await?.and_then(|entry| entry.bytes).unwrap_or(0);
        if stored != ours.bytes {
            return Err(WebDavError::Truncated { path: path.into(), sent: ours.bytes, stored });
        }
        match theirs {
            Some(theirs) if theirs != ours.sha256 => {
                Err(WebDavError::Corrupt { path: path.into(), sent: ours.sha256.clone(), stored: theirs.into() })
            }
            _ => Ok(()),
        }
    }
}

/// Hands the source on in pieces, and hashes them on the way.
async fn feed(pieces: Sender<Bytes>, start: Bytes, mut source: impl AsyncRead + Unpin) -> io::Result<Deposited> {
    let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the upload ended early");
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut piece = start;
    loop {
        hash.update(&piece);
        bytes += piece.len() as u64;
        pieces.send(piece).await.map_err(gone)?;
        let mut next = BytesMut::with_capacity(PIECE);
        while next.len() < PIECE {
            match source.read_buf(&mut next).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        if next.is_empty() {
            pieces.send(END).await.map_err(gone)?;
            return Ok(Deposited { bytes, sha256: hex(&hash.finalize()), hashed_there: false });
        }
        piece = next.freeze();
    }
}

/// The body as the connection takes it. Its end is only an end if the feed said so: else the request is aborted, and
/// the server throws away what it has.
fn outgoing(body: Receiver<Bytes>, sent: Arc<AtomicU64>) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    futures::stream::unfold(Some(body), move |body| {
        let sent = Arc::clone(&sent);
        async move {
            let mut body = body?;
            match body.recv().await {
                Some(piece) if piece.is_empty() => None,
                Some(piece) => {
                    sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
                    Some((Ok(piece), Some(body)))
                }
                None => Some((Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the source broke off")), None)),
            }
        }
    })
}

/// An error of the connection, with how far the upload had come.
fn told(error: WebDavError, sent: u64) -> WebDavError {
    match error {
        WebDavError::Cut { request, reason, .. } => WebDavError::Cut { request, sent, reason },
        error => error,
    }
}

/// Bytes as people compare them.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webdav::standin::{Fault, Standin};
    use miette::Diagnostic;

    const LONG: usize = WHOLE + 700_000;

    fn content(bytes: usize) -> Vec<u8> {
        [0, 31, 62, 93, 124].into_iter().cycle().take(bytes).collect()
    }

    async fn put(standin: &Standin, bytes: usize) -> Result<Deposited, String> {
        let source = content(bytes);
        let deposited = standin.client().deposit(&Permit::for_tests(), "x.age", source.as_slice(), Replace::Never).await;
        deposited.map_err(|error| format!("{} {error}", error.code().unwrap()))
    }

    async fn fails(method: &'static str, fault: Fault, bytes: usize) -> String {
        let standin = Standin::start().await;
        standin.fail(method, "x.age", fault, 9);
        let error = put(&standin, bytes).await.unwrap_err();
        assert!(standin.state().files.keys().all(|name| name != "x.age"), "{error}");
        error.split(' ').next().unwrap().to_owned()
    }

    #[tokio::test]
    async fn short_and_long_streams_arrive_whole() {
        for bytes in [0, 1, WHOLE - 1, WHOLE, WHOLE + 1, LONG] {
            let standin = Standin::start().await;
            let deposited = put(&standin, bytes).await.unwrap();
            assert_eq!((deposited.bytes, deposited.hashed_there), (bytes as u64, true));
            assert_eq!(deposited.sha256, hex(&Sha256::digest(content(bytes))));
            assert_eq!(standin.state().files.keys().collect::<Vec<_>>(), ["x.age"]);
            assert!(standin.state().files["x.age"] == content(bytes));
        }
    }

    #[tokio::test]
    async fn a_cut_upload_leaves_nothing_and_says_how_far_it_came() {
        assert_eq!(fails("PUT", Fault::Cut(100_000), LONG).await, "backup::cut");
        assert_eq!(fails("PUT", Fault::Cut(100), 2000).await, "backup::cut");
    }

    #[tokio::test]
    async fn a_server_that_keeps_a_part_and_says_success_is_found_out() {
        assert_eq!(fails("PUT", Fault::Keep(100_000), LONG).await, "backup::truncated");
        assert_eq!(fails("PUT", Fault::Keep(10), 2000).await, "backup::truncated");
    }

    #[tokio::test]
    async fn a_bit_that_flips_on_the_way_is_found_by_the_servers_hash() {
        assert_eq!(fails("PUT", Fault::Flip, LONG).await, "backup::corrupt");
    }

    #[tokio::test]
    async fn a_full_server_and_a_wrong_password_are_told_at_once() {
        for bytes in [2000, LONG] {
            assert_eq!(fails("PUT", Fault::Status(507, None), bytes).await, "backup::quota");
            assert_eq!(fails("PUT", Fault::Status(401, None), bytes).await, "backup::unauthorized");
        }
    }

    #[tokio::test]
    async fn a_wrong_password_is_never_sent_twice() {
        let standin = Standin::start().await;
        standin.fail("PUT", "x.age", Fault::Status(401, Some(0)), 9);
        put(&standin, 10).await.unwrap_err();
        assert_eq!(standin.state().log.iter().filter(|line| line.starts_with("PUT")).count(), 1);
    }

    #[tokio::test]
    async fn a_busy_server_is_waited_for_as_long_as_it_asks() {
        let standin = Standin::start().await;
        standin.fail("PUT", "x.age", Fault::Status(503, Some(1)), 1);
        standin.fail("MOVE", "x.age", Fault::Status(423, None), 1);
        let began = std::time::Instant::now();
        put(&standin, 10).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_server_that_asks_for_too_long_a_wait_is_not_waited_for() {
        assert_eq!(fails("PUT", Fault::Status(503, Some(120)), 10).await, "backup::busy");
        assert_eq!(fails("MOVE", Fault::Status(423, None), 10).await, "backup::locked");
    }

    #[tokio::test]
    async fn a_gateway_that_gave_up_does_not_decide() {
        for (method, bytes) in [("PUT", 10), ("PUT", LONG), ("MOVE", 10)] {
            let standin = Standin::start().await;
            standin.fail(method, "x.age", Fault::Late, 1);
            put(&standin, bytes).await.unwrap();
            assert_eq!(standin.state().files["x.age"].len(), bytes);
        }
    }

    #[tokio::test]
    async fn a_server_that_falls_silent_is_given_up() {
        assert_eq!(fails("PUT", Fault::Hang, LONG).await, "backup::stalled");
    }

    #[tokio::test]
    async fn a_source_that_breaks_commits_nothing() {
        struct Breaks(usize);
        impl AsyncRead for Breaks {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                if self.0 == 0 {
                    return std::task::Poll::Ready(Err(io::Error::other("exited 1")));
                }
                let some = self.0.min(buffer.remaining());
                buffer.put_slice(&vec![7; some]);
                self.0 -= some;
                std::task::Poll::Ready(Ok(()))
            }
        }
        for bytes in [10, LONG] {
            let standin = Standin::start().await;
            let error = standin.client().deposit(&Permit::for_tests(), "x.age", Breaks(bytes), Replace::Never).await.unwrap_err();
            assert_eq!(error.code().unwrap().to_string(), "backup::source_broke");
            assert!(standin.state().files.is_empty());
            assert!(standin.state().log.iter().all(|line| !line.starts_with("PUT")), "{:?}", standin.state().log);
        }
    }

    #[tokio::test]
    async fn what_has_a_name_is_not_overwritten() {
        let standin = Standin::start().await;
        put(&standin, 10).await.unwrap();
        assert!(put(&standin, 20).await.unwrap_err().starts_with("backup::exists"));
        assert_eq!(standin.state().files["x.age"].len(), 10);
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable() {
        let account = crate::webdav::Account { url: "http://127.0.0.1:9/dav".into(), user: "u".into(), password: "p".into() };
        let dav = WebDav::new(&account, crate::webdav::standin::impatient()).unwrap();
        assert_eq!(dav.stat("x").await.unwrap_err().code().unwrap().to_string(), "backup::unreachable");
    }
}
