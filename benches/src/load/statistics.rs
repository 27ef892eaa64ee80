use std::time::Duration;

use serde::Serialize;

/// Quantiles of times in milliseconds; zeros without times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50_ms: f64,
    pub p90_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Quantiles {
    /// Computes quantiles by the nearest-rank method: the smallest time that at least the given share of all
    /// times do not exceed.
    pub fn of(mut times_ms: Vec<f64>) -> Self {
        times_ms.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * times_ms.len() as f64).ceil() as usize;
            times_ms.get(rank.max(1) - 1).copied().unwrap_or(0.0)
        };
        Self { p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), max_ms: at(1.0) }
    }
}

/// Returns the slope of the least-squares line through the points (x, y); 0 if all x are equal.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    if variance > 0.0 { covariance / variance } else { 0.0 }
}

/// Returns `count` arrival times of a Poisson process: inter-arrival times are exponential with the mean
/// `1 / rate`.
pub fn poisson(rate: f64, count: usize, seed: u64) -> Vec<Duration> {
    let mut state = seed;
    let mut at_s = 0.0;
    let mut next = || {
        // SplitMix64 (Steele, Lea, Flood 2014); 53 bits, so that the logarithm's argument is in (0, 1].
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let uniform = 1.0 - ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
        at_s -= uniform.ln() / rate;
        Duration::from_secs_f64(at_s)
    };
    (0..count).map(|_| next()).collect()
}

/// Returns `count` arrival times with equal intervals.
pub fn even(rate: f64, count: usize) -> Vec<Duration> {
    (0..count).map(|number| Duration::from_secs_f64(number as f64 / rate)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let times = (1..=200).rev().map(f64::from).collect();
        let expected = Quantiles { p50_ms: 100.0, p90_ms: 180.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(Quantiles::of(times), expected);
        assert_eq!(Quantiles::of(vec![]), Quantiles::default());
        assert!((Quantiles::of(vec![7.0]).p50_ms - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_line_has_its_slope() {
        let line: Vec<(f64, f64)> = (0..9).map(f64::from).map(|x| (x, 3.0 - 2.0 * x)).collect();
        assert!((slope(&line) + 2.0).abs() < 1e-9);
        assert!(slope(&[]).abs() < 1e-9 && slope(&[(1.0, 2.0)]).abs() < 1e-9);
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_exponential_intervals() {
        let arrivals = poisson(50.0, 20_000, 1);
        let whole_s = arrivals.last().map_or(0.0, Duration::as_secs_f64);
        assert!((whole_s - 400.0).abs() < 12.0, "{whole_s}");
        assert!(arrivals.is_sorted());
        // Of exponential times, the fraction exp(-1) exceeds the mean.
        let longer = arrivals.windows(2).filter(|two| (two[1] - two[0]).as_secs_f64() > 0.02);
        let share = longer.count() as f64 / 20_000.0;
        assert!((share - (-1.0f64).exp()).abs() < 0.02, "{share}");
        assert_eq!(poisson(50.0, 9, 7), poisson(50.0, 9, 7), "the seed determines all times");
        assert_ne!(poisson(50.0, 9, 7), poisson(50.0, 9, 8));
    }
}
