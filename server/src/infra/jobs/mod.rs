//! Durable job queue: photos to index.
//!
//! A job of an event that waits for its first search (`infra/db/analysis.rs`) ends in the state `deferred`, from
//! which the search makes it ready.
//!
//! A job is inserted in the transaction of the change that requires it. Delivery is at least once, and jobs are
//! idempotent. `queue.rs` holds the queue, `counts_cache.rs` caches the counts, `api/indexing/worker.rs` runs
//! the jobs, and `api/indexing/routes.rs` holds the HTTP handlers.

pub mod counts_cache;
pub mod queue;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, broadcast};

use crate::error::Result;
use crate::infra::clock::now_s;
use crate::infra::db::Tx;
use crate::infra::ids::new_id;

use counts_cache::CountsCache;
pub use queue::counts;

/// The kind of job that adds a photo's faces to its event's collection.
pub const INDEX: &str = "index";

/// The in-process signals about jobs, which wake the worker when a job is ready and notify the progress streams
/// of changes.
#[derive(Clone)]
pub struct JobSignals {
    pub ready: Arc<Notify>,
    changed: broadcast::Sender<String>,
    /// The cached counts of each event that has a progress stream, by event id.
    shown: Arc<Mutex<HashMap<String, Arc<CountsCache>>>>,
}

impl Default for JobSignals {
    fn default() -> Self {
        let changed = broadcast::channel(256).0;
        Self { ready: Arc::default(), changed, shown: Arc::default() }
    }
}

impl JobSignals {
    /// Wakes the worker, because a job is ready.
    pub fn wake(&self) {
        self.ready.notify_one();
    }

    /// Announces a change of an event's jobs or photos. Invalidates the event's cached counts and notifies
    /// its progress streams.
    pub fn publish(&self, event: &str) {
        if let Some(shown) = self.counts_caches().get(event) {
            shown.invalidate();
        }
        // An error means that there is no progress stream.
        let _ = self.changed.send(event.to_owned());
    }

    /// Returns the cache of an event's counts, which all progress streams of the event share. Drops unused
    /// caches.
    pub fn counts_cache(&self, event: &str) -> Arc<CountsCache> {
        let mut all = self.counts_caches();
        all.retain(|shown, counts| shown == event || Arc::strong_count(counts) > 1);
        Arc::clone(all.entry(event.to_owned()).or_default())
    }

    fn counts_caches(&self) -> MutexGuard<'_, HashMap<String, Arc<CountsCache>>> {
        self.shown.lock()
    }

    /// Subscribes to the ids of events that change from now on.
    pub fn watch(&self) -> broadcast::Receiver<String> {
        self.changed.subscribe()
    }
}

/// Inserts a job about a photo. The job becomes durable and visible with the commit of `tx`.
pub async fn enqueue(tx: &mut Tx, kind: &str, event: &str, photo: &str) -> Result<()> {
    let now = now_s();
    sqlx::query(
        "INSERT INTO jobs (id, kind, event_id, photo_id, state, attempts, reason, due_unix_s, \
         lease_unix_s, created_unix_s, changed_unix_s) \
         VALUES ($1, $2, $3, $4, 'ready', 0, '', $5, 0, $5, $5)",
    )
    .bind(new_id()?)
    .bind(kind)
    .bind(event)
    .bind(photo)
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
