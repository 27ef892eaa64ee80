//! Frequent actions: each is counted in the table `audit_counts`, and the log gets at most one entry an hour for
//! each action, studio, actor and target, with the count since the entry before. So a flood of requests cannot
//! flood the log.

use sqlx::Row as _;

use super::{AuditEvent, record};
use crate::error::Result;
use crate::infra::clock::now_s;
use crate::infra::db::{Db, Tx};

/// Minimum time between two entries of one action, studio, actor and target, seconds (1 hour).
const PERIOD_S: i64 = 3600;
/// Maximum number of entries in one transaction.
const BATCH_SIZE: i64 = 200;

/// Counts an action in the transaction of the action. The detail of `deed` is not used. The entry follows within
/// seconds, or an hour after the last one. The work is the same for every target, so that the time of a failed
/// sign-in does not disclose whether the account exists.
pub async fn count(tx: &mut Tx, deed: AuditEvent<'_>) -> Result<()> {
    sqlx::query(
        "INSERT INTO audit_counts (action, studio_id, actor, target, recorded_unix_s, pending) \
         VALUES ($1, $2, $3, $4, 0, 1) ON CONFLICT (action, studio_id, actor, target) \
         DO UPDATE SET pending = audit_counts.pending + 1",
    )
    .bind(deed.action)
    .bind(deed.studio)
    .bind(deed.actor)
    .bind(deed.target)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Records the counts that are due, and forgets the actions that were not repeated.
pub(super) async fn record_due(db: &Db) -> Result<()> {
    let due = now_s() - PERIOD_S;
    loop {
        let rows = sqlx::query(
            "SELECT action, studio_id, actor, target FROM audit_counts WHERE recorded_unix_s <= $1 \
             ORDER BY recorded_unix_s LIMIT $2",
        )
        .bind(due)
        .bind(BATCH_SIZE)
        .fetch_all(db.read())
        .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut tx = db.write().await?;
        for row in &rows {
            let text = |name: &str| row.try_get::<String, _>(name);
            let (action, studio) = (text("action")?, text("studio_id")?);
            let (actor, target) = (text("actor")?, text("target")?);
            let deed = AuditEvent {
                studio: &studio,
                actor: &actor,
                action: &action,
                target: &target,
                detail: "",
            };
            record_count(&mut tx, deed, due).await?;
        }
        tx.commit().await?;
    }
}

/// Records one count, unless another server has done so since the rows were read.
async fn record_count(tx: &mut Tx, deed: AuditEvent<'_>, due: i64) -> Result<()> {
    let taken = sqlx::query(
        "DELETE FROM audit_counts WHERE action = $1 AND studio_id = $2 AND actor = $3 AND target = $4 \
         AND recorded_unix_s <= $5 RETURNING pending",
    )
    .bind(deed.action)
    .bind(deed.studio)
    .bind(deed.actor)
    .bind(deed.target)
    .bind(due)
    .fetch_optional(&mut **tx)
    .await?;
    let pending = taken.map_or(Ok(0), |row| row.try_get::<i64, _>("pending"))?;
    if pending == 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO audit_counts (action, studio_id, actor, target, recorded_unix_s, pending) \
         VALUES ($1, $2, $3, $4, $5, 0)",
    )
    .bind(deed.action)
    .bind(deed.studio)
    .bind(deed.actor)
    .bind(deed.target)
    .bind(now_s())
    .execute(&mut **tx)
    .await?;
    record(tx, AuditEvent { detail: &format!("count={pending}"), ..deed }).await
}
