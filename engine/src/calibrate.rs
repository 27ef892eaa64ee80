//! Estimates the match threshold, with a confidence interval, from the scores of pairs of different people,
//! and counts scores in histograms.
//!
//! Each score must be computed as the matcher computes the score that it compares with the threshold.

use crate::matcher::ThresholdOffset;

/// Difference, as a cosine, between the threshold estimated from people in one photo and the threshold for
/// strangers. People in one photo score higher, because they may be relatives and share the light. On LFW, 930
/// pairs of people in one picture give a threshold of 0.56 (0.52 to 0.61); strangers give 0.44.
const SHARED_PHOTO_ALLOWANCE: f32 = 0.1;

/// Lower end of a histogram's first bin. Lower scores are counted in that bin.
const FROM: f32 = -0.4;
/// Width of a histogram's bin.
const STEP: f32 = 0.02;
/// Number of bins of a histogram. The last bin ends at 1; higher scores are counted in it.
const BINS: usize = 70;

/// Quantile of the scores whose distance from the median determines the standard deviation.
const QUANTILE: f64 = 0.95;
/// Position of `QUANTILE` above the median of a normal distribution, in standard deviations.
const QUANTILE_AT: f64 = 1.644_853_627;

/// A threshold estimated from scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate, -1..1.
    pub threshold: f32,
    /// Lower end of the 95 % confidence interval. The interval covers sampling error only.
    pub low: f32,
    /// Upper end of the confidence interval.
    pub high: f32,
}

impl Estimate {
    /// The target false positive identification rate (FPIR), 0..1: the share of strangers for whom a search
    /// returns a photo. The thresholds of the packs are fitted to this rate.
    pub const FPIR: f64 = 0.003;

    /// Lowest number of pairs of different people from which a threshold is estimated. With 500 pairs, 25 of
    /// them are above the quantile and the interval is ± 0.05. With 150 pairs it is ± 0.09, half of the
    /// largest threshold offset. Range 200 to 5,000. A lower value makes the estimate less stable when photos
    /// are added. Measure with `picpick-bench calibrate`.
    pub const PAIRS_MIN: usize = 500;

    /// Returns the recommended threshold offset, where `formula` is the threshold of the pack's formula. The
    /// offset is 0 unless the lower end of the interval, less 0.1 for people in one photo, is above `formula`.
    pub fn recommended_offset(&self, formula: f32) -> ThresholdOffset {
        let missing =
            (self.low - SHARED_PHOTO_ALLOWANCE - formula).clamp(0.0, ThresholdOffset::MAX.value());
        let rounded = (missing * 100.0).ceil() / 100.0;
        ThresholdOffset::new(rounded).unwrap_or(ThresholdOffset::MAX)
    }
}

/// Counts of the scores of pairs of different people and of pairs of one person, in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Lower end of the first bin.
    pub from: f32,
    /// Width of a bin.
    pub step: f32,
    /// Counts of the scores of pairs of different people, per bin.
    pub different: Vec<usize>,
    /// Counts of the scores of pairs of one person, per bin.
    pub same: Vec<usize>,
}

impl Histogram {
    /// Counts the scores of pairs of different people and of pairs of one person, each -1..1.
    pub fn of(different: &[f32], same: &[f32]) -> Self {
        Self { from: FROM, step: STEP, different: binned(different), same: binned(same) }
    }
}

fn binned(scores: &[f32]) -> Vec<usize> {
    let mut bins = vec![0; BINS];
    for score in scores {
        // The cast to `usize` gives 0 for a negative number and for NaN, so both are counted in the first bin.
        let bin = ((score - FROM) / STEP) as usize;
        if let Some(bin) = bins.get_mut(bin.min(BINS - 1)) {
            *bin += 1;
        }
    }
    bins
}

/// Estimates the threshold at which a search among `faces` faces has the false positive identification rate
/// `fpir`, from the scores of pairs of different people. `pairs` is the number of independent pairs among
/// them. Clamps `faces` to 100 to 1,000,000, as the packs' formula does, and sorts the scores. Returns `None`
/// if `pairs` is below [`Estimate::PAIRS_MIN`] or there is no score.
///
/// With a false match rate m per comparison and N faces, FPIR = 1 − (1 − m)^N ≈ m · N. The threshold is
/// therefore the score at which the tail of the scores falls to `fpir` / N, about 1e-6. No event has enough
/// pairs to measure this tail, so it is extrapolated as a normal distribution. Its mean is the median of the
/// scores, and its standard deviation follows from the distance between the median and the 95 % quantile.
/// Outliers change both quantiles little, so a person beside their own portrait or reflection has little
/// effect: one pair of score 1 in a hundred raises the threshold by about 0.03, one in a thousand by 0.003.
///
/// Measured on LFW (`picpick-bench calibrate`): with 1,000 pairs in 700 faces the threshold is within 0.002
/// of that of strangers, with a spread of 0.016; with 6,200 pairs in 4,500 faces it is within 0.001, with a
/// spread of 0.006. The mean excess of scores of different people falls from 0.044 above their 90 % quantile
/// to 0.020 above the 99.999 % quantile, as in a normal distribution. An exponential tail, whose mean excess
/// is constant, was tried at three quantiles: the thresholds were 0.04 to 0.16 too high, with two to four
/// times the spread.
///
/// The interval follows from the sampling errors of the two quantiles. Pairs that share a person do not
/// require a wider interval: with 20 to 400 people, each compared with each other, the measured spread is
/// 0.93 to 1.03 times the computed one.
pub fn estimate(scores: &mut [f32], pairs: usize, faces: usize, fpir: f64) -> Option<Estimate> {
    if pairs < Estimate::PAIRS_MIN || scores.is_empty() {
        return None;
    }
    scores.sort_by(f32::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * scores.len() as f64) as usize;
        scores.get(rank.min(scores.len() - 1)).map(|score| f64::from(*score))
    };
    let (median, high) = (quantile(0.5)?, quantile(QUANTILE)?);
    let deviation = (high - median) / QUANTILE_AT;
    let at = upper_quantile(fpir / faces.clamp(100, 1_000_000) as f64);
    let threshold = median + deviation * at;
    // The variance of a quantile is q (1 − q) / (n φ²); the covariance of two is q_low (1 − q_high) / (n φ
    // φ'). The normal density φ is 0.3989 at the median and 0.1031 at 95 %. In squared standard deviations
    // over n, the variances are 1.571 (median) and 4.468 (95 %), and the covariance is 0.608.
    let (of_high, of_median) = (at / QUANTILE_AT, 1.0 - at / QUANTILE_AT);
    let variance = of_high * of_high * 4.468
        + of_median * of_median * 1.571
        + 2.0 * of_high * of_median * 0.608;
    let reach = 1.96 * deviation * (variance / pairs as f64).sqrt();
    let bounded = |value: f64| value.clamp(-1.0, 1.0) as f32;
    Some(Estimate {
        threshold: bounded(threshold),
        low: bounded(threshold - reach),
        high: bounded(threshold + reach),
    })
}

/// Returns the value that a standard normal variable exceeds with probability `share`, which is clamped to
/// 1e-12 to 0.02. The error is below 1e-8. Formula: the tail of P. J. Acklam's rational approximation of the
/// inverse normal distribution function (2003).
fn upper_quantile(share: f64) -> f64 {
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let q = (-2.0 * share.clamp(1e-12, 0.02).ln()).sqrt();
    let polynomial = |all: &[f64]| all.iter().fold(0.0, |sum, coefficient| sum * q + coefficient);
    -polynomial(&C) / polynomial(&D)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `number` scores at evenly spaced quantiles of a normal distribution.
    fn normal(number: usize, middle: f32, deviation: f32) -> Vec<f32> {
        // Integrates the density up to each quantile.
        let mut scores = Vec::with_capacity(number);
        let (mut z, mut below) = (-6.0_f64, 0.0);
        let step = 1e-4;
        for rank in 0..number {
            let wanted = (rank as f64 + 0.5) / number as f64;
            while below < wanted {
                z += step;
                below += step * (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            }
            scores.push(middle + deviation * z as f32);
        }
        scores
    }

    #[test]
    fn the_tail_of_a_normal_distribution_is_known() {
        for (share, expected) in
            [(0.01, 2.326_348), (1e-3, 3.090_232), (1e-6, 4.753_424), (3e-9, 5.816_758)]
        {
            assert!((upper_quantile(share) - expected).abs() < 1e-3, "{share}");
        }
    }

    #[test]
    fn the_threshold_is_where_the_tail_says() {
        let mut scores = normal(2_000, 0.0, 0.1);
        let found = estimate(&mut scores, 2_000, 3_000, 0.003).unwrap();
        assert!((found.threshold - 0.475_3).abs() < 0.003, "{found:?}");
        assert!(found.low < found.threshold && found.threshold < found.high);
        let larger = estimate(&mut scores, 2_000, 30_000, 0.003).unwrap();
        assert!(larger.threshold > found.threshold + 0.03, "more faces, more false matches");
        let laxer = estimate(&mut scores, 2_000, 3_000, 0.01).unwrap();
        assert!(laxer.threshold < found.threshold);
        let fewer = estimate(&mut scores, Estimate::PAIRS_MIN, 3_000, 0.003).unwrap();
        let width = |found: &Estimate| found.high - found.low;
        assert!((width(&fewer) / width(&found) - 2.0).abs() < 0.01, "a quarter of the pairs");
        assert!(width(&fewer) < 0.12, "as narrow as PAIRS_MIN promises: {}", width(&fewer));
    }

    #[test]
    fn the_same_face_twice_hardly_moves_it() {
        let clean = estimate(&mut normal(3_000, 0.0, 0.1), 3_000, 3_000, 0.003).unwrap();
        for (twice, moved_max) in [(3, 0.005), (30, 0.04)] {
            let mut scores = normal(3_000 - twice, 0.0, 0.1);
            scores.extend(std::iter::repeat_n(0.97, twice));
            let found = estimate(&mut scores, 3_000, 3_000, 0.003).unwrap();
            let moved = found.threshold - clean.threshold;
            assert!((0.0..moved_max).contains(&moved), "{twice} of 3,000: {moved}");
        }
    }

    #[test]
    fn only_a_clearly_higher_estimate_advises_an_offset() {
        let at = |low: f32| Estimate { threshold: low + 0.04, low, high: low + 0.08 };
        assert_eq!(
            at(0.52).recommended_offset(0.45).value(),
            0.0,
            "LFW's pairs of people in one picture"
        );
        assert!((at(0.595).recommended_offset(0.45).value() - 0.05).abs() < 1e-6);
        assert_eq!(at(0.95).recommended_offset(0.45), ThresholdOffset::MAX);
    }

    #[test]
    fn few_pairs_and_no_scores_give_no_threshold() {
        assert_eq!(
            estimate(&mut normal(999, 0.0, 0.1), Estimate::PAIRS_MIN - 1, 1_000, Estimate::FPIR),
            None
        );
        assert_eq!(estimate(&mut [], 1_000, 1_000, Estimate::FPIR), None);
        let alike = estimate(&mut [1.0; 1_000], 1_000, 1_000, Estimate::FPIR).unwrap();
        assert_eq!((alike.threshold, alike.low, alike.high), (1.0, 1.0, 1.0));
    }

    #[test]
    fn a_histogram_counts_everything() {
        let counted = Histogram::of(&[-1.0, -0.4, -0.39, 0.011, 2.0, f32::NAN], &[0.99, 1.0]);
        assert_eq!(counted.different.iter().sum::<usize>(), 6);
        assert_eq!((counted.different.first(), counted.same.last()), (Some(&4), Some(&2)));
        assert_eq!(counted.different.get(20), Some(&1));
    }
}
