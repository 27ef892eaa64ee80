use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::routes::check_exists;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::{is_id, new_id, new_token, token_hash};

/// A link to an album. The link's token has 256 random bits. The server returns the token once and stores its
/// hash.
#[derive(Serialize, ToSchema)]
pub struct AlbumLink {
    pub id: String,
    /// The studio's label, for example the recipient's name.
    pub name: String,
    pub created_unix_s: i64,
    /// The token; present only in the response that creates the link. The link's page is `/a/TOKEN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewAlbumLink {
    #[schema(max_length = 200)]
    name: Option<String>,
}

fn read(row: &AnyRow) -> sqlx::Result<AlbumLink> {
    Ok(AlbumLink {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_unix_s: row.try_get("created_unix_s")?,
        token: None,
    })
}

/// Lists an album's links, oldest first.
#[utoipa::path(get, path = "/events/{event}/albums/{album}/links", operation_id = "album_link_list", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path), Paging),
    responses((status = 200, body = Page<AlbumLink>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AlbumLink>>> {
    check_exists(&app, &grant, &album).await?;
    let list = PageQuery {
        select: "SELECT * FROM album_links WHERE album_id = $1",
        values: &[BoundValue::Text(&album)],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Creates a link to an album. Only this response contains the link's token.
#[utoipa::path(post, path = "/events/{event}/albums/{album}/links", operation_id = "album_link_create", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path)), request_body = NewAlbumLink,
    responses((status = 201, body = AlbumLink)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Path((_, album)): Path<(String, String)>,
    Body(given): Body<NewAlbumLink>,
) -> Result<(StatusCode, Json<AlbumLink>)> {
    check_exists(&app, &grant, &album).await?;
    let token = new_token("ppa_")?;
    let link = AlbumLink {
        id: new_id()?,
        name: extract::optional_line("name", given.name)?,
        created_unix_s: now_s(),
        token: Some(token.to_string()),
    };
    let mut tx = app.db.write().await?;
    sqlx::query(
        "INSERT INTO album_links (id, album_id, token_hash, name, created_unix_s) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&link.id)
    .bind(&album)
    .bind(token_hash(&token))
    .bind(&link.name)
    .bind(link.created_unix_s)
    .execute(&mut *tx)
    .await?;
    record_by(&mut tx, &grant, "album_link_create", &link.id, &album).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// Withdraws a link. All sessions that were opened with the link end at once.
#[utoipa::path(delete, path = "/events/{event}/albums/{album}/links/{link}",
    operation_id = "album_link_withdraw", tag = "albums",
    params(("event" = String, Path), ("album" = String, Path), ("link" = String, Path)),
    responses((status = 204)))]
pub async fn withdraw(
    State(app): State<App>,
    grant: Grant,
    Path((_, album, link)): Path<(String, String, String)>,
) -> Result<StatusCode> {
    check_exists(&app, &grant, &album).await?;
    if !is_id(&link) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    let gone = sqlx::query("DELETE FROM album_links WHERE id = $1 AND album_id = $2")
        .bind(&link)
        .bind(&album)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::not_found());
    }
    record_by(&mut tx, &grant, "album_link_withdraw", &link, &album).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
