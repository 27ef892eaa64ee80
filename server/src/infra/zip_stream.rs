//! Streams ZIP archives, which are built while their clients take them (`piece_stream.rs`).

use std::collections::HashSet;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::file_name::FileName;
use super::piece_stream::{self, ByteSink, PIECE_BYTES, PieceSender};
use super::places::Place;
use super::visible_text::visible;
use crate::error::{ApiError, Result};

/// The writer of an archive in progress.
pub struct ZipStream {
    zip: ZipWriter<StreamWriter<Buffer>>,
    buffer: Buffer,
    pieces: PieceSender,
}

/// The bytes that the archive's format has added and that are not sent.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ZipStream {
    /// Begins a file, which is stored without compression: photos do not compress further.
    ///
    /// # Errors
    /// - `Internal` if the archive has a file of this name.
    pub fn begin(&mut self, name: &str) -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(name, options).map_err(ApiError::internal)
    }

    /// Adds a file.
    pub async fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.begin(name)?;
        self.append(bytes).await
    }

    async fn flush(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut *self.buffer.0.lock());
        self.pieces.append(&waiting).await
    }

    async fn finish(mut self) -> Result<PieceSender> {
        self.flush().await?;
        let Self { zip, buffer, mut pieces } = self;
        zip.finish().map_err(ApiError::internal)?;
        let rest = std::mem::take(&mut *buffer.0.lock());
        pieces.append(&rest).await?;
        Ok(pieces)
    }
}

impl ByteSink for ZipStream {
    /// Appends to the file that was begun last.
    async fn append(&mut self, bytes: &[u8]) -> Result<()> {
        for part in bytes.chunks(PIECE_BYTES) {
            self.zip.write_all(part)?;
            self.flush().await?;
        }
        Ok(())
    }
}

/// Returns a response that streams an archive and holds `place` until its end. `fill` adds the files;
/// `disposition` is the value of the header `Content-Disposition`.
pub fn respond<F>(
    disposition: &'static str,
    place: Place,
    fill: impl FnOnce(ZipStream) -> F + Send + 'static,
) -> Response
where
    F: Future<Output = Result<ZipStream>> + Send + 'static,
{
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
    ];
    piece_stream::respond(headers.into_response(), place, move |pieces| async move {
        let buffer = Buffer::default();
        let zip = ZipWriter::new_stream(buffer.clone());
        fill(ZipStream { zip, buffer, pieces }).await?.finish().await
    })
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

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;
    use crate::infra::places::{PlaceKind, Places};

    #[tokio::test]
    async fn an_archive_holds_its_files_and_an_aborted_one_has_no_end() {
        let places = Places::default();
        let contents: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
        for is_whole in [true, false] {
            let (place, file) = (places.take(PlaceKind::Export, "s").unwrap(), contents.clone());
            let response = respond("attachment", place, move |mut archive| async move {
                archive.begin("a")?;
                archive.append(&file[..1_000_001]).await?;
                archive.append(&file[1_000_001..]).await?;
                archive.add("b", b"short").await?;
                if is_whole { Ok(archive) } else { Err(ApiError::not_found()) }
            });
            let body = to_bytes(response.into_body(), 10_000_000).await;
            assert_eq!(body.is_ok(), is_whole);
            let Ok(body) = body else { continue };
            let mut zip = zip::ZipArchive::new(io::Cursor::new(body)).unwrap();
            let mut read = |name: &str| {
                let mut bytes = Vec::new();
                io::Read::read_to_end(&mut zip.by_name(name).unwrap(), &mut bytes).unwrap();
                bytes
            };
            assert!(read("a") == contents && read("b") == b"short");
        }
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
