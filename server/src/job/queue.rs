//! The queue in the database: handing jobs out, and writing down how they ended.
//!
//! A job that was handed out is leased: when the lease runs out because its process died, it is ready again.
//! Knows nothing of what a job does.

use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use crate::clock::now_s;
use crate::db::Db;
use crate::error::Result;

/// A worker has so long for the jobs that it took together.
pub const LEASE_S: i64 = 600;
/// Jobs handed out together, all of one event: a photo is found some seconds after its upload, and one
/// durable write serves them all.
const TOGETHER: i64 = 16;
/// A job that fails for reasons of ours is tried again, later and later; after so many tries it waits for a
/// person. Together that is about a day.
const ATTEMPTS_MAX: i64 = 60;
const BACKOFF_S_MAX: i64 = 1800;

/// A job that was handed out, with its photo.
#[derive(Clone, Debug)]
pub struct Job {
    pub id: String,
    pub photo: String,
    /// The engine's id of the photo, hexadecimal.
    pub content: String,
    pub attempts: i64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// For good, and why, for people.
    Refused(String),
    /// For now, and why.
    Later(String),
}

/// The jobs of an event by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    pub ready: i64,
    pub running: i64,
    pub done: i64,
    pub failed: i64,
    pub cancelled: i64,
    /// Whether indexing waits until it is resumed.
    pub paused: bool,
}

/// Takes jobs of the event whose job has waited longest; none where nothing is due.
pub async fn take(db: &Db, home: &str) -> Result<Option<(String, Vec<Job>)>> {
    let now = now_s();
    let first = sqlx::query(
        "SELECT j.event_id FROM jobs j JOIN events e ON e.id = j.event_id \
         WHERE e.home = $2 AND e.deleting_unix_s IS NULL AND e.paused = 0 \
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
    // The condition stands twice: where two servers chose the same jobs, the second finds them taken.
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
    .bind(TOGETHER)
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

/// Writes down how jobs ended.
pub async fn settle(db: &Db, outcomes: &[(Job, Outcome)]) -> Result<()> {
    let now = now_s();
    let mut tx = db.write().await?;
    for (job, outcome) in outcomes {
        let (state, reason, due) = match outcome {
            Outcome::Done => ("done", "", now),
            Outcome::Refused(reason) => ("failed", reason.as_str(), now),
            Outcome::Later(reason) if job.attempts >= ATTEMPTS_MAX => {
                ("failed", reason.as_str(), now)
            }
            Outcome::Later(reason) => ("ready", reason.as_str(), now + backoff_s(job.attempts)),
        };
        // Only while it is still ours: it may have been cancelled meanwhile.
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

/// 2, 4, 8 … seconds.
fn backoff_s(attempts: i64) -> i64 {
    (1_i64 << attempts.clamp(1, 20)).min(BACKOFF_S_MAX)
}

/// Gives back what this process had taken when it ended: it is the only worker of its data folder.
pub async fn give_back(db: &Db, home: &str) -> Result<()> {
    let mut tx = db.write().await?;
    sqlx::query(
        "UPDATE jobs SET state = 'ready', lease_unix_s = 0 WHERE state = 'running' \
         AND event_id IN (SELECT id FROM events WHERE home = $1)",
    )
    .bind(home)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Photos that wait, in all events.
pub async fn waiting(db: &Db) -> Result<i64> {
    let row = sqlx::query("SELECT COUNT(*) AS n FROM jobs WHERE state = 'ready'");
    Ok(row.fetch_one(db.read()).await?.try_get("n")?)
}

/// How an event's jobs stand.
pub async fn counts(db: &Db, event: &str) -> Result<Counts> {
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
        Counts { paused: paused.try_get::<i64, _>("paused")? != 0, ..Counts::default() };
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
