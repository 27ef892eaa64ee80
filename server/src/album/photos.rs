//! What an album shows: its photos, its folders, its cover, counts, and what a visitor may take.
//!
//! Every statement here is the same set of rows: visible by `photo/rules.rs`, and in a folder that the album shows.
//! Changes nothing; what is taken is counted in `taken.rs`.

use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::access::AlbumVisit;
use crate::db::{List, Value};
use crate::error::{Failure, Kind, Result};
use crate::ids::is_id;
use crate::input::{Page, Paging};
use crate::photo::rules::{Allowed, COLUMNS, Download, TABLES, VISIBLE};
use crate::photo::visitors::{Shown, shown};
use crate::state::App;

/// A photo as a visitor sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlbumPhoto {
    pub id: String,
    pub name: String,
    /// The folder's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Pixels, as the file has them, before they are turned upright.
    pub width: i64,
    pub height: i64,
    /// What may be taken of it.
    pub download: Download,
    /// Whether the visitor has picked it.
    pub picked: bool,
    /// Whether the visitor has marked the pick as important.
    pub important: bool,
    /// Open comments, for those who annotate.
    pub comments: i64,
    pub created_unix_s: i64,
}

/// Which of an album's photos.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Of this folder only; empty: of all.
    pub folder: String,
    /// The visitor's picks only.
    pub picked: bool,
}

/// A folder that an album shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlbumFolder {
    pub id: String,
    pub name: String,
    pub photos: i64,
}

/// The photos of the album $1 that the visitor $2 (or '') sees, in the folder $3 (or ''), all or, with $4 not '',
/// their picks.
fn seen(columns: &str) -> String {
    format!(
        "SELECT {columns} FROM {TABLES} JOIN albums a ON a.event_id = p.event_id WHERE a.id = $1 \
         AND {VISIBLE} AND (a.all_folders = 1 OR EXISTS (SELECT 1 FROM album_folders af \
         WHERE af.album_id = a.id AND af.folder_id = p.folder_id)) AND ($3 = '' OR p.folder_id = $3) \
         AND ($4 = '' OR EXISTS (SELECT 1 FROM album_picks k WHERE k.photo_id = p.id AND k.visitor_id = $2))"
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
        download: Allowed::of_row(row)?.download,
        picked: pick.is_some(),
        important: pick == Some(1),
        comments: row.try_get("comments")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// The values $1 to $4.
fn values<'a>(visit: &'a AlbumVisit, choice: &'a Choice) -> [&'a str; 4] {
    let visitor = visit.visitor.as_deref().unwrap_or_default();
    [&visit.album, visitor, &choice.folder, if choice.picked { "1" } else { "" }]
}

/// One statement about what is seen; `$5` and on are for `more`.
async fn rows(
    app: &App,
    visit: &AlbumVisit,
    choice: &Choice,
    text: &str,
    more: &[Value<'_>],
) -> Result<Vec<AnyRow>> {
    let query =
        values(visit, choice).into_iter().fold(sqlx::query(text), |query, value| query.bind(value));
    let query = more.iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(*text),
        Value::Number(number) => query.bind(*number),
    });
    Ok(query.fetch_all(app.db().read()).await?)
}

/// A page of the API's list.
pub async fn page(
    app: &App,
    visit: &AlbumVisit,
    choice: &Choice,
    paging: &Paging,
) -> Result<Page<AlbumPhoto>> {
    let values = values(visit, choice).map(Value::Text);
    let select = seen(&columns());
    let list = List { select: &select, values: &values, order: ["p.created_unix_s", "p.id"] };
    app.db().page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// So many photos from the `from`th on, counted from 0.
pub async fn part(
    app: &App,
    visit: &AlbumVisit,
    choice: &Choice,
    from: i64,
    count: i64,
) -> Result<Vec<AlbumPhoto>> {
    let text = format!("{} ORDER BY p.created_unix_s, p.id LIMIT $5 OFFSET $6", seen(&columns()));
    let more = [Value::Number(count), Value::Number(from)];
    rows(app, visit, choice, &text, &more).await?.iter().map(read).collect()
}

/// How many photos there are.
pub async fn count(app: &App, visit: &AlbumVisit, choice: &Choice) -> Result<i64> {
    let text = seen("COUNT(*) AS n");
    let found = rows(app, visit, choice, &text, &[]).await?;
    Ok(found.first().map_or(Ok(0), |row| row.try_get("n"))?)
}

/// How many photos come before `photo`.
pub async fn before(
    app: &App,
    visit: &AlbumVisit,
    choice: &Choice,
    photo: &AlbumPhoto,
) -> Result<i64> {
    let text = format!(
        "{} AND (p.created_unix_s < $5 OR (p.created_unix_s = $5 AND p.id < $6))",
        seen("COUNT(*) AS n")
    );
    let more = [Value::Number(photo.created_unix_s), Value::Text(&photo.id)];
    let found = rows(app, visit, choice, &text, &more).await?;
    Ok(found.first().map_or(Ok(0), |row| row.try_get("n"))?)
}

/// One photo. Errors: `NotFound` for what the album does not show, whatever the reason.
pub async fn one(app: &App, visit: &AlbumVisit, photo: &str) -> Result<AlbumPhoto> {
    if !is_id(photo) {
        return Err(Failure::not_found());
    }
    let text = format!("{} AND p.id = $5", seen(&columns()));
    let found = rows(app, visit, &Choice::default(), &text, &[Value::Text(photo)]).await?;
    found.first().ok_or_else(Failure::not_found).and_then(read)
}

/// One photo's files. Errors: as `one`.
pub async fn file(app: &App, visit: &AlbumVisit, photo: &str) -> Result<Shown> {
    let photo = one(app, visit, photo).await?;
    shown(app, &visit.event, &photo.id).await
}

/// The folders that have something to show.
pub async fn folders(app: &App, visit: &AlbumVisit) -> Result<Vec<AlbumFolder>> {
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
    rows(app, visit, &Choice::default(), &text, &[]).await?.iter().map(read).collect()
}

/// What an album says of itself.
pub struct About {
    pub name: String,
    pub studio: String,
    pub ends_unix_s: i64,
    /// Whether there is a PIN for picks and comments.
    pub annotates: bool,
    /// The name of who annotates.
    pub visitor: Option<String>,
    pub downloads_max: Option<i64>,
    cover: Option<String>,
}

pub async fn about(app: &App, visit: &AlbumVisit) -> Result<About> {
    let row = sqlx::query(
        "SELECT a.name, a.cover_photo_id, a.ends_unix_s, a.annotate_pin_hash, a.downloads_max, \
         s.name AS studio_name, (SELECT w.name FROM album_visitors w WHERE w.id = $2) AS visitor_name \
         FROM albums a JOIN events e ON e.id = a.event_id JOIN studios s ON s.id = e.studio_id WHERE a.id = $1",
    )
    .bind(&visit.album)
    .bind(visit.visitor.as_deref().unwrap_or_default())
    .fetch_one(app.db().read())
    .await?;
    Ok(About {
        name: row.try_get("name")?,
        studio: row.try_get("studio_name")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        annotates: row.try_get::<Option<String>, _>("annotate_pin_hash")?.is_some(),
        visitor: row.try_get("visitor_name")?,
        downloads_max: row.try_get("downloads_max")?,
        cover: row.try_get("cover_photo_id")?,
    })
}

/// The photo that the album opens with: the chosen one where visitors may see it, else the first.
pub async fn cover(app: &App, visit: &AlbumVisit, about: &About) -> Result<Option<AlbumPhoto>> {
    if let Some(cover) = &about.cover {
        match one(app, visit, cover).await {
            Ok(photo) => return Ok(Some(photo)),
            Err(failure) if failure.kind == Kind::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(part(app, visit, &Choice::default(), 0, 1).await?.pop())
}
