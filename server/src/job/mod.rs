//! Work that outlives the process: photos that wait to be indexed.
//!
//! A job is entered in the transaction that makes it necessary, is done at least once, and may be done twice
//! without harm. `worker.rs` does them, `queue.rs` hands them out, `routes.rs` shows and steers them. Knows
//! nothing of uploads.

mod queue;
pub mod routes;
mod shown;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, broadcast};

use crate::clock::now_s;
use crate::db::Tx;
use crate::error::Result;
use crate::ids::new_id;

pub use queue::counts;
use shown::Shown;
pub use worker::work;

/// The kind of job that takes a photo's faces into its event's collection.
pub const INDEX: &str = "index";

/// Tells workers that there is work, and whoever looks on that some was done.
#[derive(Clone)]
pub struct Jobs {
    ready: Arc<Notify>,
    changed: broadcast::Sender<String>,
    /// By event, of those that somebody looks at.
    shown: Arc<Mutex<HashMap<String, Arc<Shown>>>>,
}

impl Default for Jobs {
    fn default() -> Self {
        let changed = broadcast::channel(256).0;
        Self { ready: Arc::default(), changed, shown: Arc::default() }
    }
}

impl Jobs {
    /// There is work.
    pub fn wake(&self) {
        self.ready.notify_one();
    }

    /// Something happened to an event's jobs or photos.
    pub fn tell(&self, event: &str) {
        if let Some(shown) = self.all_shown().get(event) {
            shown.is_old();
        }
        // Nobody may be looking.
        let _ = self.changed.send(event.to_owned());
    }

    /// An event's counts, shared by all who look at it.
    fn shown(&self, event: &str) -> Arc<Shown> {
        let mut all = self.all_shown();
        all.retain(|shown, counts| shown == event || Arc::strong_count(counts) > 1);
        Arc::clone(all.entry(event.to_owned()).or_default())
    }

    fn all_shown(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Shown>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ids of events in which something happens, from now on.
    pub fn watch(&self) -> broadcast::Receiver<String> {
        self.changed.subscribe()
    }
}

/// Enters a job about a photo; durable with the transaction.
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
