use std::time::Duration;

use sqlx::Row as _;

use super::{RateLimiter, Subject, now_us};
use crate::error::Result;
use crate::infra::db::Db;

/// Interval of exchanges through the database, 10 s. A killed process loses the counts of at most one interval.
const SYNC_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum number of rows written in an exchange; the subjects with the highest use take precedence.
const ROWS_MAX: usize = 5_000;

/// Merges the theoretical arrival times stored by all servers and stores this server's own. Also called at
/// start and before shutdown, so that limits survive a restart.
///
/// Only subjects that have used more than a tenth of their burst get a row, and expired rows are deleted, so
/// the table never becomes a log of visitors.
pub async fn sync(db: &Db, limits: &RateLimiter) -> Result<()> {
    let now_us = now_us();
    let rows =
        sqlx::query("SELECT subject, tat_unix_us FROM rate_limits").fetch_all(db.read()).await?;
    for row in &rows {
        let (subject, tat_us): (String, i64) =
            (row.try_get("subject")?, row.try_get("tat_unix_us")?);
        match Subject::parse(&subject) {
            Some(subject) if tat_us > now_us => limits.merge(subject, tat_us),
            _ => {}
        }
    }
    let mut worn = limits.worn(now_us);
    worn.sort_by_key(|(_, tat_us)| std::cmp::Reverse(*tat_us));
    worn.truncate(ROWS_MAX);
    // Sorted by subject, so that two servers lock common rows in one order and do not deadlock.
    worn.sort_by_cached_key(|(subject, _)| subject.to_string());
    if rows.is_empty() && worn.is_empty() {
        // An idle service writes nothing.
        return Ok(());
    }
    let mut tx = db.write().await?;
    sqlx::query("DELETE FROM rate_limits WHERE tat_unix_us <= $1")
        .bind(now_us)
        .execute(&mut *tx)
        .await?;
    for (subject, tat_us) in worn {
        sqlx::query(
            "INSERT INTO rate_limits (subject, tat_unix_us) VALUES ($1, $2) \
             ON CONFLICT (subject) DO UPDATE SET tat_unix_us = $2 \
             WHERE rate_limits.tat_unix_us < $2",
        )
        .bind(subject.to_string())
        .bind(tat_us)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Exchanges theoretical arrival times through the database every 10 seconds, until the service stops.
pub async fn run_rate_limit_sync(db: &Db, limits: &RateLimiter) {
    loop {
        tokio::time::sleep(SYNC_INTERVAL).await;
        if let Err(failure) = sync(db, limits).await {
            tracing::error!(reason = failure.reason(), "rate limit exchange failed");
        }
    }
}
