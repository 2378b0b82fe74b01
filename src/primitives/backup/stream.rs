//! The stream of a backup: plain → sha256 → zstd → age one way, and back again the other. Nothing is kept: what it
//! reads and where it goes is the caller's business.

use age::x25519::Recipient;
use age::{DecryptError, Decryptor, Encryptor, Identity};
use async_compression::Level;
use async_compression::tokio::bufread::{ZstdDecoder, ZstdEncoder};
use sha2::{Digest, Sha256};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, DuplexStream, ReadBuf};
use tokio_util::compat::{FuturesAsyncReadCompatExt, FuturesAsyncWriteCompatExt, TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

const LEVEL: i32 = 3;
const BUFFER: usize = 256 << 10;
/// How many of the first bytes are kept, to know what kind of file it is.
const HEAD: usize = 16;

/// What went by: how much, its hash, and how it began.
#[derive(Default)]
pub struct Tally {
    pub bytes: u64,
    hash: Sha256,
    pub head: Vec<u8>,
}

impl Tally {
    pub fn sha256(&self) -> String {
        crate::webdav::hex(&self.hash.clone().finalize())
    }

    fn add(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.bytes += piece.len() as u64;
        if self.head.len() < HEAD {
            self.head.extend(piece.iter().take(HEAD - self.head.len()));
        }
    }
}

/// A reader that counts and hashes what goes by, and tells how far it is.
struct Tallied<'t, R, F> {
    source: R,
    tally: &'t mut Tally,
    told: F,
}

impl<R: AsyncRead + Unpin, F: FnMut(u64) + Unpin> AsyncRead for Tallied<'_, R, F> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.source).poll_read(context, buffer))?;
        let this = &mut *self;
        this.tally.add(&buffer.filled()[before..]);
        (this.told)(this.tally.bytes);
        Poll::Ready(Ok(()))
    }
}

/// Compresses and encrypts all of `source` into `sink`. The sink is shut down only at the true end.
pub async fn seal(
    source: impl AsyncRead + Unpin,
    recipients: &[Recipient],
    sink: impl AsyncWrite + Unpin,
    told: impl FnMut(u64) + Unpin,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient));
    let encryptor = encryptor.map_err(|error| io::Error::other(error.to_string()))?;
    let mut sealed = encryptor.wrap_async_output(sink.compat_write()).await?.compat_write();
    let plain = BufReader::with_capacity(BUFFER, Tallied { source, tally: &mut tally, told });
    let mut packed = BufReader::with_capacity(BUFFER, ZstdEncoder::with_quality(plain, Level::Precise(LEVEL)));
    tokio::io::copy_buf(&mut packed, &mut sealed).await?;
    sealed.shutdown().await?;
    drop(packed);
    Ok(tally)
}

/// What was found in a sealed stream.
pub struct Opened {
    pub cipher: Tally,
    pub plain: Tally,
}

#[derive(Debug)]
pub enum OpenError {
    /// None of the identities is a recipient's.
    NoIdentity,
    /// It is not what was sealed, or its source broke off: see the error inside.
    Broken(io::Error),
}

/// Decrypts and unpacks all of `source`, to its end.
pub async fn open(
    source: impl AsyncRead + Unpin,
    identities: &[Box<dyn Identity + Send + Sync>],
    told: impl FnMut(u64) + Unpin,
) -> Result<Opened, OpenError> {
    let (mut cipher, mut plain) = (Tally::default(), Tally::default());
    let mut sealed = BufReader::with_capacity(BUFFER, Tallied { source, tally: &mut cipher, told });
    {
        let decryptor = Decryptor::new_async_buffered((&mut sealed).compat()).await.map_err(unopened)?;
        let packed = decryptor.decrypt_async(identities.iter().map(|identity| &**identity as &dyn Identity)).map_err(unopened)?;
        let unpacked = ZstdDecoder::new(BufReader::with_capacity(BUFFER, packed.compat()));
        let mut plain = Tallied { source: unpacked, tally: &mut plain, told: |_| {} };
        drain(&mut plain).await?;
    }
    drain(&mut sealed).await?;
    drop(sealed);
    Ok(Opened { cipher, plain })
}

/// Hashes all of `source` as it is.
pub async fn hash(source: impl AsyncRead + Unpin, told: impl FnMut(u64) + Unpin) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut source = Tallied { source, tally: &mut tally, told };
    tokio::io::copy(&mut source, &mut tokio::io::sink()).await?;
    Ok(tally)
}

async fn drain(source: &mut (impl AsyncRead + Unpin)) -> Result<(), OpenError> {
    let mut piece = vec![0; BUFFER];
    while source.read(&mut piece).await.map_err(OpenError::Broken)? > 0 {}
    Ok(())
}

fn unopened(error: DecryptError) -> OpenError {
    match error {
        DecryptError::NoMatchingKeys => OpenError::NoIdentity,
        DecryptError::Io(error) => OpenError::Broken(error),
        other => {
            let said = other.to_string().lines().next().unwrap_or_default().trim_end_matches('.').to_lowercase();
            OpenError::Broken(io::Error::new(io::ErrorKind::InvalidData, said))
        }
    }
}

/// Joins a writer and a reader, with a bounded buffer between them. The reader ends only if the writer was shut down:
/// one that is dropped half-way is an error, never an end.
pub fn pipe() -> (PipeWriter, PipeReader) {
    let (near, far) = tokio::io::duplex(BUFFER);
    let whole = Arc::new(AtomicBool::new(false));
    (PipeWriter { end: near, whole: Arc::clone(&whole) }, PipeReader { end: far, whole })
}

pub struct PipeWriter {
    end: DuplexStream,
    whole: Arc<AtomicBool>,
}

pub struct PipeReader {
    end: DuplexStream,
    whole: Arc<AtomicBool>,
}

impl AsyncWrite for PipeWriter {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, piece: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.end).poll_write(context, piece)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole.store(true, Ordering::SeqCst);
        Pin::new(&mut self.end).poll_shutdown(context)
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.end).poll_read(context, buffer))?;
        if buffer.filled().len() == before && buffer.remaining() > 0 && !self.whole.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it broke off")));
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> (Recipient, Vec<Box<dyn Identity + Send + Sync>>) {
        let identity = age::x25519::Identity::generate();
        (identity.to_public(), vec![Box::new(identity)])
    }

    async fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let mut cipher = Vec::new();
        seal(plain, recipients, &mut cipher, |_| {}).await.unwrap();
        cipher
    }

    #[tokio::test]
    async fn either_recipient_reads_back_what_was_sealed() {
        let (one, first) = identity();
        let (two, second) = identity();
        for length in [0, 1, 1 << 20] {
            let plain: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
            let cipher = sealed(&plain, &[one.clone(), two.clone()]).await;
            for identities in [&first, &second] {
                let opened = open(cipher.as_slice(), identities, |_| {}).await.ok().unwrap();
                assert_eq!((opened.plain.bytes, opened.cipher.bytes), (plain.len() as u64, cipher.len() as u64));
                assert_eq!(opened.plain.sha256(), crate::webdav::hex(&Sha256::digest(&plain)));
                assert_eq!(opened.cipher.sha256(), crate::webdav::hex(&Sha256::digest(&cipher)));
            }
        }
    }

    #[tokio::test]
    async fn a_stranger_is_told_so() {
        let cipher = sealed(b"x", &[identity().0, identity().0]).await;
        assert!(matches!(open(cipher.as_slice(), &identity().1, |_| {}).await, Err(OpenError::NoIdentity)));
    }

    #[tokio::test]
    async fn a_flipped_bit_and_a_lost_end_are_found_wherever_they_are() {
        let (recipient, identities) = identity();
        let plain: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        let cipher = sealed(&plain, &[recipient]).await;
        for at in [0, 60, cipher.len() / 2, cipher.len() - 1] {
            let mut flipped = cipher.clone();
            flipped[at] ^= 1;
            assert!(open(flipped.as_slice(), &identities, |_| {}).await.is_err(), "bit at {at}");
            assert!(open(&cipher[..at], &identities, |_| {}).await.is_err(), "cut at {at}");
        }
        let mut longer = cipher.clone();
        longer.push(0);
        assert!(open(longer.as_slice(), &identities, |_| {}).await.is_err());
    }

    #[tokio::test]
    async fn a_pipe_that_is_dropped_half_way_is_an_error() {
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"half").await.unwrap();
        drop(writer);
        let mut read = Vec::new();
        assert!(reader.read_to_end(&mut read).await.is_err());
        let (mut writer, mut reader) = pipe();
        writer.write_all(b"all").await.unwrap();
        writer.shutdown().await.unwrap();
        assert_eq!(reader.read_to_end(&mut Vec::new()).await.unwrap(), 3);
    }
}
