//! Checks a new upload against the studio's quotas and the free disk space.

use picpick_engine::{DataDir, Picture};

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::db::Tx;
use crate::infra::db::limits::{self, LimitKind};

/// Number of first bytes of a file that show its format.
const MAGIC_BYTES: usize = 16;

/// Records an open upload of `bytes` for the studio.
///
/// # Errors
/// - `TooManyRequests` if the studio has too many open uploads, or they announce too many bytes.
/// - `TooLarge` if the upload alone exceeds the bytes that open uploads may announce.
/// - `StorageQuota` if the studio's photos and open uploads exceed its storage.
pub async fn reserve(app: &App, tx: &mut Tx, studio: &str, bytes: u64) -> Result<()> {
    let quotas = &app.settings.quotas;
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    let storage = limits::add(tx, studio, LimitKind::StorageBytes, 0).await?;
    let open = limits::add(tx, studio, LimitKind::OpenUploads, 0).await?;
    let announced = limits::add(tx, studio, LimitKind::UploadBytes, 0).await?;
    if !open.allows(1, quotas.open_uploads_max) {
        let detail = format!(
            "The studio has {} unfinished uploads already; finish or delete some, then try again.",
            open.used
        );
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(60));
    }
    if !storage.allows(announced.used.saturating_add(bytes), quotas.storage_bytes_max) {
        let detail = format!(
            "The studio's photos have {} bytes and its unfinished uploads {}; with this file of {bytes} bytes they would \
             exceed the studio's storage of {} bytes. Delete photos or events, or ask the operator for more storage.",
            storage.used,
            announced.used,
            storage.max.unwrap_or(quotas.storage_bytes_max)
        );
        return Err(ApiError::new(ErrorKind::StorageQuota, detail));
    }
    let upload_max = announced.max.unwrap_or(quotas.upload_bytes_max);
    if bytes > upload_max {
        let detail =
            format!("Upload-Length: the studio's uploads may have at most {upload_max} bytes.");
        return Err(ApiError::new(ErrorKind::TooLarge, detail));
    }
    if !announced.allows(bytes, quotas.upload_bytes_max) {
        let detail = format!(
            "The studio's unfinished uploads announce {} bytes already, of at most {upload_max}; finish or delete some, \
             then try again.",
            announced.used
        );
        return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(60));
    }
    limits::add(tx, studio, LimitKind::OpenUploads, 1).await?;
    limits::add(tx, studio, LimitKind::UploadBytes, bytes).await?;
    Ok(())
}

/// Checks that the disk has room for `bytes` more, beside the announced bytes of all open uploads and the space that
/// the operator keeps free.
///
/// # Errors
/// - `DiskFull` if it has not.
pub async fn check_disk(app: &App, bytes: u64) -> Result<()> {
    let announced = u64::try_from(limits::announced_bytes(&app.db).await?).unwrap_or(0);
    let needed = app.settings.quotas.disk_free_bytes_min.saturating_add(announced);
    let data = app.settings.data.clone();
    let free = app.face_engine.run(move |_| Ok(DataDir::free_bytes(&data))).await?;
    if free.is_none_or(|free| free >= needed.saturating_add(bytes)) {
        return Ok(());
    }
    let detail = "The server's disk has no room for this file beside the uploads in progress; try again later, or ask \
                  the operator to free disk space.";
    Err(ApiError::new(ErrorKind::DiskFull, detail))
}

/// Checks that the first bytes of a file are those of a photo. Fewer than 16 bytes show nothing yet.
///
/// # Errors
/// - `NotAPhoto` if the file is no JPEG, PNG or WebP file.
pub fn check_format(first: &[u8]) -> Result<()> {
    if first.len() < MAGIC_BYTES {
        return Ok(());
    }
    Picture::media_type(first)?;
    Ok(())
}
