use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Returns the current time in seconds since the Unix epoch (UTC).
pub fn now_s() -> i64 {
    i64::try_from(since_1970().as_secs()).unwrap_or(i64::MAX)
}

/// Returns the current time in microseconds since the Unix epoch (UTC).
pub fn now_us() -> i64 {
    i64::try_from(since_1970().as_micros()).unwrap_or(i64::MAX)
}

/// Returns the time since the Unix epoch; zero if the system clock is set before 1970.
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
