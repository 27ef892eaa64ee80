use std::time::Duration;

/// The delays between the attempts at one task.
#[derive(Clone, Copy, Debug)]
pub enum BackoffPolicy {
    /// Truncated exponential back-off: `first`, doubled after each further attempt, at most `max`.
    Exponential { first: Duration, max: Duration },
    /// The delay in seconds after each attempt; the last delay repeats.
    Steps(&'static [i64]),
}

/// Limits the doublings to 20, so that the multiplication cannot overflow.
const DOUBLINGS_MAX: i64 = 20;

/// Returns the delay after the `attempt`-th failed attempt, counted from 1.
pub fn backoff(attempt: i64, policy: &BackoffPolicy) -> Duration {
    let before = attempt.saturating_sub(1).max(0);
    match policy {
        BackoffPolicy::Exponential { first, max } => {
            first.saturating_mul(1 << before.min(DOUBLINGS_MAX)).min(*max)
        }
        BackoffPolicy::Steps(steps) => {
            let nth = usize::try_from(before).unwrap_or(usize::MAX);
            let seconds = steps.get(nth).or(steps.last()).copied().unwrap_or_default();
            Duration::from_secs(seconds.unsigned_abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum() {
        let ms = Duration::from_millis;
        let policy = BackoffPolicy::Exponential { first: ms(500), max: ms(30_000) };
        let delays = [i64::MIN, 0, 1, 2, 3, 6, 7, i64::MAX].map(|nth| backoff(nth, &policy));
        assert_eq!(delays, [500, 500, 500, 1000, 2000, 16_000, 30_000, 30_000].map(ms));
    }

    #[test]
    fn the_last_step_repeats() {
        let policy = BackoffPolicy::Steps(&[5, 30]);
        let delays = [0, 1, 2, 3, i64::MAX].map(|nth| backoff(nth, &policy).as_secs());
        assert_eq!(delays, [5, 5, 30, 30, 30]);
    }
}
