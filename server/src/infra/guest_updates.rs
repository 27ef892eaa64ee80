use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use crate::error::{Failure, Kind, Result};

/// Maximum number of concurrent streams per session; each open page has one.
const STREAMS_MAX: usize = 4;
/// The channel that announces updates to the guests' open streams.
pub struct News {
    /// Event and guest; without a guest, all guests of the event.
    told: broadcast::Sender<(String, Option<String>)>,
    /// Number of open streams by session.
    watching: Arc<Mutex<HashMap<String, usize>>>,
}

/// An open stream, counted for its session until it is dropped.
pub struct Watching {
    all: Arc<Mutex<HashMap<String, usize>>>,
    session: String,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.session);
            }
        }
    }
}

impl Default for News {
    fn default() -> Self {
        Self { told: broadcast::channel(1024).0, watching: Arc::default() }
    }
}

impl News {
    /// Counts a new stream of `session`. Errors: `TooMany` if the session has `STREAMS_MAX` streams.
    pub fn watch(&self, session: &str) -> Result<Watching> {
        let mut all = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(session.to_owned()).or_insert(0);
        if *count >= STREAMS_MAX {
            let detail = format!("This session has {STREAMS_MAX} open pages already; close one.");
            return Err(Failure::new(Kind::TooMany, detail).retry_after(30));
        }
        *count += 1;
        Ok(Watching { all: Arc::clone(&self.watching), session: session.to_owned() })
    }

    /// Subscribes to all updates of this server: event and guest; without a guest, all guests of the event.
    pub fn subscribe(&self) -> broadcast::Receiver<(String, Option<String>)> {
        self.told.subscribe()
    }

    /// Announces an update for `guest` of `event`, or for all of the event's guests.
    pub fn tell(&self, event: &str, guest: Option<&str>) {
        // Sending fails if no stream is open.
        let _ = self.told.send((event.to_owned(), guest.map(str::to_owned)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_looks_on_so_many_times_and_no_more() {
        let news = News::default();
        let mut all: Vec<_> = (0..STREAMS_MAX).map(|_| news.watch("one")).collect();
        assert!(all.iter().all(Result::is_ok) && news.watch("two").is_ok());
        assert_eq!(news.watch("one").err().map(|failure| failure.kind), Some(Kind::TooMany));
        all.pop();
        assert!(news.watch("one").is_ok());
    }
}
