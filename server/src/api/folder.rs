use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::AnyExecutor;
use utoipa::ToSchema;

use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::clock::now_s;
use crate::infra::db::folders::{self, FolderRecord};
use crate::infra::db::{Page, Paging};
use crate::infra::ids::new_id;

#[derive(Serialize, ToSchema)]
pub struct Folder {
    pub id: String,
    pub name: String,
    pub created_unix_s: i64,
    /// If true, visitors cannot see the folder's photos.
    pub hidden: bool,
    /// The downloads that visitors may make of the folder's photos; absent: the event's setting applies.
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

/// The downloads that visitors may make of a folder's photos.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FolderDownloads {
    /// The event's setting applies.
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

fn view(folder: FolderRecord) -> Result<Folder> {
    Ok(Folder {
        id: folder.id,
        name: folder.name,
        created_unix_s: folder.created_unix_s,
        hidden: folder.hidden,
        downloads: folder.downloads.map(|text| Download::parse(&text)).transpose()?,
    })
}

/// Checks that `folder`, a value of the request's `field`, belongs to `event`.
///
/// # Errors
/// - `Invalid` if `event` has no such folder.
pub async fn check_in_event<'e>(
    db: impl AnyExecutor<'e>,
    field: &str,
    folder: &str,
    event: &str,
) -> Result<()> {
    match folders::is_of_event(db, folder, event).await? {
        true => Ok(()),
        false => Err(ApiError::invalid(format!("{field}: expected a folder of this event."))),
    }
}

/// Lists the folders of an event, oldest first.
#[utoipa::path(get, path = "/events/{event}/folders", operation_id = "folder_list", tag = "events",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<Folder>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Folder>>> {
    folders::page(&app.db, grant.event()?, &paging).await?.try_map(view).map(Json)
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
    let folder = FolderRecord {
        id: new_id()?,
        name: extract::name("name", &given.name)?,
        created_unix_s: now_s(),
        hidden: false,
        downloads: None,
    };
    let mut tx = app.db.write().await?;
    if !folders::insert(&mut tx, grant.event()?, &folder).await? {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "The event has a folder with this name; choose another name.",
        ));
    }
    record_by(&mut tx, &grant, "folder_create", &folder.id, "").await?;
    tx.commit().await?;
    view(folder).map(|folder| (StatusCode::CREATED, Json(folder)))
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
    let mut tx = app.db.write().await?;
    let before = folders::find(&mut tx, grant.event()?, &folder).await?;
    let downloads = given.downloads.map(FolderDownloads::rule);
    let downloads = downloads.map(|rule| rule.map(|download| download.as_str().to_owned()));
    let (old_name, old_hidden, old_downloads) =
        (before.name.clone(), before.hidden, before.downloads.clone());
    let folder = FolderRecord {
        name: given.name.map_or(Ok(before.name), |name| extract::name("name", &name))?,
        hidden: given.hidden.unwrap_or(before.hidden),
        downloads: downloads.unwrap_or(before.downloads),
        ..before
    };
    if !folders::update(&mut tx, grant.event()?, &folder).await? {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "The event has another folder with this name; choose another name.",
        ));
    }
    let changes = FieldChanges::default()
        .value("hidden", &old_hidden, &folder.hidden)
        .option("downloads", old_downloads.as_ref(), folder.downloads.as_ref())
        .name_only("name", old_name != folder.name);
    record_by(&mut tx, &grant, "folder_change", &folder.id, &changes.detail()).await?;
    tx.commit().await?;
    view(folder).map(Json)
}

/// Removes a folder; its photos stay in the event. Responds `conflict` if the folder restricts visitors and
/// holds photos or unfinished uploads: first move the photos, or lift the folder's restrictions.
#[utoipa::path(delete, path = "/events/{event}/folders/{folder}", operation_id = "folder_delete", tag = "events",
    params(("event" = String, Path), ("folder" = String, Path)), responses((status = 204)))]
pub async fn remove(
    State(app): State<App>,
    grant: Grant,
    Path((_, folder)): Path<(String, String)>,
) -> Result<StatusCode> {
    let mut tx = app.db.write().await?;
    let locked = folders::lock(&mut tx, grant.event()?, &folder).await?;
    if locked.restricts && locked.photos > 0 {
        let detail = "Visitors would get access to the photos of this folder; first move the photos, or lift the folder's \
             restrictions.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    folders::delete(&mut tx, &folder).await?;
    record_by(&mut tx, &grant, "folder_remove", &folder, "").await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
