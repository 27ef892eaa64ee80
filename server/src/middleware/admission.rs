//! Admission: no more work at once than the machine does well, a short line before it, and a clear answer for
//! whoever does not fit.
//!
//! Knows nothing of what is done with a permit.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Failure, Kind, Result};
use crate::ops::metrics;

/// A bounded place to work in, with a bounded line. Clones share it.
#[derive(Clone)]
pub struct Admission {
    /// As the figures name it.
    room: &'static str,
    places: Arc<Semaphore>,
    line: Arc<Semaphore>,
    wait_max: Duration,
}

/// The right to work; ends when it is dropped.
#[must_use]
pub struct Permit {
    room: &'static str,
    _place: OwnedSemaphorePermit,
}

/// A permit that a request shares with the work it has begun: it ends with the last of them, so that a client who
/// hangs up makes no room for more work than there are places.
#[derive(Clone)]
pub struct Place {
    _permit: Arc<Permit>,
}

impl Place {
    /// Does blocking `work` beside the asynchronous threads, in this place until it is done, whoever waits for it.
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let held = move || {
            let done = work();
            drop(self);
            done
        };
        tokio::task::spawn_blocking(held).await.map_err(Failure::internal)?
    }
}

impl From<Permit> for Place {
    fn from(permit: Permit) -> Self {
        Self { _permit: Arc::new(permit) }
    }
}

impl<S: Sync> FromRequestParts<S> for Place {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || Failure::internal("a handler asks for a place, and nobody gave it one");
        parts.extensions.get::<Place>().cloned().ok_or_else(missing)
    }
}

impl Admission {
    /// Lets `at_once` work (1 or more), and `waiting` more wait for at most `wait_max`.
    pub fn new(room: &'static str, at_once: usize, waiting: usize, wait_max: Duration) -> Self {
        let of = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { room, places: of(at_once.max(1)), line: of(waiting), wait_max }
    }

    /// Waits for a place, first come first served. Errors: `Busy` at once where the line is full, and later
    /// where it does not move.
    pub async fn enter(&self) -> Result<Permit> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.queue().await?,
        };
        metrics::began(self.room);
        Ok(Permit { room: self.room, _place: place })
    }

    async fn queue(&self) -> Result<OwnedSemaphorePermit> {
        let _turn = self.line.try_acquire().map_err(|_| self.busy())?;
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.wait_max, place).await {
            Ok(place) => place.map_err(Failure::internal),
            Err(_) => Err(self.busy()),
        }
    }

    fn busy(&self) -> Failure {
        metrics::count_turned_away(self.room);
        Failure::new(Kind::Busy, "There is too much to do at the moment; try again soon.")
            .retry_after(self.wait_max.as_secs().max(1))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        metrics::ended(self.room);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_place_is_handed_on_and_a_full_line_is_an_answer() {
        let room = Admission::new("test", 1, 1, Duration::from_millis(200));
        let first = room.enter().await.unwrap();
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.enter().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        let third = room.enter().await.err().unwrap();
        assert!(begun.elapsed() < Duration::from_millis(50), "a full line answers at once");
        assert_eq!((third.kind, third.retry_after_s), (Kind::Busy, Some(1)));
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        let begun = Instant::now();
        assert_eq!(room.enter().await.err().unwrap().kind, Kind::Busy);
        assert!(begun.elapsed() >= Duration::from_millis(200), "it waited for its turn");
        drop(second);
        assert!(room.enter().await.is_ok());
    }

    #[tokio::test]
    async fn work_keeps_its_place_when_nobody_waits_for_it_any_more() {
        let room = Admission::new("test", 1, 0, Duration::from_millis(200));
        let place = Place::from(room.enter().await.unwrap());
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let request = tokio::spawn(place.run(move || {
            let _ = begin.send(());
            let _ = ended.recv();
            Ok(())
        }));
        begun.await.unwrap();
        // The client hangs up.
        request.abort();
        assert!(request.await.is_err());
        assert_eq!(room.enter().await.err().unwrap().kind, Kind::Busy);
        end.send(()).unwrap();
        while room.enter().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
