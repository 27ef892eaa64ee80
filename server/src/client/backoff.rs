use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::infra::backoff::{BackoffPolicy, backoff};
use crate::infra::ids::random;

/// Limits a pause: 0.5 s after the first failure, doubled by each further failure in a row, at most 30 s.
const PAUSE: BackoffPolicy =
    BackoffPolicy::Exponential { first: Duration::from_millis(500), max: Duration::from_secs(30) };
/// Limits a pause that the service requests (`Retry-After`), seconds.
const RETRY_AFTER_S_MAX: u64 = 600;
/// Limits the time between a stop request and the end of a pause.
const SLICE: Duration = Duration::from_millis(50);

/// The retry policy of a run: the pause before a retry, and the limit without progress. Shared by all
/// connections, so that no connection gives up while another one makes progress.
pub struct RetryPolicy {
    /// Limits the time without progress; `None` sets no limit.
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
        *self.since.lock() = None;
    }

    /// Records a failure. Returns whether the failure is the first since the last progress.
    pub fn record_failure(&self) -> bool {
        let mut since = self.since.lock();
        let first = since.is_none();
        since.get_or_insert_with(Instant::now);
        first
    }

    /// Returns whether the limit has passed since the first failure. Time without a failure does not count,
    /// because reading a large file may take longer than the limit.
    pub fn is_over(&self) -> bool {
        let since = *self.since.lock();
        since.zip(self.limit).is_some_and(|(since, limit)| since.elapsed() >= limit)
    }

    /// Waits after failure number `failed` in a row, at least `retry_after_s` seconds. Returns early if
    /// `stop` returns true or the limit passes.
    pub fn pause(&self, failed: u32, retry_after_s: u64, stop: &dyn Fn() -> bool) {
        let end = Instant::now() + pause(failed, jitter(), retry_after_s);
        while Instant::now() < end && !stop() && !self.is_over() {
            std::thread::sleep(SLICE.min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// Returns an exponential back-off with jitter: between half and all of `PAUSE` after `failed` failures, and at
/// least `retry_after_s` seconds. After an outage of the service, the jitter spreads the requests of many
/// clients. `share` is 0..1.
fn pause(failed: u32, share: f64, retry_after_s: u64) -> Duration {
    let own = backoff(i64::from(failed), &PAUSE).mul_f64(0.5 + share / 2.0);
    own.max(Duration::from_secs(retry_after_s.min(RETRY_AFTER_S_MAX)))
}

fn jitter() -> f64 {
    // Without random bytes there is no jitter, and the upload continues.
    random::<4>().map_or(1.0, |bytes| f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_heed_the_service() {
        let ms = |failed, share, wait_s| pause(failed, share, wait_s).as_millis();
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
