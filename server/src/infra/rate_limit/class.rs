use std::time::Duration;

/// The cost class of a request, derived from its method and the access rule of its route. The class determines
/// the rate limit cost, the admission queue and the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestClass {
    /// Reads a list or a photo.
    Read,
    /// Changes a few rows.
    Write,
    /// Uploads bytes of a photo; has no time limit.
    Upload,
    /// Runs models or searches faces.
    Heavy,
    /// Erases, purges or exports; is rare and takes minutes.
    Long,
    /// Submits, requests or changes a password, a PIN, a code or a link's token.
    Secret,
}

/// Least time limit of an erasure, a purge or an export: 10 minutes.
const TIME_LONG: Duration = Duration::from_secs(600);

impl RequestClass {
    /// Returns the rate limit cost in units. Costs follow processor time: a read takes less than 1 ms, a
    /// password hash about 30 ms. Secrets cost more, so that guessing is slow.
    pub fn units(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write | Self::Upload => 2,
            Self::Heavy => 20,
            Self::Long | Self::Secret => 50,
        }
    }

    /// Returns the time limit until the response begins; `None` for an upload, whose body has a minimum rate
    /// instead. `ordinary` is the limit from the settings.
    pub fn time_max(self, ordinary: Duration) -> Option<Duration> {
        match self {
            Self::Upload => None,
            Self::Long => Some(ordinary.max(TIME_LONG)),
            _ => Some(ordinary),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cost_most_and_reads_least() {
        assert!(RequestClass::Secret.units() > 10 * RequestClass::Read.units());
        let ordinary = Duration::from_secs(30);
        assert_eq!(RequestClass::Upload.time_max(ordinary), None);
        assert_eq!(RequestClass::Write.time_max(ordinary), Some(ordinary));
        assert_eq!(RequestClass::Long.time_max(ordinary), Some(TIME_LONG));
    }
}
