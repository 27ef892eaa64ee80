use std::time::Duration;

/// The cost class of a request, derived from the access rule of its route and its method. It determines the
/// rate limit cost, the admission queue and the time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Reads a list or a photo.
    Read,
    /// Changes a few rows.
    Write,
    /// Uploads bytes of a photo; has no time limit.
    Upload,
    /// Runs models or searches faces.
    Heavy,
    /// Erases, purges or exports: rare, and minutes of work.
    Long,
    /// Submits a password, a PIN, a code or a link's token, or changes one.
    Secret,
}

/// Time limit of an erasure, a purge or an export.
const TIME_LONG: Duration = Duration::from_secs(600);

impl Class {
    /// Returns the rate limit cost in units. Costs follow processor time (a read takes well under 1 ms, a
    /// password hash about 30 ms); secrets cost more, so that guessing is slow.
    pub fn units(self) -> u32 {
        match self {
            Self::Read => 1,
            Self::Write | Self::Upload => 2,
            Self::Heavy => 20,
            Self::Long | Self::Secret => 50,
        }
    }

    /// Returns the time limit until the response begins; `None` for an upload, which has a minimum rate
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
        assert!(Class::Secret.units() > 10 * Class::Read.units());
        let ordinary = Duration::from_secs(30);
        assert_eq!(Class::Upload.time_max(ordinary), None);
        assert_eq!(Class::Write.time_max(ordinary), Some(ordinary));
        assert_eq!(Class::Long.time_max(ordinary), Some(TIME_LONG));
    }
}
