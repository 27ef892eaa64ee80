/// The rates to try: a list, or a search for the highest good rate.
pub enum Rates {
    Listed(std::collections::VecDeque<f64>),
    /// Doubles the rate until a rate is not good, then bisects. `good` is the highest good rate, 0 without one;
    /// `bad` is the lowest rate that was not good.
    Bisected {
        good: f64,
        bad: Option<f64>,
    },
}

/// The first rate of a bisection, requests per second.
const RATE_FIRST: f64 = 1.0;
/// A bisection ends when the gap between good and bad is at most this fraction of the good rate.
const GAP_MAX: f64 = 0.1;
/// Limits the rate of a bisection, requests per second; higher than the target machines reach.
const RATE_MAX: f64 = 4096.0;

impl Rates {
    pub fn new(listed: &[f64]) -> Self {
        match listed {
            [] => Self::Bisected { good: 0.0, bad: None },
            listed => Self::Listed(listed.iter().copied().collect()),
        }
    }

    /// Returns the next rate to try.
    pub fn next(&mut self) -> Option<f64> {
        match self {
            Self::Listed(rates) => rates.pop_front(),
            Self::Bisected { good, bad: None } => {
                let next = if *good > 0.0 { *good * 2.0 } else { RATE_FIRST };
                (next <= RATE_MAX).then_some(next)
            }
            Self::Bisected { good, bad: Some(bad) } => {
                // Without a good rate there is no interval to bisect.
                let wide = *good > 0.0 && *bad - *good > GAP_MAX * *good;
                wide.then(|| f64::midpoint(*good, *bad))
            }
        }
    }

    /// Records whether `rate` was good.
    pub fn record(&mut self, rate: f64, is_good: bool) {
        match self {
            Self::Listed(_) => {}
            Self::Bisected { good, .. } if is_good => *good = rate,
            Self::Bisected { bad, .. } => *bad = Some(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried_with_limit(limit: f64) -> Vec<f64> {
        let (mut rates, mut tried) = (Rates::new(&[]), Vec::new());
        while let Some(rate) = rates.next() {
            rates.record(rate, rate <= limit);
            tried.push(rate);
        }
        tried
    }

    #[test]
    fn bisection_approaches_the_limit() {
        assert_eq!(tried_with_limit(11.0), [1.0, 2.0, 4.0, 8.0, 16.0, 12.0, 10.0, 11.0]);
        assert_eq!(tried_with_limit(0.5), [1.0]);
        assert_eq!(tried_with_limit(1e9).last(), Some(&4096.0));
    }

    #[test]
    fn a_list_is_tried_in_its_order() {
        let mut rates = Rates::new(&[3.0, 1.0]);
        rates.record(3.0, false);
        assert_eq!([rates.next(), rates.next(), rates.next()], [Some(3.0), Some(1.0), None]);
    }
}
