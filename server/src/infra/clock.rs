use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Returns the current time in seconds since the Unix epoch (UTC).
pub fn now_s() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Returns the current time in microseconds since the Unix epoch (UTC).
pub fn now_us() -> i64 {
    i64::try_from(since_1970().as_micros()).unwrap_or(i64::MAX)
}

/// Interval between the two readings of a confirmed time, 5 s.
const CONFIRM_AFTER: Duration = Duration::from_secs(5);
/// Maximum difference of the two clocks between the readings, seconds. More is a step of the wall clock.
const STEP_S_MAX: i64 = 2;

/// Returns the current time in seconds since the Unix epoch, for deeds that cannot be undone. Reads the wall clock
/// twice, 5 s apart by the monotonic clock, and returns the earlier reading; `None` if the two clocks did not advance
/// alike, because the wall clock was set in between. A clock that was wrong before both readings is not noticed.
pub async fn confirmed_now_s() -> Option<i64> {
    let (first, begun) = (now_s(), Instant::now());
    tokio::time::sleep(CONFIRM_AFTER).await;
    confirm(first, now_s(), begun.elapsed())
}

/// Returns the earlier of two readings if the wall clock advanced between them as the monotonic clock did.
fn confirm(first: i64, second: i64, elapsed: Duration) -> Option<i64> {
    let elapsed = i64::try_from(elapsed.as_secs()).ok()?;
    let step = second.checked_sub(first)?.checked_sub(elapsed)?;
    (step.abs() <= STEP_S_MAX).then_some(first)
}

/// Returns the time since the Unix epoch; zero if the system clock is set before 1970.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_confirmed_unless_the_clock_was_set_between_the_readings() {
        let after = Duration::from_millis(5300);
        for (second, confirmed) in [(1005, true), (1006, true), (1003, true), (1007, true)] {
            assert_eq!(confirm(1000, second, after).is_some(), confirmed, "{second}");
        }
        for second in [1008, 1002, 999, 0, 1000 + 72 * 3600, i64::MAX, i64::MIN] {
            assert_eq!(confirm(1000, second, after), None, "{second}");
        }
        assert_eq!(confirm(1000, 1005, after), Some(1000), "the earlier reading");
        assert_eq!(confirm(i64::MIN, i64::MAX, after), None);
    }
}
