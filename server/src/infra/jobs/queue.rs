//! The job queue in the database: claims jobs and records their outcomes.
//!
//! A claimed job is leased. If its process dies, another claim takes the job after the lease has expired.

use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use crate::error::Result;
use crate::infra::clock::now_s;
use crate::infra::db::Db;

/// Lease of a batch of claimed jobs, seconds.
pub const LEASE_S: i64 = 600;
/// Limits the jobs of a batch, all of one event. Small enough that a photo is found seconds after its upload;
/// large enough that one durable write serves several jobs.
const BATCH_SIZE: i64 = 16;
/// Limits the attempts of a job that fails with a transient error. The back-off doubles from 2 s up to
/// `BACKOFF_S_MAX`, so that 60 attempts take about a day; then the job is `failed` until a member of the
/// studio retries it.
const ATTEMPTS_MAX: i64 = 60;
/// Greatest back-off between two attempts, seconds.
const BACKOFF_S_MAX: i64 = 1800;

/// A claimed job, with its photo.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub photo: String,
    /// The engine's content id of the photo, hexadecimal.
    pub content: String,
    pub attempts: i64,
}

/// The outcome of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    Done,
    /// Permanent failure, with the reason that is shown to the studio.
    Rejected(String),
    /// Transient failure, with the reason; the job is retried.
    Retry(String),
}

/// The number of an event's jobs in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobCounts {
    pub ready: i64,
    pub running: i64,
    pub done: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Whether indexing is paused.
    pub paused: bool,
}

/// Claims a batch of jobs of one event: the event whose job has been due longest, among those of the data
/// directory `node_id`. Returns the event's id and the jobs, or `None` if no job is due.
pub async fn claim_batch(db: &Db, home: &str) -> Result<Option<(String, Vec<Job>)>> {
    let now = now_s();
    let first = sqlx::query(
        "SELECT j.event_id FROM jobs j JOIN events e ON e.id = j.event_id \
         WHERE e.node_id = $2 AND e.deleting_unix_s IS NULL AND e.paused = 0 \
         AND ((j.state = 'ready' AND j.due_unix_s <= $1) OR (j.state = 'running' AND j.lease_unix_s < $1)) \
         ORDER BY j.due_unix_s, j.created_unix_s LIMIT 1",
    )
    .bind(now)
    .bind(home)
    .fetch_optional(db.read())
    .await?;
    let Some(first) = first else { return Ok(None) };
    let event: String = first.try_get("event_id")?;
    let mut tx = db.write().await?;
    // The outer condition repeats the inner one: if two servers select the same jobs, the second finds them
    // claimed.
    let rows = sqlx::query(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, lease_unix_s = $1, changed_unix_s = $2 \
         WHERE (state = 'ready' OR lease_unix_s < $2) AND id IN (SELECT id FROM jobs WHERE event_id = $3 \
         AND ((state = 'ready' AND due_unix_s <= $2) OR (state = 'running' AND lease_unix_s < $2)) \
         ORDER BY due_unix_s, created_unix_s LIMIT $4) \
         RETURNING id, attempts, photo_id, \
         (SELECT content_id FROM photos WHERE photos.id = jobs.photo_id) AS content_id",
    )
    .bind(now + LEASE_S)
    .bind(now)
    .bind(&event)
    .bind(BATCH_SIZE)
    .fetch_all(&mut *tx)
    .await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for row in &rows {
        let photo: Option<String> = row.try_get("photo_id")?;
        let content: Option<String> = row.try_get("content_id")?;
        if let (Some(photo), Some(content)) = (photo, content) {
            jobs.push(Job {
                id: row.try_get("id")?,
                photo,
                content,
                attempts: row.try_get("attempts")?,
            });
        }
    }
    tx.commit().await?;
    Ok((!jobs.is_empty()).then_some((event, jobs)))
}

/// Records the outcomes of claimed jobs and releases their leases.
pub async fn record_outcomes(db: &Db, outcomes: &[(Job, JobOutcome)]) -> Result<()> {
    let now = now_s();
    let mut tx = db.write().await?;
    for (job, outcome) in outcomes {
        let (state, reason, due) = match outcome {
            JobOutcome::Done => ("done", "", now),
            JobOutcome::Rejected(reason) => ("failed", reason.as_str(), now),
            JobOutcome::Retry(reason) if job.attempts >= ATTEMPTS_MAX => {
                ("failed", reason.as_str(), now)
            }
            JobOutcome::Retry(reason) => ("ready", reason.as_str(), now + backoff_s(job.attempts)),
        };
        // Only while the job is `running`: if its lease was lost, it may have been settled or cancelled
        // meanwhile.
        sqlx::query(
            "UPDATE jobs SET state = $1, reason = $2, due_unix_s = $3, lease_unix_s = 0, \
             changed_unix_s = $4 WHERE id = $5 AND state = 'running'",
        )
        .bind(state)
        .bind(reason)
        .bind(due)
        .bind(now)
        .bind(&job.id)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Returns the delay before the next attempt, seconds: 2, 4, 8 …, at most `BACKOFF_S_MAX`.
fn backoff_s(attempts: i64) -> i64 {
    (1_i64 << attempts.clamp(1, 20)).min(BACKOFF_S_MAX)
}

/// Releases all leases of the data directory `node_id`, at the start of its worker. They are from an earlier
/// process, since a data directory has only one worker.
pub async fn release_leases(db: &Db, home: &str) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE jobs SET state = 'ready', lease_unix_s = 0 WHERE state = 'running' \
         AND event_id IN (SELECT id FROM events WHERE node_id = $1)",
    )
    .bind(home)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the number of ready jobs in all events.
pub async fn pending(db: &Db) -> Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM jobs WHERE state = 'ready'");
    Ok(row.fetch_one(db.read()).await?.try_get("n")?)
}

/// Returns the number of an event's jobs in each state.
pub async fn counts(db: &Db, event: &str) -> Result<JobCounts> {
    let rows =
        sqlx::query("SELECT state, COUNT(*) AS n FROM jobs WHERE event_id = $1 GROUP BY state")
            .bind(event)
            .fetch_all(db.read())
            .await?;
    let paused = sqlx::query("SELECT paused FROM events WHERE id = $1")
        .bind(event)
        .fetch_one(db.read())
        .await?;
    let mut counts =
        JobCounts { paused: paused.try_get::<i64, _>("paused")? != 0, ..JobCounts::default() };
    for row in rows {
        let (state, n): (String, i64) = (row.try_get("state")?, row.try_get("n")?);
        match state.as_str() {
            "ready" => counts.ready = n,
            "running" => counts.running = n,
            "done" => counts.done = n,
            "failed" => counts.failed = n,
            _ => counts.cancelled = n,
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_grows_and_ends_growing() {
        let waits: Vec<i64> = [1, 2, 3, 11, 60, i64::MAX].into_iter().map(backoff_s).collect();
        assert_eq!(waits, [2, 4, 8, BACKOFF_S_MAX, BACKOFF_S_MAX, BACKOFF_S_MAX]);
        let in_all: i64 = (1..ATTEMPTS_MAX).map(backoff_s).sum();
        assert!((80_000..100_000).contains(&in_all), "{in_all} s");
    }
}
