use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the seconds since the Unix epoch, the only form in which times are stored; 0 if the clock is set
/// before 1970.
pub(crate) fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
