use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::error::{ApiError, ErrorKind, Result};

/// Maximum number of concurrent streams per session; each open page has one stream.
const STREAMS_MAX: usize = 4;

/// The channel that announces updates to the guests' open streams.
pub struct GuestUpdates {
    /// The ids of the event and the guest; `None` for all guests of the event.
    updates: broadcast::Sender<(String, Option<String>)>,
    /// Number of open streams by session.
    watching: Arc<Mutex<HashMap<String, usize>>>,
}

/// An open stream, counted for its session until it is dropped.
pub struct WatchGuard {
    all: Arc<Mutex<HashMap<String, usize>>>,
    session: String,
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.session);
            }
        }
    }
}

impl Default for GuestUpdates {
    fn default() -> Self {
        Self { updates: broadcast::channel(1024).0, watching: Arc::default() }
    }
}

impl GuestUpdates {
    /// Counts a new stream of `session`.
    ///
    /// # Errors
    /// - `TooManyRequests` if the session has `STREAMS_MAX` streams already.
    pub fn watch(&self, session: &str) -> Result<WatchGuard> {
        let mut all = self.watching.lock();
        let count = all.entry(session.to_owned()).or_insert(0);
        if *count >= STREAMS_MAX {
            let detail = format!("This session has {STREAMS_MAX} open pages already; close one.");
            return Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(30));
        }
        *count += 1;
        Ok(WatchGuard { all: Arc::clone(&self.watching), session: session.to_owned() })
    }

    /// Subscribes to all updates of this server: the ids of the event and the guest, or `None` for all guests
    /// of the event.
    pub fn subscribe(&self) -> broadcast::Receiver<(String, Option<String>)> {
        self.updates.subscribe()
    }

    /// Announces an update for `guest` of `event`, or for all of the event's guests.
    pub fn publish(&self, event: &str, guest: Option<&str>) {
        // Sending fails if no stream is open.
        let _ = self.updates.send((event.to_owned(), guest.map(str::to_owned)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_looks_on_so_many_times_and_no_more() {
        let news = GuestUpdates::default();
        let mut all: Vec<_> = (0..STREAMS_MAX).map(|_| news.watch("one")).collect();
        assert!(all.iter().all(Result::is_ok) && news.watch("two").is_ok());
        assert_eq!(
            news.watch("one").err().map(|failure| failure.kind),
            Some(ErrorKind::TooManyRequests)
        );
        all.pop();
        assert!(news.watch("one").is_ok());
    }
}
