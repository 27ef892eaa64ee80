use std::time::{Duration, Instant};

use super::account::routes::delete_ended_sessions;
use super::album;
use super::event::terms::record_replaced;
use super::upload::recover;
use crate::app::App;
use crate::http::middleware;
use crate::infra::db::limits;

/// Interval between two runs of the retention job: 10 minutes.
const RETENTION_EVERY: Duration = Duration::from_secs(600);

/// Interval at which the figures of the studios' limits are counted again: one day.
const REPAIR_EVERY: Duration = Duration::from_secs(86_400);

/// Counts again what the studios use, and corrects and logs wrong figures.
async fn repair_limits(app: &App) {
    match limits::repair(&app.db).await {
        Ok(repaired) => repaired.iter().for_each(|wrong| {
            let (kind, stored, counted) = (wrong.kind.as_str(), wrong.stored, wrong.counted);
            tracing::warn!(studio = wrong.studio, kind, stored, counted, "limit repaired");
        }),
        Err(failure) => tracing::error!(reason = failure.reason(), "limit repair failed"),
    }
}

/// Runs the retention job at once and then every [`RETENTION_EVERY`], until the service stops. The job
/// records terms that a migration has replaced, recovers uploads, and deletes expired idempotent responses
/// and ended sessions. `api/erasure` purges events whose end date has passed.
pub async fn run_retention(app: App) {
    repair_limits(&app).await;
    let mut repaired = Instant::now();
    loop {
        if repaired.elapsed() >= REPAIR_EVERY {
            repair_limits(&app).await;
            repaired = Instant::now();
        }
        if let Err(failure) = record_replaced(&app).await {
            tracing::error!(reason = failure.reason(), "recording replaced terms failed");
        }
        if let Err(failure) = recover(&app).await {
            tracing::error!(reason = failure.reason(), "upload recovery failed");
        }
        if let Err(failure) = middleware::delete_expired_responses(&app).await {
            tracing::error!(reason = failure.reason(), "idempotency cleanup failed");
        }
        if let Err(failure) = delete_ended_sessions(&app).await {
            tracing::error!(reason = failure.reason(), "session cleanup failed");
        }
        if let Err(failure) = album::delete_expired(&app).await {
            tracing::error!(reason = failure.reason(), "album session cleanup failed");
        }
        app.db.discard_remnants().await;
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
