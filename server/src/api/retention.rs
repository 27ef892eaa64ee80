use std::time::Duration;

use super::album;
use super::erasure::event::resume_removals;
use super::event::terms::record_replaced;
use super::upload::recover;
use crate::app::App;
use crate::http::middleware;

/// Interval between two runs of the retention job: 10 minutes.
const RETENTION_EVERY: Duration = Duration::from_secs(600);

/// Runs the retention job at once and then every [`RETENTION_EVERY`], until the service stops. The job
/// records terms that a migration has replaced, purges events whose end date has passed, recovers
/// uploads, deletes expired idempotent responses and album sessions, and removes deleted rows from the
/// database's log.
pub async fn run_retention(app: App) {
    loop {
        if let Err(failure) = record_replaced(&app).await {
            tracing::error!(reason = failure.reason(), "recording replaced terms failed");
        }
        if let Err(failure) = resume_removals(&app).await {
            tracing::error!(reason = failure.reason(), "event purge failed");
        }
        if let Err(failure) = recover(&app).await {
            tracing::error!(reason = failure.reason(), "upload recovery failed");
        }
        if let Err(failure) = middleware::delete_expired_responses(&app).await {
            tracing::error!(reason = failure.reason(), "idempotency cleanup failed");
        }
        if let Err(failure) = album::delete_expired(&app).await {
            tracing::error!(reason = failure.reason(), "album session cleanup failed");
        }
        app.db.discard_remnants().await;
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
