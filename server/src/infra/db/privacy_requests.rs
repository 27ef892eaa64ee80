//! Statements on the table `privacy_requests`: requests of people in an event's photos, and the log of all requests
//! about personal data.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// An open request to be taken out of an event's photos.
pub struct RemovalRequest {
    pub id: String,
    pub studio: String,
    pub event: String,
    /// Sealed.
    pub name: String,
    /// Sealed.
    pub contact: String,
    /// Keyed.
    pub contact_hash: String,
    /// Sealed.
    pub message: String,
    /// A value of `Language::tag`.
    pub language: String,
    pub created_unix_s: i64,
}

/// An entry of the log of requests about personal data. It holds no name and no contact.
pub struct LogEntry {
    pub id: String,
    pub event: String,
    /// `access`, `removal`, `erasure` or `opt_out`.
    pub kind: String,
    /// `guest`, `person`, `studio` or `retention`.
    pub requester: String,
    /// `open`, `hidden`, `erased`, `undone`, `declined`, `answered` or `event_ended`.
    pub outcome: String,
    pub photos: i64,
    pub faces: i64,
    pub requested_unix_s: i64,
    pub closed_unix_s: Option<i64>,
}

/// The numbers of an event's open requests.
pub struct OpenRequests {
    pub all: i64,
    /// Those of one contact.
    pub of_contact: i64,
}

fn read(row: &AnyRow) -> sqlx::Result<RemovalRequest> {
    Ok(RemovalRequest {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        event: row.try_get("event_id")?,
        name: row.try_get("name")?,
        contact: row.try_get("contact")?,
        contact_hash: row.try_get("contact_hash")?,
        message: row.try_get("message")?,
        language: row.try_get("language")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}

/// Returns the numbers of the event's open requests.
pub async fn count_open(tx: &mut Tx, event: &str, contact_hash: &str) -> Result<OpenRequests> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n, COALESCE(SUM(CASE WHEN contact_hash = $2 THEN 1 ELSE 0 END), 0) AS same \
         FROM privacy_requests WHERE event_id = $1 AND kind = 'removal' AND outcome IS NULL",
    )
    .bind(event)
    .bind(contact_hash)
    .fetch_one(&mut **tx)
    .await?;
    Ok(OpenRequests { all: row.try_get("n")?, of_contact: row.try_get("same")? })
}

/// Inserts an open request.
pub async fn insert(tx: &mut Tx, request: &RemovalRequest) -> Result<()> {
    sqlx::query(
        "INSERT INTO privacy_requests (id, studio_id, event_id, kind, requester, name, contact, message, \
         contact_hash, created_unix_s, language) VALUES ($1, $2, $3, 'removal', 'person', $4, $5, $6, $7, $8, $9)",
    )
    .bind(&request.id)
    .bind(&request.studio)
    .bind(&request.event)
    .bind(&request.name)
    .bind(&request.contact)
    .bind(&request.message)
    .bind(&request.contact_hash)
    .bind(request.created_unix_s)
    .bind(&request.language)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Records that a guest's data was handed out, requested by `requester`: `guest` or `studio`.
pub async fn insert_access(
    tx: &mut Tx,
    (id, studio, event): (&str, &str, &str),
    requester: &str,
    now_unix_s: i64,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO privacy_requests (id, studio_id, event_id, kind, requester, outcome, created_unix_s, \
         closed_unix_s) VALUES ($1, $2, $3, 'access', $4, 'answered', $5, $5)",
    )
    .bind(id)
    .bind(studio)
    .bind(event)
    .bind(requester)
    .bind(now_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns a page of the event's open requests, oldest first.
pub async fn page(db: &Db, event: &str, paging: &Paging) -> Result<Page<RemovalRequest>> {
    let list = PageQuery {
        select: "SELECT * FROM privacy_requests WHERE event_id = $1 AND kind = 'removal' AND outcome IS NULL",
        values: &[BoundValue::Text(event)],
        order: super::BY_CREATION,
    };
    db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Returns an open request of the event.
///
/// # Errors
/// - `NotFound` if the event has no such open request.
pub async fn find_open(tx: &mut Tx, event: &str, request: &str) -> Result<RemovalRequest> {
    let row = sqlx::query(
        "SELECT * FROM privacy_requests WHERE id = $1 AND event_id = $2 AND kind = 'removal' AND outcome IS NULL",
    )
    .bind(request)
    .bind(event)
    .fetch_one(&mut **tx)
    .await?;
    Ok(read(&row)?)
}

/// Closes an open request with an outcome, and removes name, contact and message. Returns false if it was closed
/// before.
pub async fn close(
    tx: &mut Tx,
    request: &str,
    (outcome, erasure): (&str, Option<&str>),
    now_unix_s: i64,
) -> Result<bool> {
    let closed = sqlx::query(
        "UPDATE privacy_requests SET outcome = $1, erasure_id = $2, closed_unix_s = $3, name = NULL, contact = NULL, \
         message = NULL, contact_hash = NULL WHERE id = $4 AND outcome IS NULL",
    )
    .bind(outcome)
    .bind(erasure)
    .bind(now_unix_s)
    .bind(request)
    .execute(&mut **tx)
    .await?;
    Ok(closed.rows_affected() > 0)
}

/// Closes all open requests of an event that ends.
pub async fn close_all(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE privacy_requests SET outcome = 'event_ended', closed_unix_s = $1, name = NULL, contact = NULL, \
         message = NULL, contact_hash = NULL WHERE event_id = $2 AND outcome IS NULL",
    )
    .bind(now_unix_s)
    .bind(event)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns a page of the studio's log of requests, oldest first: access, removal, and erasure of guests and people.
pub async fn log(db: &Db, studio: &str, paging: &Paging) -> Result<Page<LogEntry>> {
    let list = PageQuery {
        select: "SELECT * FROM (SELECT id, event_id, kind, requester, COALESCE(outcome, 'open') AS outcome, \
                 0 AS photos, 0 AS faces, created_unix_s, closed_unix_s \
                 FROM privacy_requests WHERE studio_id = $1 \
                 UNION ALL SELECT id, event_id, CASE WHEN opt_out = 1 THEN 'opt_out' ELSE 'erasure' END AS kind, \
                 requester, CASE WHEN closed_unix_s IS NULL AND state <> 'hidden' THEN 'open' ELSE state END, \
                 photos, faces, requested_unix_s, closed_unix_s \
                 FROM erasures WHERE studio_id = $1 AND kind IN ('guest', 'person')) entries WHERE 1 = 1",
        values: &[BoundValue::Text(studio)],
        order: super::BY_CREATION,
    };
    let read = |row: &AnyRow| -> sqlx::Result<LogEntry> {
        Ok(LogEntry {
            id: row.try_get("id")?,
            event: row.try_get("event_id")?,
            kind: row.try_get("kind")?,
            requester: row.try_get("requester")?,
            outcome: row.try_get("outcome")?,
            photos: row.try_get("photos")?,
            faces: row.try_get("faces")?,
            requested_unix_s: row.try_get("created_unix_s")?,
            closed_unix_s: row.try_get("closed_unix_s")?,
        })
    };
    db.page(paging, list, read, |it| (it.requested_unix_s, &it.id)).await
}
