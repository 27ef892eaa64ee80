use picpick_engine::Quality;
use serde::Serialize;

/// Number of points of a table: 0, 0.1 … 1.
const POINTS: usize = 11;

/// A face that was searched for.
pub struct Sample {
    /// The kind of degradation of its photo.
    pub kind: &'static str,
    /// Quality score, 0 to 1.
    pub quality: f32,
    pub parts: Quality,
    pub found: bool,
}

/// A function measured at 0, 0.1 … 1. Each sample counts at the nearest point.
#[derive(Serialize)]
pub struct Table {
    pub name: &'static str,
    /// Number of samples at each point.
    pub faces: Vec<usize>,
    /// Mean value at each point.
    pub mean: Vec<f64>,
    /// Isotonic regression of the means: the constants of the engine's `coverage.rs`.
    pub rising: Vec<f64>,
}

impl Table {
    /// Builds a table from samples: position, 0..1, and value.
    fn of(name: &'static str, samples: impl Iterator<Item = (f32, f64)>) -> Self {
        let (mut faces, mut sums) = (vec![0; POINTS], vec![0.0; POINTS]);
        for (at, value) in samples {
            let point = ((at * (POINTS - 1) as f32).round() as usize).min(POINTS - 1);
            faces.iter_mut().skip(point).take(1).for_each(|faces| *faces += 1);
            sums.iter_mut().skip(point).take(1).for_each(|sum| *sum += value);
        }
        let mean = sums.iter().zip(&faces).map(|(sum, &faces)| sum / f64::from(faces.max(1)));
        let mean: Vec<f64> = mean.collect();
        let pairs: Vec<(i32, f64)> = faces.iter().copied().zip(mean.iter().copied()).collect();
        let rising = isotonic(&pairs);
        let faces = faces.into_iter().map(|faces| usize::try_from(faces).unwrap_or(0)).collect();
        Self { name, faces, mean, rising }
    }

    /// Returns the isotonic value at `at`, 0..1, by linear interpolation.
    fn interpolate(&self, at: f32) -> f32 {
        let position = f64::from(at.clamp(0.0, 1.0)) * (POINTS - 1) as f64;
        let value = |nth: usize| self.rising.get(nth.min(POINTS - 1)).copied().unwrap_or(0.0);
        let below = position as usize;
        (value(below) + (value(below + 1) - value(below)) * (position - below as f64)) as f32
    }
}

/// Returns the tables of the engine's `coverage.rs`, in the order of that file, and recall by quality score
/// alone. Recall by one part of the quality uses faces whose other parts are good. Leaves out photos that
/// were both reduced and blurred, because these serve to check the tables.
pub fn tables(samples: &[Sample]) -> Vec<Table> {
    let single = || samples.iter().filter(|sample| sample.kind != "both");
    let recall = |sample: &Sample| f64::from(u8::from(sample.found));
    let crisp = single().filter(|sample| sample.kind != "blurred" && sample.parts.size > 0.0);
    let crisp = crisp.map(|sample| (sample.parts.size, f64::from(sample.parts.sharpness)));
    let crisp = Table::of("sharpness of crisp faces by size", crisp);
    let sharpness =
        |sample: &Sample| (sample.parts.sharpness / crisp.interpolate(sample.parts.size)).min(1.0);
    let large = |sample: &&Sample| sample.parts.size >= 0.3;
    let sharp = |sample: &&Sample| sharpness(sample) >= 0.8;
    let frontal = |sample: &&Sample| sample.parts.pose >= 0.5;
    let by_size = single().filter(sharp).filter(frontal);
    let by_size = by_size.map(|sample| (sample.parts.size, recall(sample)));
    let by_size = Table::of("recall by size", by_size);
    let by_sharpness = single().filter(large).filter(frontal);
    let by_sharpness = by_sharpness.map(|sample| (sharpness(sample), recall(sample)));
    let by_sharpness = Table::of("recall by sharpness relative to a crisp face", by_sharpness);
    let by_pose = single().filter(large).filter(sharp);
    let by_pose = by_pose.map(|sample| (sample.parts.pose, recall(sample)));
    let by_pose = Table::of("recall by pose", by_pose);
    let by_quality = single().map(|sample| (sample.quality, recall(sample)));
    let by_quality = Table::of("recall by quality score alone", by_quality);
    vec![crisp, by_size, by_sharpness, by_pose, by_quality]
}

/// Returns the isotonic regression of `means` (number of samples, mean) by the pool adjacent violators
/// algorithm (Ayer et al. 1955). A point without samples gets the value of the point before it.
fn isotonic(means: &[(i32, f64)]) -> Vec<f64> {
    // Each pool: number of points, number of samples, mean.
    let mut pools: Vec<(usize, i32, f64)> = Vec::new();
    for &(number, mean) in means {
        let mut last = (1, number, mean);
        while let Some(before) = pools.pop() {
            if before.2 <= last.2 && last.1 > 0 {
                pools.push(before);
                break;
            }
            let number = before.1 + last.1;
            let sum = before.2 * f64::from(before.1) + last.2 * f64::from(last.1);
            last = (before.0 + last.0, number, sum / f64::from(number.max(1)));
        }
        pools.push(last);
    }
    let level = |(points, _, mean): (usize, i32, f64)| std::iter::repeat_n(mean, points);
    pools.into_iter().flat_map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_means_are_pooled_and_rising_means_stay() {
        let close = |found: Vec<f64>, expected: &[f64]| {
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near && found.len() == expected.len(), "{found:?} {expected:?}");
        };
        close(isotonic(&[(10, 0.1), (10, 0.5), (10, 0.9)]), &[0.1, 0.5, 0.9]);
        close(isotonic(&[(10, 0.1), (30, 0.9), (10, 0.7), (5, 1.0)]), &[0.1, 0.85, 0.85, 1.0]);
        close(isotonic(&[(10, 1.0), (10, 0.0), (0, 0.0)]), &[0.5, 0.5, 0.5]);
    }

    #[test]
    fn a_sample_counts_at_the_nearest_point_of_a_table() {
        let table = Table::of("x", [(0.0, 0.0), (0.04, 1.0), (0.06, 1.0), (1.0, 1.0)].into_iter());
        assert_eq!(
            (table.faces.first(), table.faces.get(1), table.faces.get(10)),
            (Some(&2), Some(&1), Some(&1))
        );
        assert_eq!(table.mean.first(), Some(&0.5));
        assert!((table.interpolate(0.05) - 0.75).abs() < 1e-6);
    }
}
