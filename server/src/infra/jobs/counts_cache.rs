//! Cache of an event's job counts, shared by all its progress streams (single flight).
//!
//! After a change, all streams of the event read its counts at once; the first stream queries the database for
//! all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::queue::JobCounts;
use crate::error::Result;

/// Time to live of the cached counts, 400 ms, because another server of the database can change the counts
/// without invalidating this cache.
const GOOD_FOR: Duration = Duration::from_millis(400);

/// The cached counts of an event.
#[derive(Default)]
pub struct CountsCache {
    /// Number of invalidations.
    changes: AtomicU64,
    last: Mutex<Option<CachedCounts>>,
}

struct CachedCounts {
    /// Value of `CountsCache::changes` before the read began. The counts may miss later changes.
    changes: u64,
    at: Instant,
    counts: JobCounts,
}

impl CountsCache {
    /// Invalidates the cache. The caller must have committed its change, so that later calls of
    /// [`CountsCache::counts`] include the change.
    pub fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the cached counts if they are valid; otherwise calls `read` and caches the result. Concurrent
    /// callers wait for one read.
    pub async fn counts(&self, read: impl Future<Output = Result<JobCounts>>) -> Result<JobCounts> {
        let mut last = self.last.lock().await;
        let changes = self.changes.load(Ordering::SeqCst);
        if let Some(known) = &*last
            && known.changes == changes
            && known.at.elapsed() < GOOD_FOR
        {
            return Ok(known.counts.clone());
        }
        let (at, counts) = (Instant::now(), read.await?);
        *last = Some(CachedCounts { changes, at, counts: counts.clone() });
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(shown: &CountsCache, ready: i64) -> i64 {
        let counts = async { Ok(JobCounts { ready, ..JobCounts::default() }) };
        shown.counts(counts).await.unwrap().ready
    }

    #[tokio::test]
    async fn a_change_is_never_hidden_by_what_was_read_before() {
        let shown = CountsCache::default();
        assert_eq!(read(&shown, 1).await, 1);
        assert_eq!(read(&shown, 2).await, 1, "no change, so the cache is valid");
        shown.invalidate();
        assert_eq!(read(&shown, 3).await, 3);
        let changed_meanwhile = async {
            shown.invalidate();
            Ok(JobCounts::default())
        };
        tokio::time::sleep(GOOD_FOR).await;
        shown.counts(changed_meanwhile).await.unwrap();
        assert_eq!(read(&shown, 4).await, 4, "the read may have missed the change");
    }

    #[tokio::test]
    async fn another_servers_changes_are_seen_soon() {
        let shown = CountsCache::default();
        assert_eq!(read(&shown, 1).await, 1);
        tokio::time::sleep(GOOD_FOR).await;
        assert_eq!(read(&shown, 2).await, 2);
    }

    #[tokio::test]
    async fn a_thousand_ask_once() {
        let (shown, asked) = (CountsCache::default(), AtomicU64::new(0));
        let ask = async || {
            let counts = async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(JobCounts::default())
            };
            shown.counts(counts).await.unwrap();
        };
        futures_util::future::join_all((0..1000).map(|_| ask())).await;
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
