use std::time::Duration;

use tokio::time::Instant;

/// Maximum lag of a reader behind [`BYTES_PER_S`]: 30 s.
const GRACE: Duration = Duration::from_secs(30);
/// Maximum lead that a reader gets for bytes that it takes at once: 30 s. Buffers of the two systems take some
/// megabytes at once and then nothing for a while.
const LEAD: Duration = Duration::from_secs(30);
/// Minimum average rate of a reader: 4 KiB/s, as for uploads (`http/middleware/body_rate.rs`).
const BYTES_PER_S: f64 = 4096.0;

/// The rate at which a client reads an answer. Time counts only while the server waits for the client.
#[derive(Debug, Default)]
pub struct ReadingRate {
    /// Seconds that the reader lags behind the minimum rate; negative: its lead.
    lag_s: f64,
    waits_since: Option<Instant>,
}

impl ReadingRate {
    /// Records that the server waits for the client. Returns the time until which the client must take bytes.
    pub fn waits(&mut self, now: Instant) -> Instant {
        let since = *self.waits_since.get_or_insert(now);
        since + Duration::from_secs_f64((GRACE.as_secs_f64() - self.lag_s).max(0.0))
    }

    /// Records that the client has taken `bytes`.
    pub fn took(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.lag_s += (now - since).as_secs_f64();
        }
        self.lag_s = (self.lag_s - bytes as f64 / BYTES_PER_S).max(-LEAD.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the seconds after which a reader is given up that takes `bytes` every `every_s` seconds.
    fn given_up_s(bytes: usize, every_s: f64) -> Option<f64> {
        let (begun, mut rate) = (Instant::now(), ReadingRate::default());
        let mut now = begun;
        rate.took(bytes, now);
        while now - begun < Duration::from_secs(3600) {
            let due = rate.waits(now);
            let next = now + Duration::from_secs_f64(every_s);
            if due < next {
                return Some((due - begun).as_secs_f64());
            }
            now = next;
            rate.took(bytes, now);
        }
        None
    }

    #[test]
    fn a_reader_below_the_rate_is_given_up_and_a_steady_one_is_not() {
        assert!(given_up_s(0, 1.0).is_some_and(|seconds| (29.0..32.0).contains(&seconds)));
        assert!(given_up_s(1024, 1.0).is_some_and(|seconds| (35.0..50.0).contains(&seconds)));
        assert_eq!(given_up_s(5000, 1.0), None);
        assert_eq!(given_up_s(20_000, 1.0), None);
        // Buffers hand on 400 KB at once.
        assert_eq!(given_up_s(400_000, 50.0), None);
        assert!(given_up_s(400_000, 65.0).is_some());
    }
}
