//! Verification (1:1) on a list of pairs in LFW's format, separated by tabs: `NAME a b` are two pictures of
//! one person, `NAME a OTHER b` are pictures of two people.
//!
//! Reports TAR at FAR 0.1 %, and the accuracy at the best threshold. This accuracy checks the pipeline only,
//! because the product uses another threshold.

use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::path::PathBuf;

use crate::setup::{PictureRole, Setup, central_faces};

#[derive(clap::Args)]
pub struct PairsArgs {
    /// File with pairs in LFW's format
    #[arg(long)]
    pairs: PathBuf,
    /// Folder with the pictures: NAME/NAME_0001.jpg
    #[arg(long)]
    images: PathBuf,
}

#[derive(Serialize)]
struct PairsReport {
    pack: String,
    provider: String,
    pairs: usize,
    /// Number of pairs in which a picture has no detected face; these count as pairs of two people.
    without_face: usize,
    accuracy: f64,
    threshold: f32,
    /// TAR at FAR 0.001.
    tar_at_far_001: f64,
}

pub fn run(setup: &Setup, args: &PairsArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.pairs)
        .with_context(|| format!("reading {}", args.pairs.display()))?;
    let pairs: Vec<(String, String, bool)> = text.lines().filter_map(parse).collect();
    let mut pictures: Vec<String> =
        pairs.iter().flat_map(|(a, b, _)| [a.clone(), b.clone()]).collect();
    pictures.sort_unstable();
    pictures.dedup();
    let pipeline = setup.pipeline()?;
    let faces = central_faces(&pipeline, PictureRole::Photo, &args.images, &pictures)?;
    let faces: HashMap<&String, _> = pictures.iter().zip(faces).collect();
    let mut without_face = 0;
    let mut scores = Vec::with_capacity(pairs.len());
    for (a, b, same) in &pairs {
        let score = match (faces.get(a), faces.get(b)) {
            (Some(Some(a)), Some(Some(b))) => a.similarity(b),
            _ => {
                without_face += 1;
                -1.0
            }
        };
        scores.push((score, *same));
    }
    let (accuracy, threshold) = best_accuracy(&mut scores);
    let pack = setup.pack()?.id().to_owned();
    let provider = pipeline.provider().to_string();
    let tar_at_far_001 = tar(&scores, 0.001);
    let report = PairsReport {
        pack,
        provider,
        pairs: pairs.len(),
        without_face,
        accuracy,
        threshold,
        tar_at_far_001,
    };
    if setup.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let PairsReport { pack, provider, pairs, without_face, .. } = &report;
        println!("{pack} on {provider}: {pairs} pairs, {without_face} without a face");
        println!(
            "accuracy {:.2} % at threshold {threshold:.3}, TAR {:.2} % at FAR 0.1 %",
            accuracy * 100.0,
            tar_at_far_001 * 100.0
        );
    }
    Ok(())
}

fn parse(line: &str) -> Option<(String, String, bool)> {
    let picture = |name: &str, number: &str| {
        Some(format!("{name}/{name}_{:04}.jpg", number.parse::<u32>().ok()?))
    };
    match line.split('\t').map(str::trim).collect::<Vec<_>>().as_slice() {
        [name, a, b] => Some((picture(name, a)?, picture(name, b)?, true)),
        [name, a, other, b] => Some((picture(name, a)?, picture(other, b)?, false)),
        _ => None,
    }
}

/// Returns the highest accuracy over all thresholds, and its threshold. Sorts `scores` in descending order.
fn best_accuracy(scores: &mut [(f32, bool)]) -> (f64, f32) {
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let different = scores.iter().filter(|(_, same)| !same).count();
    let mut right = different;
    let mut best = (right, 1.0);
    for (score, same) in scores.iter() {
        right = if *same { right + 1 } else { right - 1 };
        if right > best.0 {
            best = (right, *score);
        }
    }
    (best.0 as f64 / scores.len().max(1) as f64, best.1)
}

/// Returns the true accept rate: the share of the pairs of one person that the threshold accepts. The
/// threshold accepts at most the fraction `far` of the pairs of two people. `sorted` is in descending order.
fn tar(sorted: &[(f32, bool)], far: f64) -> f64 {
    let different = sorted.iter().filter(|(_, same)| !same).count();
    let same = sorted.len() - different;
    let allowed = (far * different as f64).floor() as usize;
    let (mut wrong, mut right) = (0, 0);
    for (_, is_same) in sorted {
        if !is_same {
            wrong += 1;
            if wrong > allowed {
                break;
            }
        } else {
            right += 1;
        }
    }
    right as f64 / same.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_kinds_are_read() {
        assert_eq!(
            parse("Al_Go\t1\t12"),
            Some(("Al_Go/Al_Go_0001.jpg".into(), "Al_Go/Al_Go_0012.jpg".into(), true))
        );
        assert_eq!(
            parse("A\t1\tB\t2"),
            Some(("A/A_0001.jpg".into(), "B/B_0002.jpg".into(), false))
        );
        assert_eq!(parse("10\t300"), None);
    }

    #[test]
    fn accuracy_and_rate_of_a_small_set() {
        let mut scores = vec![(0.9, true), (0.2, false), (0.8, true), (0.7, false), (0.6, true)];
        let (accuracy, threshold) = best_accuracy(&mut scores);
        assert!((accuracy - 0.8).abs() < 1e-9 && (threshold - 0.8).abs() < 1e-6);
        assert!((tar(&scores, 0.001) - 2.0 / 3.0).abs() < 1e-9);
    }
}
