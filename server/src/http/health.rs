//! Health checks: `/healthz` (liveness) and `/readyz` (readiness, with reason codes). Both are public and
//! disclose no paths, versions or addresses.

use std::path::Path;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::error::DatabaseFault;
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::readiness::Readiness;

/// Minimum free disk space for the service to be ready: 64 MiB. The engine's own reserve is 1 MiB.
const FREE_BYTES_MIN: u64 = 64 << 20;
/// Maximum time for the database to respond: 2 s.
const DATABASE_MAX: Duration = Duration::from_secs(2);
/// Time for which a result is cached, 1 s, so that anonymous clients cannot cause load.
const KEPT: Duration = Duration::from_secs(1);

pub fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(|| async { StatusCode::NO_CONTENT }))
        .route("/readyz", get(ready))
}

async fn ready(State(app): State<App>) -> Response {
    // Single flight: requests that arrive during a check wait for its result.
    let mut last = app.readiness.lock().await;
    let found = match &*last {
        Some((at, found)) if at.elapsed() < KEPT => found.clone(),
        _ => {
            let found = check(&app).await;
            last.insert((Instant::now(), found)).1.clone()
        }
    };
    drop(last);
    let status = if found.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(found)).into_response()
}

async fn check(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    reasons.extend(database(&app.db).await);
    let data = app.settings.data.clone();
    let blocking = tokio::task::spawn_blocking({
        let app = app.clone();
        move || (folder(&data), app.face_engine.models_available())
    });
    match blocking.await {
        Ok((folder, models)) => {
            reasons.extend(folder.filter(|reason| !reasons.contains(reason)));
            reasons.extend((!models).then_some("models"));
        }
        Err(_) => reasons.push("data_folder"),
    }
    Readiness { ready: reasons.is_empty(), reasons }
}

/// Returns the reason code if the database cannot be read or written. A writer that only waits for its turn is no
/// reason: a busy service is ready.
async fn database(db: &Db) -> Option<&'static str> {
    let reads = timeout(DATABASE_MAX, sqlx::query("SELECT 1").fetch_one(db.read())).await;
    if !matches!(reads, Ok(Ok(_))) {
        return Some("database");
    }
    let Ok(Err(error)) = timeout(DATABASE_MAX, write_probe(db)).await else { return None };
    match DatabaseFault::of(&error) {
        DatabaseFault::Busy => None,
        DatabaseFault::Full => Some("disk_full"),
        _ => Some("database"),
    }
}

/// Commits a transaction that changes a row, for only that shows that the database can be written.
async fn write_probe(db: &Db) -> sqlx::Result<()> {
    let mut tx = db.write().await?;
    let probed = "UPDATE write_probe SET probed_unix_s = $1 WHERE id = 1";
    sqlx::query(probed).bind(now_s()).execute(&mut *tx).await?;
    tx.commit().await
}

/// Returns the reason code if the data folder is not accessible or its disk is nearly full.
fn folder(data: &Path) -> Option<&'static str> {
    use rustix::fs::{Access, access};
    if access(data, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Some("data_folder");
    }
    let free = picpick_engine::DataDir::free_bytes(data);
    free.is_some_and(|bytes| bytes < FREE_BYTES_MIN).then_some("disk_full")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_no_data_folder() {
        let here = tempfile::tempdir().unwrap();
        assert_eq!(folder(here.path()), None);
        assert_eq!(folder(&here.path().join("gone")), Some("data_folder"));
    }
}
