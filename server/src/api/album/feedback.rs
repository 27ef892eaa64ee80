use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::annotations::{Comment, read as read_comment};
use super::routes::check_exists;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BoundValue, PageQuery};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::is_id;
use crate::infra::json_writer::JsonWriter;
use crate::infra::piece_stream::ByteSink;

/// A photo that a visitor has picked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pick {
    pub photo: String,
    /// The photo's file name.
    pub photo_name: String,
    /// The name that the visitor entered.
    pub visitor: String,
    pub important: bool,
    pub created_unix_s: i64,
    /// The second sort key, for picks made in the same second.
    #[serde(skip)]
    key: String,
}

/// Whether a comment is resolved or open.
#[derive(Deserialize, ToSchema)]
pub struct Resolution {
    pub resolved: bool,
}

// Both statements include photos that were hidden after the visitor picked them or commented on them.
const PICKS: &str = "SELECT k.*, p.name AS photo_name, w.name AS visitor_name, k.photo_id || k.visitor_id AS pick_key \
    FROM album_picks k JOIN album_visitors w ON w.id = k.visitor_id JOIN photos p ON p.id = k.photo_id \
    WHERE w.album_id = $1";
const COMMENTS: &str = "SELECT c.*, w.name AS visitor_name FROM album_comments c \
    JOIN album_visitors w ON w.id = c.visitor_id WHERE w.album_id = $1";

fn read_pick(row: &AnyRow) -> sqlx::Result<Pick> {
    Ok(Pick {
        photo: row.try_get("photo_id")?,
        photo_name: row.try_get("photo_name")?,
        visitor: row.try_get("visitor_name")?,
        important: row.try_get::<i64, _>("important")? != 0,
        created_unix_s: row.try_get("created_unix_s")?,
        key: row.try_get("pick_key")?,
    })
}

/// Lists the picks of an album's visitors, oldest first.
#[utoipa::path(get, path = "/events/{event}/albums/{album}/picks", operation_id = "album_pick_list", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path), Paging),
    responses((status = 200, body = Page<Pick>)))]
pub async fn picks(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Pick>>> {
    check_exists(&app, &grant, &album).await?;
    picks_of(&app, &album, &paging).await.map(Json)
}

async fn picks_of(app: &App, album: &str, paging: &Paging) -> Result<Page<Pick>> {
    let list = PageQuery {
        select: PICKS,
        values: &[BoundValue::Text(album)],
        order: ["k.created_unix_s", "k.photo_id || k.visitor_id"],
    };
    app.db.page(paging, list, read_pick, |it| (it.created_unix_s, &it.key)).await
}

/// Lists the comments of an album's visitors, oldest first.
#[utoipa::path(get, path = "/events/{event}/albums/{album}/comments",
    operation_id = "album_comment_list", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path), Paging),
    responses((status = 200, body = Page<Comment>)))]
pub async fn comments(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Comment>>> {
    check_exists(&app, &grant, &album).await?;
    comments_of(&app, &album, &paging).await.map(Json)
}

async fn comments_of(app: &App, album: &str, paging: &Paging) -> Result<Page<Comment>> {
    let list = PageQuery {
        select: COMMENTS,
        values: &[BoundValue::Text(album)],
        order: ["c.created_unix_s", "c.id"],
    };
    let read = |row: &AnyRow| read_comment(row, "");
    app.db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Resolves or reopens a visitor's comment.
#[utoipa::path(patch, path = "/events/{event}/albums/{album}/comments/{comment}",
    operation_id = "album_comment_resolve", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path), ("comment" = String, Path)),
    request_body = Resolution, responses((status = 204)))]
pub async fn resolve(
    State(app): State<App>,
    grant: Grant,
    Path((_, album, comment)): Path<(String, String, String)>,
    Body(given): Body<Resolution>,
) -> Result<StatusCode> {
    check_exists(&app, &grant, &album).await?;
    if !is_id(&comment) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    let changed = sqlx::query(
        "UPDATE album_comments SET resolved_unix_s = $1 WHERE id = $2 AND visitor_id IN \
         (SELECT id FROM album_visitors WHERE album_id = $3)",
    )
    .bind(given.resolved.then(now_s))
    .bind(&comment)
    .bind(&album)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "album_comment_resolve", &comment, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Writes the picks and comments of all albums of an event as values of the open list.
pub async fn write_of_event<S: ByteSink>(
    app: &App,
    event: &str,
    json: &mut JsonWriter<'_, S>,
) -> Result<()> {
    let albums =
        sqlx::query("SELECT id, name FROM albums WHERE event_id = $1 ORDER BY created_unix_s, id")
            .bind(event)
            .fetch_all(app.db.read())
            .await?;
    for album in &albums {
        let id: String = album.try_get("id")?;
        json.open_object().await?;
        json.field("id", &id).await?;
        json.field("name", &album.try_get::<String, _>("name")?).await?;
        json.open_list("picks").await?;
        let mut next = Some(Paging::of_all());
        while let Some(paging) = next {
            next = json.page(picks_of(app, &id, &paging).await?).await?;
        }
        json.close().await?;
        json.open_list("comments").await?;
        let mut next = Some(Paging::of_all());
        while let Some(paging) = next {
            next = json.page(comments_of(app, &id, &paging).await?).await?;
        }
        json.close().await?;
        json.close().await?;
    }
    Ok(())
}
