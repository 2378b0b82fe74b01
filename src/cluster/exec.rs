//! Commands inside pods, with their input, output and exit status. A connection that breaks before the command has
//! ended is an error, never an end of output.

use super::{Cluster, ClusterError, Executed, PodName};
use crate::effect::Permit;
use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Api;
use kube::api::{AttachParams, AttachedProcess};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::task::JoinHandle;

/// Bytes on their way between the pod and us.
const BUFFER: usize = 256 * 1024;
/// How much a command's output may be where it is handed over whole.
const WHOLE: u64 = 64 * 1024 * 1024;
/// How much of a command's error output is kept: its end.
const STDERR: usize = 64 * 1024;
/// How long the API may take to start a command.
const START: Duration = Duration::from_secs(30);

type Ended = BoxFuture<'static, Option<Status>>;

impl Cluster {
    /// A command in a pod, to its end; whatever its exit status.
    pub async fn exec(&self, _: &Permit, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<Executed, ClusterError> {
        self.exec_read(pod, command, stdin).await
    }

    /// A command in a pod that only reads.
    pub async fn exec_read(&self, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<Executed, ClusterError> {
        self.run(pod, command, io::Cursor::new(stdin.to_vec()), !stdin.is_empty()).await
    }

    /// A command in a pod that eats a stream of any length.
    pub async fn exec_from(
        &self,
        _: &Permit,
        pod: &PodName,
        command: &[String],
        input: impl AsyncRead + Send + 'static,
    ) -> Result<Executed, ClusterError> {
        self.run(pod, command, input, true).await
    }

    /// A command in a pod that only reads, and whose output may be longer than memory. Read it to its end, then ask
    /// [`ExecStream::finish`] how the command ended.
    pub async fn exec_stream(&self, pod: &PodName, command: &[String], stdin: &[u8]) -> Result<ExecStream, ClusterError> {
        self.start(pod, command, io::Cursor::new(stdin.to_vec()), !stdin.is_empty()).await
    }

    async fn run(
        &self,
        pod: &PodName,
        command: &[String],
        input: impl AsyncRead + Send + 'static,
        has_input: bool,
    ) -> Result<Executed, ClusterError> {
        let mut stream = self.start(pod, command, input, has_input).await?;
        let mut stdout = Vec::new();
        let read = (&mut stream).take(WHOLE + 1).read_to_end(&mut stdout).await;
        let broken = |reason: String| ClusterError::CannotExec { pod: pod.to_string(), reason, help: None };
        if read.map_err(|error| broken(error.to_string()))? as u64 > WHOLE {
            return Err(broken("it printed more than 64 MiB".into()));
        }
        Ok(Executed { stdout, ..stream.finish().await? })
    }

    async fn start(
        &self,
        pod: &PodName,
        command: &[String],
        input: impl AsyncRead + Send + 'static,
        has_input: bool,
    ) -> Result<ExecStream, ClusterError> {
        let pods: Api<Pod> = Api::namespaced(self.tunnels.clone(), &pod.namespace);
        let how = AttachParams {
            container: pod.container.clone(),
            stdin: has_input,
            stdout: true,
            stderr: true,
            tty: false,
            max_stdin_buf_size: Some(BUFFER),
            max_stdout_buf_size: Some(BUFFER),
            max_stderr_buf_size: Some(STDERR),
        };
        let started = tokio::time::timeout(START, pods.exec(&pod.name, command.to_vec(), &how)).await;
        let cannot = |reason: String, help: Option<String>| ClusterError::CannotExec { pod: pod.to_string(), reason, help };
        let started = started.map_err(|_| cannot("no answer within the time-out".into(), None))?;
        let process = started.map_err(|error| match super::error::explain("run a command in", &pod.to_string(), error) {
            ClusterError::Refused { reason, .. } => cannot(reason, Some(format!("`kube::diagnose(\"{pod}\")` says how the pod is"))),
            other => other,
        })?;
        Ok(ExecStream::new(pod, process, input))
    }
}

/// A command that runs in a pod; reading it reads the command's output.
pub struct ExecStream {
    pod: String,
    process: AttachedProcess,
    stdout: Pin<Box<dyn AsyncRead + Send>>,
    stderr: JoinHandle<String>,
    feed: JoinHandle<()>,
    ended: Ended,
    status: Option<Status>,
}

impl ExecStream {
    fn new(pod: &PodName, mut process: AttachedProcess, input: impl AsyncRead + Send + 'static) -> Self {
        let stdin = process.stdin();
        let feed = tokio::spawn(async move {
            let Some(mut stdin) = stdin else { return };
            let mut input = std::pin::pin!(input);
            // A command that closes its input early says why in its exit status.
            let _ = tokio::io::copy(&mut input, &mut stdin).await;
            let _ = stdin.shutdown().await;
        });
        let stderr = process.stderr();
        let stderr = tokio::spawn(async move {
            match stderr {
                Some(stderr) => last(stderr, STDERR).await,
                None => String::new(),
            }
        });
        let stdout: Pin<Box<dyn AsyncRead + Send>> = match process.stdout() {
            Some(stdout) => Box::pin(stdout),
            None => Box::pin(tokio::io::empty()),
        };
        let ended = process.take_status().map_or_else(|| futures::future::ready(None).boxed(), FutureExt::boxed);
        Self { pod: pod.to_string(), process, stdout, stderr, feed, ended, status: None }
    }

    /// How the command ended, after its output was read to its end. What was not read is dropped.
    pub async fn finish(mut self) -> Result<Executed, ClusterError> {
        tokio::io::copy(&mut self, &mut tokio::io::sink()).await.map_err(|error| self.broken(&error.to_string()))?;
        let status = match self.status.take() {
            Some(status) => status,
            None => (&mut self.ended).await.ok_or_else(|| self.broken(LOST))?,
        };
        let stderr = tokio::time::timeout(Duration::from_secs(5), &mut self.stderr).await;
        let stderr = stderr.ok().and_then(Result::ok).unwrap_or_default();
        let status = exit_status(&status).map_err(|reason| self.broken(&reason))?;
        Ok(Executed { status, stdout: Vec::new(), stderr })
    }

    fn broken(&self, reason: &str) -> ClusterError {
        let reason = reason.trim().to_owned();
        let help = reason.contains("executable file not found").then(|| "the image does not have this program".into());
        ClusterError::CannotExec { pod: self.pod.clone(), reason, help }
    }
}

impl Drop for ExecStream {
    fn drop(&mut self) {
        self.feed.abort();
        self.stderr.abort();
        self.process.abort();
    }
}

const LOST: &str = "the connection broke before the command ended";

impl AsyncRead for ExecStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A broken connection does not close the pipe that `stdout` reads: only the missing status tells.
        if let Poll::Ready(result) = self.stdout.as_mut().poll_read(context, buffer) {
            return Poll::Ready(result);
        }
        if self.status.is_some() {
            return Poll::Pending;
        }
        match ready!(self.ended.as_mut().poll(context)) {
            Some(status) => {
                self.status = Some(status);
                self.stdout.as_mut().poll_read(context, buffer)
            }
            None => Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, LOST))),
        }
    }
}

/// The end of a stream, as text.
async fn last(mut stream: impl AsyncRead + Unpin, limit: usize) -> String {
    let (mut kept, mut chunk) = (VecDeque::new(), vec![0; 8 * 1024]);
    while let Ok(count @ 1..) = stream.read(&mut chunk).await {
        kept.extend(&chunk[..count]);
        let surplus = kept.len().saturating_sub(limit);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}

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
