//! Commands inside pods, with their input, output and exit status. A connection that breaks before the command has
//! ended is an error, never an end of output.

use super::{Cluster, ClusterError, Executed, PodName, error};
use crate::effect::Permit;
use bytes::{Buf, Bytes};
use futures::stream::{BoxStream, SplitSink, StreamExt};
use futures::{Sink, SinkExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::core::Request;
use kube::core::subresource::AttachParams;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// How much a command's output may be where it is handed over whole.
const WHOLE: u64 = 64 * 1024 * 1024;
/// How much of a command's error output is kept: its end.
const STDERR: usize = 64 * 1024;
/// Bytes of input sent at once.
const CHUNK: usize = 32 * 1024;
/// How long the API may take to start a command.
const START: Duration = Duration::from_secs(30);
/// How often a quiet connection is kept alive.
const PING: Duration = Duration::from_secs(30);

/// The first byte of every message says what it belongs to (protocol `v5.channel.k8s.io`).
mod channel {
    pub const STDIN: u8 = 0;
    pub const STDOUT: u8 = 1;
    pub const STDERR: u8 = 2;
    pub const STATUS: u8 = 3;
    /// Followed by the channel that ends.
    pub const CLOSE: u8 = 255;
}

impl Cluster {
    /// A command in a pod, to its end; whatever its exit status.
    pub async fn exec(&self, _: &Permit, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<Executed, ClusterError> {
        self.exec_read(pod, command, stdin).await
    }

    /// A command in a pod that only reads.
    pub async fn exec_read(&self, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<Executed, ClusterError> {
        let mut stream = self.exec_stream(pod, command, stdin).await?;
        let mut stdout = Vec::new();
        let read = (&mut stream).take(WHOLE + 1).read_to_end(&mut stdout).await;
        let broken = |reason: String| ClusterError::CannotExec { pod: pod.to_string(), reason, help: None };
        if read.map_err(|error| broken(error.to_string()))? as u64 > WHOLE {
            return Err(broken("it printed more than 64 MiB".into()));
        }
        Ok(Executed { stdout, ..stream.finish().await? })
    }

    /// A command in a pod that only reads, and whose output may be longer than memory. Read it to its end, then ask
    /// [`ExecStream::finish`] how the command ended.
    pub async fn exec_stream(&self, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<ExecStream, ClusterError> {
        self.start(pod, command, io::Cursor::new(stdin.to_vec()), !stdin.is_empty()).await
    }

    async fn start(
        &self,
        pod: &PodName,
        command: &[String],
        input: impl AsyncRead + Send + 'static,
        has_input: bool,
    ) -> Result<ExecStream, ClusterError> {
        let how = AttachParams {
            container: Some(self.container(pod).await?),
            stdin: has_input,
            stdout: true,
            stderr: true,
            ..AttachParams::default()
        };
        let request = Request::new(format!("/api/v1/namespaces/{}/pods", pod.namespace)).exec(&pod.name, command.to_vec(), &how);
        let attempt = |error| error::explain("run a command in", &pod.to_string(), error);
        let request = request.map_err(|error| attempt(kube::Error::BuildRequest(error)))?;
        let started = tokio::time::timeout(START, self.tunnels.connect(request)).await;
        let cannot = |reason: String| cannot(&pod.to_string(), &reason);
        let started = started.map_err(|_| cannot("no answer within the time-out".into()))?;
        let connection = started.map_err(attempt).map_err(|error| match error {
            ClusterError::Refused { reason, .. } => cannot(reason),
            other => other,
        })?;
        let (sink, messages) = connection.into_stream().split();
        let feed = tokio::spawn(feed(sink, input, has_input));
        Ok(ExecStream {
            pod: pod.to_string(),
            messages: messages.boxed(),
            feed,
            stdout: Bytes::new(),
            stderr: VecDeque::new(),
            status: None,
        })
    }
}

/// Sends a command its input. That it no longer wants any is said by its exit status, not here.
async fn feed<S>(mut sink: SplitSink<S, Message>, input: impl AsyncRead + Send, has_input: bool)
where
    S: Sink<Message, Error = SocketError> + Send,
{
    let mut input = std::pin::pin!(input);
    let mut chunk = vec![0; CHUNK];
    chunk[0] = channel::STDIN;
    while has_input && let Ok(count @ 1..) = input.read(&mut chunk[1..]).await {
        if sink.send(Message::binary(Bytes::copy_from_slice(&chunk[..=count]))).await.is_err() {
            return;
        }
    }
    let end = Message::binary(vec![channel::CLOSE, channel::STDIN]);
    if has_input && sink.send(end).await.is_err() {
        return;
    }
    loop {
        tokio::time::sleep(PING).await;
        if sink.send(Message::Ping(Bytes::new())).await.is_err() {
            return;
        }
    }
}

/// A command that runs in a pod; reading it reads the command's output.
pub struct ExecStream {
    pod: String,
    messages: BoxStream<'static, Result<Message, SocketError>>,
    feed: JoinHandle<()>,
    /// Output that has come and was not read yet.
    stdout: Bytes,
    stderr: VecDeque<u8>,
    status: Option<Status>,
}

impl ExecStream {
    /// How the command ended, after its output was read to its end. What was not read is dropped.
    pub async fn finish(mut self) -> Result<Executed, ClusterError> {
        tokio::io::copy(&mut self, &mut tokio::io::sink()).await.map_err(|error| cannot(&self.pod, &error.to_string()))?;
        let status = self.status.take().ok_or_else(|| cannot(&self.pod, LOST))?;
        let status = exit_status(&status).map_err(|reason| cannot(&self.pod, &reason))?;
        let stderr = String::from_utf8_lossy(self.stderr.make_contiguous()).into_owned();
        Ok(Executed { status, stdout: Vec::new(), stderr })
    }

    fn hear(&mut self, mut message: Bytes) -> Result<(), serde_json::Error> {
        match message.split_to(1)[0] {
            channel::STDOUT => self.stdout = message,
            channel::STDERR => {
                self.stderr.extend(&message);
                let surplus = self.stderr.len().saturating_sub(STDERR);
                self.stderr.drain(..surplus);
            }
            channel::STATUS => self.status = Some(serde_json::from_slice(&message)?),
            _ => {}
        }
        Ok(())
    }
}

impl Drop for ExecStream {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

const LOST: &str = "the connection broke before the command ended";

impl AsyncRead for ExecStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // The status is the last thing that comes: after it there is no output.
        while self.stdout.is_empty() && self.status.is_none() {
            match ready!(self.messages.poll_next_unpin(context)) {
                Some(Ok(Message::Binary(message))) if !message.is_empty() => self.hear(message)?,
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, LOST)));
                }
                Some(Ok(_)) => {}
            }
        }
        let count = buffer.remaining().min(self.stdout.len());
        buffer.put_slice(&self.stdout[..count]);
        self.stdout.advance(count);
        Poll::Ready(Ok(()))
    }
}

fn cannot(pod: &str, reason: &str) -> ClusterError {
    let help = REASONS.iter().find(|(needle, ..)| reason.contains(needle));
    let (reason, help) = match help {
        Some((_, "", help)) => (reason.trim(), (*help).to_owned()),
        Some((_, means, help)) => (*means, (*help).to_owned()),
        None => (reason.trim(), format!("`kube::diagnose(\"{pod}\")` says how the pod is")),
    };
    let reason = reason.rsplit("unable to start container process: ").next().unwrap_or(reason);
    ClusterError::CannotExec { pod: pod.into(), reason: reason.into(), help: Some(help) }
}

/// What the API says where a command did not start, in shorter words, and one next step.
const REASONS: &[(&str, &str, &str)] = &[
    ("executable file not found", "", "the image does not have this program"),
    ("is not valid for pod", "", "name a container that the pod has: `namespace/pod/name/container`"),
    ("dial tcp", "the node it runs on does not answer", "see whether the node runs"),
    ("container not found", "the container does not run", "wait until the pod is ready"),
];

/// The exit status out of the API's own; `Err` where the command did not even start.
fn exit_status(status: &Status) -> Result<i32, String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    let causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
    let code = causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode")).find_map(|cause| cause.message.as_ref()?.parse().ok());
    code.ok_or_else(|| status.message.clone().unwrap_or_else(|| "it did not start".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(value: serde_json::Value) -> Result<i32, String> {
        exit_status(&serde_json::from_value(value).unwrap())
    }

    #[test]
    fn the_exit_status_comes_out_of_the_apis_answer() {
        assert_eq!(status(json!({"status": "Success"})), Ok(0));
        assert_eq!(
            status(
                json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "3"}]}})
            ),
            Ok(3)
        );
    }

    #[test]
    fn a_command_that_did_not_start_has_no_exit_status() {
        assert_eq!(status(json!({"status": "Failure", "message": "container not found"})), Err("container not found".into()));
    }
}
