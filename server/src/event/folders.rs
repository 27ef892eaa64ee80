//! The folders of an event: names under which its photos are arranged.
//!
//! A folder that goes leaves its photos in the event. Knows nothing of files.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use utoipa::ToSchema;

use crate::access::Grant;
use crate::audit::note_by;
use crate::clock::now_s;
use crate::db::{BY_CREATION, List, Value};
use crate::error::{Failure, Kind, Result};
use crate::ids::new_id;
use crate::input::{self, Body, Page, Paging, Path, Query};
use crate::state::App;

#[derive(Serialize, ToSchema)]
pub struct Folder {
    pub id: String,
    pub name: String,
    pub created_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct FolderName {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

fn read(row: &AnyRow) -> sqlx::Result<Folder> {
    Ok(Folder {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// Refuses a folder that is not of `event`.
pub async fn in_event<'e>(db: impl AnyExecutor<'e>, folder: &str, event: &str) -> Result<()> {
    let row = sqlx::query("SELECT id FROM folders WHERE id = $1 AND event_id = $2")
        .bind(folder.to_owned())
        .bind(event.to_owned())
        .fetch_optional(db)
        .await?;
    row.map(drop).ok_or_else(|| Failure::invalid("folder: expected a folder of this event."))
}

/// An event's folders, oldest first.
#[utoipa::path(get, path = "/events/{event}/folders", tag = "events",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<Folder>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Folder>>> {
    let list = List {
        select: "SELECT id, name, created_unix_s FROM folders WHERE event_id = $1",
        values: &[Value::Text(grant.event()?)],
        order: BY_CREATION,
    };
    app.db().page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Makes a folder. Errors: `conflict` when the event has one of this name.
#[utoipa::path(post, path = "/events/{event}/folders", tag = "events",
    params(("event" = String, Path)), request_body = FolderName,
    responses((status = 201, body = Folder)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<FolderName>,
) -> Result<(StatusCode, Json<Folder>)> {
    let folder =
        Folder { id: new_id()?, name: input::name("name", &given.name)?, created_unix_s: now_s() };
    let mut tx = app.db().write().await?;
    let made = sqlx::query(
        "INSERT INTO folders (id, event_id, name, created_unix_s) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (event_id, name) DO NOTHING",
    )
    .bind(&folder.id)
    .bind(grant.event()?)
    .bind(&folder.name)
    .bind(folder.created_unix_s)
    .execute(&mut *tx)
    .await?;
    if made.rows_affected() == 0 {
        return Err(Failure::new(Kind::Conflict, "The event has a folder of this name."));
    }
    note_by(&mut tx, &grant, "folder_create", &folder.id, "").await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(folder)))
}

/// Removes a folder; its photos stay in the event.
#[utoipa::path(delete, path = "/events/{event}/folders/{folder}", tag = "events",
    params(("event" = String, Path), ("folder" = String, Path)), responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, folder)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut tx = app.db().write().await?;
    let gone = sqlx::query("DELETE FROM folders WHERE id = $1 AND event_id = $2")
        .bind(&folder)
        .bind(grant.event()?)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(Failure::not_found());
    }
    note_by(&mut tx, &grant, "folder_remove", &folder, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
