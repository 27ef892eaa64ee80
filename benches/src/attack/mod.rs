//! Presentation attacks: how often a person is refused (BPCER) and a picture of one passes (APCER).
//!
//! Live pictures are real ones; attacks are imitated from the same pictures (`imitate`). Figures are given
//! for single frames and for challenges of six frames of one person, by several rules. Knows nothing of
//! poses.

mod simulate_attacks;

use anyhow::{Context, Result, bail};
use picpick_engine::{ATTACK_LIVE_MIN, DecodeLimits, Liveness, Pipeline, decode, probe, to_jpeg};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::setup::Setup;
use simulate_attacks::{AttackKind, simulate_attack};

/// Frames that count in a challenge.
const FRAMES: usize = 6;
/// Bars of the sweep; the product's own is among them.
const BARS: [f32; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9];
const JPEG_QUALITY: i32 = 85;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of NAME/PICTURE.jpg, one folder for each person
    #[arg(long)]
    images: PathBuf,
    /// At most this many pictures; whole people, those with most pictures last
    #[arg(long, default_value_t = 1200)]
    pictures: usize,
}

#[derive(Serialize)]
struct Report {
    pictures: usize,
    people: usize,
    /// Live pictures and imitations without one clear face; they are left out.
    without_face: usize,
    product_bar: f32,
    frames: Vec<Row>,
    challenges: Vec<Rule>,
}

#[derive(Serialize)]
struct Rule {
    rule: &'static str,
    groups: usize,
    rows: Vec<Row>,
}

/// Shares at one bar: a score below it is an attack.
#[derive(Serialize)]
struct Row {
    bar: f32,
    bpcer: f64,
    /// By kind of attack.
    apcer: BTreeMap<&'static str, f64>,
}

/// Scores of one person's pictures: live, and as each kind of attack.
struct Person {
    live: Vec<f32>,
    attacks: Vec<Vec<f32>>,
    lost: usize,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    let people = people(args)?;
    let pipeline = setup.pipeline()?;
    let liveness = setup.liveness()?;
    let scored = people.par_iter().enumerate();
    let scored: Vec<Person> = scored
        .map(|(nth, pictures)| score(&pipeline, &liveness, nth, pictures))
        .collect::<Result<_>>()?;
    let frames = |scores: &[f32]| scores.to_vec();
    let rules: [(&str, usize); 3] = [("worst", 0), ("second worst", 1), ("third worst", 2)];
    let challenges = rules.map(|(rule, nth)| Rule {
        rule,
        groups: scored.iter().map(|person| person.live.len() / FRAMES).sum(),
        rows: sweep(&scored, |scores| grouped(scores, nth)),
    });
    let report = Report {
        pictures: people.iter().map(Vec::len).sum(),
        people: people.len(),
        without_face: scored.iter().map(|person| person.lost).sum(),
        product_bar: ATTACK_LIVE_MIN,
        frames: sweep(&scored, frames),
        challenges: challenges.into(),
    };
    if setup.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        show(&report);
    }
    Ok(())
}

/// Pictures by person: people with at least as many as a challenge has frames first, which both kinds of
/// figures need.
fn people(args: &Args) -> Result<Vec<Vec<PathBuf>>> {
    let listed = |folder: &PathBuf| -> Result<Vec<PathBuf>> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut people = Vec::new();
    for folder in listed(&args.images)?.iter().filter(|path| path.is_dir()) {
        let mut pictures = listed(folder)?;
        // One person's face should not decide: two challenges' worth at most.
        pictures.truncate(2 * FRAMES);
        people.push(pictures);
    }
    people.sort_by_key(|pictures| pictures.len() < FRAMES);
    let mut left = args.pictures;
    people.retain(|pictures| {
        let fits = pictures.len() <= left;
        left -= if fits { pictures.len() } else { 0 };
        fits && !pictures.is_empty()
    });
    if people.is_empty() {
        bail!("{} holds no folder with pictures", args.images.display());
    }
    Ok(people)
}

fn score(
    pipeline: &Pipeline,
    liveness: &Liveness,
    person: usize,
    pictures: &[PathBuf],
) -> Result<Person> {
    let limits = DecodeLimits::default();
    let mut found =
        Person { live: Vec::new(), attacks: vec![Vec::new(); AttackKind::ALL.len()], lost: 0 };
    for (nth, path) in pictures.iter().enumerate() {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let look = |bytes: &[u8], scores: &mut Vec<f32>, lost: &mut usize| -> Result<()> {
            match pipeline.look(liveness, bytes)?.face {
                Some(face) => scores.push(face.live),
                None => *lost += 1,
            }
            Ok(())
        };
        look(&bytes, &mut found.live, &mut found.lost)?;
        let picture = decode(&bytes, &probe(&bytes, &limits)?, &limits)?;
        for (kind, scores) in AttackKind::ALL.into_iter().zip(&mut found.attacks) {
            let frame = simulate_attack(&picture, kind, (person * 1000 + nth) as u64)?;
            look(&to_jpeg(&frame, u32::MAX, JPEG_QUALITY)?, scores, &mut found.lost)?;
        }
    }
    Ok(found)
}

/// The `nth` lowest score of each whole group of frames.
fn grouped(scores: &[f32], nth: usize) -> Vec<f32> {
    let groups = scores.chunks_exact(FRAMES).map(|group| {
        let mut group = group.to_vec();
        group.sort_by(f32::total_cmp);
        group.get(nth).copied().unwrap_or_default()
    });
    groups.collect()
}

/// BPCER and APCER over the bars of what `decisive` takes from one person's scores.
fn sweep(people: &[Person], decisive: impl Fn(&[f32]) -> Vec<f32>) -> Vec<Row> {
    let all = |scores: &dyn Fn(&Person) -> Vec<f32>| -> Vec<f32> {
        people.iter().flat_map(scores).collect()
    };
    let live = all(&|person| decisive(&person.live));
    let attacks: Vec<(&str, Vec<f32>)> = AttackKind::ALL
        .into_iter()
        .enumerate()
        .map(|(nth, kind)| {
            let of = |person: &Person| person.attacks.get(nth).map_or(Vec::new(), |s| decisive(s));
            (kind.name(), all(&of))
        })
        .collect();
    let below = |scores: &[f32], bar: f32| {
        scores.iter().filter(|score| **score < bar).count() as f64 / scores.len().max(1) as f64
    };
    let row = |bar| Row {
        bar,
        bpcer: below(&live, bar),
        apcer: attacks.iter().map(|(name, scores)| (*name, 1.0 - below(scores, bar))).collect(),
    };
    BARS.map(row).into()
}

fn show(report: &Report) {
    println!(
        "{} pictures of {} people, {} looks without one clear face, product's bar {}",
        report.pictures, report.people, report.without_face, report.product_bar
    );
    let table = |rows: &[Row]| {
        let names = AttackKind::ALL.map(|kind| format!("{:>11}", kind.name())).join("");
        println!("{:>6} {:>8}   APCER{names}", "bar", "BPCER");
        for row in rows {
            let apcer = AttackKind::ALL.map(|kind| {
                format!("{:>10.1}%", 100.0 * row.apcer.get(kind.name()).copied().unwrap_or(1.0))
            });
            println!("{:>6} {:>7.1}%        {}", row.bar, 100.0 * row.bpcer, apcer.join(""));
        }
    };
    println!("\nSingle frames");
    table(&report.frames);
    for rule in &report.challenges {
        println!("\nChallenges of {FRAMES} frames, the {} decides ({})", rule.rule, rule.groups);
        table(&rule.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_what_is_below_the_bar() {
        let person = Person {
            live: vec![0.9, 0.95, 0.05, 0.8, 0.99, 0.97],
            attacks: vec![vec![0.01, 0.6, 0.01, 0.01, 0.01, 0.01]; 4],
            lost: 0,
        };
        let rows = sweep(std::slice::from_ref(&person), |scores| scores.to_vec());
        let at = |bar: f32| rows.iter().find(|row| row.bar == bar);
        assert!(at(0.1).is_some_and(|row| (row.bpcer - 1.0 / 6.0).abs() < 1e-9));
        assert!(at(0.1).is_some_and(|row| (row.apcer["screen"] - 1.0 / 6.0).abs() < 1e-9));
        assert_eq!(grouped(&person.live, 0), [0.05]);
        assert_eq!(grouped(&person.live, 1), [0.8]);
        assert_eq!(grouped(&person.live[..5], 0), [0.0; 0]);
    }
}
