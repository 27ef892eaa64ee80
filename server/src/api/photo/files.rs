use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::responses::{self, PhotoFile};
use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::http::auth::audit::count_by;
use crate::http::extract::{BinarySchema, Path};
use crate::infra::db::photos;
use crate::infra::photo_store::Rendition as BlobKind;

async fn find(app: &App, grant: &Grant, photo: &str) -> Result<PhotoFile> {
    photos::find(&app.db, grant.event()?, photo).await.map(PhotoFile::of)
}

/// Returns the original file, or the byte range that the header `Range` requests.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/original",
    operation_id = "photo_original_download", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/*"), (status = 206, body = BinarySchema, content_type = "image/*"), (status = 304)))]
pub async fn original(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let file = find(&app, &grant, &photo).await?;
    let answer = responses::original(&app, file, &headers).await?;
    if answer.status().is_success() {
        count_by(&app.db, &grant, "photo_originals_download", grant.event()?).await?;
    }
    Ok(answer)
}

/// Returns the photo for screens, a JPEG: the longer side has at most 2,048 pixels.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/web", operation_id = "photo_web_download", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn web(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    responses::derivative(&app, find(&app, &grant, &photo).await?, &headers, BlobKind::Web).await
}

/// Returns the thumbnail for lists, a JPEG: the longer side has at most 480 pixels.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/thumb",
    operation_id = "photo_thumb_download", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn thumb(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    responses::derivative(&app, find(&app, &grant, &photo).await?, &headers, BlobKind::Thumb).await
}
