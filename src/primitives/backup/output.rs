//! The output of a program in a pod. One that fails ends its output with an error, never with an end.

use crate::cluster::{ClusterError, ExecStream, Executed};
use crate::database::Session;
use crate::primitives::backup::error::BackupError;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// A program's output that ends only if the program exited 0.
pub struct Checked {
    state: State,
    what: String,
    program: String,
}

enum State {
    Reads(ExecStream),
    Ends(BoxFuture<'static, Result<Executed, ClusterError>>),
    Ended,
}

impl AsyncRead for Checked {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.state {
                State::Reads(stream) => {
                    let before = buffer.filled().len();
                    ready!(Pin::new(stream).poll_read(context, buffer)).map_err(|error| self.broke(error.to_string()))?;
                    if buffer.filled().len() > before || buffer.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    if let State::Reads(stream) = std::mem::replace(&mut self.state, State::Ended) {
                        self.state = State::Ends(stream.finish().boxed());
                    }
                }
                State::Ends(ending) => {
                    let ended = ready!(ending.as_mut().poll(context));
                    self.state = State::Ended;
                    return Poll::Ready(self.judge(ended));
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Checked {
    pub fn new(stream: ExecStream, what: String, program: String) -> Self {
        Self { state: State::Reads(stream), what, program }
    }

    fn judge(&self, ended: Result<Executed, ClusterError>) -> io::Result<()> {
        let ended = ended.map_err(|error| self.broke(error.to_string()))?;
        if ended.status == 0 {
            return Ok(());
        }
        let ending = format!("exited {}", ended.status);
        Err(io::Error::other(failed(&self.what, &self.program, ending, &ended.stderr)))
    }

    fn broke(&self, reason: String) -> io::Error {
        io::Error::other(BackupError::ProducerBroke { what: self.what.clone(), reason })
    }
}

/// A producer's failure with the last lines it said.
fn failed(what: &str, program: &str, ending: String, stderr: &str) -> BackupError {
    let lines: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    BackupError::ProducerFailed { what: what.into(), program: program.into(), ending, stderr: last }
}

/// An output that needs its snapshot as long as it is read.
pub struct Held {
    output: Checked,
    _snapshot: Session,
}

impl Held {
    pub fn new(output: Checked, snapshot: Session) -> Self {
        Self { output, _snapshot: snapshot }
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_the_last_lines() {
        let error = failed("database a/b", "pg_dump", "exited 1".into(), "1\n2\n\npg_dump: error: 3\n4\n");
        assert_eq!(error.to_string(), "cannot back up database a/b: `pg_dump` exited 1: 2; pg_dump: error: 3; 4");
    }
}
