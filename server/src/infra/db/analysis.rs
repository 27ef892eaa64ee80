//! Statements on the analysis of an event's faces. Callers lock the event (`events::lock`) before they call the
//! functions with a transaction, so that the worker, the first search and changes of the event take effect one after
//! the other.

use sqlx::Row as _;

use super::consents::COVERED_UNTIL;
use super::{Db, Tx};
use crate::error::Result;

/// Records that a guest has searched, if the event waits for its first search, the guest is verified and one of the
/// guest's consents covers the event. Returns whether the event waited.
pub async fn start(tx: &mut Tx, event: &str, guest: &str, now_unix_s: i64) -> Result<bool> {
    let text = format!(
        "UPDATE events SET analysis_started_unix_s = $3 WHERE id = $1 AND analysis = 'at_first_search' \
         AND analysis_started_unix_s IS NULL AND EXISTS (SELECT 1 FROM guests g JOIN events e ON e.id = g.event_id \
         WHERE g.id = $2 AND g.event_id = $1 AND g.verified_unix_s IS NOT NULL AND {COVERED_UNTIL} > $3)"
    );
    let query = sqlx::query(&text).bind(event).bind(guest).bind(now_unix_s);
    Ok(query.execute(&mut **tx).await?.rows_affected() > 0)
}

/// Makes the event's deferred jobs ready. Returns their number.
pub async fn release(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<u64> {
    let released = sqlx::query(
        "UPDATE jobs SET state = 'ready', attempts = 0, due_unix_s = $2, changed_unix_s = $2 \
         WHERE event_id = $1 AND state = 'deferred'",
    )
    .bind(event)
    .bind(now_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(released.rows_affected())
}

/// Returns the number of the event's photos that a worker has begun with: their faces may be embedded at any time.
pub async fn count_begun(tx: &mut Tx, event: &str) -> Result<i64> {
    // A job whose lease has expired is ready again, and its worker may still be at it.
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM jobs WHERE event_id = $1 \
         AND (state = 'running' OR (state = 'ready' AND attempts > 0))",
    );
    Ok(row.bind(event).fetch_one(&mut **tx).await?.try_get("n")?)
}

/// Returns the number of the event's guests who have searched: those who are verified.
pub async fn count_searchers(tx: &mut Tx, event: &str) -> Result<i64> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS n FROM guests WHERE event_id = $1 AND verified_unix_s IS NOT NULL",
    );
    Ok(row.bind(event).fetch_one(&mut **tx).await?.try_get("n")?)
}

/// Returns whether photos of the event are being searched for faces, or will be without a further act.
pub async fn is_in_progress(db: &Db, event: &str) -> Result<bool> {
    let row = sqlx::query(
        "SELECT e.id FROM events e WHERE e.id = $1 AND e.paused = 0 \
         AND NOT (e.analysis = 'at_first_search' AND e.analysis_started_unix_s IS NULL) \
         AND EXISTS (SELECT 1 FROM jobs j WHERE j.event_id = e.id AND j.state IN ('ready', 'running'))",
    );
    Ok(row.bind(event).fetch_optional(db.read()).await?.is_some())
}
