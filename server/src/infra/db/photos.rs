//! Statements on the table `photos`.

use std::collections::{BTreeSet, HashMap};

use picpick_engine::PhotoId;
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};

use super::limits::{self, LimitKind};
use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// Limits the ids of one statement to 500, because databases limit the bound values of a statement.
const BATCH_SIZE: usize = 500;

/// The state of the last job of the photo `p`, NULL if the photo has no job.
const LAST_STATE: &str =
    "(SELECT j.state FROM jobs j WHERE j.photo_id = p.id ORDER BY j.created_unix_s DESC LIMIT 1)";

/// A row of `photos`.
pub struct PhotoRecord {
    pub id: String,
    pub event: String,
    pub folder: Option<String>,
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The engine's id of the photo, hexadecimal.
    pub content_id: String,
    pub bytes: i64,
    pub media_type: String,
    /// Pixels, before the EXIF orientation is applied.
    pub width: i64,
    /// Pixels, before the EXIF orientation is applied.
    pub height: i64,
    pub created_unix_s: i64,
}

/// A photo by both of its ids.
pub struct PhotoRef {
    /// The server's id.
    pub id: String,
    /// The engine's content id.
    pub content: PhotoId,
}

/// A photo and the state of its last job; the state is `None` if the photo has no job.
pub struct IndexedPhoto {
    pub photo: PhotoRecord,
    pub indexing: Option<String>,
}

/// A photo and the name of its folder.
pub struct FiledPhoto {
    pub photo: PhotoRecord,
    pub folder_name: Option<String>,
}

/// The restriction of a list of photos to a folder.
pub struct PhotoPlace<'a> {
    /// The folder; empty for all photos.
    pub folder: &'a str,
    /// Whether the list has only photos outside folders.
    pub unfiled: bool,
}

/// Reads a row with all columns of `photos`.
pub fn read(row: &AnyRow) -> sqlx::Result<PhotoRecord> {
    Ok(PhotoRecord {
        id: row.try_get("id")?,
        event: row.try_get("event_id")?,
        folder: row.try_get("folder_id")?,
        name: row.try_get("name")?,
        sha256: row.try_get("sha256")?,
        content_id: row.try_get("content_id")?,
        bytes: row.try_get("bytes")?,
        media_type: row.try_get("media_type")?,
        width: row.try_get("width")?,
        height: row.try_get("height")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

fn read_indexed(row: &AnyRow) -> sqlx::Result<IndexedPhoto> {
    Ok(IndexedPhoto { photo: read(row)?, indexing: row.try_get("indexing")? })
}

/// Returns a photo of the event.
///
/// # Errors
/// - `NotFound` if the event has no such photo.
pub async fn find(db: &Db, event: &str, photo: &str) -> Result<PhotoRecord> {
    let row = sqlx::query("SELECT * FROM photos WHERE id = $1 AND event_id = $2")
        .bind(photo)
        .bind(event)
        .fetch_one(db.read())
        .await?;
    Ok(read(&row)?)
}

/// Returns a photo of the event with the state of its last job.
///
/// # Errors
/// - `NotFound` if the event has no such photo.
pub async fn find_indexed(db: &Db, event: &str, photo: &str) -> Result<IndexedPhoto> {
    let text = format!(
        "SELECT p.*, {LAST_STATE} AS indexing FROM photos p WHERE p.id = $1 AND p.event_id = $2"
    );
    let row = sqlx::query(&text).bind(photo).bind(event).fetch_one(db.read()).await?;
    Ok(read_indexed(&row)?)
}

/// Returns a page of the event's photos, in order of upload.
pub async fn page(
    db: &Db,
    event: &str,
    place: &PhotoPlace<'_>,
    paging: &Paging,
) -> Result<Page<IndexedPhoto>> {
    let unfiled = if place.unfiled { "AND p.folder_id IS NULL" } else { "" };
    let select = format!(
        "SELECT p.*, {LAST_STATE} AS indexing FROM photos p \
         WHERE p.event_id = $1 AND ($2 = '' OR p.folder_id = $2) {unfiled}"
    );
    let list = PageQuery {
        select: &select,
        values: &[BoundValue::Text(event), BoundValue::Text(place.folder)],
        order: ["p.created_unix_s", "p.id"],
    };
    db.page(paging, list, read_indexed, |it| (it.photo.created_unix_s, &it.photo.id)).await
}

/// Returns a page of the event's photos with the names of their folders, in order of upload.
pub async fn filed(db: &Db, event: &str, paging: &Paging) -> Result<Page<FiledPhoto>> {
    let list = PageQuery {
        select: "SELECT p.*, f.name AS folder_name FROM photos p LEFT JOIN folders f ON f.id = p.folder_id \
                 WHERE p.event_id = $1",
        values: &[BoundValue::Text(event)],
        order: ["p.created_unix_s", "p.id"],
    };
    let filed = |row: &AnyRow| -> Result<FiledPhoto> {
        Ok(FiledPhoto { photo: read(row)?, folder_name: row.try_get("folder_name")? })
    };
    db.page(paging, list, filed, |it| (it.photo.created_unix_s, &it.photo.id)).await
}

/// Returns the number of the event's photos.
pub async fn count(db: &Db, event: &str) -> Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM photos WHERE event_id = $1").bind(event);
    Ok(row.fetch_one(db.read()).await?.try_get("n")?)
}

/// Returns the folder ids of the event's photos that are in folders, by the photo's content id (hexadecimal).
pub async fn folders_by_content(db: &Db, event: &str) -> Result<HashMap<String, String>> {
    let rows = sqlx::query(
        "SELECT content_id, folder_id FROM photos WHERE event_id = $1 AND folder_id IS NOT NULL",
    )
    .bind(event)
    .fetch_all(db.read())
    .await?;
    rows.iter().map(|row| Ok((row.try_get("content_id")?, row.try_get("folder_id")?))).collect()
}

/// Returns whether the event has the photo.
pub async fn is_of_event(tx: &mut Tx, photo: &str, event: &str) -> Result<bool> {
    let row = sqlx::query("SELECT id FROM photos WHERE id = $1 AND event_id = $2")
        .bind(photo)
        .bind(event)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.is_some())
}

/// Returns the engine's content id of a photo; `None` if the event has no such photo.
pub async fn content_of(db: &Db, event: &str, photo: &str) -> Result<Option<PhotoId>> {
    let row = sqlx::query("SELECT content_id FROM photos WHERE id = $1 AND event_id = $2")
        .bind(photo)
        .bind(event)
        .fetch_optional(db.read())
        .await?;
    row.map(|row| Ok(row.try_get::<String, _>("content_id")?.parse()?)).transpose()
}

/// Returns the photos among `ids` (at most 500) that belong to the event.
pub async fn refs<'e>(
    db: impl AnyExecutor<'e>,
    event: &str,
    ids: &BTreeSet<&str>,
) -> Result<Vec<PhotoRef>> {
    let text = format!(
        "SELECT id, content_id FROM photos WHERE event_id = $1 AND id IN ({})",
        marks_from_2(ids.len())
    );
    let query = sqlx::query(&text).bind(event.to_owned());
    let query = ids.iter().fold(query, |query, id| query.bind((*id).to_owned()));
    let read = |row: &AnyRow| {
        let content = row.try_get::<String, _>("content_id")?.parse()?;
        Ok(PhotoRef { id: row.try_get("id")?, content })
    };
    query.fetch_all(db).await?.iter().map(read).collect()
}

/// Returns the id of the event's photo with this SHA-256 (hexadecimal); `None` if the event has no such photo.
pub async fn by_hash(db: &Db, event: &str, sha256: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT id FROM photos WHERE event_id = $1 AND content_id = $2 AND sha256 = $3",
    )
    .bind(event)
    .bind(content_id(sha256))
    .bind(sha256)
    .fetch_optional(db.read())
    .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

/// Returns the content id of a file with this SHA-256: the first 128 bits, hexadecimal.
pub fn content_id(sha256: &str) -> &str {
    sha256.get(..32).unwrap_or_default()
}

/// Inserts a photo unless the event has one with its content id. Returns the id of the event's photo, and
/// whether it was inserted.
pub async fn insert(tx: &mut Tx, photo: &PhotoRecord) -> Result<(String, bool)> {
    limits::add_of_event(tx, &photo.event, LimitKind::StorageBytes, 0).await?;
    let made = sqlx::query(
        "INSERT INTO photos (id, event_id, folder_id, name, sha256, content_id, bytes, media_type, \
         width, height, created_unix_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (event_id, content_id) DO NOTHING",
    )
    .bind(&photo.id)
    .bind(&photo.event)
    .bind(&photo.folder)
    .bind(&photo.name)
    .bind(&photo.sha256)
    .bind(&photo.content_id)
    .bind(photo.bytes)
    .bind(&photo.media_type)
    .bind(photo.width)
    .bind(photo.height)
    .bind(photo.created_unix_s)
    .execute(&mut **tx)
    .await?;
    let inserted = made.rows_affected() > 0;
    if inserted {
        limits::add_of_event(tx, &photo.event, LimitKind::StorageBytes, photo.bytes).await?;
    }
    let row = sqlx::query("SELECT id FROM photos WHERE event_id = $1 AND content_id = $2")
        .bind(&photo.event)
        .bind(&photo.content_id)
        .fetch_one(&mut **tx)
        .await?;
    Ok((row.try_get("id")?, inserted))
}

/// Renames a photo and moves it to `folder`, or out of its folder.
pub async fn update(tx: &mut Tx, photo: &str, name: &str, folder: Option<&str>) -> Result<()> {
    sqlx::query("UPDATE photos SET name = $1, folder_id = $2 WHERE id = $3")
        .bind(name)
        .bind(folder)
        .bind(photo)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Moves a photo to `folder`, or out of its folder.
pub async fn set_folder(tx: &mut Tx, photo: &str, folder: Option<&str>) -> Result<()> {
    sqlx::query("UPDATE photos SET folder_id = $1 WHERE id = $2")
        .bind(folder)
        .bind(photo)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Deletes a photo of `event` with all rows that belong to it.
pub async fn delete(tx: &mut Tx, event: &str, photo: &str) -> Result<()> {
    limits::add_of_event(tx, event, LimitKind::StorageBytes, 0).await?;
    // The row of the upload stays for clients that have not received its result, without the file's name.
    let clear = "UPDATE uploads SET name = '' WHERE photo_id = $1";
    sqlx::query(clear).bind(photo).execute(&mut **tx).await?;
    let gone = sqlx::query("DELETE FROM photos WHERE id = $1 AND event_id = $2 RETURNING bytes")
        .bind(photo)
        .bind(event)
        .fetch_optional(&mut **tx)
        .await?;
    let Some(gone) = gone else { return Ok(()) };
    let bytes: i64 = gone.try_get("bytes")?;
    limits::add_of_event(tx, event, LimitKind::StorageBytes, -bytes).await
}

/// Returns the rows that `select` finds for the photos of `event` with these content ids. `select` must name
/// the photos table `p`, use the event's id as `$1`, and end in a condition. This function appends `AND …` to
/// it.
pub async fn rows_by_content(
    db: &Db,
    event: &str,
    photos: &[PhotoId],
    select: &str,
) -> Result<Vec<AnyRow>> {
    let mut rows = Vec::with_capacity(photos.len());
    for some in photos.chunks(BATCH_SIZE) {
        let text = format!("{select} AND p.content_id IN ({})", marks_from_2(some.len()));
        let query = some
            .iter()
            .fold(sqlx::query(&text).bind(event), |query, id| query.bind(id.to_string()));
        rows.extend(query.fetch_all(db.read()).await?);
    }
    Ok(rows)
}

/// Returns the event's photos with these content ids. Photos without a row are left out.
pub async fn all_by_content(db: &Db, event: &str, photos: &[PhotoId]) -> Result<Vec<PhotoRecord>> {
    let select = "SELECT p.* FROM photos p WHERE p.event_id = $1";
    let rows = rows_by_content(db, event, photos, select).await?;
    rows.iter().map(|row| Ok(read(row)?)).collect()
}

/// Returns the server's ids of photos by their content ids (hexadecimal). Photos without a row are left out.
pub async fn ids_by_content(
    db: &Db,
    event: &str,
    photos: &[PhotoId],
) -> Result<HashMap<String, String>> {
    let select = "SELECT p.content_id, p.id FROM photos p WHERE p.event_id = $1";
    let rows = rows_by_content(db, event, photos, select).await?;
    rows.iter().map(|row| Ok((row.try_get("content_id")?, row.try_get("id")?))).collect()
}

/// Returns the parameters `$2, $3, …` of a list of `count` values.
fn marks_from_2(count: usize) -> String {
    let marks: Vec<String> = (0..count).map(|nth| format!("${}", nth + 2)).collect();
    marks.join(", ")
}
