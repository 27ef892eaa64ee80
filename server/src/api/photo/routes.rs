use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::folder::check_in_event;
use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::db::photos::{self, IndexedPhoto, PhotoPlace};
use crate::infra::db::{Page, Paging};
use crate::infra::file_name::FileName;

#[derive(Serialize, ToSchema)]
pub struct Photo {
    pub id: String,
    /// The file's name.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Length of the file, bytes.
    pub bytes: i64,
    pub media_type: String,
    /// Width of the image in the file, pixels, before its EXIF orientation is applied.
    pub width: i64,
    /// Height of the image in the file, pixels, before its EXIF orientation is applied.
    pub height: i64,
    pub created_unix_s: i64,
    /// State of the photo's indexing job: `ready`, `running`, `done`, `deferred`, `failed` or `cancelled`.
    /// `deferred`: the photo's faces are not analysed until a guest searches.
    pub indexing: String,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PhotoQuery {
    /// Restricts the list to photos in this folder.
    pub folder: Option<String>,
    /// If true, restricts the list to photos outside folders.
    pub unfiled: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
pub struct PhotoChange {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Another folder of the event; an empty string moves the photo out of its folder.
    folder: Option<String>,
}

fn view(IndexedPhoto { photo, indexing }: IndexedPhoto) -> Photo {
    Photo {
        id: photo.id,
        name: photo.name,
        folder: photo.folder,
        sha256: photo.sha256,
        bytes: photo.bytes,
        media_type: photo.media_type,
        width: photo.width,
        height: photo.height,
        created_unix_s: photo.created_unix_s,
        indexing: indexing.unwrap_or_else(|| "done".into()),
    }
}

/// Lists the photos of an event, in order of upload.
#[utoipa::path(get, path = "/events/{event}/photos", operation_id = "photo_list", tag = "photos",
    params(("event" = String, Path), PhotoQuery, Paging), responses((status = 200, body = Page<Photo>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(filter): Query<PhotoQuery>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Photo>>> {
    let folder = extract::optional_line("folder", filter.folder)?;
    let place = PhotoPlace { folder: &folder, unfiled: filter.unfiled.unwrap_or_default() };
    let page = photos::page(&app.db, grant.event()?, &place, &paging).await?;
    page.try_map(|photo| Ok(view(photo))).map(Json)
}

async fn one(app: &App, grant: &Grant, photo: &str) -> Result<Photo> {
    photos::find_indexed(&app.db, grant.event()?, photo).await.map(view)
}

/// Returns the metadata of a photo, without its files.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}", operation_id = "photo_show", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)), responses((status = 200, body = Photo)))]
pub async fn show(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
) -> Result<Json<Photo>> {
    one(&app, &grant, &photo).await.map(Json)
}

/// Renames a photo or moves it to another folder. The name's extension becomes the one of the photo's media
/// type.
#[utoipa::path(patch, path = "/events/{event}/photos/{photo}", operation_id = "photo_update", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)), request_body = PhotoChange,
    responses((status = 200, body = Photo)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    Body(given): Body<PhotoChange>,
) -> Result<Json<Photo>> {
    let before = one(&app, &grant, &photo).await?;
    let name = match given.name {
        None => before.name,
        Some(name) => {
            let name = extract::line("name", &name, 1, 255)?;
            FileName::of(&name, &before.media_type).to_string()
        }
    };
    let folder = match given.folder {
        None => before.folder,
        Some(folder) if folder.is_empty() => None,
        Some(folder) => Some(extract::line("folder", &folder, 1, 64)?),
    };
    let mut tx = app.db.write().await?;
    if let Some(folder) = &folder {
        check_in_event(&mut *tx, "folder", folder, grant.event()?).await?;
    }
    photos::update(&mut tx, &photo, &name, folder.as_deref()).await?;
    record_by(&mut tx, &grant, "photo_change", &photo, "").await?;
    tx.commit().await?;
    one(&app, &grant, &photo).await.map(Json)
}
