use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::pin;
use crate::api::folder::check_in_event;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery, Tx, events, photos};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::{is_id, new_id};
use crate::infra::rate_limit::Guesser;

/// Maximum number of folders that one album selects.
const FOLDERS_MAX: usize = 500;

/// An album as shown to the studio, without its PINs and their hashes.
#[derive(Clone, Serialize, ToSchema)]
pub struct Album {
    pub id: String,
    pub name: String,
    /// The cover photo; absent if the album uses its first visible photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<String>,
    /// IDs of the album's folders. Visitors do not see hidden folders. Absent if the album has all folders of
    /// the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders: Option<Vec<String>>,
    /// Whether the album's links require a PIN.
    pub view_pin: bool,
    /// Whether visitors can pick and comment, with a second PIN.
    pub annotate_pin: bool,
    /// Maximum number of photos that one visitor may download; absent if unlimited. A visitor is identified
    /// by the name entered with the second PIN, otherwise by link and network. Visitors without a name who
    /// use the same link and network share a quota. A request of the screen version does not count, although
    /// a visitor can save it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads_max: Option<i64>,
    /// The time at which the album closes and its sessions end, seconds since the Unix epoch. The album also
    /// closes at the event's end.
    pub ends_unix_s: i64,
    pub created_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct NewAlbum {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    cover: Option<String>,
    #[schema(max_items = 500)]
    folders: Option<Vec<String>>,
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6,12}$")]
    view_pin: Option<Zeroizing<String>>,
    #[schema(value_type = Option<String>, pattern = "^[0-9]{6,12}$")]
    annotate_pin: Option<Zeroizing<String>>,
    #[schema(minimum = 1, maximum = 1000000)]
    downloads_max: Option<i64>,
    /// The time at which the album closes, seconds since the Unix epoch. Defaults to the event's end.
    ends_unix_s: Option<i64>,
}

/// Changes to an album. Omitted fields keep their values.
#[derive(Deserialize, ToSchema)]
pub struct AlbumChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The ID of the cover photo. If empty, the album uses its first visible photo.
    cover: Option<String>,
    #[schema(max_items = 500)]
    folders: Option<Vec<String>>,
    /// Whether to show all folders of the event. If true, `folders` is ignored.
    #[serde(default)]
    all_folders: bool,
    /// 6 to 12 digits; an empty text removes the PIN. A change ends all sessions of the album.
    #[schema(value_type = Option<String>, max_length = 12)]
    view_pin: Option<Zeroizing<String>>,
    /// 6 to 12 digits; an empty text removes the PIN. Visitors who annotate must enter the new PIN.
    #[schema(value_type = Option<String>, max_length = 12)]
    annotate_pin: Option<Zeroizing<String>>,
    /// Maximum number of photos that one visitor may download; 0 removes the limit.
    #[schema(minimum = 0, maximum = 1000000)]
    downloads_max: Option<i64>,
    /// The time at which the album closes, seconds since the Unix epoch. A time in the past closes the album
    /// at once.
    ends_unix_s: Option<i64>,
}

/// A row of `albums`: the album, and the PIN hashes, which no response contains.
struct StoredAlbum {
    album: Album,
    view_pin_hash: Option<String>,
    annotate_pin_hash: Option<String>,
}

fn read(row: &AnyRow) -> sqlx::Result<StoredAlbum> {
    let view_pin_hash: Option<String> = row.try_get("view_pin_hash")?;
    let annotate_pin_hash: Option<String> = row.try_get("annotate_pin_hash")?;
    let album = Album {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        cover: row.try_get("cover_photo_id")?,
        folders: (row.try_get::<i64, _>("all_folders")? == 0).then(Vec::new),
        view_pin: view_pin_hash.is_some(),
        annotate_pin: annotate_pin_hash.is_some(),
        downloads_max: row.try_get("downloads_max")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        created_unix_s: row.try_get("created_unix_s")?,
    };
    Ok(StoredAlbum { album, view_pin_hash, annotate_pin_hash })
}

async fn fill_folders<'e>(db: impl AnyExecutor<'e>, album: &mut Album) -> Result<()> {
    let Some(folders) = &mut album.folders else { return Ok(()) };
    let rows =
        sqlx::query("SELECT folder_id FROM album_folders WHERE album_id = $1 ORDER BY folder_id")
            .bind(&album.id)
            .fetch_all(db)
            .await?;
    for row in &rows {
        folders.push(row.try_get("folder_id")?);
    }
    Ok(())
}

/// Returns an album of the grant's event and locks its row until the commit. Errors: `NotFound` if the event
/// has no such album.
async fn lock_album(tx: &mut Tx, grant: &Grant, album: &str) -> Result<StoredAlbum> {
    // This no-op update locks the row.
    let row =
        sqlx::query("UPDATE albums SET name = name WHERE id = $1 AND event_id = $2 RETURNING *")
            .bind(album)
            .bind(grant.event()?)
            .fetch_one(&mut **tx)
            .await?;
    let mut stored = read(&row)?;
    fill_folders(&mut **tx, &mut stored.album).await?;
    Ok(stored)
}

/// Returns an album of the grant's event. Errors: `NotFound` if the event has no such album.
async fn one(app: &App, grant: &Grant, album: &str) -> Result<StoredAlbum> {
    if !is_id(album) {
        return Err(ApiError::not_found());
    }
    let text = "SELECT * FROM albums WHERE id = $1 AND event_id = $2";
    let row = sqlx::query(text).bind(album).bind(grant.event()?).fetch_one(app.db.read()).await?;
    let mut stored = read(&row)?;
    fill_folders(app.db.read(), &mut stored.album).await?;
    Ok(stored)
}

/// Checks that the album belongs to the grant's event.
///
/// # Errors
/// - `NotFound` if the event has no such album.
pub async fn check_exists(app: &App, grant: &Grant, album: &str) -> Result<()> {
    one(app, grant, album).await.map(drop)
}

/// Lists an event's albums, oldest first.
#[utoipa::path(get, path = "/events/{event}/albums", operation_id = "album_list", tag = "albums",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<Album>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Album>>> {
    let list = PageQuery {
        select: "SELECT * FROM albums WHERE event_id = $1",
        values: &[BoundValue::Text(grant.event()?)],
        order: BY_CREATION,
    };
    let read = |row: &AnyRow| read(row).map(|stored| stored.album);
    let mut page =
        app.db.page(&paging, list, read, |it: &Album| (it.created_unix_s, &it.id)).await?;
    for album in &mut page.items {
        fill_folders(app.db.read(), album).await?;
    }
    Ok(Json(page))
}

/// Creates an album. Visitors enter an album by links, which `POST /events/{event}/albums/{album}/links`
/// creates.
#[utoipa::path(post, path = "/events/{event}/albums", operation_id = "album_create", tag = "albums",
    params(("event" = String, Path)), request_body = NewAlbum,
    responses((status = 201, body = Album)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewAlbum>,
) -> Result<(StatusCode, Json<Album>)> {
    let event = events::find(&app.db, grant.event()?).await?;
    let now = now_s();
    let ends_unix_s = given.ends_unix_s.unwrap_or(event.ends_unix_s);
    if ends_unix_s <= now {
        return Err(ApiError::invalid("ends_unix_s: expected a time in the future."));
    }
    let (view, annotate) = (given.view_pin.as_ref(), given.annotate_pin.as_ref());
    if view.is_some() && view == annotate {
        return Err(same_pins());
    }
    let album = Album {
        id: new_id()?,
        name: extract::name("name", &given.name)?,
        cover: given.cover.filter(|cover| !cover.is_empty()),
        folders: given.folders,
        view_pin: view.is_some(),
        annotate_pin: annotate.is_some(),
        downloads_max: downloads_max(given.downloads_max)?,
        ends_unix_s,
        created_unix_s: now,
    };
    let stored = StoredAlbum {
        view_pin_hash: hash(&app, "view_pin", view).await?,
        annotate_pin_hash: hash(&app, "annotate_pin", annotate).await?,
        album,
    };
    let mut tx = app.db.write().await?;
    sqlx::query(
        "INSERT INTO albums (id, event_id, name, all_folders, ends_unix_s, created_unix_s) \
         VALUES ($1, $2, '', 1, 0, $3)",
    )
    .bind(&stored.album.id)
    .bind(&event.id)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    write(&mut tx, &event.id, &stored).await?;
    record_by(&mut tx, &grant, "album_create", &stored.album.id, "").await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(stored.album)))
}

fn same_pins() -> ApiError {
    ApiError::invalid("annotate_pin: expected a PIN that differs from view_pin.")
}

async fn hash(app: &App, what: &str, pin: Option<&Zeroizing<String>>) -> Result<Option<String>> {
    match pin {
        Some(pin) => pin::hash(app, what, pin).await.map(Some),
        None => Ok(None),
    }
}

fn downloads_max(given: Option<i64>) -> Result<Option<i64>> {
    match given {
        None | Some(0) => Ok(None),
        Some(count @ 1..=1_000_000) => Ok(Some(count)),
        Some(count) => Err(ApiError::invalid(format!(
            "downloads_max: expected 0 to 1000000, received {count}."
        ))),
    }
}

/// Writes all changeable columns of an album and its list of folders. Errors: `Invalid` if the cover photo or
/// a folder does not belong to the event, or there are more than `FOLDERS_MAX` folders.
async fn write(tx: &mut Tx, event: &str, stored: &StoredAlbum) -> Result<()> {
    let album = &stored.album;
    if let Some(cover) = &album.cover {
        let cover = extract::line("cover", cover, 1, 64)?;
        if !photos::is_of_event(tx, &cover, event).await? {
            return Err(ApiError::invalid("cover: expected the ID of a photo of this event."));
        }
    }
    sqlx::query(
        "UPDATE albums SET name = $1, cover_photo_id = $2, all_folders = $3, view_pin_hash = $4, \
         annotate_pin_hash = $5, downloads_max = $6, ends_unix_s = $7 WHERE id = $8",
    )
    .bind(&album.name)
    .bind(&album.cover)
    .bind(i64::from(album.folders.is_none()))
    .bind(&stored.view_pin_hash)
    .bind(&stored.annotate_pin_hash)
    .bind(album.downloads_max)
    .bind(album.ends_unix_s)
    .bind(&album.id)
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM album_folders WHERE album_id = $1")
        .bind(&album.id)
        .execute(&mut **tx)
        .await?;
    let folders = album.folders.as_deref().unwrap_or_default();
    if folders.len() > FOLDERS_MAX {
        return Err(ApiError::invalid(format!(
            "folders: expected at most {FOLDERS_MAX} IDs, received {}.",
            folders.len()
        )));
    }
    for folder in folders {
        let folder = extract::line("folders", folder, 1, 64)?;
        check_in_event(&mut **tx, "folders", &folder, event).await?;
        sqlx::query(
            "INSERT INTO album_folders (album_id, folder_id) VALUES ($1, $2) \
             ON CONFLICT (album_id, folder_id) DO NOTHING",
        )
        .bind(&album.id)
        .bind(&folder)
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Returns an album.
#[utoipa::path(get, path = "/events/{event}/albums/{album}", operation_id = "album_show", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path)), responses((status = 200, body = Album)))]
pub async fn show(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
) -> Result<Json<Album>> {
    one(&app, &grant, &album).await.map(|stored| Json(stored.album))
}

/// Changes an album. A change applies to open sessions at once.
/// Responds with `conflict` if a concurrent request has changed the album's PINs.
#[utoipa::path(patch, path = "/events/{event}/albums/{album}", operation_id = "album_update", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path)), request_body = AlbumChange,
    responses((status = 200, body = Album)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
    Body(given): Body<AlbumChange>,
) -> Result<Json<Album>> {
    let known = one(&app, &grant, &album).await?;
    // PINs are hashed before the row is locked, because a hash takes about 30 ms.
    must_differ(&app, &grant, &given, &known).await?;
    let view = new_hash(&app, "view_pin", given.view_pin.as_ref()).await?;
    let annotate = new_hash(&app, "annotate_pin", given.annotate_pin.as_ref()).await?;
    let (new_view, new_annotate) = (view.is_some(), annotate.is_some());
    let mut tx = app.db.write().await?;
    let StoredAlbum { album: before, view_pin_hash, annotate_pin_hash } =
        lock_album(&mut tx, &grant, &album).await?;
    let earlier = before.clone();
    // `must_differ` compared a new PIN with the album's other PIN before the row was locked. If the other PIN
    // has changed since, the comparison does not hold.
    if (new_view && !new_annotate && annotate_pin_hash != known.annotate_pin_hash)
        || (new_annotate && !new_view && view_pin_hash != known.view_pin_hash)
    {
        let detail = "Another request has changed the album's PINs; try again.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let view_pin_hash = view.unwrap_or(view_pin_hash);
    let annotate_pin_hash = annotate.unwrap_or(annotate_pin_hash);
    let cover = given.cover.map_or(before.cover, |cover| Some(cover).filter(|it| !it.is_empty()));
    let folders = if given.all_folders { None } else { given.folders.or(before.folders) };
    let album = Album {
        name: given.name.map_or(Ok(before.name), |name| extract::name("name", &name))?,
        cover,
        folders,
        view_pin: view_pin_hash.is_some(),
        annotate_pin: annotate_pin_hash.is_some(),
        downloads_max: match given.downloads_max {
            None => before.downloads_max,
            given => downloads_max(given)?,
        },
        ends_unix_s: given.ends_unix_s.unwrap_or(before.ends_unix_s),
        ..before
    };
    let stored = StoredAlbum { album, view_pin_hash, annotate_pin_hash };
    write(&mut tx, grant.event()?, &stored).await?;
    if new_view {
        end_visits(&mut tx, "DELETE FROM album_sessions", &stored.album.id).await?;
    } else if new_annotate {
        end_visits(&mut tx, "UPDATE album_sessions SET visitor_id = NULL", &stored.album.id)
            .await?;
    }
    let detail = changes(&earlier, &stored.album)
        .name_only("view_pin", new_view)
        .name_only("annotate_pin", new_annotate)
        .detail();
    record_by(&mut tx, &grant, "album_change", &stored.album.id, &detail).await?;
    tx.commit().await?;
    Ok(Json(stored.album))
}

/// Returns the changed fields of an album without its PINs, for the audit entry. The end is recorded with
/// both values, because a past end closes the album.
fn changes(before: &Album, after: &Album) -> FieldChanges {
    let folders =
        |album: &Album| album.folders.as_ref().map_or("all".to_owned(), |it| it.join(","));
    FieldChanges::default()
        .value("ends_unix_s", &before.ends_unix_s, &after.ends_unix_s)
        .option("downloads_max", before.downloads_max.as_ref(), after.downloads_max.as_ref())
        .option("cover", before.cover.as_ref(), after.cover.as_ref())
        .name_only("folders", folders(before) != folders(after))
        .name_only("name", before.name != after.name)
}

/// Applies `what`, a DELETE or UPDATE of `album_sessions`, to all sessions of an album.
async fn end_visits(tx: &mut Tx, what: &str, album: &str) -> Result<()> {
    let text = format!("{what} WHERE link_id IN (SELECT id FROM album_links WHERE album_id = $1)");
    sqlx::query(&text).bind(album).execute(&mut **tx).await?;
    Ok(())
}

/// Returns the hash of a new PIN; `Some(None)` if an empty text removes the PIN, `None` if no PIN was given.
async fn new_hash(
    app: &App,
    what: &str,
    given: Option<&Zeroizing<String>>,
) -> Result<Option<Option<String>>> {
    match given {
        None => Ok(None),
        Some(pin) if pin.is_empty() => Ok(Some(None)),
        Some(pin) => pin::hash(app, what, pin).await.map(|hash| Some(Some(hash))),
    }
}

/// Checks that the two PINs differ. A PIN that is not given is compared by its hash in `known`, which counts as
/// an attempt of the caller at that PIN.
///
/// # Errors
/// - `Invalid` if the PINs are equal.
/// - `TooManyRequests` after too many changes of one of the PINs.
async fn must_differ(
    app: &App,
    grant: &Grant,
    given: &AlbumChange,
    known: &StoredAlbum,
) -> Result<()> {
    let compared = match (&given.view_pin, &given.annotate_pin) {
        (Some(view), Some(annotate)) if !view.is_empty() && view == annotate => {
            return Err(same_pins());
        }
        (Some(new), None) => Some((new, &known.annotate_pin_hash)),
        (None, Some(new)) => Some((new, &known.view_pin_hash)),
        _ => None,
    };
    match compared {
        Some((new, Some(hash))) if !new.is_empty() => {
            let caller = grant.caller.name();
            let album = &known.album.id;
            if pin::is_pin(app, album, Guesser::Known(&caller), new, hash).await? {
                return Err(same_pins());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Deletes an album with its links, sessions, picks and comments. The photos are kept.
#[utoipa::path(delete, path = "/events/{event}/albums/{album}", operation_id = "album_delete", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path)), responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
) -> Result<StatusCode> {
    check_exists(&app, &grant, &album).await?;
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM albums WHERE id = $1").bind(&album).execute(&mut *tx).await?;
    record_by(&mut tx, &grant, "album_delete", &album, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
