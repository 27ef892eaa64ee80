//! Responses with a photo's bytes: the original file, whole or as a range (RFC 9110), and JPEG derivatives.
//!
//! Derivatives are encoded from pixels only, so they hold no metadata of the camera. An original is streamed
//! in pieces of 1 MiB; the server reads the next part when the client has taken the previous part. Callers
//! check permissions.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use picpick_engine::{DecodeLimits, Picture};

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::db::events;
use crate::infra::db::photos::PhotoRecord;
use crate::infra::file_name::FileName;
use crate::infra::ids::sha256;
use crate::infra::imaging::derivatives::{WEB, render};
use crate::infra::imaging::watermark::draw_watermark;
use crate::infra::long_answer::with_pieces;
use crate::infra::photo_store::Rendition as BlobKind;
use crate::infra::piece_stream::ByteSink as _;
use crate::infra::places::{Place, PlaceKind};
use crate::infra::zip_stream::ZipStream;

/// Maximum size of a read from the photo store: 1 MiB.
const READ_BYTES: u64 = 1 << 20;
/// Length of the prefix of a stored watermarked derivative, bytes: the SHA-256 of the watermark's text,
/// hexadecimal.
const MARK_BYTES: usize = 64;

/// A photo with the data that its responses need.
#[derive(Clone)]
pub struct PhotoFile {
    pub id: String,
    event: String,
    name: String,
    sha256: String,
    media_type: String,
    bytes: u64,
}

impl PhotoFile {
    pub fn of(photo: PhotoRecord) -> Self {
        Self {
            id: photo.id,
            event: photo.event,
            name: photo.name,
            sha256: photo.sha256,
            media_type: photo.media_type,
            bytes: u64::try_from(photo.bytes).unwrap_or_default(),
        }
    }

    /// Returns the file name of the original.
    pub fn name(&self) -> FileName {
        FileName::of(&self.name, &self.media_type)
    }

    /// Returns the file name of a JPEG derivative.
    pub fn jpeg_name(&self) -> FileName {
        FileName::of(&self.name, "image/jpeg")
    }
}

/// Responds with the original file, with the byte range that `headers` request, or with status 304 if the
/// client has the file in its cache.
///
/// # Errors
/// - `RangeNotSatisfiable` if the range is outside the file.
/// - `Busy` if too many large downloads are in progress.
pub async fn original(app: &App, file: PhotoFile, headers: &HeaderMap) -> Result<Response> {
    // The bytes of a photo never change, so its hash is its entity tag.
    let tag = format!("\"{}\"", file.sha256);
    let mut answer = cached(&tag)?;
    if has_tag(headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&file.media_type).map_err(ApiError::internal)?,
    );
    answer.insert(header::CONTENT_DISPOSITION, disposition(&file.name())?);
    let applies =
        headers.get(header::IF_RANGE).is_none_or(|wanted| wanted.as_bytes() == tag.as_bytes());
    let requested =
        headers.get(header::RANGE).filter(|_| applies).and_then(|value| value.to_str().ok());
    let (status, range) = match requested.map(|text| range_of(text, file.bytes)) {
        None | Some(RequestedRange::All) => (StatusCode::OK, 0..file.bytes),
        Some(RequestedRange::Part(range)) => {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, file.bytes);
            answer.insert(header::CONTENT_RANGE, content.parse().map_err(ApiError::internal)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Some(RequestedRange::Nothing) => {
            let detail = format!(
                "The byte range is outside the file, which has {} bytes; request a range within the file.",
                file.bytes
            );
            return Err(ApiError::new(ErrorKind::RangeNotSatisfiable, detail));
        }
    };
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    // The first part is read before the response starts, so that an error still gets an error status.
    let first = part(app, &file, range.start, range.end).await?;
    if first.len() as u64 >= range.end - range.start {
        return Ok((status, answer, Body::from(first)).into_response());
    }
    let place = place_of(app, &file.event).await?;
    let parts = pieces(app.clone(), file, range, first);
    Ok(with_pieces((status, answer).into_response(), place, parts))
}

/// Streams the bytes `range` of an original, whose first piece has been read.
fn pieces(
    app: App,
    file: PhotoFile,
    range: Range<u64>,
    first: Vec<u8>,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let state = (app, file, range.start + first.len() as u64, range.end, Some(first));
    stream::unfold(state, |(app, file, at, end, ready)| async move {
        if let Some(ready) = ready {
            return Some((Ok(Bytes::from(ready)), (app, file, at, end, None)));
        }
        if at >= end {
            return None;
        }
        match part(&app, &file, at, end).await {
            Ok(bytes) if !bytes.is_empty() => {
                let after = at + bytes.len() as u64;
                Some((Ok(Bytes::from(bytes)), (app, file, after, end, None)))
            }
            Ok(_) => Some((
                Err(std::io::Error::other("the photo is shorter than expected")),
                (app, file, end, end, None),
            )),
            Err(failure) => {
                tracing::error!(
                    photo = file.id,
                    reason = failure.reason(),
                    "sending a photo failed"
                );
                Some((
                    Err(std::io::Error::other("the photo cannot be read")),
                    (app, file, end, end, None),
                ))
            }
        }
    })
}

/// Takes a place for a large download.
///
/// # Errors
/// - `Busy` if the studio or the server has none left.
async fn place_of(app: &App, event: &str) -> Result<Place> {
    let owner = events::place(&app.db, event).await?.ok_or_else(ApiError::not_found)?;
    app.places.take(PlaceKind::Download, &owner.studio)
}

/// Appends the original file to the file that `archive` has begun, in pieces.
///
/// # Errors
/// - `Internal` if the photo store does not have the file, or the client has disconnected.
pub async fn append_original(app: &App, archive: &mut ZipStream, file: &PhotoFile) -> Result<()> {
    let mut at = 0;
    while at < file.bytes {
        let piece = part(app, file, at, file.bytes).await?;
        if piece.is_empty() {
            return Err(ApiError::internal(format!("photo {} is shorter than expected", file.id)));
        }
        at += piece.len() as u64;
        archive.append(&piece).await?;
    }
    Ok(())
}

async fn part(app: &App, file: &PhotoFile, from: u64, end: u64) -> Result<Vec<u8>> {
    let (blobs, event, id, bytes) =
        (app.photo_store.clone(), file.event.clone(), file.id.clone(), file.bytes);
    let to = end.min(from + READ_BYTES);
    app.face_engine
        .run(move |faces| blobs.get_range(&faces.sealer(&event)?, &event, &id, bytes, from..to))
        .await
}

enum RequestedRange {
    All,
    Part(Range<u64>),
    Nothing,
}

/// Parses a single byte range (RFC 9110, section 14.1.2). Returns `All` for several ranges or an invalid
/// header, which the RFC permits.
fn range_of(text: &str, bytes: u64) -> RequestedRange {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return RequestedRange::All;
    };
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match (number(first), number(last)) {
        (Some(first), _) if first >= bytes => RequestedRange::Nothing,
        (Some(first), None) if last.is_empty() => RequestedRange::Part(first..bytes),
        (Some(first), Some(last)) if last >= first => {
            RequestedRange::Part(first..bytes.min(last.saturating_add(1)))
        }
        (None, Some(count)) if first.is_empty() && count > 0 => {
            RequestedRange::Part(bytes.saturating_sub(count)..bytes)
        }
        (None, Some(0)) if first.is_empty() => RequestedRange::Nothing,
        _ => RequestedRange::All,
    }
}

fn cached(tag: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, tag.parse().map_err(ApiError::internal)?);
    // Only the browser may cache the response, and it must revalidate each time, because access may have
    // ended.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(headers)
}

fn has_tag(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let listed = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|text| text.split(',')).map(str::trim);
    tags.any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

/// Returns the `Content-Disposition` (RFC 6266) for saving under `name`. Encodes all characters except ASCII
/// letters, digits, `-`, `.` and `_` (RFC 8187).
fn disposition(name: &FileName) -> Result<HeaderValue> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encoded: String = name
        .as_str()
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let text = format!("attachment; filename*=UTF-8''{encoded}");
    text.parse().map_err(ApiError::internal)
}

/// Responds with the derivative for screens or for lists, a JPEG.
pub async fn derivative(
    app: &App,
    file: PhotoFile,
    headers: &HeaderMap,
    kind: BlobKind,
) -> Result<Response> {
    let tag = format!("\"{}-{}\"", file.id, if kind == BlobKind::Web { "web" } else { "thumb" });
    let Some(answer) = jpeg_headers(headers, &tag)? else { return not_modified(&tag) };
    Ok((answer, jpeg(app, file, kind).await?).into_response())
}

/// Responds with the derivative for screens with the watermark `text`, a JPEG.
pub async fn watermarked(
    app: &App,
    file: PhotoFile,
    headers: &HeaderMap,
    text: &str,
) -> Result<Response> {
    let hash = sha256(text.as_bytes());
    let tag = format!("\"{}-marked-{}\"", file.id, hash.get(..16).unwrap_or_default());
    let Some(answer) = jpeg_headers(headers, &tag)? else { return not_modified(&tag) };
    Ok((answer, watermarked_jpeg(app, file, text).await?).into_response())
}

/// Returns the JPEG for screens with the watermark `text`; makes and stores it if it does not exist.
pub async fn watermarked_jpeg(app: &App, file: PhotoFile, text: &str) -> Result<Vec<u8>> {
    let hash = sha256(text.as_bytes());
    let (blobs, event, id) = (app.photo_store.clone(), file.event.clone(), file.id.clone());
    let there = app
        .face_engine
        .run(move |faces| blobs.get(&faces.sealer(&event)?, &event, &id, BlobKind::Marked))
        .await?;
    // A stored derivative with another text is replaced.
    let of_this_text = |stored: &Vec<u8>| stored.get(..MARK_BYTES) == Some(hash.as_bytes());
    if let Some(mut stored) = there.filter(of_this_text) {
        return Ok(stored.split_off(MARK_BYTES));
    }
    let web = jpeg(app, file.clone(), BlobKind::Web).await?;
    let (blobs, text) = (app.photo_store.clone(), text.to_owned());
    let _permit = app.photo_memory.enter().await?;
    app.face_engine
        .run(move |faces| {
            let limits = DecodeLimits::default();
            let picture = Picture::decode(&web, &limits)?;
            let jpeg = draw_watermark(&picture, &text)?.to_jpeg(WEB.0, WEB.1)?;
            let stored = [hash.as_bytes(), &jpeg].concat();
            let sealer = faces.sealer(&file.event)?;
            blobs.put_derivative(&sealer, &file.event, &file.id, BlobKind::Marked, &stored)?;
            Ok(jpeg)
        })
        .await
}

/// Makes the browser save `response` as a JPEG file with the photo's name.
pub fn as_attachment(mut response: Response, file: &PhotoFile) -> Result<Response> {
    let value = disposition(&file.jpeg_name())?;
    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    Ok(response)
}

/// Returns the headers of a JPEG response, or `None` if the client has the JPEG in its cache.
fn jpeg_headers(request: &HeaderMap, tag: &str) -> Result<Option<HeaderMap>> {
    if has_tag(request, header::IF_NONE_MATCH, tag) {
        return Ok(None);
    }
    let mut answer = cached(tag)?;
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    Ok(Some(answer))
}

fn not_modified(tag: &str) -> Result<Response> {
    Ok((StatusCode::NOT_MODIFIED, cached(tag)?).into_response())
}

/// Returns the JPEG for screens or for lists; makes and stores it if it does not exist.
pub async fn jpeg(app: &App, file: PhotoFile, kind: BlobKind) -> Result<Vec<u8>> {
    let (blobs, event, id) = (app.photo_store.clone(), file.event.clone(), file.id.clone());
    let there = app
        .face_engine
        .run(move |faces| blobs.get(&faces.sealer(&event)?, &event, &id, kind))
        .await?;
    match there {
        Some(jpeg) => Ok(jpeg),
        None => make(app, file, kind).await,
    }
}

/// Makes and stores a derivative that does not exist, because the photo is not indexed yet or the worker
/// failed to make the derivative.
async fn make(app: &App, file: PhotoFile, kind: BlobKind) -> Result<Vec<u8>> {
    let _permit = app.photo_memory.enter().await?;
    let blobs = app.photo_store.clone();
    app.face_engine
        .run(move |faces| {
            let sealer = faces.sealer(&file.event)?;
            let bytes = blobs.get(&sealer, &file.event, &file.id, BlobKind::Original)?;
            let bytes = bytes.ok_or_else(ApiError::not_found)?;
            let limits = DecodeLimits::default();
            let picture = Picture::decode(&bytes, &limits)?;
            let jpeg = render(kind, &picture)?;
            blobs.put_derivative(&sealer, &file.event, &file.id, kind, &jpeg)?;
            Ok(jpeg)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let of = |text: &str| match range_of(text, 100) {
            RequestedRange::All => None,
            RequestedRange::Part(range) => Some((range.start, range.end)),
            RequestedRange::Nothing => Some((0, 0)),
        };
        assert_eq!(of("bytes=0-9"), Some((0, 10)));
        assert_eq!(of("bytes=90-"), Some((90, 100)));
        assert_eq!(of("bytes=90-1000"), Some((90, 100)));
        assert_eq!(of("bytes=-10"), Some((90, 100)));
        assert_eq!(of("bytes=-1000"), Some((0, 100)));
        for nothing in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(of(nothing), Some((0, 0)), "{nothing}");
        }
        for all in [
            "bytes=9-0",
            "bytes=a-b",
            "bytes=0-1,5-6",
            "items=0-1",
            "bytes=",
            "bytes=-",
            "bytes=+1-2",
        ] {
            assert_eq!(of(all), None, "{all}");
        }
    }

    #[test]
    fn a_file_name_cannot_end_its_header() {
        let name = FileName::of("a\"; x\r\nSet-Cookie: b.jpg", "image/jpeg");
        let header = disposition(&name).map(|value| value.to_str().unwrap_or("").to_owned());
        assert_eq!(
            header.ok().as_deref(),
            Some("attachment; filename*=UTF-8''a%22%3B%20x%0D%0ASet-Cookie%3A%20b.jpg")
        );
    }
}
