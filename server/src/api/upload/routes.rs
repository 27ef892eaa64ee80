//! HTTP handlers of tus 1.0, with the extensions creation, expiration and termination.
//!
//! The server writes a body while it arrives. If the connection breaks, the server keeps the whole chunks
//! that it has received.

use axum::Json;
use axum::body::Body as RawBody;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::complete::{Upload, complete, discard};
use super::quota;
use crate::api::folder::check_in_event;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::extract::{self, BinarySchema, Path};
use crate::infra::clock::now_s;
use crate::infra::db::photos;
use crate::infra::ids::new_id;

const VERSION: &str = "1.0.0";
const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const PHOTO: HeaderName = HeaderName::from_static("picpick-photo");
/// Lifetime of an upload from its creation, seconds (7 days). `recover` deletes expired uploads.
const EXPIRES_S: i64 = 7 * 86_400;
/// Minimum size of a write, except at the end of a body: 1 MiB.
const WRITE_BYTES: usize = 1 << 20;

/// The supported version of tus.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses this type")]
pub enum Protocol {
    #[schema(rename = "1.0.0")]
    V1,
}

#[derive(Serialize, ToSchema)]
pub struct ExistingPhoto {
    /// The id of the event's photo with these bytes.
    pub photo: String,
}

/// The length and metadata of a file, from the headers of the creation request.
struct UploadHeaders {
    bytes: u64,
    name: String,
    sha256: String,
    folder: Option<String>,
}

/// Returns the supported tus version and extensions, and the maximum file size, as headers.
#[utoipa::path(options, path = "/events/{event}/uploads", operation_id = "upload_describe", tag = "uploads",
    params(("event" = String, Path)), responses((status = 204)))]
pub async fn capabilities(State(app): State<App>) -> Response {
    let most = app.settings.photo_bytes_max.to_string();
    let headers = [
        ("tus-resumable", VERSION),
        ("tus-version", VERSION),
        ("tus-extension", "creation,expiration,termination"),
        ("tus-max-size", most.as_str()),
    ];
    (StatusCode::NO_CONTENT, headers.map(|(name, value)| (name, value.to_owned()))).into_response()
}

fn check_version(headers: &HeaderMap) -> Result<()> {
    match headers.get(RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(ApiError::new(
            ErrorKind::PreconditionFailed,
            "Expected the header 'Tus-Resumable: 1.0.0'.",
        )),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let digits =
        text.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| {
        ApiError::new(ErrorKind::BadRequest, format!("{name}: expected a number of bytes."))
    })
}

fn announced(headers: &HeaderMap, bytes_max: u64) -> Result<UploadHeaders> {
    let bytes = number(headers, &LENGTH)?;
    if bytes > bytes_max {
        return Err(ApiError::new(
            ErrorKind::TooLarge,
            format!("Upload-Length: expected at most {bytes_max} bytes, received {bytes}."),
        ));
    }
    if bytes == 0 {
        return Err(ApiError::new(ErrorKind::NotAPhoto, "The file is empty; choose another file."));
    }
    let text = headers.get(METADATA).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let value = |name: &str| -> Result<Option<String>> {
        let pair = text.split(',').map(str::trim).find(|pair| pair.split(' ').next() == Some(name));
        let Some(pair) = pair else { return Ok(None) };
        let encoded = pair.split_once(' ').map_or("", |(_, value)| value.trim());
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let bad = || {
            ApiError::invalid(format!("Upload-Metadata: expected Base64 of UTF-8 for '{name}'."))
        };
        decoded.map(Some).ok_or_else(bad)
    };
    let name = value("filename")?.unwrap_or_else(|| "photo".to_owned());
    Ok(UploadHeaders {
        bytes,
        name: extract::line("filename", &name, 1, 255)?,
        sha256: value("sha256")?.map_or(Ok(String::new()), |hash| extract::sha256(&hash))?,
        folder: value("folder")?,
    })
}

/// Creates an upload, or returns the unfinished upload with the same SHA-256 and length. If `folder` is
/// given, moves that upload to the folder. Responds `200` instead of `201` if the event already has the
/// photo; the client then sends no file.
#[utoipa::path(post, path = "/events/{event}/uploads", operation_id = "upload_create", tag = "uploads",
    params(("event" = String, Path),
        ("Tus-Resumable" = inline(Protocol), Header),
        ("Upload-Length" = u64, Header, description = "Bytes of the file", minimum = 1),
        ("Upload-Metadata" = Option<String>, Header, description = "filename, sha256 (hexadecimal) and folder, Base64 each")),
    responses((status = 201, description = "Send the file to Location"), (status = 200, body = ExistingPhoto)))]
pub async fn create(State(app): State<App>, grant: Grant, headers: HeaderMap) -> Result<Response> {
    check_version(&headers)?;
    let event = grant.event()?;
    let new = announced(&headers, app.settings.photo_bytes_max)?;
    if !new.sha256.is_empty()
        && let Some(photo) = photos::by_hash(&app.db, event, &new.sha256).await?
    {
        return Ok(
            (StatusCode::OK, [(RESUMABLE, VERSION)], Json(ExistingPhoto { photo })).into_response()
        );
    }
    if let Some(folder) = &new.folder {
        check_in_event(app.db.read(), "folder", folder, event).await?;
    }
    let upload = match find_unfinished(&app, event, &new).await? {
        Some(upload) => move_to_folder(&app, upload, new.folder).await?,
        None => insert_upload(&app, &grant.studio, event, new).await?,
    };
    let location = format!("/api/v1/events/{event}/uploads/{}", upload.id);
    let offset = upload.staged(&app).offset()?;
    let headers = [
        (RESUMABLE, VERSION.to_owned()),
        (header::LOCATION, location),
        (OFFSET, offset.to_string()),
        (EXPIRES, httpdate::fmt_http_date(time_of(upload.expires_unix_s))),
    ];
    Ok((StatusCode::CREATED, headers).into_response())
}

fn time_of(unix_s: i64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH
        + std::time::Duration::from_secs(u64::try_from(unix_s).unwrap_or_default())
}

/// Returns the unfinished upload with the same SHA-256 and length.
async fn find_unfinished(app: &App, event: &str, new: &UploadHeaders) -> Result<Option<Upload>> {
    if new.sha256.is_empty() {
        return Ok(None);
    }
    let row = sqlx::query(
        "SELECT * FROM uploads WHERE event_id = $1 AND sha256 = $2 AND bytes = $3 AND photo_id IS NULL \
         AND expires_unix_s > $4 ORDER BY created_unix_s LIMIT 1",
    )
    .bind(event)
    .bind(&new.sha256)
    .bind(i64::try_from(new.bytes).unwrap_or(i64::MAX))
    .bind(now_s())
    .fetch_optional(app.db.read())
    .await?;
    row.as_ref().map(Upload::read).transpose()
}

/// Sets the upload's folder to `folder`; `None` leaves the folder unchanged.
async fn move_to_folder(app: &App, upload: Upload, folder: Option<String>) -> Result<Upload> {
    if folder.is_none() || folder == upload.folder {
        return Ok(upload);
    }
    let mut tx = app.db.write().await?;
    sqlx::query("UPDATE uploads SET folder_id = $1 WHERE id = $2")
        .bind(&folder)
        .bind(&upload.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Upload { folder, ..upload })
}

async fn insert_upload(app: &App, studio: &str, event: &str, new: UploadHeaders) -> Result<Upload> {
    quota::check_disk(app, new.bytes).await?;
    let now = now_s();
    let upload = Upload {
        id: new_id()?,
        event: event.to_owned(),
        folder: new.folder,
        name: new.name,
        sha256: new.sha256,
        bytes: new.bytes,
        photo: None,
        expires_unix_s: now + EXPIRES_S,
    };
    let staged = upload.staged(app);
    app.face_engine.run(move |_| staged.create()).await?;
    if let Err(failure) = insert_row(app, studio, &upload, now).await {
        let staged = upload.staged(app);
        app.face_engine.run(move |_| staged.remove()).await?;
        return Err(failure);
    }
    Ok(upload)
}

/// Records an upload within the studio's quotas.
async fn insert_row(app: &App, studio: &str, upload: &Upload, now_unix_s: i64) -> Result<()> {
    let mut tx = app.db.write().await?;
    quota::reserve(app, &mut tx, studio, upload.bytes).await?;
    sqlx::query(
        "INSERT INTO uploads (id, event_id, folder_id, name, sha256, bytes, created_unix_s, expires_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&upload.id)
    .bind(&upload.event)
    .bind(&upload.folder)
    .bind(&upload.name)
    .bind(&upload.sha256)
    .bind(i64::try_from(upload.bytes).unwrap_or(i64::MAX))
    .bind(now_unix_s)
    .bind(upload.expires_unix_s)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn find(app: &App, grant: &Grant, upload: &str) -> Result<Upload> {
    let row = sqlx::query(
        "SELECT * FROM uploads WHERE id = $1 AND event_id = $2 AND expires_unix_s > $3",
    )
    .bind(upload)
    .bind(grant.event()?)
    .bind(now_s())
    .fetch_one(app.db.read())
    .await?;
    Upload::read(&row)
}

/// Returns the offset of an upload, as headers: the bytes that the server has stored.
#[utoipa::path(head, path = "/events/{event}/uploads/{upload}", operation_id = "upload_show", tag = "uploads",
    params(("event" = String, Path), ("upload" = String, Path)), responses((status = 200)))]
pub async fn offset(
    State(app): State<App>,
    grant: Grant,
    Path((_event, id)): Path<(String, String)>,
) -> Result<Response> {
    let upload = find(&app, &grant, &id).await?;
    let offset =
        if upload.photo.is_some() { upload.bytes } else { upload.staged(&app).offset()? };
    let mut headers = HeaderMap::new();
    headers.insert(RESUMABLE, HeaderValue::from_static(VERSION));
    headers.insert(LENGTH, HeaderValue::from(upload.bytes));
    headers.insert(OFFSET, HeaderValue::from(offset));
    insert_photo_header(&mut headers, upload.photo.as_deref())?;
    Ok((StatusCode::OK, headers).into_response())
}

/// Returns the number of stored bytes of an upload; the whole length if the upload has become a photo.
fn offset_of(app: &App, upload: &Upload) -> Result<u64> {
    if upload.photo.is_some() { Ok(upload.bytes) } else { upload.staged(app).offset() }
}

fn insert_photo_header(headers: &mut HeaderMap, photo: Option<&str>) -> Result<()> {
    if let Some(photo) = photo {
        headers.insert(PHOTO, HeaderValue::from_str(photo).map_err(ApiError::internal)?);
    }
    Ok(())
}

/// Appends a part to an upload. The response to the last part has the photo's id in the header
/// `PicPick-Photo`.
#[utoipa::path(patch, path = "/events/{event}/uploads/{upload}", operation_id = "upload_append", tag = "uploads",
    params(("event" = String, Path), ("upload" = String, Path),
        ("Tus-Resumable" = inline(Protocol), Header),
        ("Upload-Offset" = u64, Header, description = "Byte at which the part begins")),
    request_body(content = BinarySchema, content_type = "application/offset+octet-stream"),
    responses((status = 204)))]
pub async fn append(
    State(app): State<App>,
    grant: Grant,
    Path((_event, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response> {
    check_version(&headers)?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type != Some("application/offset+octet-stream") {
        return Err(ApiError::new(
            ErrorKind::UnsupportedType,
            "Expected Content-Type: application/offset+octet-stream.",
        ));
    }
    let from = number(&headers, &OFFSET)?;
    let _held = app.upload_locks.lock(&id).await?;
    let upload = find(&app, &grant, &id).await?;
    let there = offset_of(&app, &upload)?;
    if from != there {
        let detail = format!(
            "The upload has {there} bytes, but the part begins at byte {from}; send the part that begins at {there}."
        );
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let received = receive(&app, &upload, from, body).await;
    if received.as_ref().is_err_and(|failure| failure.kind == ErrorKind::NotAPhoto) {
        discard(&app, &upload).await?;
    }
    let offset = received?;
    let mut answer = HeaderMap::new();
    answer.insert(RESUMABLE, HeaderValue::from_static(VERSION));
    answer.insert(OFFSET, HeaderValue::from(offset));
    if offset == upload.bytes {
        // The caller's access may have ended while a slow part arrived.
        grant.check_held(&app.db).await?;
        let photo = complete(&app, &upload).await?;
        insert_photo_header(&mut answer, Some(&photo))?;
    }
    Ok((StatusCode::NO_CONTENT, answer).into_response())
}

/// Writes the body while it arrives, and returns the new offset. If the connection breaks, keeps the bytes
/// written before.
///
/// # Errors
/// - `TooLarge` if the body ends after the announced length.
/// - `NotAPhoto` if the file does not begin as a photo does.
/// - `BadRequest` if the connection breaks.
async fn receive(app: &App, upload: &Upload, from: u64, body: RawBody) -> Result<u64> {
    let (mut offset, mut waiting) = (from, Vec::new());
    let mut parts = body.into_data_stream();
    let mut broken = None;
    let (mut refused, mut discarded) = (None, 0);
    while let Some(part) = parts.next().await {
        match part {
            Ok(part) => waiting.extend_from_slice(&part),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
        if refused.is_none() && offset == 0 {
            refused = quota::check_format(&waiting).err();
        }
        if refused.is_some() {
            // The rest is read and not stored: many clients see no response before they have sent the part.
            discarded += std::mem::take(&mut waiting).len() as u64;
        }
        if offset + discarded + waiting.len() as u64 > upload.bytes {
            let detail = format!(
                "The part ends after the announced length of {} bytes; create an upload with the file's length.",
                upload.bytes
            );
            return Err(ApiError::new(ErrorKind::TooLarge, detail));
        }
        if waiting.len() >= WRITE_BYTES {
            offset = write(app, upload, offset, &mut waiting).await?;
        }
    }
    if !waiting.is_empty() {
        offset = write(app, upload, offset, &mut waiting).await?;
    }
    if let Some(failure) = refused {
        return Err(failure);
    }
    match broken {
        None => Ok(offset),
        Some(_) => Err(ApiError::new(
            ErrorKind::BadRequest,
            "The connection broke; request the offset with HEAD and resume there.",
        )),
    }
}

/// Writes the whole chunks of `waiting` and leaves the rest in `waiting`. Returns the new offset.
async fn write(app: &App, upload: &Upload, offset: u64, waiting: &mut Vec<u8>) -> Result<u64> {
    let (staged, event) = (upload.staged(app), upload.event.clone());
    let plain = std::mem::take(waiting);
    let (after, plain) = app
        .face_engine
        .run(move |faces| Ok((staged.append(&faces.sealer(&event)?, offset, &plain)?, plain)))
        .await?;
    let written = usize::try_from(after - offset).unwrap_or(usize::MAX);
    waiting.extend_from_slice(plain.get(written..).unwrap_or_default());
    Ok(after)
}

/// Deletes an upload and the bytes received for it.
#[utoipa::path(delete, path = "/events/{event}/uploads/{upload}", operation_id = "upload_terminate", tag = "uploads",
    params(("event" = String, Path), ("upload" = String, Path)), responses((status = 204)))]
pub async fn terminate(
    State(app): State<App>,
    grant: Grant,
    Path((_event, id)): Path<(String, String)>,
) -> Result<Response> {
    let _held = app.upload_locks.lock(&id).await?;
    let upload = find(&app, &grant, &id).await?;
    discard(&app, &upload).await?;
    Ok((StatusCode::NO_CONTENT, [(RESUMABLE, VERSION)]).into_response())
}
