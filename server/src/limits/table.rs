//! Keeps used allowances in the database, over a restart and between servers.
//!
//! A row is there only while somebody has used a good part of an allowance: no list of visitors grows here.

use std::time::Duration;

use sqlx::Row as _;

use super::{Limits, Subject, now_us};
use crate::error::Result;
use crate::state::App;

/// What was counted for so long may be lost when the process is killed.
const EXCHANGE_EVERY: Duration = Duration::from_secs(10);

/// Rows written at once; those who used most come first.
const ROWS_MAX: usize = 5_000;

/// Writes down what is worth it and takes over what others wrote. Done once at the start and once at the end.
pub async fn exchange(app: &App) -> Result<()> {
    let (limits, now_us): (&Limits, i64) = (app.limits(), now_us());
    let rows = sqlx::query("SELECT subject, whole_unix_us FROM rate_limits")
        .fetch_all(app.db().read())
        .await?;
    for row in &rows {
        let (subject, whole_us): (String, i64) =
            (row.try_get("subject")?, row.try_get("whole_unix_us")?);
        match Subject::parse(&subject) {
            Some(subject) if whole_us > now_us => limits.merge(subject, whole_us),
            _ => {}
        }
    }
    let mut worn = limits.worn(now_us);
    worn.sort_by_key(|(_, whole_us)| std::cmp::Reverse(*whole_us));
    worn.truncate(ROWS_MAX);
    // In one order on all servers: two that write the same rows must not wait for each other.
    worn.sort_by_cached_key(|(subject, _)| subject.to_string());
    if rows.is_empty() && worn.is_empty() {
        // Nothing is written for an idle service.
        return Ok(());
    }
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM rate_limits WHERE whole_unix_us <= $1")
        .bind(now_us)
        .execute(&mut *tx)
        .await?;
    for (subject, whole_us) in worn {
        sqlx::query(
            "INSERT INTO rate_limits (subject, whole_unix_us) VALUES ($1, $2) \
             ON CONFLICT (subject) DO UPDATE SET whole_unix_us = $2 \
             WHERE rate_limits.whole_unix_us < $2",
        )
        .bind(subject.to_string())
        .bind(whole_us)
        .execute(&mut *tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Exchanges from time to time, for as long as the service runs.
pub async fn keep_exchanging(app: App) {
    loop {
        tokio::time::sleep(EXCHANGE_EVERY).await;
        if let Err(failure) = exchange(&app).await {
            tracing::error!(reason = failure.reason(), "rate limits");
        }
    }
}
