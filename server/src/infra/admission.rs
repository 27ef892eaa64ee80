use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::telemetry::metrics;

/// Admission control (load shedding): one semaphore bounds concurrent work, a second one bounds the queue of
/// waiting requests. A request is rejected as `Busy` if the queue is full or the wait exceeds `wait_max`.
/// Clones share the semaphores.
#[derive(Clone)]
pub struct AdmissionControl {
    /// The value of the metrics' label.
    room: &'static str,
    places: Arc<Semaphore>,
    line: Arc<Semaphore>,
    wait_max: Duration,
}

/// One unit of admitted work; dropping it frees the slot.
#[must_use]
pub struct AdmissionPermit {
    room: &'static str,
    _place: OwnedSemaphorePermit,
}

/// A permit shared by a request and the blocking work that it has started. The permit is released when both are
/// done, so that a disconnected client frees no capacity while its work still runs.
#[derive(Clone)]
pub struct Slot {
    _permit: Arc<AdmissionPermit>,
}

impl Slot {
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
        tokio::task::spawn_blocking(held).await.map_err(ApiError::internal)?
    }
}

impl From<AdmissionPermit> for Slot {
    fn from(permit: AdmissionPermit) -> Self {
        Self { _permit: Arc::new(permit) }
    }
}

impl<S: Sync> FromRequestParts<S> for Slot {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let missing = || {
            ApiError::internal("a handler extracts an admission permit that no middleware provided")
        };
        parts.extensions.get::<Slot>().cloned().ok_or_else(missing)
    }
}

impl AdmissionControl {
    /// Creates a controller that admits `at_once` units of work (at least 1) and queues `waiting` more, each
    /// for at most `wait_max`. `room` is the value of the metrics' label.
    pub fn new(room: &'static str, at_once: usize, waiting: usize, wait_max: Duration) -> Self {
        let of = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { room, places: of(at_once.max(1)), line: of(waiting), wait_max }
    }

    /// Waits for a permit in first-come, first-served order.
    ///
    /// # Errors
    /// - `Busy` immediately if the queue is full, and after `wait_max` if no permit is free.
    pub async fn enter(&self) -> Result<AdmissionPermit> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => self.queue().await?,
        };
        metrics::request_started(self.room);
        Ok(AdmissionPermit { room: self.room, _place: place })
    }

    async fn queue(&self) -> Result<OwnedSemaphorePermit> {
        let _turn = self.line.try_acquire().map_err(|_| self.busy())?;
        let place = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.wait_max, place).await {
            Ok(place) => place.map_err(ApiError::internal),
            Err(_) => Err(self.busy()),
        }
    }

    fn busy(&self) -> ApiError {
        metrics::count_rejected(self.room);
        let wait_s = self.wait_max.as_secs().max(1);
        let detail = format!("The service is at capacity; try again in {wait_s} s.");
        ApiError::new(ErrorKind::Busy, detail).retry_after(wait_s)
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        metrics::request_ended(self.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn a_place_is_handed_on_and_a_full_line_is_an_answer() {
        let room = AdmissionControl::new("test", 1, 1, Duration::from_millis(200));
        let first = room.enter().await.unwrap();
        let waiting = tokio::spawn({
            let room = room.clone();
            async move { room.enter().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        let third = room.enter().await.err().unwrap();
        assert!(begun.elapsed() < Duration::from_millis(50), "a full queue rejects at once");
        assert_eq!((third.kind, third.retry_after_s), (ErrorKind::Busy, Some(1)));
        drop(first);
        let second = waiting.await.unwrap().unwrap();
        let begun = Instant::now();
        assert_eq!(room.enter().await.err().unwrap().kind, ErrorKind::Busy);
        assert!(begun.elapsed() >= Duration::from_millis(200), "it waited for its turn");
        drop(second);
        assert!(room.enter().await.is_ok());
    }

    #[tokio::test]
    async fn work_keeps_its_place_when_nobody_waits_for_it_any_more() {
        let room = AdmissionControl::new("test", 1, 0, Duration::from_millis(200));
        let place = Slot::from(room.enter().await.unwrap());
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
        assert_eq!(room.enter().await.err().unwrap().kind, ErrorKind::Busy);
        end.send(()).unwrap();
        while room.enter().await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}
