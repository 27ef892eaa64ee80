//! Streams ZIP archives: builds an archive while it is sent, with one file and at most 10 pieces in memory.
//!
//! An error cuts the connection, so that the client cannot take an incomplete archive for a complete one.

use std::collections::{BTreeSet, HashSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::file_name::FileName;
use super::visible_text::visible;
use crate::error::{ApiError, ErrorKind, Result};

/// Maximum number of pieces that are queued for a slow client.
const PIECES_WAITING: usize = 8;
/// Least size of a piece except the last one, bytes (256 KiB). A longer write becomes one piece.
const PIECE_BYTES: usize = 256 << 10;
/// Maximum wait for a client to accept a piece, 60 s. A slower client is treated as disconnected, although its
/// connection is open.
const PIECE_TIME_MAX: Duration = Duration::from_secs(60);

/// Maximum number of archives in progress on this server; each archive holds a photo in memory and occupies a
/// thread.
const ARCHIVES_MAX: usize = 8;

/// Limits the archives in progress: one per session, and `ARCHIVES_MAX` in all.
pub struct ArchiveLimits {
    slots: Arc<Semaphore>,
    /// The sessions with an archive in progress; for a studio's export of a guest, the guest's id.
    sessions: Arc<Mutex<BTreeSet<String>>>,
}

/// A permit to build an archive; dropping it releases the slot.
#[must_use]
pub struct ArchivePermit {
    session: String,
    sessions: Arc<Mutex<BTreeSet<String>>>,
    _slot: OwnedSemaphorePermit,
}

impl Drop for ArchivePermit {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.session);
    }
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self { slots: Arc::new(Semaphore::new(ARCHIVES_MAX)), sessions: Arc::default() }
    }
}

impl ArchiveLimits {
    /// Acquires a permit to build an archive for `session`.
    ///
    /// # Errors
    /// - `TooManyRequests` if the session has an archive in progress.
    /// - `Busy` if `ARCHIVES_MAX` archives are in progress on this server.
    pub fn permit(&self, session: &str) -> Result<ArchivePermit> {
        let mut sessions = self.sessions.lock();
        if sessions.contains(session) {
            let detail = "An archive is already being sent to you; wait until it is complete.";
            return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(5));
        }
        let detail =
            format!("The server builds {ARCHIVES_MAX} archives already; try again in 30 seconds.");
        let busy = || ApiError::new(ErrorKind::Busy, detail).retry_after(30);
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| busy())?;
        sessions.insert(session.to_owned());
        let (session, sessions) = (session.to_owned(), Arc::clone(&self.sessions));
        Ok(ArchivePermit { session, sessions, _slot: slot })
    }
}

/// The writer of an archive in progress.
pub struct ZipStream(ZipWriter<StreamWriter<ChunkWriter>>);

impl ZipStream {
    /// Adds a file, stored without compression: photos do not compress further.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.0.start_file(name, options).map_err(ApiError::internal)?;
        Ok(self.0.write_all(bytes)?)
    }
}

/// Returns a response that streams an archive. `fill` adds the files, on a thread that may block;
/// `disposition` is the value of the header `Content-Disposition`.
pub fn respond(
    disposition: &'static str,
    fill: impl FnOnce(&mut ZipStream) -> Result<()> + Send + 'static,
) -> Response {
    let (send, receive) = channel::<io::Result<Bytes>>(PIECES_WAITING);
    tokio::task::spawn_blocking(move || {
        let failed = send.clone();
        if let Err(failure) = write(send, fill) {
            tracing::warn!(reason = failure.reason(), "archive aborted");
            // An error in the body cuts the connection.
            let end = Err(io::Error::other("the archive was aborted"));
            let _ = Handle::current().block_on(failed.send_timeout(end, PIECE_TIME_MAX));
        }
    });
    let pieces = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    })
    // The compression layer polls once more after the end of the stream.
    .fuse();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

fn write(
    send: Sender<io::Result<Bytes>>,
    fill: impl FnOnce(&mut ZipStream) -> Result<()>,
) -> Result<()> {
    let waiting = Vec::with_capacity(PIECE_BYTES);
    let pieces = ChunkWriter { send, waiting, time_max: PIECE_TIME_MAX, here: Handle::current() };
    let mut archive = ZipStream(ZipWriter::new_stream(pieces));
    fill(&mut archive)?;
    let mut pieces = archive.0.finish().map_err(ApiError::internal)?.into_inner();
    Ok(pieces.flush()?)
}

/// Returns a path in the archive that is unique and cannot be extracted outside the folder `photos`. Replaces
/// path separators, control and reserved characters by `_`, and removes invisible characters from the
/// folder's name; a name in `taken` gets the photo's `id` as a prefix.
pub fn entry_path(
    folder: Option<&str>,
    name: &FileName,
    id: &str,
    taken: &mut HashSet<String>,
) -> String {
    let safe = |text: &str| -> String {
        let plain = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
        let text: String = visible(text).chars().map(plain).collect();
        let text = text.trim_matches(['.', ' ']);
        if text.is_empty() { "_".to_owned() } else { text.to_owned() }
    };
    let folder =
        folder.map_or_else(|| "photos".to_owned(), |folder| format!("photos/{}", safe(folder)));
    let name = safe(name.as_str());
    let first = format!("{folder}/{name}");
    // Some file systems do not distinguish upper and lower case.
    if taken.insert(first.to_lowercase()) {
        return first;
    }
    let second = format!("{folder}/{id}_{name}");
    taken.insert(second.to_lowercase());
    second
}

/// A writer that sends pieces of at least [`PIECE_BYTES`] into the channel. Blocks while the client is slow, at
/// most `time_max` per piece.
struct ChunkWriter {
    send: Sender<io::Result<Bytes>>,
    waiting: Vec<u8>,
    /// Maximum wait of one piece for free capacity in the channel.
    time_max: Duration,
    here: Handle,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.waiting, Vec::with_capacity(PIECE_BYTES));
        let sent = self.here.block_on(self.send.send_timeout(Ok(piece.into()), self.time_max));
        sent.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => {
                let seconds = self.time_max.as_secs();
                let reason = format!("the client accepted no data for {seconds} s");
                io::Error::new(io::ErrorKind::TimedOut, reason)
            }
            SendTimeoutError::Closed(_) => {
                io::Error::new(io::ErrorKind::BrokenPipe, "the client has disconnected")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (send, receive) = channel(1);
        let written = tokio::task::spawn_blocking(move || {
            let time_max = Duration::from_millis(50);
            let here = Handle::current();
            let mut pieces = ChunkWriter { send, waiting: Vec::new(), time_max, here };
            (0..3).map(|_| pieces.write(&[0; PIECE_BYTES]).map_err(|error| error.kind())).collect()
        });
        let written: Vec<_> = written.await.unwrap_or_default();
        let late = Err(io::ErrorKind::TimedOut);
        assert_eq!(written, [Ok(PIECE_BYTES), late, late]);
        drop(receive);
    }

    #[test]
    fn a_visit_makes_one_archive_at_a_time() {
        let limits = ArchiveLimits::default();
        let permit = |session| limits.permit(session);
        let first = permit("one");
        assert!(first.is_ok() && permit("two").is_ok());
        assert_eq!(
            permit("one").err().map(|failure| failure.kind),
            Some(ErrorKind::TooManyRequests)
        );
        drop(first);
        assert!(permit("one").is_ok());
    }

    #[test]
    fn names_are_distinct_and_stay_inside() {
        let mut taken = HashSet::new();
        let mut of =
            |folder, name| entry_path(folder, &FileName::of(name, "image/jpeg"), "1d", &mut taken);
        assert_eq!(of(None, "a.jpg"), "photos/a.jpg");
        assert_eq!(of(None, "A.jpg"), "photos/1d_A.jpg");
        assert_eq!(of(Some("../../etc"), "..\\passwd"), "photos/_.._etc/_passwd.jpg");
        assert_eq!(of(Some(".."), "."), "photos/_/photo.jpg");
        assert_eq!(of(Some("a\u{202e}b"), "a.html"), "photos/ab/a_html.jpg");
        assert_eq!(of(Some("Trauung"), "a\nb.jpg"), "photos/Trauung/a_b.jpg");
    }
}
