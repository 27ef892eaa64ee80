use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyExecutor, Row as _};
use utoipa::ToSchema;

use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::new_id;

#[derive(Serialize, ToSchema)]
pub struct Folder {
    pub id: String,
    pub name: String,
    pub created_unix_s: i64,
    /// Whether visitors cannot see the folder's photos.
    pub hidden: bool,
    /// What visitors may download of the folder's photos; absent: the event's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads: Option<Download>,
}

/// Changes to a folder. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
pub struct FolderChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    hidden: Option<bool>,
    downloads: Option<FolderDownloads>,
}

/// What visitors may download of a folder's photos.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FolderDownloads {
    /// The event's setting.
    AsEvent,
    /// Nothing.
    Off,
    /// A JPEG for screens.
    Web,
    /// The original file.
    Original,
}

impl FolderDownloads {
    fn rule(self) -> Option<Download> {
        match self {
            Self::AsEvent => None,
            Self::Off => Some(Download::Off),
            Self::Web => Some(Download::Web),
            Self::Original => Some(Download::Original),
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub struct FolderName {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

fn read(row: &AnyRow) -> Result<Folder> {
    let downloads: Option<String> = row.try_get("downloads")?;
    Ok(Folder {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        created_unix_s: row.try_get("created_unix_s")?,
        hidden: row.try_get::<i64, _>("hidden")? != 0,
        downloads: downloads.map(|text| Download::parse(&text)).transpose()?,
    })
}

/// Checks that `folder` belongs to `event`.
///
/// # Errors
/// - `Invalid` if it does not.
pub async fn check_in_event<'e>(db: impl AnyExecutor<'e>, folder: &str, event: &str) -> Result<()> {
    let row = sqlx::query("SELECT id FROM folders WHERE id = $1 AND event_id = $2")
        .bind(folder.to_owned())
        .bind(event.to_owned())
        .fetch_optional(db)
        .await?;
    row.map(drop).ok_or_else(|| ApiError::invalid("folder: expected a folder of this event."))
}

/// Lists the folders of an event, oldest first.
#[utoipa::path(get, path = "/events/{event}/folders", operation_id = "folder_list", tag = "events",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<Folder>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Folder>>> {
    let list = PageQuery {
        select: "SELECT * FROM folders WHERE event_id = $1",
        values: &[BoundValue::Text(grant.event()?)],
        order: BY_CREATION,
    };
    app.db().page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

/// Creates a folder. Responds `conflict` if the event has a folder with this name.
#[utoipa::path(post, path = "/events/{event}/folders", operation_id = "folder_create", tag = "events",
    params(("event" = String, Path)), request_body = FolderName,
    responses((status = 201, body = Folder)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<FolderName>,
) -> Result<(StatusCode, Json<Folder>)> {
    let folder = Folder {
        id: new_id()?,
        name: extract::name("name", &given.name)?,
        created_unix_s: now_s(),
        hidden: false,
        downloads: None,
    };
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
        return Err(ApiError::new(ErrorKind::Conflict, "The event has a folder with this name."));
    }
    record_by(&mut tx, &grant, "folder_create", &folder.id, "").await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(folder)))
}

/// Changes a folder. Responds `conflict` if the event has another folder with this name.
#[utoipa::path(patch, path = "/events/{event}/folders/{folder}", operation_id = "folder_update", tag = "events",
    params(("event" = String, Path), ("folder" = String, Path)), request_body = FolderChange,
    responses((status = 200, body = Folder)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Path((_, folder)): Path<(String, String)>,
    Body(given): Body<FolderChange>,
) -> Result<Json<Folder>> {
    let mut tx = app.db().write().await?;
    let row = sqlx::query("SELECT * FROM folders WHERE id = $1 AND event_id = $2")
        .bind(&folder)
        .bind(grant.event()?)
        .fetch_one(&mut *tx)
        .await?;
    let before = read(&row)?;
    let folder = Folder {
        name: given.name.map_or(Ok(before.name), |name| extract::name("name", &name))?,
        hidden: given.hidden.unwrap_or(before.hidden),
        downloads: given.downloads.map_or(before.downloads, FolderDownloads::rule),
        ..before
    };
    let changed = sqlx::query(
        "UPDATE folders SET name = $1, hidden = $2, downloads = $3 WHERE id = $4 AND NOT EXISTS \
         (SELECT id FROM folders WHERE event_id = $5 AND name = $1 AND id <> $4)",
    )
    .bind(&folder.name)
    .bind(i64::from(folder.hidden))
    .bind(folder.downloads.map(Download::as_str))
    .bind(&folder.id)
    .bind(grant.event()?)
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "The event has another folder with this name.",
        ));
    }
    record_by(&mut tx, &grant, "folder_change", &folder.id, "").await?;
    tx.commit().await?;
    Ok(Json(folder))
}

/// Removes a folder; its photos stay in the event. Responds `conflict` if the folder restricts visitors and
/// holds photos or unfinished uploads: move those, or change the folder, first.
#[utoipa::path(delete, path = "/events/{event}/folders/{folder}", operation_id = "folder_delete", tag = "events",
    params(("event" = String, Path), ("folder" = String, Path)), responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, folder)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut tx = app.db().write().await?;
    // This no-op update locks the folder's row until the commit, so that no photo is added to it meanwhile.
    let row = sqlx::query(
        "UPDATE folders SET name = name WHERE id = $1 AND event_id = $2 RETURNING \
         CASE WHEN hidden <> 0 OR downloads IS NOT NULL THEN 1 ELSE 0 END AS guards, \
         (SELECT COUNT(*) FROM photos p WHERE p.folder_id = folders.id) + (SELECT COUNT(*) FROM uploads u \
         WHERE u.folder_id = folders.id AND u.photo_id IS NULL) AS photos",
    )
    .bind(&folder)
    .bind(grant.event()?)
    .fetch_one(&mut *tx)
    .await?;
    let (guards, photos): (i64, i64) = (row.try_get("guards")?, row.try_get("photos")?);
    if guards != 0 && photos > 0 {
        let detail =
            "Visitors would get access to its photos; move them, or change the folder, first.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    sqlx::query("DELETE FROM folders WHERE id = $1").bind(&folder).execute(&mut *tx).await?;
    record_by(&mut tx, &grant, "folder_remove", &folder, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
