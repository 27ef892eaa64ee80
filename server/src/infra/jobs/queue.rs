use std::time::Duration;

use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use crate::error::Result;
use crate::infra::backoff::BackoffPolicy;
use crate::infra::clock::now_s;
use crate::infra::db::events::{self, OwnedEvent};
use crate::infra::db::{BoundValue, Db};
use crate::infra::leased_queue::{ClaimScope, LeasedQueue};

/// The queue of jobs. The back-off doubles from 2 s up to 30 minutes, so that 60 attempts take about a day.
/// After them, the job's state is `failed` until a member of the studio retries it.
const JOBS: LeasedQueue = LeasedQueue {
    table: "jobs",
    // Jobs whose lease has expired are made ready first (`due_events`), so that the index of an event's ready
    // jobs serves the claim in order.
    claimable: "state = 'ready' AND due_unix_s <= $1",
    order: "due_unix_s, created_unix_s",
    lease: "state = 'running', attempts = attempts + 1, lease_unix_s = $4, changed_unix_s = $1",
    lease_s: 600,
    // Another worker may have settled or cancelled a job whose lease has expired.
    leased: "state = 'running'",
    columns: "id, attempts, photo_id, \
              (SELECT content_id FROM photos WHERE photos.id = jobs.photo_id) AS content_id",
    due: "due_unix_s",
    due_offset_s: 0,
    backoff: BackoffPolicy::Exponential {
        first: Duration::from_secs(2),
        max: Duration::from_secs(1800),
    },
    attempts_max: 60,
};

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
    /// The photo is decoded, and its event waits for its first search; the job stays deferred until then.
    Deferred,
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
    /// Photos whose faces are not analysed until a guest searches.
    pub deferred: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Whether indexing is paused.
    pub paused: bool,
}

/// Returns the events of the data folder `node_id` that have a job to claim. Makes jobs with an expired lease
/// ready.
pub async fn due_events(db: &Db, node_id: &str) -> Result<Vec<OwnedEvent>> {
    let now = now_s();
    let expired = "state = 'running' AND lease_unix_s < $1 \
                   AND event_id IN (SELECT id FROM events WHERE node_id = $2)";
    let text = format!("SELECT id FROM jobs WHERE {expired} LIMIT 1");
    let found = sqlx::query(&text).bind(now).bind(node_id).fetch_optional(db.read()).await?;
    if found.is_some() {
        let text = format!("UPDATE jobs SET state = 'ready', lease_unix_s = 0 WHERE {expired}");
        let mut tx = db.write().await?;
        sqlx::query(&text).bind(now).bind(node_id).execute(&mut *tx).await?;
        tx.commit().await?;
    }
    events::with_due_jobs(db, node_id, now).await
}

/// Claims at most `limit` jobs of an event, those that have been due longest.
pub async fn claim_batch(db: &Db, event: &str, limit: i64) -> Result<Vec<Job>> {
    let scope = ClaimScope {
        condition: "event_id = $3 AND EXISTS (SELECT 1 FROM events e WHERE e.id = $3 \
                    AND e.deleting_unix_s IS NULL AND e.paused = 0)",
        value: event,
    };
    let rows = JOBS.claim(db, scope, limit).await?;
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
    Ok(jobs)
}

/// Records the outcomes of claimed jobs of an event and releases their leases.
pub async fn record_outcomes(db: &Db, event: &str, outcomes: &[(Job, JobOutcome)]) -> Result<()> {
    let now = now_s();
    let mut tx = db.write().await?;
    // Locked, because a first search in the meantime has found these jobs running and has not made them ready.
    let waits = outcomes.iter().any(|(_, outcome)| *outcome == JobOutcome::Deferred)
        && events::lock(&mut tx, event).await?.is_some_and(|event| event.defers_analysis());
    for (job, outcome) in outcomes {
        let (state, reason, due) = match outcome {
            JobOutcome::Done => ("done", "", now),
            JobOutcome::Deferred if waits => ("deferred", "", now),
            JobOutcome::Deferred => ("ready", "", now),
            JobOutcome::Rejected(reason) => ("failed", reason.as_str(), now),
            JobOutcome::Retry(reason) => match JOBS.retry_delay_s(job.attempts) {
                Some(delay_s) => ("ready", reason.as_str(), now + delay_s),
                None => ("failed", reason.as_str(), now),
            },
        };
        let attempts = if *outcome == JobOutcome::Deferred { 0 } else { job.attempts };
        let values = [
            ("attempts", BoundValue::Number(attempts)),
            ("state", BoundValue::Text(state)),
            ("reason", BoundValue::Text(reason)),
            ("lease_unix_s", BoundValue::Number(0)),
            ("changed_unix_s", BoundValue::Number(now)),
        ];
        JOBS.release(&mut tx, &job.id, Some(due), &values).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Releases all leases of the data folder `node_id`, when its worker starts. A data folder has only one worker,
/// so the leases belong to an earlier process.
pub async fn release_leases(db: &Db, node_id: &str) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE jobs SET state = 'ready', lease_unix_s = 0 WHERE state = 'running' \
         AND event_id IN (SELECT id FROM events WHERE node_id = $1)",
    )
    .bind(node_id)
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
            "deferred" => counts.deferred = n,
            "failed" => counts.failed = n,
            _ => counts.cancelled = n,
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::backoff::backoff;

    #[test]
    fn waiting_grows_and_ends_growing() {
        let wait = |attempt| backoff(attempt, &JOBS.backoff).as_secs();
        assert_eq!([1, 2, 3, 11, 60, i64::MAX].map(wait), [2, 4, 8, 1800, 1800, 1800]);
        let in_all: i64 = (1..JOBS.attempts_max).filter_map(|nth| JOBS.retry_delay_s(nth)).sum();
        assert!((80_000..100_000).contains(&in_all), "{in_all} s");
        assert_eq!(JOBS.retry_delay_s(JOBS.attempts_max), None);
    }
}
