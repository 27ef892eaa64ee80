//! Statements on the table `jobs` that requests use; `infra/jobs/queue.rs` has those of the worker.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::photos::{self, PhotoRecord};
use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// A failed job with its photo.
pub struct FailedIndexing {
    pub job: String,
    pub photo: PhotoRecord,
    /// The reason why the photo could not be indexed, shown to the studio.
    pub reason: String,
    pub changed_unix_s: i64,
}

/// The order of a list of failed jobs.
#[derive(Clone, Copy)]
pub enum FailureOrder {
    /// By the time of the failure.
    Failure,
    /// By the time of the photo's upload.
    Upload,
}

fn read(row: &AnyRow) -> sqlx::Result<FailedIndexing> {
    Ok(FailedIndexing {
        job: row.try_get("job_id")?,
        photo: photos::read(row)?,
        reason: row.try_get("reason")?,
        changed_unix_s: row.try_get("changed_unix_s")?,
    })
}

/// Returns a page of the event's failed jobs.
pub async fn failed(
    db: &Db,
    event: &str,
    order: FailureOrder,
    paging: &Paging,
) -> Result<Page<FailedIndexing>> {
    let list = PageQuery {
        select: "SELECT p.*, j.id AS job_id, j.reason, j.changed_unix_s FROM jobs j \
             JOIN photos p ON p.id = j.photo_id WHERE j.event_id = $1 AND j.state = 'failed'",
        values: &[BoundValue::Text(event)],
        order: match order {
            FailureOrder::Failure => ["j.changed_unix_s", "j.id"],
            FailureOrder::Upload => ["p.created_unix_s", "p.id"],
        },
    };
    db.page(paging, list, read, |it| match order {
        FailureOrder::Failure => (it.changed_unix_s, &it.job),
        FailureOrder::Upload => (it.photo.created_unix_s, &it.photo.id),
    })
    .await
}

/// Cancels the event's ready jobs.
pub async fn cancel_ready(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = 'cancelled', changed_unix_s = $2 WHERE event_id = $1 AND state = 'ready'",
    )
    .bind(event)
    .bind(now_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes the event's failed and cancelled jobs ready.
pub async fn retry(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = 'ready', attempts = 0, reason = '', due_unix_s = $2, changed_unix_s = $2 \
         WHERE event_id = $1 AND state IN ('failed', 'cancelled')",
    )
    .bind(event)
    .bind(now_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes the jobs of a photo.
pub async fn delete_of_photo(tx: &mut Tx, photo: &str) -> Result<()> {
    sqlx::query("DELETE FROM jobs WHERE photo_id = $1").bind(photo).execute(&mut **tx).await?;
    Ok(())
}
