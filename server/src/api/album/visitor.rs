//! The album API for visitors. Its URLs contain no event or album ID: the album session determines both.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

use super::annotations::{self, Comment, NewComment};
use super::download_quota;
use super::feedback::Resolution;
use super::photos::{self, AlbumFolder, AlbumPhoto, PhotoFilter};
use super::pin::PinEntry;
use super::visits;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::ProvingClient;
use crate::http::auth::{ALBUM_COOKIE, AlbumSession, LocalData, end_session_headers};
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::http::extract::{self, BinarySchema, Body, Path, Query};
use crate::infra::db::{Page, Paging};
use crate::infra::rate_limit::WorkSolution;

#[derive(Deserialize, ToSchema)]
pub struct AlbumEntry {
    /// The token of the album link.
    token: String,
    #[schema(value_type = Option<String>, max_length = 100)]
    pin: Option<Zeroizing<String>>,
    /// The proof of work, if an earlier request got the error `proof_of_work_required`.
    work: Option<WorkSolution>,
}

#[derive(Deserialize, ToSchema)]
pub struct Annotator {
    #[schema(value_type = String, max_length = 100)]
    pin: Zeroizing<String>,
    /// The name that the studio sees. A session that enters the name of an earlier visitor of the album,
    /// regardless of case, shares the picks and comments of that visitor.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// The proof of work, if an earlier request got the error `proof_of_work_required`.
    work: Option<WorkSolution>,
}

/// An album as shown to a visitor.
#[derive(Serialize, ToSchema)]
pub struct AlbumView {
    pub name: String,
    pub studio: String,
    pub ends_unix_s: i64,
    pub photos: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cover: Option<String>,
    pub folders: Vec<AlbumFolder>,
    /// Whether the album has a second PIN, which allows picks and comments.
    pub annotates: bool,
    /// The visitor's name; absent until the visitor has entered the second PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
    /// Number of photos that the visitor may still download; absent if unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub downloads_left: Option<i64>,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlbumFilter {
    /// Lists only the photos of the folder with this ID.
    folder: Option<String>,
    /// Lists only the photos that the visitor has picked.
    #[serde(default)]
    picked: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct NewPick {
    important: bool,
}

/// Opens an album session, given the token of a link and the album's PIN, if it has one. The response sets the
/// session cookie. After many wrong PINs, responds with `proof_of_work_required` and a challenge; the client solves
/// it and sends the request again with `work`.
#[utoipa::path(post, path = "/album/session",
    operation_id = "album_session_create", tag = "album", request_body = AlbumEntry,
    responses((status = 204)))]
pub async fn enter(
    State(app): State<App>,
    client: ProvingClient,
    Body(given): Body<AlbumEntry>,
) -> Result<Response> {
    let detail = "The link is invalid, expired or withdrawn; ask the studio for a new one.";
    let gone = || ApiError::new(ErrorKind::Gone, detail);
    let link = visits::link(&app, &given.token).await?.ok_or_else(gone)?;
    let entry = PinEntry { pin: given.pin.unwrap_or_default(), work: given.work };
    let visit = visits::enter(&app, &link, &client, entry).await?;
    Ok((StatusCode::NO_CONTENT, visit.cookies(client.encrypted)).into_response())
}

/// Ends the album session, removes its cookie, and makes the browser delete cached photos.
#[utoipa::path(delete, path = "/album/session",
    operation_id = "album_session_delete", tag = "album", responses((status = 204)))]
pub async fn leave(
    State(app): State<App>,
    visit: AlbumSession,
    Encrypted(encrypted): Encrypted,
) -> Result<Response> {
    visits::leave(&app, &visit).await?;
    let ended = end_session_headers(ALBUM_COOKIE, encrypted, LocalData::Cache);
    Ok((StatusCode::NO_CONTENT, ended).into_response())
}

/// Checks the second PIN and allows picks and comments under the given name.
/// The response sets a cookie with the session's new token.
#[utoipa::path(put, path = "/album/annotator",
    operation_id = "album_session_annotate", tag = "album", request_body = Annotator,
    responses((status = 204)))]
pub async fn annotate(
    State(app): State<App>,
    visit: AlbumSession,
    client: ProvingClient,
    Body(given): Body<Annotator>,
) -> Result<Response> {
    let Annotator { pin, name, work } = given;
    let visit = visits::annotate(&app, &visit, &client, PinEntry { pin, work }, &name).await?;
    Ok((StatusCode::NO_CONTENT, visit.cookies(client.encrypted)).into_response())
}

/// Returns the album's name, folders, cover and settings.
#[utoipa::path(get, path = "/album",
    operation_id = "shared_album_show", tag = "album", responses((status = 200, body = AlbumView)))]
pub async fn show(
    State(app): State<App>,
    visit: AlbumSession,
    ClientAddress(from): ClientAddress,
) -> Result<Json<AlbumView>> {
    let about = photos::settings(&app, &visit).await?;
    Ok(Json(AlbumView {
        photos: photos::count(&app, &visit, &PhotoFilter::default()).await?,
        cover: photos::cover(&app, &visit, &about).await?.map(|photo| photo.id),
        folders: photos::folders(&app, &visit).await?,
        downloads_left: download_quota::downloads_left(&app, &visit, from, &about).await?,
        name: about.name,
        studio: about.studio,
        ends_unix_s: about.ends_unix_s,
        annotates: about.annotates,
        visitor: about.visitor,
    }))
}

/// Lists the album's photos, oldest upload first.
#[utoipa::path(get, path = "/album/photos",
    operation_id = "album_photo_list", tag = "album", params(AlbumFilter, Paging),
    responses((status = 200, body = Page<AlbumPhoto>)))]
pub async fn list(
    State(app): State<App>,
    visit: AlbumSession,
    Query(filter): Query<AlbumFilter>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AlbumPhoto>>> {
    let folder = extract::optional_line("folder", filter.folder)?;
    let choice = PhotoFilter { folder, picked: filter.picked };
    photos::page(&app, &visit, &choice, &paging).await.map(Json)
}

/// Returns one photo of the album.
#[utoipa::path(get, path = "/album/photos/{photo}",
    operation_id = "album_photo_show", tag = "album", params(("photo" = String, Path)),
    responses((status = 200, body = AlbumPhoto)))]
pub async fn photo(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
) -> Result<Json<AlbumPhoto>> {
    photos::one(&app, &visit, &photo).await.map(Json)
}

/// Returns the thumbnail, a JPEG whose longer side has at most 480 pixels.
#[utoipa::path(get, path = "/album/photos/{photo}/thumb",
    operation_id = "album_photo_thumb_download", tag = "album", params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn thumb(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    photos::file(&app, &visit, &photo).await?.thumb(&app, &headers).await
}

/// Returns the screen version, a JPEG whose longer side has at most 2,048 pixels, with the event's watermark.
/// A request does not count as a download, although a browser can save the displayed picture.
#[utoipa::path(get, path = "/album/photos/{photo}/web",
    operation_id = "album_photo_web_download", tag = "album", params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn web(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    photos::file(&app, &visit, &photo).await?.web(&app, &headers).await
}

/// Downloads the original file or the screen version, depending on the event and the folder.
/// Each photo counts once against the visitor's download quota.
#[utoipa::path(get, path = "/album/photos/{photo}/download",
    operation_id = "album_photo_download", tag = "album", params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/*"), (status = 206, body = BinarySchema, content_type = "image/*"), (status = 304)))]
pub async fn download(
    State(app): State<App>,
    visit: AlbumSession,
    ClientAddress(from): ClientAddress,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let file = photos::file(&app, &visit, &photo).await?;
    file.check_download()?;
    download_quota::count_download(&app, &visit, from, &photo).await?;
    file.download(&app, &headers).await
}

/// Picks a photo, or changes whether a picked photo is marked as important.
#[utoipa::path(put, path = "/album/photos/{photo}/pick",
    operation_id = "pick_set", tag = "album", params(("photo" = String, Path)),
    request_body = NewPick, responses((status = 204)))]
pub async fn pick(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
    Body(given): Body<NewPick>,
) -> Result<StatusCode> {
    annotations::pick(&app, &visit, &photo, given.important).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes the visitor's pick of a photo.
#[utoipa::path(delete, path = "/album/photos/{photo}/pick",
    operation_id = "pick_remove", tag = "album", params(("photo" = String, Path)),
    responses((status = 204)))]
pub async fn remove_pick(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
) -> Result<StatusCode> {
    annotations::remove_pick(&app, &visit, &photo).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the comments on a photo, oldest first.
#[utoipa::path(get, path = "/album/photos/{photo}/comments",
    operation_id = "comment_list", tag = "album", params(("photo" = String, Path)),
    responses((status = 200, body = Vec<Comment>)))]
pub async fn comments(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
) -> Result<Json<Vec<Comment>>> {
    annotations::comments(&app, &visit, &photo).await.map(Json)
}

/// Adds a comment to a photo or to a point in the photo.
#[utoipa::path(post, path = "/album/photos/{photo}/comments",
    operation_id = "comment_create", tag = "album", params(("photo" = String, Path)),
    request_body = NewComment, responses((status = 201, body = Comment)))]
pub async fn comment(
    State(app): State<App>,
    visit: AlbumSession,
    Path(photo): Path<String>,
    Body(given): Body<NewComment>,
) -> Result<(StatusCode, Json<Comment>)> {
    let made = annotations::comment(&app, &visit, &photo, &given).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Resolves or reopens a comment of any visitor.
#[utoipa::path(patch, path = "/album/comments/{comment}",
    operation_id = "comment_resolve", tag = "album", params(("comment" = String, Path)),
    request_body = Resolution, responses((status = 204)))]
pub async fn resolve(
    State(app): State<App>,
    visit: AlbumSession,
    Path(comment): Path<String>,
    Body(given): Body<Resolution>,
) -> Result<StatusCode> {
    annotations::resolve(&app, &visit, &comment, given.resolved).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a comment that the visitor wrote.
#[utoipa::path(delete, path = "/album/comments/{comment}",
    operation_id = "comment_delete", tag = "album", params(("comment" = String, Path)),
    responses((status = 204)))]
pub async fn delete_comment(
    State(app): State<App>,
    visit: AlbumSession,
    Path(comment): Path<String>,
) -> Result<StatusCode> {
    annotations::delete(&app, &visit, &comment).await?;
    Ok(StatusCode::NO_CONTENT)
}
