//! Completion of an upload: checks the file, puts it into the photo store, inserts its row and enqueues
//! indexing.
//!
//! Each step is idempotent, so that the completion can be repeated after a crash: the photo gets the upload's
//! id, and the row is inserted last. A rejected file is deleted.

use picpick_engine::{DecodeLimits, Picture};
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::staging::StagedUpload;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::events::IDS_OF_NODE;
use crate::infra::db::limits;
use crate::infra::db::photos::{self, PhotoRecord};
use crate::infra::file_name::FileName;
use crate::infra::ids::sha256;
use crate::infra::jobs;
use crate::infra::photo_store::Rendition as BlobKind;

/// A row of the `uploads` table.
pub struct Upload {
    pub id: String,
    pub event: String,
    pub folder: Option<String>,
    pub name: String,
    /// SHA-256 that the client announced, hexadecimal; empty if it announced none.
    pub sha256: String,
    /// Length of the whole file, bytes.
    pub bytes: u64,
    /// The photo's id; set when the upload has become a photo.
    pub photo: Option<String>,
    pub expires_unix_s: i64,
}

/// Hash, media type and size in pixels of a checked file.
struct CheckedPhoto {
    sha256: String,
    media_type: &'static str,
    width: u32,
    height: u32,
}

impl Upload {
    pub fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            event: row.try_get("event_id")?,
            folder: row.try_get("folder_id")?,
            name: row.try_get("name")?,
            sha256: row.try_get("sha256")?,
            bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or_default(),
            photo: row.try_get("photo_id")?,
            expires_unix_s: row.try_get("expires_unix_s")?,
        })
    }

    pub fn staged(&self, app: &App) -> StagedUpload {
        StagedUpload::of(&app.settings.data, &self.id, self.bytes)
    }
}

/// Turns a complete upload into a photo and returns the photo's id. If the event has a photo with the same
/// bytes, returns the id of that photo.
///
/// # Errors
/// - `NotAPhoto` if the file is not a readable photo; the upload is deleted.
/// - `ChecksumMismatch` if the file does not have the announced SHA-256; the upload is deleted.
pub async fn complete(app: &App, upload: &Upload) -> Result<String> {
    if let Some(photo) = &upload.photo {
        return Ok(photo.clone());
    }
    let _permit = app.photo_memory.enter().await?;
    let (staged, blobs) = (upload.staged(app), app.photo_store.clone());
    let (event, id, announced) = (upload.event.clone(), upload.id.clone(), upload.sha256.clone());
    let checked = app
        .face_engine
        .run(move |faces| {
            let (sealed, plain) = staged.read(&faces.sealer(&event)?)?;
            let found = check(&plain, &announced)?;
            blobs.put_sealed(&event, &id, BlobKind::Original, &sealed)?;
            Ok(found)
        })
        .await;
    let found = match checked {
        Ok(found) => found,
        Err(failure)
            if matches!(failure.kind, ErrorKind::NotAPhoto | ErrorKind::ChecksumMismatch) =>
        {
            discard(app, upload).await?;
            return Err(failure);
        }
        Err(failure) => return Err(failure),
    };
    let photo = insert_photo(app, upload, &found).await?;
    let (staged, blobs) = (upload.staged(app), app.photo_store.clone());
    let (event, id, ours) = (upload.event.clone(), upload.id.clone(), photo == upload.id);
    app.face_engine
        .run(move |_| {
            if !ours {
                blobs.remove(&event, &id)?;
            }
            staged.remove()
        })
        .await?;
    app.jobs.wake();
    Ok(photo)
}

fn check(plain: &[u8], announced: &str) -> Result<CheckedPhoto> {
    let received = sha256(plain);
    if !announced.is_empty() && received != announced {
        let detail =
            format!("Expected SHA-256 {announced}, received {received}; upload the file again.");
        return Err(ApiError::new(ErrorKind::ChecksumMismatch, detail));
    }
    let header = Picture::probe(plain, &DecodeLimits::default())?;
    Ok(CheckedPhoto {
        sha256: received,
        media_type: Picture::media_type(plain)?,
        width: header.width,
        height: header.height,
    })
}

/// Inserts the photo and its indexing job. Returns the photo's id. If the event has an earlier photo with
/// these bytes, inserts nothing and returns the id of the earlier photo.
async fn insert_photo(app: &App, upload: &Upload, found: &CheckedPhoto) -> Result<String> {
    let new = PhotoRecord {
        id: upload.id.clone(),
        event: upload.event.clone(),
        folder: upload.folder.clone(),
        name: FileName::of(&upload.name, found.media_type).to_string(),
        content_id: photos::content_id(&found.sha256).to_owned(),
        sha256: found.sha256.clone(),
        bytes: i64::try_from(upload.bytes).unwrap_or(i64::MAX),
        media_type: found.media_type.to_owned(),
        width: i64::from(found.width),
        height: i64::from(found.height),
        created_unix_s: now_s(),
    };
    let mut tx = app.db.write().await?;
    let (photo, inserted) = photos::insert(&mut tx, &new).await?;
    if inserted {
        jobs::enqueue(&mut tx, jobs::INDEX, &upload.event, &upload.id).await?;
    }
    limits::lock_uploads(&mut tx, &upload.event).await?;
    let ended = sqlx::query("UPDATE uploads SET photo_id = $1 WHERE id = $2 AND photo_id IS NULL")
        .bind(&photo)
        .bind(&upload.id)
        .execute(&mut *tx)
        .await?;
    if ended.rows_affected() > 0 {
        limits::end_upload(&mut tx, &upload.event, new.bytes).await?;
    }
    tx.commit().await?;
    Ok(photo)
}

/// Deletes an upload and its staged file.
pub async fn discard(app: &App, upload: &Upload) -> Result<()> {
    let staged = upload.staged(app);
    app.face_engine.run(move |_| staged.remove()).await?;
    let mut tx = app.db.write().await?;
    limits::lock_uploads(&mut tx, &upload.event).await?;
    let gone = sqlx::query("DELETE FROM uploads WHERE id = $1 RETURNING photo_id")
        .bind(&upload.id)
        .fetch_optional(&mut *tx)
        .await?;
    let photo = gone.map(|row| row.try_get::<Option<String>, _>("photo_id")).transpose()?;
    if photo == Some(None) {
        let bytes = i64::try_from(upload.bytes).unwrap_or(i64::MAX);
        limits::end_upload(&mut tx, &upload.event, bytes).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Deletes all uploads of an event with their staged files.
pub async fn discard_all(app: &App, event: &str) -> Result<()> {
    let rows = sqlx::query("SELECT * FROM uploads WHERE event_id = $1")
        .bind(event)
        .fetch_all(app.db.read())
        .await?;
    for row in &rows {
        discard(app, &Upload::read(row)?).await?;
    }
    Ok(())
}

/// Finishes complete uploads that a crash interrupted, and deletes expired uploads. Skips uploads that a
/// request holds.
pub async fn recover(app: &App) -> Result<()> {
    let text = format!("SELECT * FROM uploads WHERE event_id IN ({IDS_OF_NODE})");
    let rows = sqlx::query(&text).bind(&app.node_id).fetch_all(app.db.read()).await?;
    for row in &rows {
        let upload = Upload::read(row)?;
        let Some(_held) = app.upload_locks.try_lock(&upload.id) else { continue };
        let whole = upload.photo.is_none() && upload.staged(app).offset()? == upload.bytes;
        if upload.expires_unix_s <= now_s() {
            discard(app, &upload).await?;
        } else if whole && let Err(failure) = complete(app, &upload).await {
            tracing::warn!(
                upload = upload.id,
                reason = failure.reason(),
                "finishing an upload failed; it will be retried"
            );
        }
    }
    Ok(())
}
