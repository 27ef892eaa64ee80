use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::api::photo::visitor_view::{VisitorPhoto, find_visible};
use crate::api::photo_policy::{COLUMNS, Download, PhotoPermissions, TABLES, visible};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::AlbumSession;
use crate::infra::db::{BoundValue, PageQuery, events};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::is_id;

/// A photo as shown to a visitor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlbumPhoto {
    pub id: String,
    pub name: String,
    /// The name of the photo's folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Width of the stored file in pixels, before the EXIF orientation is applied.
    pub width: i64,
    /// Height of the stored file in pixels, before the EXIF orientation is applied.
    pub height: i64,
    /// The version that the visitor may download.
    pub download: Download,
    /// Whether the visitor has picked the photo.
    pub picked: bool,
    /// Whether the visitor has marked the pick as important.
    pub important: bool,
    /// Number of open comments; 0 unless the visitor has entered the second PIN.
    pub comments: i64,
    pub created_unix_s: i64,
}

/// A filter for an album's photos.
#[derive(Clone, Debug, Default)]
pub struct PhotoFilter {
    /// A folder's ID; empty for all folders.
    pub folder: String,
    /// Whether to select only the visitor's picks.
    pub picked: bool,
}

/// A folder that an album shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlbumFolder {
    pub id: String,
    pub name: String,
    pub photos: i64,
}

/// Returns the SELECT for the photos of album $1 that `api/photo_policy.rs` makes visible and that are in a
/// folder of the album. $2 is the named visitor, or '' for an unnamed visitor. $3 is a folder, or '' for all
/// folders. If $4 is not '', only the visitor's picks are selected. All photo queries of this file use this
/// SELECT, so that lists, counts and single photos agree.
fn seen(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM {TABLES} JOIN albums a ON a.event_id = p.event_id WHERE a.id = $1 \
         AND {} AND (a.all_folders = 1 OR EXISTS (SELECT 1 FROM album_folders af \
         WHERE af.album_id = a.id AND af.folder_id = p.folder_id)) AND ($3 = '' OR p.folder_id = $3) \
         AND ($4 = '' OR EXISTS (SELECT 1 FROM album_picks k WHERE k.photo_id = p.id AND k.visitor_id = $2))",
        visible()
    )
}

fn columns() -> String {
    format!(
        "p.id, p.name, p.width, p.height, p.created_unix_s, f.name AS folder_name, {COLUMNS}, \
         (SELECT k.important FROM album_picks k WHERE k.photo_id = p.id AND k.visitor_id = $2) AS pick, \
         (SELECT COUNT(*) FROM album_comments c JOIN album_visitors w ON w.id = c.visitor_id \
         WHERE c.photo_id = p.id AND w.album_id = a.id AND c.resolved_unix_s IS NULL AND $2 <> '') AS comments"
    )
}

fn read(row: &AnyRow) -> Result<AlbumPhoto> {
    let pick: Option<i64> = row.try_get("pick")?;
    Ok(AlbumPhoto {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        folder: row.try_get("folder_name")?,
        width: row.try_get("width")?,
        height: row.try_get("height")?,
        download: PhotoPermissions::of_row(row)?.download,
        picked: pick.is_some(),
        important: pick == Some(1),
        comments: row.try_get("comments")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// Returns the values of $1 to $4 for `seen`.
fn values<'a>(visit: &'a AlbumSession, choice: &'a PhotoFilter) -> [&'a str; 4] {
    let visitor = visit.visitor.as_deref().unwrap_or_default();
    [&visit.album, visitor, &choice.folder, if choice.picked { "1" } else { "" }]
}

/// Runs a statement built with `seen`. `more` holds the values of $5 and the following parameters.
async fn rows(
    app: &App,
    visit: &AlbumSession,
    choice: &PhotoFilter,
    text: &str,
    more: &[BoundValue<'_>],
) -> Result<Vec<AnyRow>> {
    let query =
        values(visit, choice).into_iter().fold(sqlx::query(text), |query, value| query.bind(value));
    let query = more.iter().fold(query, |query, value| match value {
        BoundValue::Text(text) => query.bind(*text),
        BoundValue::Number(number) => query.bind(*number),
    });
    Ok(query.fetch_all(app.db.read()).await?)
}

/// Returns one page of the photos that `choice` selects, oldest upload first.
pub async fn page(
    app: &App,
    visit: &AlbumSession,
    choice: &PhotoFilter,
    paging: &Paging,
) -> Result<Page<AlbumPhoto>> {
    let values = values(visit, choice).map(BoundValue::Text);
    let select = seen(&columns());
    let list = PageQuery { select: &select, values: &values, order: ["p.created_unix_s", "p.id"] };
    app.db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Returns at most `count` of the photos that `choice` selects, oldest upload first, starting at index
/// `from`; the oldest photo has index 0.
pub async fn part(
    app: &App,
    visit: &AlbumSession,
    choice: &PhotoFilter,
    from: i64,
    count: i64,
) -> Result<Vec<AlbumPhoto>> {
    let text = format!("{} ORDER BY p.created_unix_s, p.id LIMIT $5 OFFSET $6", seen(&columns()));
    let more = [BoundValue::Number(count), BoundValue::Number(from)];
    rows(app, visit, choice, &text, &more).await?.iter().map(read).collect()
}

/// Returns the number of photos that `choice` selects.
pub async fn count(app: &App, visit: &AlbumSession, choice: &PhotoFilter) -> Result<i64> {
    let text = seen("COUNT(*) AS n");
    let found = rows(app, visit, choice, &text, &[]).await?;
    Ok(found.first().map_or(Ok(0), |row| row.try_get("n"))?)
}

/// Returns the number of photos that `choice` selects and that precede `photo` in the list.
pub async fn before(
    app: &App,
    visit: &AlbumSession,
    choice: &PhotoFilter,
    photo: &AlbumPhoto,
) -> Result<i64> {
    let text = format!(
        "{} AND (p.created_unix_s < $5 OR (p.created_unix_s = $5 AND p.id < $6))",
        seen("COUNT(*) AS n")
    );
    let more = [BoundValue::Number(photo.created_unix_s), BoundValue::Text(&photo.id)];
    let found = rows(app, visit, choice, &text, &more).await?;
    Ok(found.first().map_or(Ok(0), |row| row.try_get("n"))?)
}

/// Returns one photo.
///
/// # Errors
/// - `NotFound` if the album does not show the photo, for example because the photo's folder is hidden.
pub async fn one(app: &App, visit: &AlbumSession, photo: &str) -> Result<AlbumPhoto> {
    if !is_id(photo) {
        return Err(ApiError::not_found());
    }
    let text = format!("{} AND p.id = $5", seen(&columns()));
    let found =
        rows(app, visit, &PhotoFilter::default(), &text, &[BoundValue::Text(photo)]).await?;
    found.first().ok_or_else(ApiError::not_found).and_then(read)
}

/// Returns one photo with access to its files.
///
/// # Errors
/// - The errors of [`one`].
pub async fn file(app: &App, visit: &AlbumSession, photo: &str) -> Result<VisitorPhoto> {
    let photo = one(app, visit, photo).await?;
    find_visible(app, &visit.event, &photo.id).await
}

/// Returns the folders that contain a visible photo, with the number of their photos.
pub async fn folders(app: &App, visit: &AlbumSession) -> Result<Vec<AlbumFolder>> {
    let text = format!(
        "{} AND f.id IS NOT NULL GROUP BY f.id, f.name, f.created_unix_s ORDER BY f.created_unix_s, f.id",
        seen("f.id, f.name, COUNT(*) AS n")
    );
    let read = |row: &AnyRow| {
        Ok(AlbumFolder {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            photos: row.try_get("n")?,
        })
    };
    rows(app, visit, &PhotoFilter::default(), &text, &[]).await?.iter().map(read).collect()
}

/// The settings of an album that its visitors may see.
pub struct AlbumSettings {
    pub name: String,
    pub studio: String,
    pub ends_unix_s: i64,
    /// Whether the album has a second PIN, which allows picks and comments.
    pub annotates: bool,
    /// The visitor's name, if the visitor has entered the second PIN.
    pub visitor: Option<String>,
    /// Maximum number of photos that one visitor may download; `None` if unlimited.
    pub downloads_max: Option<i64>,
    cover: Option<String>,
}

/// Returns the album's settings and the visitor's name.
pub async fn settings(app: &App, visit: &AlbumSession) -> Result<AlbumSettings> {
    let text = format!(
        "SELECT a.name, a.cover_photo_id, a.ends_unix_s, a.annotate_pin_hash, a.downloads_max, \
         s.name AS studio_name, (SELECT w.name FROM album_visitors w WHERE w.id = $2) AS visitor_name \
         FROM {} JOIN albums a ON a.event_id = e.id WHERE a.id = $1",
        events::WITH_STUDIO
    );
    let row = sqlx::query(&text)
        .bind(&visit.album)
        .bind(visit.visitor.as_deref().unwrap_or_default())
        .fetch_one(app.db.read())
        .await?;
    Ok(AlbumSettings {
        name: row.try_get("name")?,
        studio: row.try_get("studio_name")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        annotates: row.try_get::<Option<String>, _>("annotate_pin_hash")?.is_some(),
        visitor: row.try_get("visitor_name")?,
        downloads_max: row.try_get("downloads_max")?,
        cover: row.try_get("cover_photo_id")?,
    })
}

/// Returns the cover: the studio's choice if visitors may see that photo, otherwise the album's first photo.
/// `None` if the album shows no photo.
pub async fn cover(
    app: &App,
    visit: &AlbumSession,
    about: &AlbumSettings,
) -> Result<Option<AlbumPhoto>> {
    if let Some(cover) = &about.cover {
        match one(app, visit, cover).await {
            Ok(photo) => return Ok(Some(photo)),
            Err(failure) if failure.kind == ErrorKind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(part(app, visit, &PhotoFilter::default(), 0, 1).await?.pop())
}
