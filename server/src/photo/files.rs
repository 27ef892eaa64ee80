//! A photo's bytes over HTTP: the file as it came, in ranges where asked (RFC 9110), and smaller ones to show.
//!
//! What is shown is made from pixels alone, so it holds nothing that a camera wrote beside them. Holds back
//! no part of a file in memory that nobody reads.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use picpick_engine::{DecodeLimits, decode, probe};
use sqlx::Row as _;

use super::derive::derive;
use crate::access::Grant;
use crate::blob::Kind as BlobKind;
use crate::error::{Failure, Kind, Result};
use crate::input::{Bytes, Path};
use crate::state::App;

/// Bytes fetched from the place for photos at once.
const READ_BYTES: u64 = 4 << 20;

/// A photo's file.
struct File {
    id: String,
    event: String,
    name: String,
    sha256: String,
    media_type: String,
    bytes: u64,
}

async fn find(app: &App, grant: &Grant, photo: &str) -> Result<File> {
    let row = sqlx::query("SELECT id, event_id, name, sha256, media_type, bytes FROM photos WHERE id = $1 AND event_id = $2")
        .bind(photo)
        .bind(grant.event()?)
        .fetch_one(app.db().read())
        .await?;
    Ok(File {
        id: row.try_get("id")?,
        event: row.try_get("event_id")?,
        name: row.try_get("name")?,
        sha256: row.try_get("sha256")?,
        media_type: row.try_get("media_type")?,
        bytes: u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or_default(),
    })
}

/// The file as it came.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/original", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = Bytes, content_type = "image/*"), (status = 206, body = Bytes, content_type = "image/*"), (status = 304)))]
pub async fn original(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let file = find(&app, &grant, &photo).await?;
    // The bytes of a photo never change: its hash is its tag.
    let tag = format!("\"{}\"", file.sha256);
    let mut answer = cached(&tag)?;
    if has_tag(&headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_str(&file.media_type).map_err(Failure::internal)?,
    );
    answer.insert(header::CONTENT_DISPOSITION, disposition(&file.name)?);
    let applies =
        headers.get(header::IF_RANGE).is_none_or(|wanted| wanted.as_bytes() == tag.as_bytes());
    let asked =
        headers.get(header::RANGE).filter(|_| applies).and_then(|value| value.to_str().ok());
    let (status, range) = match asked.map(|text| range_of(text, file.bytes)) {
        None | Some(Asked::All) => (StatusCode::OK, 0..file.bytes),
        Some(Asked::Part(range)) => {
            let content = format!("bytes {}-{}/{}", range.start, range.end - 1, file.bytes);
            answer.insert(header::CONTENT_RANGE, content.parse().map_err(Failure::internal)?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Some(Asked::Nothing) => {
            let detail = format!("The file has {} bytes.", file.bytes);
            return Err(Failure::new(Kind::RangeNotSatisfiable, detail));
        }
    };
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    // The first part is read before the answer begins: what fails then can still be told.
    let first = part(&app, &file, range.start, range.end).await?;
    let state = (app, file, range.start + first.len() as u64, range.end, Some(first));
    let parts = stream::unfold(state, |(app, file, at, end, ready)| async move {
        if let Some(ready) = ready {
            return Some((Ok(axum::body::Bytes::from(ready)), (app, file, at, end, None)));
        }
        if at >= end {
            return None;
        }
        match part(&app, &file, at, end).await {
            Ok(bytes) if !bytes.is_empty() => {
                let after = at + bytes.len() as u64;
                Some((Ok(axum::body::Bytes::from(bytes)), (app, file, after, end, None)))
            }
            Ok(_) => Some((
                Err(std::io::Error::other("the photo ends too soon")),
                (app, file, end, end, None),
            )),
            Err(failure) => {
                tracing::error!(photo = file.id, reason = failure.reason(), "sending a photo");
                Some((
                    Err(std::io::Error::other("the photo cannot be read")),
                    (app, file, end, end, None),
                ))
            }
        }
    });
    Ok((status, answer, Body::from_stream(parts.fuse())).into_response())
}

async fn part(app: &App, file: &File, from: u64, end: u64) -> Result<Vec<u8>> {
    let (blobs, event, id, bytes) =
        (app.blobs().clone(), file.event.clone(), file.id.clone(), file.bytes);
    let to = end.min(from + READ_BYTES);
    app.faces()
        .run(move |faces| blobs.get_part(&faces.sealer(&event)?, &event, &id, bytes, from..to))
        .await
}

enum Asked {
    All,
    Part(std::ops::Range<u64>),
    Nothing,
}

/// One range of RFC 9110, section 14.1.2. Several, or what does not read, may be answered with everything.
fn range_of(text: &str, bytes: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Asked::All;
    };
    let number = |text: &str| -> Option<u64> {
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
    };
    match (number(first), number(last)) {
        (Some(first), _) if first >= bytes => Asked::Nothing,
        (Some(first), None) if last.is_empty() => Asked::Part(first..bytes),
        (Some(first), Some(last)) if last >= first => {
            Asked::Part(first..bytes.min(last.saturating_add(1)))
        }
        (None, Some(count)) if first.is_empty() && count > 0 => {
            Asked::Part(bytes.saturating_sub(count)..bytes)
        }
        (None, Some(0)) if first.is_empty() => Asked::Nothing,
        _ => Asked::All,
    }
}

fn cached(tag: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ETAG, tag.parse().map_err(Failure::internal)?);
    // Kept by the browser alone, and asked about each time: access may have ended.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(headers)
}

fn has_tag(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let listed = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let mut tags = listed.flat_map(|text| text.split(',')).map(str::trim);
    tags.any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

/// For saving under the file's own name (RFC 6266; other characters than plain ones by RFC 8187).
fn disposition(name: &str) -> Result<HeaderValue> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encoded: String = name
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let text = format!("attachment; filename*=UTF-8''{encoded}");
    text.parse().map_err(Failure::internal)
}

/// For screens: the longer side has at most 2,048 pixels.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/web", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = Bytes, content_type = "image/jpeg"), (status = 304)))]
pub async fn web(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    derivative(&app, &grant, &photo, &headers, BlobKind::Web).await
}

/// For lists: the longer side has at most 480 pixels.
#[utoipa::path(get, path = "/events/{event}/photos/{photo}/thumb", tag = "photos",
    params(("event" = String, Path), ("photo" = String, Path)),
    responses((status = 200, body = Bytes, content_type = "image/jpeg"), (status = 304)))]
pub async fn thumb(
    State(app): State<App>,
    grant: Grant,
    Path((_event, photo)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    derivative(&app, &grant, &photo, &headers, BlobKind::Thumb).await
}

async fn derivative(
    app: &App,
    grant: &Grant,
    photo: &str,
    headers: &HeaderMap,
    kind: BlobKind,
) -> Result<Response> {
    let file = find(app, grant, photo).await?;
    let tag = format!("\"{}-{}\"", file.id, if kind == BlobKind::Web { "web" } else { "thumb" });
    let mut answer = cached(&tag)?;
    if has_tag(headers, header::IF_NONE_MATCH, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, answer).into_response());
    }
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    let (blobs, event, id) = (app.blobs().clone(), file.event.clone(), file.id.clone());
    let there =
        app.faces().run(move |faces| blobs.get(&faces.sealer(&event)?, &event, &id, kind)).await?;
    let jpeg = match there {
        Some(jpeg) => jpeg,
        None => make(app, file, kind).await?,
    };
    Ok((answer, jpeg).into_response())
}

/// Makes what is not there yet: the photo was not indexed, or making it failed then.
async fn make(app: &App, file: File, kind: BlobKind) -> Result<Vec<u8>> {
    let _permit = app.finishing().acquire().await.map_err(Failure::internal)?;
    let blobs = app.blobs().clone();
    app.faces()
        .run(move |faces| {
            let sealer = faces.sealer(&file.event)?;
            let bytes = blobs.get(&sealer, &file.event, &file.id, BlobKind::Original)?;
            let bytes = bytes.ok_or_else(Failure::not_found)?;
            let limits = DecodeLimits::default();
            let picture = decode(&bytes, &probe(&bytes, &limits)?, &limits)?;
            derive(&blobs, &sealer, &file.event, &file.id, kind, &picture)
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        let of = |text: &str| match range_of(text, 100) {
            Asked::All => None,
            Asked::Part(range) => Some((range.start, range.end)),
            Asked::Nothing => Some((0, 0)),
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
        let header = disposition("a\"; x\r\nSet-Cookie: b.jpg")
            .map(|value| value.to_str().unwrap_or("").to_owned());
        assert_eq!(
            header.ok().as_deref(),
            Some("attachment; filename*=UTF-8''a%22%3B%20x%0D%0ASet-Cookie%3A%20b.jpg")
        );
    }
}
