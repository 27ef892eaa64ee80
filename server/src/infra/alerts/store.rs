//! Stores alerts, at most one of a pattern and subject within the window, and delivers them to the webhook
//! with leases and retries.
//!
//! Two servers that detect a pattern at the same moment may each store an alert.

use std::time::Duration;

use sqlx::Row as _;
use tokio::sync::mpsc::Receiver;

use super::webhook::{self, WebhookDelivery};
use super::{Alerts, Detection, Pattern, WINDOW_S};
use crate::error::{ApiError, Result};
use crate::infra::backoff::BackoffPolicy;
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::ids::new_id;
use crate::infra::leased_queue::LeasedQueue;
use crate::infra::telemetry::metrics;

/// Retention of alerts, seconds (90 days); limited, because they contain client addresses.
const RETENTION_S: i64 = 90 * 86_400;
/// Interval at which the table is polled for undelivered alerts, for instance after a restart, 5 s.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// The queue of webhook deliveries: after 9 attempts, in about 23 hours, a delivery is abandoned. A lease moves
/// the time of the next attempt, which is null when no delivery is left.
const POSTS: LeasedQueue = LeasedQueue {
    table: "alerts",
    claimable: "post_due_unix_s <= $1",
    order: "post_due_unix_s",
    lease: "post_due_unix_s = $4, post_attempts = post_attempts + 1",
    lease_s: 60,
    leased: "TRUE",
    columns: "*",
    due: "post_due_unix_s",
    due_offset_s: 0,
    backoff: BackoffPolicy::Steps(&[5, 30, 120, 600, 1800, 7200, 21_600, 50_400]),
    attempts_max: 9,
};

/// Stores and delivers alerts, until the service stops.
pub async fn run_alerts(alerts: &Alerts) {
    let waiting = alerts.waiting.lock().take();
    let Some(waiting) = waiting else { return };
    tokio::join!(write_all(alerts, waiting), post_all(alerts));
}

async fn write_all(alerts: &Alerts, mut waiting: Receiver<Detection>) {
    while let Some(sighting) = waiting.recv().await {
        let due = alerts.webhook.as_ref().map(|_| now_s());
        match write(&alerts.db, &sighting, due).await {
            Ok(true) => {
                let Detection { pattern, subject, studio, count } = &sighting;
                let pattern = pattern.as_str();
                metrics::count_alert(pattern);
                tracing::warn!(pattern, subject, studio, count, window_s = WINDOW_S, "alert");
                alerts.posts.notify_one();
            }
            Ok(false) => {}
            Err(failure) => complain("storing an alert failed", failure),
        }
    }
}

fn complain(doing: &str, failure: ApiError) {
    tracing::error!(reason = failure.reason(), "{doing}");
}

/// Stores an alert unless the subject has an alert of this pattern within the window. Returns whether the alert
/// was stored. Also deletes alerts past their retention.
async fn write(db: &Db, sighting: &Detection, due: Option<i64>) -> Result<bool> {
    let (now, pattern) = (now_s(), sighting.pattern.as_str());
    let mut tx = db.write().await?;
    let recent = sqlx::query(
        "SELECT id FROM alerts WHERE subject = $1 AND pattern = $2 AND created_unix_s > $3 LIMIT 1",
    )
    .bind(&sighting.subject)
    .bind(pattern)
    .bind(now - WINDOW_S)
    .fetch_optional(&mut *tx)
    .await?;
    if recent.is_some() {
        return Ok(false);
    }
    sqlx::query("DELETE FROM alerts WHERE created_unix_s < $1")
        .bind(now - RETENTION_S)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO alerts (id, pattern, subject, studio_id, count, window_s, created_unix_s, \
         post_due_unix_s, post_attempts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
    )
    .bind(new_id()?)
    .bind(pattern)
    .bind(&sighting.subject)
    .bind(&sighting.studio)
    .bind(i64::try_from(sighting.count).unwrap_or(i64::MAX))
    .bind(WINDOW_S)
    .bind(now)
    .bind(due)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

async fn post_all(alerts: &Alerts) {
    let Some(hook) = &alerts.webhook else { return };
    loop {
        let _ = tokio::time::timeout(POLL_INTERVAL, alerts.posts.notified()).await;
        loop {
            match claim(&alerts.db).await {
                Ok(Some(post)) => {
                    let sent = webhook::send(hook.clone(), post.clone()).await;
                    if let Err(failure) = settle(&alerts.db, &post, sent).await {
                        complain("recording a webhook delivery failed", failure);
                    }
                }
                Ok(None) => break,
                Err(failure) => {
                    complain("polling for undelivered alerts failed", failure);
                    break;
                }
            }
        }
    }
}

/// Leases the next alert that is due for delivery.
async fn claim(db: &Db) -> Result<Option<WebhookDelivery>> {
    let Some(id) = POSTS.find_due(db, "id", None, 1).await?.pop() else { return Ok(None) };
    let Some(row) = POSTS.claim_one(db, &id).await? else { return Ok(None) };
    let pattern: String = row.try_get("pattern")?;
    Ok(Some(WebhookDelivery {
        id: row.try_get("id")?,
        pattern: Pattern::parse(&pattern)
            .ok_or_else(|| ApiError::internal(format!("no pattern '{pattern}'")))?,
        subject: row.try_get("subject")?,
        studio: row.try_get("studio_id")?,
        count: row.try_get("count")?,
        window_s: row.try_get("window_s")?,
        created_unix_s: row.try_get("created_unix_s")?,
        attempts: row.try_get("post_attempts")?,
    }))
}

/// Records the result of a delivery attempt: delivered, to be retried, or abandoned.
async fn settle(
    db: &Db,
    post: &WebhookDelivery,
    sent: std::result::Result<(), String>,
) -> Result<()> {
    let due = match sent {
        Ok(()) => {
            metrics::count_webhook("delivered");
            None
        }
        Err(reason) => {
            let wait = POSTS.retry_delay_s(post.attempts);
            metrics::count_webhook(if wait.is_some() { "retry" } else { "failed" });
            tracing::warn!(alert = post.id, reason, again_in_s = wait, "webhook delivery failed");
            wait.map(|wait| now_s() + wait)
        }
    };
    let mut tx = db.write().await?;
    POSTS.release(&mut tx, &post.id, due, &[]).await?;
    tx.commit().await?;
    Ok(())
}
