//! Statements on the table `folders`.

use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};

use super::{BY_CREATION, BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// A row of `folders`.
pub struct FolderRecord {
    pub id: String,
    pub name: String,
    pub created_unix_s: i64,
    /// Whether visitors cannot see the folder's photos.
    pub hidden: bool,
    /// A value of `Download::as_str`; `None`: the event's setting.
    pub downloads: Option<String>,
}

/// A folder by its id, with its name.
pub struct NamedFolder {
    pub id: String,
    pub name: String,
}

/// The restrictions and the content of a locked folder.
pub struct LockedFolder {
    /// Whether the folder restricts what visitors see or download.
    pub restricts: bool,
    /// Number of its photos and unfinished uploads.
    pub photos: i64,
}

fn read(row: &AnyRow) -> sqlx::Result<FolderRecord> {
    Ok(FolderRecord {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_unix_s: row.try_get("created_unix_s")?,
        hidden: row.try_get::<i64, _>("hidden")? != 0,
        downloads: row.try_get("downloads")?,
    })
}

/// Returns whether the event has the folder.
pub async fn is_of_event<'e>(db: impl AnyExecutor<'e>, folder: &str, event: &str) -> Result<bool> {
    let row = sqlx::query("SELECT id FROM folders WHERE id = $1 AND event_id = $2")
        .bind(folder.to_owned())
        .bind(event.to_owned())
        .fetch_optional(db)
        .await?;
    Ok(row.is_some())
}

/// Returns a page of the event's folders, oldest first.
pub async fn page(db: &Db, event: &str, paging: &Paging) -> Result<Page<FolderRecord>> {
    let list = PageQuery {
        select: "SELECT * FROM folders WHERE event_id = $1",
        values: &[BoundValue::Text(event)],
        order: BY_CREATION,
    };
    db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Returns the names of all folders of the event, oldest first.
pub async fn names(db: &Db, event: &str) -> Result<Vec<NamedFolder>> {
    let rows =
        sqlx::query("SELECT id, name FROM folders WHERE event_id = $1 ORDER BY created_unix_s, id")
            .bind(event)
            .fetch_all(db.read())
            .await?;
    let named =
        |row: &AnyRow| Ok(NamedFolder { id: row.try_get("id")?, name: row.try_get("name")? });
    rows.iter().map(named).collect()
}

/// Returns a folder of the event.
///
/// # Errors
/// - `NotFound` if the event has no such folder.
pub async fn find(tx: &mut Tx, event: &str, folder: &str) -> Result<FolderRecord> {
    let row = sqlx::query("SELECT * FROM folders WHERE id = $1 AND event_id = $2")
        .bind(folder)
        .bind(event)
        .fetch_one(&mut **tx)
        .await?;
    Ok(read(&row)?)
}

/// Inserts a visible folder with the event's download setting. Returns false if the event has a folder with
/// this name.
pub async fn insert(tx: &mut Tx, event: &str, folder: &FolderRecord) -> Result<bool> {
    let made = sqlx::query(
        "INSERT INTO folders (id, event_id, name, created_unix_s) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (event_id, name) DO NOTHING",
    )
    .bind(&folder.id)
    .bind(event)
    .bind(&folder.name)
    .bind(folder.created_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(made.rows_affected() > 0)
}

/// Updates a folder. Returns false if the event has another folder with this name.
pub async fn update(tx: &mut Tx, event: &str, folder: &FolderRecord) -> Result<bool> {
    let changed = sqlx::query(
        "UPDATE folders SET name = $1, hidden = $2, downloads = $3 WHERE id = $4 AND NOT EXISTS \
         (SELECT id FROM folders WHERE event_id = $5 AND name = $1 AND id <> $4)",
    )
    .bind(&folder.name)
    .bind(i64::from(folder.hidden))
    .bind(&folder.downloads)
    .bind(&folder.id)
    .bind(event)
    .execute(&mut **tx)
    .await?;
    Ok(changed.rows_affected() > 0)
}

/// Locks a folder of the event until the commit, so that no other transaction adds a photo to it.
///
/// # Errors
/// - `NotFound` if the event has no such folder.
pub async fn lock(tx: &mut Tx, event: &str, folder: &str) -> Result<LockedFolder> {
    // The no-op update locks the row.
    let row = sqlx::query(
        "UPDATE folders SET name = name WHERE id = $1 AND event_id = $2 RETURNING \
         CASE WHEN hidden <> 0 OR downloads IS NOT NULL THEN 1 ELSE 0 END AS guards, \
         (SELECT COUNT(*) FROM photos p WHERE p.folder_id = folders.id) + (SELECT COUNT(*) FROM uploads u \
         WHERE u.folder_id = folders.id AND u.photo_id IS NULL) AS photos",
    )
    .bind(folder)
    .bind(event)
    .fetch_one(&mut **tx)
    .await?;
    let restricts = row.try_get::<i64, _>("guards")? != 0;
    Ok(LockedFolder { restricts, photos: row.try_get("photos")? })
}

/// Deletes a folder. Its photos stay in the event.
pub async fn delete(tx: &mut Tx, folder: &str) -> Result<()> {
    sqlx::query("DELETE FROM folders WHERE id = $1").bind(folder).execute(&mut **tx).await?;
    Ok(())
}
