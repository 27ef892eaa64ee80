//! The generic cell rate algorithm (GCRA, ITU-T Recommendation I.371): a token bucket whose whole state is
//! one time, the theoretical arrival time (TAT). An allowance is unused if its TAT is not in the future.

/// A rate limit: the average rate in units a second, and the burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Average rate, units a second, at least 1.
    pub units_per_s: u32,
    /// Time over which unused units accumulate, seconds. The burst is `units_per_s * burst_s` units.
    pub burst_s: u32,
}

impl Rate {
    /// Takes `units` from an allowance with theoretical arrival time `tat_us`. Returns the new TAT in
    /// microseconds since the Unix epoch.
    ///
    /// # Errors
    /// - The microseconds to wait, if fewer than `units` are available; nothing is taken then.
    pub fn take(self, tat_us: i64, now_us: i64, units: u32) -> Result<i64, u64> {
        let burst_us = i64::from(self.burst_s) * 1_000_000;
        // Clamped, so that a clock set back blocks a subject for no longer than an exhausted allowance does.
        let tat_us = tat_us.clamp(now_us, now_us + burst_us);
        let after_us = tat_us + i64::from(units) * 1_000_000 / i64::from(self.units_per_s.max(1));
        match after_us - burst_us - now_us {
            early_us if early_us > 0 => Err(u64::try_from(early_us).unwrap_or(0)),
            _ => Ok(after_us),
        }
    }

    /// Returns whether more than a tenth of the burst is used: only then is the allowance persisted.
    pub fn is_significant(self, tat_us: i64, now_us: i64) -> bool {
        tat_us - now_us > i64::from(self.burst_s) * 100_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { units_per_s: 10, burst_s: 6 };
    const NOW: i64 = 1_700_000_000_000_000;

    fn spend(mut tat_us: i64, now_us: i64, units: u32) -> (u32, i64) {
        let mut taken = 0;
        while let Ok(after) = RATE.take(tat_us, now_us, units) {
            (tat_us, taken) = (after, taken + 1);
        }
        (taken, tat_us)
    }

    #[test]
    fn a_burst_is_given_once_and_the_rate_afterwards() {
        let (taken, tat_us) = spend(0, NOW, 1);
        assert_eq!(taken, 60);
        assert_eq!(RATE.take(tat_us, NOW, 1), Err(100_000), "one unit comes back in 100 ms");
        assert_eq!(spend(tat_us, NOW + 1_000_000, 1).0, 10);
        assert_eq!(spend(tat_us, NOW + 3_600_000_000, 1).0, 60, "no more than the burst adds up");
        assert_eq!(spend(0, NOW, 20).0, 3, "20 units cost 20 times as much as one");
    }

    #[test]
    fn a_refusal_takes_nothing_and_a_clock_set_back_locks_nobody_out() {
        let (_, tat_us) = spend(0, NOW, 1);
        for _ in 0..5 {
            assert_eq!(RATE.take(tat_us, NOW, 1), Err(100_000));
        }
        let a_day_before = NOW - 86_400_000_000;
        assert_eq!(RATE.take(tat_us, a_day_before, 1), Err(100_000));
        assert!(RATE.is_significant(tat_us, NOW) && !RATE.is_significant(NOW + 500_000, NOW));
    }
}
