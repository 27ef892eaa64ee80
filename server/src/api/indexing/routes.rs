use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{Body, Query};
use crate::infra::clock::now_s;
use crate::infra::db::jobs::{self, FailedIndexing, FailureOrder};
use crate::infra::db::{Page, Paging, events};
use crate::infra::jobs::counts_cache::CountsCache;
use crate::infra::jobs::queue::{JobCounts, counts};
use crate::infra::places::{Place, PlaceKind};

/// Minimum time between two progress events of a stream: 400 ms.
const UPDATE_INTERVAL: Duration = Duration::from_millis(400);
/// Maximum time between two progress events of a stream: 10 s.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Maximum duration of a stream: 5 minutes. The browser then reconnects.
const STREAM_MAX: Duration = Duration::from_secs(300);

/// A server-sent event about an event's indexing.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses this type")]
pub struct ProgressEvent {
    /// Always `progress`.
    event: String,
    /// `JobCounts` as JSON.
    data: String,
}

#[derive(Serialize, ToSchema)]
pub struct FailedJob {
    pub id: String,
    pub photo: String,
    /// The file's name.
    pub name: String,
    /// The reason why the photo could not be indexed, for the studio.
    pub reason: String,
    pub changed_unix_s: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobAction {
    /// Stops the start of further jobs. The server finishes running jobs.
    Pause,
    /// Starts jobs again after a pause.
    Resume,
    /// Cancels the ready jobs. Their photos are not indexed.
    Cancel,
    /// Makes failed and cancelled jobs ready again.
    Retry,
}

#[derive(Deserialize, ToSchema)]
pub struct JobCommand {
    action: JobAction,
}

/// Returns the number of an event's indexing jobs in each state.
#[utoipa::path(get, path = "/events/{event}/jobs",
    operation_id = "job_count", tag = "jobs", params(("event" = String, Path)),
    responses((status = 200, body = JobCounts)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<JobCounts>> {
    counts(&app.db, grant.event()?).await.map(Json)
}

/// Lists the photos that could not be indexed, with the reasons.
#[utoipa::path(get, path = "/events/{event}/jobs/failed", operation_id = "job_failure_list", tag = "jobs",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<FailedJob>)))]
pub async fn failed(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<FailedJob>>> {
    let view = |failed: FailedIndexing| {
        Ok(FailedJob {
            id: failed.job,
            photo: failed.photo.id,
            name: failed.photo.name,
            reason: failed.reason,
            changed_unix_s: failed.changed_unix_s,
        })
    };
    let order = FailureOrder::Failure;
    let page = jobs::failed(&app.db, grant.event()?, order, &paging).await?;
    page.try_map(view).map(Json)
}

/// Pauses, resumes, cancels or retries an event's indexing.
#[utoipa::path(post, path = "/events/{event}/jobs",
    operation_id = "job_control", tag = "jobs", params(("event" = String, Path)),
    request_body = JobCommand, responses((status = 200, body = JobCounts)))]
pub async fn control(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<JobCommand>,
) -> Result<Json<JobCounts>> {
    let event = grant.event()?;
    let mut tx = app.db.write().await?;
    let action = match given.action {
        JobAction::Pause => {
            events::set_paused(&mut tx, event, true).await?;
            "jobs_pause"
        }
        JobAction::Resume => {
            events::set_paused(&mut tx, event, false).await?;
            "jobs_resume"
        }
        JobAction::Cancel => {
            jobs::cancel_ready(&mut tx, event, now_s()).await?;
            "jobs_cancel"
        }
        JobAction::Retry => {
            jobs::retry(&mut tx, event, now_s()).await?;
            "jobs_retry"
        }
    };
    record_by(&mut tx, &grant, action, event, "").await?;
    tx.commit().await?;
    app.jobs.wake();
    app.jobs.publish(event);
    counts(&app.db, event).await.map(Json)
}

/// Streams the counts of `GET …/jobs` as server-sent events named `progress`: at once, after each change,
/// and at least every 10 seconds. The stream ends when the caller's access ends, and after 5 minutes; the
/// client reconnects, as browsers do.
#[utoipa::path(get, path = "/events/{event}/progress",
    operation_id = "job_progress_stream", tag = "jobs", params(("event" = String, Path)),
    responses((status = 200, body = ProgressEvent, content_type = "text/event-stream")))]
pub async fn progress(
    State(app): State<App>,
    grant: Grant,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let event = grant.event()?.to_owned();
    let place = app.places.take(PlaceKind::Stream, &grant.studio)?;
    let (changes, shown) = (app.jobs.watch(), app.jobs.counts_cache(&event));
    let first = shown.counts(counts(&app.db, &event)).await?;
    let watch = CountsWatch { app, grant, event, changes, shown, _place: place };
    let updates = stream::unfold(
        (watch, Some(first.clone()), first),
        |(mut watch, first, last)| async move {
            let now = match first {
                Some(first) => first,
                None => watch.next_counts(&last).await.ok()?,
            };
            let data = serde_json::to_string(&now).unwrap_or_default();
            Some((Ok(Event::default().event("progress").data(data)), (watch, None, now)))
        },
    );
    let updates = updates.take_until(tokio::time::sleep(STREAM_MAX)).fuse();
    Ok(Sse::new(updates.boxed()).keep_alive(KeepAlive::default()))
}

/// The state of a progress stream.
struct CountsWatch {
    app: App,
    /// The caller's access, which is checked again before each event of the stream.
    grant: Grant,
    event: String,
    changes: Receiver<String>,
    shown: Arc<CountsCache>,
    _place: Place,
}

impl CountsWatch {
    /// Waits until the counts differ from `last`, or until `KEEP_ALIVE` has passed, and returns them.
    async fn next_counts(&mut self, last: &JobCounts) -> Result<JobCounts> {
        let deadline = tokio::time::Instant::now() + KEEP_ALIVE;
        loop {
            let changed = wait_for(&mut self.changes, &self.event);
            let changed = tokio::time::timeout_at(deadline, changed).await;
            tokio::time::sleep(UPDATE_INTERVAL).await;
            self.grant.check_held(&self.app.db).await?;
            let now = self.shown.counts(counts(&self.app.db, &self.event)).await?;
            if now != *last || changed.is_err() {
                return Ok(now);
            }
            changed.unwrap_or(Ok(()))?;
        }
    }
}

/// Waits for a change of `event`.
///
/// # Errors
/// - `Internal` if the service stops.
async fn wait_for(changes: &mut Receiver<String>, event: &str) -> Result<()> {
    loop {
        match changes.recv().await {
            Ok(changed) if changed == event => return Ok(()),
            Ok(_) => {}
            // The receiver missed messages; one of them may have been about this event.
            Err(RecvError::Lagged(_)) => return Ok(()),
            Err(RecvError::Closed) => return Err(ApiError::internal("the service is stopping")),
        }
    }
}
