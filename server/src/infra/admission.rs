use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Failure, Kind, Result};
use crate::infra::telemetry::metrics;

/// Admission control (load shedding): one semaphore bounds concurrent work, a second one bounds the queue
/// before it. Requests that find the queue full, or wait too long, are rejected as `Busy`. Clones share the
/// semaphores.
#[derive(Clone)]
pub struct Admission {
    /// The value of the metrics' label.
    room: &'static str,
    places: Arc<Semaphore>,
    line: Arc<Semaphore>,
    wait_max: Duration,
}

/// One unit of admitted work; dropping it frees the slot.
#[must_use]
pub struct Permit {
    room: &'static str,
    _place: OwnedSemaphorePermit,
}

/// A permit shared by a request and the blocking work it has started. It is released when both are done, so
/// that a disconnected client frees no capacity while its work still runs.
#[derive(Clone)]
pub struct Place {
    _permit: Arc<Permit>,
}

impl Place {
    /// Runs blocking `work` on the thread pool for blocking tasks. The work holds the permit until it is
    /// done, even if the caller stops waiting.
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
        let missing = || {
            Failure::internal("a handler extracts an admission permit that no middleware provided")
        };
        parts.extensions.get::<Place>().cloned().ok_or_else(missing)
    }
}

impl Admission {
    /// Creates a controller that admits `at_once` units of work (at least 1) and queues `waiting` more, each
    /// for at most `wait_max`. `room` is the value of the metrics' label.
    pub fn new(room: &'static str, at_once: usize, waiting: usize, wait_max: Duration) -> Self {
        let of = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { room, places: of(at_once.max(1)), line: of(waiting), wait_max }
    }

    /// Waits for a permit in first-come, first-served order. Errors: `Busy`, immediately if the queue is
    /// full, otherwise after `wait_max`.
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
        Failure::new(Kind::Busy, "The service is at capacity; try again later.")
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
        assert!(begun.elapsed() < Duration::from_millis(50), "a full queue rejects at once");
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
        // The client disconnects.
        request.abort();
        assert!(request.await.is_err());
        assert_eq!(room.enter().await.err().unwrap().kind, Kind::Busy);
        end.send(()).unwrap();
        while room.enter().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
