//! Which rate is tried next: those of a list, or doubling until one is too high and then halving the gap.
//!
//! Pure. Knows nothing of how a rate is tried.

/// Rates yet to be tried.
pub enum Rates {
    Listed(std::collections::VecDeque<f64>),
    /// The highest that was good, and the lowest that was not.
    Sought {
        good: f64,
        bad: Option<f64>,
    },
}

/// Where a search begins, requests a second.
const FIRST: f64 = 1.0;
/// A search ends when the gap is this share of the better rate.
const GAP: f64 = 0.1;
/// No machine that this was written for gets here.
const MOST: f64 = 4096.0;

impl Rates {
    pub fn new(listed: &[f64]) -> Self {
        match listed {
            [] => Self::Sought { good: 0.0, bad: None },
            listed => Self::Listed(listed.iter().copied().collect()),
        }
    }

    /// The rate to try.
    pub fn next(&mut self) -> Option<f64> {
        match self {
            Self::Listed(rates) => rates.pop_front(),
            Self::Sought { good, bad: None } => {
                let next = if *good > 0.0 { *good * 2.0 } else { FIRST };
                (next <= MOST).then_some(next)
            }
            Self::Sought { good, bad: Some(bad) } => {
                // Where not even the first was good there is nothing to seek.
                let wide = *good > 0.0 && *bad - *good > GAP * *good;
                wide.then(|| f64::midpoint(*good, *bad))
            }
        }
    }

    /// How the last one went.
    pub fn tried(&mut self, rate: f64, is_good: bool) {
        match self {
            Self::Listed(_) => {}
            Self::Sought { good, .. } if is_good => *good = rate,
            Self::Sought { bad, .. } => *bad = Some(rate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sought(limit: f64) -> Vec<f64> {
        let (mut rates, mut tried) = (Rates::new(&[]), Vec::new());
        while let Some(rate) = rates.next() {
            rates.tried(rate, rate <= limit);
            tried.push(rate);
        }
        tried
    }

    #[test]
    fn the_limit_is_enclosed() {
        assert_eq!(sought(11.0), [1.0, 2.0, 4.0, 8.0, 16.0, 12.0, 10.0, 11.0]);
        assert_eq!(sought(0.5), [1.0]);
        assert_eq!(sought(1e9).last(), Some(&4096.0));
    }

    #[test]
    fn a_list_is_tried_as_it_is() {
        let mut rates = Rates::new(&[3.0, 1.0]);
        rates.tried(3.0, false);
        assert_eq!([rates.next(), rates.next(), rates.next()], [Some(3.0), Some(1.0), None]);
    }
}
