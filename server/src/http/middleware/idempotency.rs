//! Implements `Idempotency-Key`: a POST with a key is executed once; its response is stored for 24 hours and
//! replayed to retries. Keys are scoped to the caller.
//!
//! Stored responses are sealed, because they may hold a new API key or an invitation token. A response with a
//! cookie is never stored.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use tracing::Instrument as _;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{AlbumSession, Grant, GuestSession, SignedIn};
use crate::infra::admission::spawn_held;
use crate::infra::clock::now_s;
use crate::infra::db::{Db, along};
use crate::infra::ids::sha256;

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Lifetime of a stored response, seconds.
const RETENTION_S: i64 = 86_400;
/// Maximum duration of a request with a key: 60 s.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Lease of a running request, seconds; twice `TIME_MAX`. After the lease, the server assumes a crash and
/// releases the key.
const LEASE_S: i64 = 120;
/// Maximum number of polls for the response to a first request in progress; 4 s at [`POLL_INTERVAL`].
const POLLS_MAX: u32 = 40;
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Maximum size of a request body and of a response body: 256 KiB.
const BODY_BYTES_MAX: usize = 256 << 10;
/// Request headers that, with method, URI and body, identify a request.
const FINGERPRINTED_HEADERS: [&str; 3] = ["content-type", "upload-length", "upload-metadata"];
/// Response headers that are stored. On replay, the server sets all other headers again, or omits them
/// because they change with time.
const STORED_HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::LOCATION,
    header::CACHE_CONTROL,
    HeaderName::from_static("tus-resumable"),
];

/// Value of the column `status` while the request runs and nothing is committed.
const BEGUN: i64 = 0;
/// Value of the column `status` after the handler's commit, until its response is stored.
const DONE: i64 = 1;

/// The plain form of a stored response, before it is sealed.
#[derive(Serialize, Deserialize)]
struct StoredResponse {
    headers: Vec<(String, String)>,
    /// Base64.
    body: String,
}

/// Executes a request with an idempotency key once, or replays its stored response. Runs after the guard, on
/// routes that create resources.
pub async fn idempotency(State(app): State<App>, request: Request, next: Next) -> Result<Response> {
    if request.method() != Method::POST || !request.headers().contains_key(IDEMPOTENCY_KEY) {
        return Ok(next.run(request).await);
    }
    let key = key_of(request.headers())?;
    let caller = caller_of(&request)?;
    let (parts, body) = request.into_parts();
    let too_large = || {
        let limit = BODY_BYTES_MAX >> 10;
        ApiError::new(
            ErrorKind::TooLarge,
            format!("The body is larger than {limit} KiB; send a smaller one."),
        )
    };
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| too_large())?;
    let id = sha256(format!("{caller}\n{key}").as_bytes());
    // The hash covers the key too, so that a reader of the database cannot guess bodies from the hash.
    let mut fingerprint = format!("{key}\n{} {}\n", parts.method, parts.uri);
    for name in FINGERPRINTED_HEADERS {
        let value = parts.headers.get(name).map_or(&b""[..], HeaderValue::as_bytes);
        fingerprint += &format!("{name}: {}\n", sha256(value));
    }
    fingerprint += &sha256(&body);
    let fingerprint = sha256(fingerprint.as_bytes());
    if let Some(answer) = claim_or_replay(&app, &id, &fingerprint).await? {
        return Ok(answer);
    }
    // Runs in a task of its own, so that a client that disconnects gets the stored response on its retry.
    let request = Request::from_parts(parts, Body::from(body));
    let task = run_once(app, id, request, next).instrument(tracing::Span::current());
    spawn_held(task).await.map_err(ApiError::internal)?
}

/// Returns the client's key.
///
/// # Errors
/// - `Invalid` unless there is exactly one key, of 1 to 255 visible ASCII characters.
fn key_of(headers: &HeaderMap) -> Result<String> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let text = given.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_right = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if is_right && given.next().is_none() {
        return Ok(text.to_owned());
    }
    Err(ApiError::invalid(
        "Idempotency-Key: expected one key of 1 to 255 visible ASCII characters.",
    ))
}

fn caller_of(request: &Request) -> Result<String> {
    let extensions = request.extensions();
    if let Some(grant) = extensions.get::<Grant>() {
        return Ok(grant.caller.name());
    }
    if let Some(visit) = extensions.get::<AlbumSession>() {
        return Ok(visit.caller().name());
    }
    if let Some(visit) = extensions.get::<GuestSession>() {
        return Ok(visit.caller().name());
    }
    let person = extensions.get::<SignedIn>().map(|person| format!("user:{}", person.user));
    person.ok_or_else(|| ApiError::internal("a route without a caller uses idempotency keys"))
}

/// Claims the key for this request. Returns the stored response if the request was executed before; polls
/// while the first request is in progress.
///
/// # Errors
/// - `Conflict` if the response is lost, or if the first request is still in progress after the last poll.
/// - `Invalid` if the key was first used with another request.
async fn claim_or_replay(app: &App, id: &str, fingerprint: &str) -> Result<Option<Response>> {
    let mut last = BEGUN;
    for look in 0..POLLS_MAX {
        if look > 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let Some((status, body)) = enter(&app.db, id, fingerprint).await? else { return Ok(None) };
        // The handler's commit precedes the storing of its response, so a retry may observe `DONE` for a
        // moment.
        if status != BEGUN && status != DONE {
            return replay(app, id, status, &body).map(Some);
        }
        last = status;
    }
    if last == DONE {
        let detail = "The request was executed, but its response is lost; look up what it created.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        "The first request with this key is still in progress; try again in 1 second.",
    )
    .retry_after(1))
}

/// Inserts the key with status `BEGUN` and returns `None`. If the key exists, returns its status and sealed
/// response.
///
/// # Errors
/// - `Invalid` if the key was first used with another request.
async fn enter(db: &Db, id: &str, fingerprint: &str) -> Result<Option<(i64, String)>> {
    let now = now_s();
    let mut tx = db.write().await?;
    sqlx::query(
        "DELETE FROM idempotency WHERE key_hash = $1 \
         AND (created_unix_s <= $2 OR (status = $3 AND created_unix_s <= $4))",
    )
    .bind(id)
    .bind(now - RETENTION_S)
    .bind(BEGUN)
    .bind(now - LEASE_S)
    .execute(&mut *tx)
    .await?;
    let entered = sqlx::query(
        "INSERT INTO idempotency (key_hash, request_hash, status, body, created_unix_s) \
         VALUES ($1, $2, $3, '', $4) ON CONFLICT (key_hash) DO NOTHING",
    )
    .bind(id)
    .bind(fingerprint)
    .bind(BEGUN)
    .bind(now)
    .execute(&mut *tx)
    .await?;
    if entered.rows_affected() > 0 {
        tx.commit().await?;
        return Ok(None);
    }
    let row = sqlx::query("SELECT request_hash, status, body FROM idempotency WHERE key_hash = $1")
        .bind(id)
        .fetch_one(&mut *tx)
        .await?;
    if row.try_get::<String, _>("request_hash")? != fingerprint {
        return Err(ApiError::invalid(
            "Idempotency-Key: this key was first used with a different request; choose a new key.",
        ));
    }
    Ok(Some((row.try_get("status")?, row.try_get("body")?)))
}

/// Runs the handler and stores its response. The handler's own commit also sets the key's status to `DONE`,
/// so that after a crash the key of an executed request is still marked as used.
async fn run_once(app: App, id: String, request: Request, next: Next) -> Result<Response> {
    let work = along(
        "UPDATE idempotency SET status = 1 WHERE key_hash = $1 AND status = 0",
        id.clone(),
        next.run(request),
    );
    let late = |_| {
        let seconds = TIME_MAX.as_secs();
        ApiError::new(
            ErrorKind::TimedOut,
            format!("The request took longer than {seconds} seconds; try again."),
        )
    };
    let answer = match tokio::time::timeout(TIME_MAX, work).await.map_err(late) {
        Ok(answer) => answer,
        Err(failure) => {
            forget(&app.db, &id).await?;
            return Err(failure);
        }
    };
    if !is_lasting(&answer) {
        forget(&app.db, &id).await?;
        return Ok(answer);
    }
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(ApiError::internal)?;
    let header = |name: &HeaderName| {
        let value = parts.headers.get(name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    };
    let headers = STORED_HEADERS.iter().filter_map(header).collect();
    let stored = StoredResponse { headers, body: STANDARD.encode(&body) };
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(&stored).map_err(ApiError::internal)?);
    let mut tx = app.db.write().await?;
    sqlx::query("UPDATE idempotency SET status = $1, body = $2 WHERE key_hash = $3")
        .bind(i64::from(parts.status.as_u16()))
        .bind(app.seal(&context(&id), &plain)?)
        .bind(&id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

/// Returns whether the response may be stored. Transient errors (408, 423, 425, 429, 5xx) are not stored,
/// because a retry may succeed. Responses with cookies are not stored, because a cookie must not be replayed.
fn is_lasting(answer: &Response) -> bool {
    let passing = matches!(answer.status().as_u16(), 408 | 423 | 425 | 429 | 500..=599);
    !passing && !answer.headers().contains_key(header::SET_COOKIE)
}

/// Deletes the key of a request that has changed nothing. The key of a request whose work is committed stays, so
/// that a retry does not execute it again.
async fn forget(db: &Db, id: &str) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query("DELETE FROM idempotency WHERE key_hash = $1 AND status = $2")
        .bind(id)
        .bind(BEGUN)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

fn replay(app: &App, id: &str, status: i64, sealed: &str) -> Result<Response> {
    let broken = || ApiError::internal("a stored idempotent response cannot be read");
    let plain = app.vault.open(&context(id), &hex::decode(sealed).map_err(|_| broken())?)?;
    let stored: StoredResponse = serde_json::from_slice(&plain).map_err(|_| broken())?;
    let body = STANDARD.decode(&stored.body).map_err(|_| broken())?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .ok_or_else(broken)?;
    for (name, value) in &stored.headers {
        let name = name.parse::<HeaderName>().map_err(|_| broken())?;
        response.headers_mut().insert(name, value.parse().map_err(|_| broken())?);
    }
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn context(id: &str) -> String {
    format!("picpick answer {id}")
}

/// Deletes stored responses older than 24 hours.
pub async fn delete_expired_responses(app: &App) -> Result<()> {
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM idempotency WHERE created_unix_s <= $1")
        .bind(now_s() - RETENTION_S)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(keys: &[&str]) -> HeaderMap {
        keys.iter().map(|key| (IDEMPOTENCY_KEY, HeaderValue::from_str(key).unwrap())).collect()
    }

    #[test]
    fn a_key_is_one_visible_word() {
        for good in ["a", "0b9f7f1e-6f0e-4c0e-9d5c-3c1f7a5f2d11", &"x".repeat(255)] {
            assert_eq!(key_of(&headers(&[good])).unwrap(), good);
        }
        for bad in [&[""][..], &["a b"], &["\u{e9}"], &["a", "a"], &[&"x".repeat(256)]] {
            assert!(key_of(&headers(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn failures_of_the_moment_and_cookies_are_not_kept() {
        let answer = |status| Response::builder().status(status).body(Body::empty()).unwrap();
        for lasting in [201, 200, 400, 409, 410, 422] {
            assert!(is_lasting(&answer(lasting)), "{lasting}");
        }
        for passing in [408, 423, 429, 500, 503, 507] {
            assert!(!is_lasting(&answer(passing)), "{passing}");
        }
        let mut cookie = answer(201);
        cookie.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("a=b"));
        assert!(!is_lasting(&cookie));
    }
}
