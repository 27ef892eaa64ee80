use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::infra::ids::random;

/// Longest pause after the first failure; each further failure in a row doubles it.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Upper limit of a pause that the service asks for (`Retry-After`), seconds.
const TOLD_S_MAX: u64 = 600;
/// Longest time between a stop request and the end of a pause.
const SLICE: Duration = Duration::from_millis(50);

/// The retry policy of a run: how long to wait before a retry, and when to give up. Shared by all
/// connections: none gives up while any of them makes progress.
pub struct RetryPolicy {
    /// Longest time without progress; `None`: unlimited.
    limit: Option<Duration>,
    /// Time of the first failure since the last progress; `None` without one.
    since: Mutex<Option<Instant>>,
}

impl RetryPolicy {
    pub fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: Mutex::new(None) }
    }

    /// Records progress.
    pub fn record_success(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Records a failure. Returns whether it is the first since the last progress.
    pub fn record_failure(&self) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let first = since.is_none();
        since.get_or_insert_with(Instant::now);
        first
    }

    /// Whether the limit has passed since the first failure. Time without a failure does not count, because
    /// reading a large file may take any time.
    pub fn is_over(&self) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.zip(self.limit).is_some_and(|(since, limit)| since.elapsed() >= limit)
    }

    /// Waits after the `failed`th failure in a row, at least `told_s` seconds. Returns early if `stop`
    /// returns true or the limit passes.
    pub fn pause(&self, failed: u32, told_s: u64, stop: &dyn Fn() -> bool) {
        let end = Instant::now() + pause(failed, jitter(), told_s);
        while Instant::now() < end && !stop() && !self.is_over() {
            std::thread::sleep(SLICE.min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// Returns an exponential back-off with jitter: between half and all of `PAUSE` · 2^(`failed` − 1), at most
/// `PAUSE_MAX`, and at least `told_s` seconds. The jitter keeps many clients from returning at the same time
/// after an outage of the service. `jitter` is 0..1.
fn pause(failed: u32, dice: f64, told_s: u64) -> Duration {
    let doubled = PAUSE.saturating_mul(1 << failed.saturating_sub(1).min(10)).min(PAUSE_MAX);
    let own = doubled.mul_f64(0.5 + dice / 2.0);
    own.max(Duration::from_secs(told_s.min(TOLD_S_MAX)))
}

fn jitter() -> f64 {
    // Without random bytes there is no jitter; the upload goes on.
    random::<4>().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_heed_the_service() {
        let ms = |failed, dice, told| pause(failed, dice, told).as_millis();
        assert_eq!([ms(1, 0.0, 0), ms(1, 1.0, 0), ms(2, 1.0, 0)], [250, 500, 1000]);
        assert_eq!([ms(7, 1.0, 0), ms(99, 0.0, 0)], [30_000, 15_000]);
        assert_eq!([ms(1, 1.0, 7), ms(1, 1.0, u64::MAX)], [7_000, 600_000]);
        assert!((0.0..=1.0).contains(&jitter()));
    }

    #[test]
    fn patience_ends_only_in_trouble() {
        let patience = RetryPolicy::new(Some(Duration::ZERO));
        assert!(!patience.is_over());
        assert!(patience.record_failure() && patience.is_over() && !patience.record_failure());
        patience.record_success();
        assert!(!patience.is_over() && patience.record_failure());
        let endless = RetryPolicy::new(None);
        assert!(endless.record_failure() && !endless.is_over());
        let begun = Instant::now();
        endless.pause(9, 600, &|| true);
        assert!(begun.elapsed() < Duration::from_secs(5), "a stop request ends the pause");
    }
}
