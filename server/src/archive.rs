//! Archives that are made while they are sent: a ZIP of photos, one of them in memory at a time.
//!
//! Photos are stored, not compressed: JPEGs do not shrink. Knows nothing of who may have what.

use std::collections::HashSet;
use std::io::{self, Write};

use axum::body::{Body, Bytes as Chunk};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use tokio::sync::mpsc::{Sender, channel};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use crate::error::{Failure, Result};

/// Pieces of the archive that wait for a slow client.
const PIECES_WAITING: usize = 8;
const PIECE_BYTES: usize = 256 << 10;

/// An archive under way.
pub struct Archive {
    zip: ZipWriter<StreamWriter<Pieces>>,
    taken: HashSet<String>,
}

impl Archive {
    /// Adds a file under exactly this name.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(name, options).map_err(Failure::internal)?;
        Ok(self.zip.write_all(bytes)?)
    }

    /// Adds a photo under its own name, or one beside it where that is taken.
    pub fn add_photo(&mut self, name: &str, id: &str, bytes: &[u8]) -> Result<()> {
        let name = place(None, name, id, &mut self.taken);
        self.add(&name, bytes)
    }
}

/// Sends the archive that `write` fills, on a thread that may block, as a file called `name`.
pub fn streamed(
    name: &'static str,
    write: impl FnOnce(&mut Archive) -> Result<()> + Send + 'static,
) -> Response {
    let (send, receive) = channel::<io::Result<Chunk>>(PIECES_WAITING);
    tokio::task::spawn_blocking(move || {
        let failed = send.clone();
        let pieces = Pieces { send, waiting: Vec::with_capacity(PIECE_BYTES) };
        let mut archive = Archive { zip: ZipWriter::new_stream(pieces), taken: HashSet::new() };
        let written = write(&mut archive).and_then(|()| {
            let mut pieces = archive.zip.finish().map_err(Failure::internal)?.into_inner();
            Ok(pieces.flush()?)
        });
        if let Err(failure) = written {
            tracing::warn!(archive = name, reason = failure.reason(), "an archive ended early");
            // A cut connection, not an archive that looks whole.
            let _ = failed.blocking_send(Err(io::Error::other("the archive ended early")));
        }
    });
    let pieces = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    })
    // Compression asks once more after the end.
    .fuse();
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// A name in an archive that no other photo has, and that no program unpacks outside its folder.
pub fn place(folder: Option<&str>, name: &str, id: &str, taken: &mut HashSet<String>) -> String {
    let safe = |text: &str| -> String {
        let plain = |c: char| if c.is_control() || "/\\:*?\"<>|".contains(c) { '_' } else { c };
        let text: String = text.chars().map(plain).collect();
        let text = text.trim_matches(['.', ' ']);
        if text.is_empty() { "_".to_owned() } else { text.to_owned() }
    };
    let folder =
        folder.map_or_else(|| "photos".to_owned(), |folder| format!("photos/{}", safe(folder)));
    let name = safe(name);
    let first = format!("{folder}/{name}");
    // Some file systems take names that differ in case for the same.
    if taken.insert(first.to_lowercase()) {
        return first;
    }
    let second = format!("{folder}/{id}_{name}");
    taken.insert(second.to_lowercase());
    second
}

/// Writes pieces of some size into the channel; waits while the client is slow.
struct Pieces {
    send: Sender<io::Result<Chunk>>,
    waiting: Vec<u8>,
}

impl Write for Pieces {
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
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client has gone");
        self.send.blocking_send(Ok(piece.into())).map_err(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_stay_inside() {
        let mut taken = HashSet::new();
        let mut of = |folder, name| place(folder, name, "1d", &mut taken);
        assert_eq!(of(None, "a.jpg"), "photos/a.jpg");
        assert_eq!(of(None, "A.jpg"), "photos/1d_A.jpg");
        assert_eq!(of(Some("../../etc"), "..\\passwd"), "photos/_.._etc/_passwd");
        assert_eq!(of(Some(".."), "."), "photos/_/_");
        assert_eq!(of(Some("Trauung"), "a\nb.jpg"), "photos/Trauung/a_b.jpg");
    }
}
