//! Lets so many heavy requests work at once, so many more wait, and tells the rest to come back.
//!
//! A selfie costs a core for a tenth of a second: without a bound a rush would make everybody wait for ever.
//! Knows nothing of what is admitted.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Failure, Kind, Result};

/// The bound.
pub struct Admission {
    working: Semaphore,
    waiting: Semaphore,
    wait_max: Duration,
}

impl Admission {
    /// `at_once` work, `in_line` wait, at most `wait_max` each.
    pub fn new(at_once: usize, in_line: usize, wait_max: Duration) -> Self {
        Self { working: Semaphore::new(at_once.max(1)), waiting: Semaphore::new(in_line), wait_max }
    }

    /// Waits for a place at work. `busy` where the line is full or the wait too long.
    pub async fn enter(&self) -> Result<SemaphorePermit<'_>> {
        if let Ok(permit) = self.working.try_acquire() {
            return Ok(permit);
        }
        let busy =
            || Failure::new(Kind::Busy, "Many people are searching at this moment.").retry_after(1);
        let _line = self.waiting.try_acquire().map_err(|_| busy())?;
        match tokio::time::timeout(self.wait_max, self.working.acquire()).await {
            Ok(permit) => permit.map_err(Failure::internal),
            Err(_) => Err(busy()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_line_is_an_answer_and_a_place_that_comes_free_is_taken() {
        let admission = Admission::new(1, 1, Duration::from_secs(60));
        let first = admission.enter().await.unwrap();
        let second = admission.enter();
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("there is no place"),
            third = admission.enter() => {
                assert_eq!(third.unwrap_err().kind, Kind::Busy, "the line is full");
            }
        }
        drop(first);
        assert!(second.await.is_ok());
        let impatient = Admission::new(1, 1, Duration::ZERO);
        let _first = impatient.enter().await.unwrap();
        assert_eq!(impatient.enter().await.unwrap_err().retry_after_s, Some(1));
    }
}
