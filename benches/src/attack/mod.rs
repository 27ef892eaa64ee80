//! Presentation attack detection (ISO/IEC 30107-3): the share of live pictures that are rejected (BPCER) and
//! of attacks that are accepted (APCER), by threshold of the live score.
//!
//! Live pictures are real; attacks are simulated from them ([`simulate_attacks`]). The report contains rates
//! for single frames, and for challenges of six frames of one person under three rules. Head turns are not
//! tested there; the series of injected frames ([`injection`]) runs whole challenges.

mod injection;
mod simulate_attacks;

use anyhow::{Context, Result, bail};
use clap::ValueEnum as _;
use picpick_engine::liveness::{ATTACK_LIVE_MIN, Liveness};
use picpick_engine::{DecodeLimits, Picture, Pipeline};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::setup::Setup;
use injection::Instrument;
use simulate_attacks::{AttackKind, simulate_attack};

/// Number of frames in a challenge.
const FRAMES: usize = 6;
/// Thresholds to measure. The product's own threshold is in this list.
const THRESHOLDS: [f32; 10] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9];
/// JPEG quality of simulated frames.
const JPEG_QUALITY: i32 = 85;

#[derive(clap::Args)]
pub struct AttackArgs {
    /// Folder with one folder of pictures for each person: NAME/PICTURE.jpg
    #[arg(long)]
    images: PathBuf,
    /// Limit of the pictures to use. Of a person, all pictures or none are used; people with at
    /// least six pictures come first
    #[arg(long, default_value_t = 1200)]
    pictures: usize,
    /// Which attacks to run
    #[arg(long, value_enum, default_value_t = Series::Presentation)]
    series: Series,
    /// Number of people of the injection series
    #[arg(long, default_value_t = 100)]
    people: usize,
    /// Number of challenges for each person and instrument of the injection series
    #[arg(long, default_value_t = 4)]
    attempts: usize,
    /// Instrument of the injection series; may be repeated. All of them by default
    #[arg(long, value_enum)]
    instrument: Vec<Instrument>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Series {
    /// Pictures on screens and paper, held before the camera
    Presentation,
    /// Made frames that are sent in place of a camera's
    Injection,
}

#[derive(Serialize)]
struct AttackReport {
    pictures: usize,
    people: usize,
    /// Live pictures and simulated attacks without one clear face; they are left out.
    without_face: usize,
    /// The product's threshold.
    product_bar: f32,
    frames: Vec<AttackRow>,
    challenges: Vec<Rule>,
}

/// Error rates of challenges in which one frame of the group decides.
#[derive(Serialize)]
struct Rule {
    /// The deciding frame, for instance "second worst".
    rule: &'static str,
    /// Number of challenges of live pictures.
    groups: usize,
    rows: Vec<AttackRow>,
}

/// Error rates at one threshold: a score below the threshold counts as an attack.
#[derive(Serialize)]
struct AttackRow {
    /// The threshold.
    bar: f32,
    bpcer: f64,
    /// By kind of attack.
    apcer: BTreeMap<&'static str, f64>,
}

/// The live scores of one person's pictures, unchanged and as each kind of attack.
struct Person {
    live: Vec<f32>,
    /// The scores of each kind of attack, in the order of `AttackKind::ALL`.
    attacks: Vec<Vec<f32>>,
    /// Frames without one clear face.
    without_face: usize,
}

pub fn run(setup: &Setup, args: &AttackArgs) -> Result<()> {
    let people = people(args)?;
    let pipeline = setup.pipeline()?;
    let liveness = setup.liveness()?;
    if args.series == Series::Injection {
        let chosen = people.get(..args.people).unwrap_or(&people);
        let instruments = match args.instrument.as_slice() {
            [] => Instrument::value_variants(),
            named => named,
        };
        let pack = setup.pack()?;
        let report =
            injection::run(&pack, &pipeline, &liveness, chosen, instruments, args.attempts)?;
        if setup.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.show();
        }
        return Ok(());
    }
    let scored = people.par_iter().enumerate();
    let scored: Vec<Person> = scored
        .map(|(nth, pictures)| score(&pipeline, &liveness, nth, pictures))
        .collect::<Result<_>>()?;
    let frames = |scores: &[f32]| scores.to_vec();
    let rules: [(&str, usize); 3] = [("worst", 0), ("second worst", 1), ("third worst", 2)];
    let challenges = rules.map(|(rule, nth)| Rule {
        rule,
        groups: scored.iter().map(|person| person.live.len() / FRAMES).sum(),
        rows: sweep(&scored, |scores| nth_lowest_of_groups(scores, nth)),
    });
    let report = AttackReport {
        pictures: people.iter().map(Vec::len).sum(),
        people: people.len(),
        without_face: scored.iter().map(|person| person.without_face).sum(),
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

/// Returns the pictures of each person, at most 12. People with enough pictures for a challenge come first,
/// because other people count in the rates of single frames only.
///
/// # Errors
/// - A folder cannot be read.
/// - No person has pictures within the limit.
fn people(args: &AttackArgs) -> Result<Vec<Vec<PathBuf>>> {
    let entries_of = |folder: &PathBuf| -> Result<Vec<PathBuf>> {
        let entries =
            std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
        let mut paths =
            entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut people = Vec::new();
    for folder in entries_of(&args.images)?.iter().filter(|path| path.is_dir()) {
        let mut pictures = entries_of(folder)?;
        // A limit per person, so that no single face dominates the rates.
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
        bail!(
            "{} contains no folder with pictures, or only folders with more pictures than --pictures \
             allows; name another folder with --images, or raise --pictures",
            args.images.display()
        );
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
    let attacks = vec![Vec::new(); AttackKind::ALL.len()];
    let mut scored = Person { live: Vec::new(), attacks, without_face: 0 };
    for (nth, path) in pictures.iter().enumerate() {
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let add = |bytes: &[u8], scores: &mut Vec<f32>, without_face: &mut usize| -> Result<()> {
            match pipeline.analyse_frame(liveness, bytes)?.face {
                Some(face) => scores.push(face.live_score),
                None => *without_face += 1,
            }
            Ok(())
        };
        add(&bytes, &mut scored.live, &mut scored.without_face)?;
        let picture = Picture::decode(&bytes, &limits)?;
        for (kind, scores) in AttackKind::ALL.into_iter().zip(&mut scored.attacks) {
            let frame = simulate_attack(&picture, kind, (person * 1000 + nth) as u64)?;
            add(&frame.to_jpeg(u32::MAX, JPEG_QUALITY)?, scores, &mut scored.without_face)?;
        }
    }
    Ok(scored)
}

/// Returns the `nth` lowest score, from 0, of each complete group of `FRAMES` scores.
fn nth_lowest_of_groups(scores: &[f32], nth: usize) -> Vec<f32> {
    let groups = scores.chunks_exact(FRAMES).map(|group| {
        let mut group = group.to_vec();
        group.sort_by(f32::total_cmp);
        group.get(nth).copied().unwrap_or_default()
    });
    groups.collect()
}

/// Returns BPCER and APCER at each threshold. `select` chooses from a person's scores the ones that count.
fn sweep(people: &[Person], select: impl Fn(&[f32]) -> Vec<f32>) -> Vec<AttackRow> {
    let all = |scores: &dyn Fn(&Person) -> Vec<f32>| -> Vec<f32> {
        people.iter().flat_map(scores).collect()
    };
    let live = all(&|person| select(&person.live));
    let attacks: Vec<(&str, Vec<f32>)> = AttackKind::ALL
        .into_iter()
        .enumerate()
        .map(|(nth, kind)| {
            let selected =
                |person: &Person| person.attacks.get(nth).map_or(Vec::new(), |s| select(s));
            (kind.name(), all(&selected))
        })
        .collect();
    let share_below = |scores: &[f32], threshold: f32| {
        let below = scores.iter().filter(|score| **score < threshold).count();
        below as f64 / scores.len().max(1) as f64
    };
    let row = |bar| {
        let accepted = |scores: &[f32]| 1.0 - share_below(scores, bar);
        let apcer = attacks.iter().map(|(name, scores)| (*name, accepted(scores))).collect();
        AttackRow { bar, bpcer: share_below(&live, bar), apcer }
    };
    THRESHOLDS.map(row).into()
}

fn show(report: &AttackReport) {
    println!(
        "{} pictures of {} people, {} frames without one clear face",
        report.pictures, report.people, report.without_face
    );
    println!("threshold of the product: {}", report.product_bar);
    let table = |rows: &[AttackRow]| {
        let names = AttackKind::ALL.map(|kind| format!("{:>11}", kind.name())).join("");
        println!("{:>9} {:>8}   APCER{names}", "threshold", "BPCER");
        for row in rows {
            let apcer = AttackKind::ALL.map(|kind| {
                format!("{:>10.1}%", 100.0 * row.apcer.get(kind.name()).copied().unwrap_or(1.0))
            });
            println!("{:>9} {:>7.1}%        {}", row.bar, 100.0 * row.bpcer, apcer.join(""));
        }
    };
    println!("\nSingle frames");
    table(&report.frames);
    for rule in &report.challenges {
        println!(
            "\n{} challenges of {FRAMES} frames; the {} frame decides",
            rule.groups, rule.rule
        );
        table(&rule.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_scores_below_the_threshold() {
        let person = Person {
            live: vec![0.9, 0.95, 0.05, 0.8, 0.99, 0.97],
            attacks: vec![vec![0.01, 0.6, 0.01, 0.01, 0.01, 0.01]; 4],
            without_face: 0,
        };
        let rows = sweep(std::slice::from_ref(&person), |scores| scores.to_vec());
        let at = |threshold: f32| rows.iter().find(|row| row.bar == threshold);
        assert!(at(0.1).is_some_and(|row| (row.bpcer - 1.0 / 6.0).abs() < 1e-9));
        assert!(at(0.1).is_some_and(|row| (row.apcer["screen"] - 1.0 / 6.0).abs() < 1e-9));
        assert_eq!(nth_lowest_of_groups(&person.live, 0), [0.05]);
        assert_eq!(nth_lowest_of_groups(&person.live, 1), [0.8]);
        assert_eq!(nth_lowest_of_groups(&person.live[..5], 0), [0.0; 0]);
    }
}
