//! A whole event to take along: its photos in their folders, and what is known of them, as a streamed ZIP.
//!
//! The archive is made while it is sent, one photo in memory at a time. It holds the picks and comments of albums'
//! visitors under the names that they gave, no face template, no embedding and nobody's contact.

use std::collections::HashSet;
use std::io::{self, Write};

use axum::body::{Body, Bytes as Chunk};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use sqlx::Row as _;
use tokio::sync::mpsc::{Sender, channel};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::routes::{Event, one};
use crate::access::Grant;
use crate::album::told::{self, Told};
use crate::audit::note_by;
use crate::blob::Kind;
use crate::error::{Failure, Result};
use crate::input::Bytes;
use crate::state::App;

/// Pieces of the archive that wait for a slow client.
const PIECES_WAITING: usize = 8;
const PIECE_BYTES: usize = 256 << 10;

/// A photo in the archive's list.
#[derive(Serialize)]
struct Listed {
    /// Where it lies in the archive.
    file: String,
    id: String,
    name: String,
    folder: Option<String>,
    sha256: String,
    bytes: i64,
    media_type: String,
    width: i64,
    height: i64,
    created_unix_s: i64,
}

#[derive(Serialize)]
struct Contents<'a> {
    format: &'static str,
    event: &'a Event,
    photos: &'a [Listed],
    /// What visitors have left in the event's albums.
    albums: &'a [Told],
}

/// Everything of an event: photos in their folders, and `event.json` about them. Nothing of faces.
#[utoipa::path(get, path = "/events/{event}/export", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = Bytes, content_type = "application/zip")))]
pub async fn export(State(app): State<App>, grant: Grant) -> Result<Response> {
    let event = one(&app, grant.event()?).await?;
    let photos = photos(&app, &event.id).await?;
    let albums = told::of_event(&app, &event.id).await?;
    let mut tx = app.db().write().await?;
    note_by(&mut tx, &grant, "event_export", &event.id, "").await?;
    tx.commit().await?;
    let (send, receive) = channel::<io::Result<Chunk>>(PIECES_WAITING);
    tokio::task::spawn_blocking(move || {
        let failed = send.clone();
        if let Err(failure) = write(&app, &event, (&photos, &albums), send) {
            tracing::warn!(event = event.id, reason = failure.reason(), "an export ended early");
            // A cut connection, not an archive that looks whole.
            let _ = failed.blocking_send(Err(io::Error::other("the export ended early")));
        }
    });
    let pieces = stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|piece| (piece, receive))
    })
    // Compression asks once more after the end.
    .fuse();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"event.zip\""),
        ),
    ];
    Ok((headers, Body::from_stream(pieces)).into_response())
}

async fn photos(app: &App, event: &str) -> Result<Vec<Listed>> {
    let rows = sqlx::query(
        "SELECT p.*, f.name AS folder_name FROM photos p LEFT JOIN folders f ON f.id = p.folder_id \
         WHERE p.event_id = $1 ORDER BY p.created_unix_s, p.id",
    )
    .bind(event)
    .fetch_all(app.db().read())
    .await?;
    let mut taken = HashSet::new();
    let mut listed = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, name): (String, String) = (row.try_get("id")?, row.try_get("name")?);
        let folder: Option<String> = row.try_get("folder_name")?;
        let file = place(folder.as_deref(), &name, &id, &mut taken);
        listed.push(Listed {
            file,
            id,
            name,
            folder,
            sha256: row.try_get("sha256")?,
            bytes: row.try_get("bytes")?,
            media_type: row.try_get("media_type")?,
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            created_unix_s: row.try_get("created_unix_s")?,
        });
    }
    Ok(listed)
}

/// A name in the archive that no other photo has, and that no program unpacks outside its folder.
fn place(folder: Option<&str>, name: &str, id: &str, taken: &mut HashSet<String>) -> String {
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

fn write(
    app: &App,
    event: &Event,
    (photos, albums): (&[Listed], &[Told]),
    send: Sender<io::Result<Chunk>>,
) -> Result<()> {
    let mut zip = ZipWriter::new_stream(Pieces { send, waiting: Vec::with_capacity(PIECE_BYTES) });
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let contents = Contents { format: "picpick event 1", event, photos, albums };
    zip.start_file("event.json", options).map_err(Failure::internal)?;
    zip.write_all(&serde_json::to_vec_pretty(&contents).map_err(Failure::internal)?)?;
    let sealer = app.faces().sealer(&event.id)?;
    for photo in photos {
        let missing =
            || Failure::internal(format!("photo {} is not in the place for photos", photo.id));
        let bytes =
            app.blobs().get(&sealer, &event.id, &photo.id, Kind::Original)?.ok_or_else(missing)?;
        zip.start_file(photo.file.as_str(), options).map_err(Failure::internal)?;
        zip.write_all(&bytes)?;
    }
    let mut pieces = zip.finish().map_err(Failure::internal)?.into_inner();
    Ok(pieces.flush()?)
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
