//! The time of day as whole seconds since 1970, the only form in which it is stored.
//!
//! Knows nothing of calendars or time zones.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now; 0 on a clock set before 1970.
pub(crate) fn unix_now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
