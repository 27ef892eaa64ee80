//! One allowance: so many units a second on average, and what was saved up of them at once.
//!
//! The generic cell rate algorithm: a single time says all, namely when the allowance is whole again. Pure;
//! knows no clock and nobody's name.

/// Units a second, and for how many seconds unused ones add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// 1 or more.
    pub units_per_s: u32,
    /// What may be used at once is `units_per_s` times this.
    pub burst_s: u32,
}

impl Rate {
    /// When an allowance that is whole at `whole_us` is whole again after `units` more, microseconds; or, where
    /// they are too many, how long to wait for them.
    pub fn take(self, whole_us: i64, now_us: i64, units: u32) -> Result<i64, u64> {
        let burst_us = i64::from(self.burst_s) * 1_000_000;
        // A clock that was set back must not lock anybody out for longer than an empty allowance does.
        let whole_us = whole_us.clamp(now_us, now_us + burst_us);
        let after_us = whole_us + i64::from(units) * 1_000_000 / i64::from(self.units_per_s.max(1));
        match after_us - burst_us - now_us {
            early_us if early_us > 0 => Err(u64::try_from(early_us).unwrap_or(0)),
            _ => Ok(after_us),
        }
    }

    /// Whether so much is used that it is worth remembering over a restart: a tenth.
    pub fn is_worn(self, whole_us: i64, now_us: i64) -> bool {
        whole_us - now_us > i64::from(self.burst_s) * 100_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { units_per_s: 10, burst_s: 6 };
    const NOW: i64 = 1_700_000_000_000_000;

    fn spend(mut whole_us: i64, now_us: i64, units: u32) -> (u32, i64) {
        let mut taken = 0;
        while let Ok(after) = RATE.take(whole_us, now_us, units) {
            (whole_us, taken) = (after, taken + 1);
        }
        (taken, whole_us)
    }

    #[test]
    fn a_burst_is_given_once_and_the_rate_afterwards() {
        let (taken, whole_us) = spend(0, NOW, 1);
        assert_eq!(taken, 60);
        assert_eq!(RATE.take(whole_us, NOW, 1), Err(100_000), "one unit comes back in 100 ms");
        assert_eq!(spend(whole_us, NOW + 1_000_000, 1).0, 10);
        assert_eq!(spend(whole_us, NOW + 3_600_000_000, 1).0, 60, "no more than the burst adds up");
        assert_eq!(spend(0, NOW, 20).0, 3, "what costs twenty is had a twentieth as often");
    }

    #[test]
    fn a_refusal_takes_nothing_and_a_clock_set_back_locks_nobody_out() {
        let (_, whole_us) = spend(0, NOW, 1);
        for _ in 0..5 {
            assert_eq!(RATE.take(whole_us, NOW, 1), Err(100_000));
        }
        let a_day_before = NOW - 86_400_000_000;
        assert_eq!(RATE.take(whole_us, a_day_before, 1), Err(100_000));
        assert!(RATE.is_worn(whole_us, NOW) && !RATE.is_worn(NOW + 500_000, NOW));
    }
}
