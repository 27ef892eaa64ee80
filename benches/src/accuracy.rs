//! Open-set identification (1:N) on a protocol of gallery, guests and strangers.
//!
//! The gallery holds the most central face of each picture. Every guest (mated probe) and every stranger
//! (non-mated probe) searches once, through the code of the product's search.

use anyhow::{Context, Result, bail};
use picpick_engine::bench::Accepted;
use picpick_engine::{Face, Gallery, Pack, Photo, PhotoId, Scoring};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::setup::{PictureRole, Setup, central_faces};

#[derive(clap::Args)]
pub struct AccuracyArgs {
    /// Protocol file: `{"gallery": [path], "guests": [{"id", "selfie", "photos": [path]}],
    /// "strangers": [path]}`
    #[arg(long)]
    protocol: PathBuf,
    /// Folder that the protocol's paths are relative to
    #[arg(long)]
    images: PathBuf,
    /// Also print the threshold at each FPIR for a ninth, a third and all of the gallery. The
    /// matching constants of a pack are fitted to these thresholds
    #[arg(long)]
    calibrate: bool,
}

/// An open-set protocol: the gallery and its probes. Paths are relative to the folder of images.
#[derive(Deserialize)]
pub struct Protocol {
    pub gallery: Vec<String>,
    pub guests: Vec<Guest>,
    pub strangers: Vec<String>,
}

/// A person with pictures in the gallery.
#[derive(Deserialize)]
pub struct Guest {
    pub selfie: String,
    /// The pictures of the gallery that show the guest.
    pub photos: Vec<String>,
}

impl Protocol {
    /// Reads a protocol file.
    ///
    /// # Errors
    /// - The file cannot be read.
    /// - The file is not a protocol.
    /// - The protocol has no guests or no strangers.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let protocol: Self = serde_json::from_slice(&text)
            .with_context(|| format!("parsing the protocol {}", path.display()))?;
        if protocol.strangers.is_empty() || protocol.guests.is_empty() {
            bail!(
                "the protocol {} needs at least one guest and one stranger; add them",
                path.display()
            );
        }
        Ok(protocol)
    }
}

#[derive(Serialize)]
struct AccuracyReport {
    pack: String,
    provider: String,
    gallery_faces: usize,
    people: usize,
    guests: usize,
    strangers: usize,
    /// Pictures without a detected face.
    without_face: usize,
    rows: Vec<AccuracyRow>,
    calibration: Vec<Calibration>,
}

#[derive(Serialize)]
struct Calibration {
    gallery_faces: usize,
    scoring: &'static str,
    fpir: f64,
    threshold: f32,
}

#[derive(Serialize)]
struct AccuracyRow {
    scoring: &'static str,
    /// FPIR for which the threshold is chosen: the share of strangers to whom any photo is returned. `None`
    /// for the engine's own threshold.
    fpir: Option<f64>,
    /// FPIR at this threshold.
    fpir_measured: f64,
    threshold: f32,
    /// Share of guests whose best match shows the guest and reaches the threshold.
    tpir: f64,
    /// Mean over guests of the share of the guest's photos that are returned.
    recall_macro: f64,
    /// Share of all guests' photos that are returned.
    recall_micro: f64,
    /// Share of the returned photos that show the guest.
    precision: f64,
}

struct Guests {
    templates: Vec<Option<Vec<f32>>>,
    mates: Vec<HashSet<PhotoId>>,
}

/// Minimum score of a match in a stranger's search, -1 to 1. Limits the number of matches; all measured
/// thresholds are higher.
const SCORE_MIN: f32 = 0.25;

pub fn run(setup: &Setup, args: &AccuracyArgs) -> Result<()> {
    let protocol = Protocol::read(&args.protocol)?;
    let pipeline = setup.pipeline()?;
    let pack = setup.pack()?;
    let faces = |role: PictureRole, pictures: &[String]| {
        central_faces(&pipeline, role, &args.images, pictures)
    };
    let gallery_faces = faces(PictureRole::Photo, &protocol.gallery)?;
    let selfies: Vec<String> = protocol.guests.iter().map(|guest| guest.selfie.clone()).collect();
    let guest_faces = faces(PictureRole::Selfie, &selfies)?;
    let stranger_faces = faces(PictureRole::Selfie, &protocol.strangers)?;
    let all = gallery_faces.iter().chain(&guest_faces).chain(&stranger_faces);
    let without_face = all.filter(|face| face.is_none()).count();

    let mut gallery = Gallery::new(pack.embedder.dim, pack.matching);
    let photos: Vec<Photo> =
        protocol.gallery.iter().zip(gallery_faces).map(|(path, face)| photo(path, face)).collect();
    photos.iter().try_for_each(|photo| gallery.add(photo))?;
    gallery.update_people(photos.iter());
    let embedding = |face: Option<Face>| face.map(|face| face.embedding);
    let mates =
        |guest: &Guest| guest.photos.iter().map(|path| PhotoId::of(path.as_bytes())).collect();
    let guests = Guests {
        templates: guest_faces.into_iter().map(embedding).collect(),
        mates: protocol.guests.iter().map(mates).collect(),
    };
    let strangers: Vec<Option<Vec<f32>>> = stranger_faces.into_iter().map(embedding).collect();
    let calibration =
        if args.calibrate { calibrate(&photos, &pack, &strangers)? } else { Vec::new() };
    let rows = measure(&gallery, &guests, &strangers)?;
    let report = AccuracyReport {
        pack: pack.id().to_owned(),
        provider: pipeline.provider().to_string(),
        gallery_faces: gallery.face_count(),
        people: gallery.people().len(),
        guests: guests.mates.len(),
        strangers: strangers.len(),
        without_face,
        rows,
        calibration,
    };
    show(setup, &report)
}

/// Returns the picture at `path` as a photo of a gallery, with at most one face.
pub fn photo(path: &str, face: Option<Face>) -> Photo {
    let id = PhotoId::of(path.as_bytes());
    Photo { id, path: path.into(), width: 0, height: 0, faces: face.into_iter().collect() }
}

fn measure(
    gallery: &Gallery,
    guests: &Guests,
    strangers: &[Option<Vec<f32>>],
) -> Result<Vec<AccuracyRow>> {
    let mut rows = Vec::new();
    for (name, scoring) in
        [("direct", Scoring::Direct), ("people", Scoring::People), ("expand", Scoring::Expand)]
    {
        // Strangers are scored without expansion. It adds photos only after a match, so a stranger gets a
        // photo with expansion exactly if the stranger gets one without.
        let base = if scoring == Scoring::Expand { Scoring::People } else { scoring };
        let tops = stranger_tops(gallery, strangers, base)?;
        for fpir in [Some(0.01), Some(0.003), None] {
            let threshold =
                fpir.map_or_else(|| gallery.threshold(), |fpir| threshold_at(&tops, fpir));
            let search = |template: &Option<Vec<f32>>| -> Result<Vec<Accepted>> {
                let Some(template) = template else { return Ok(Vec::new()) };
                Ok(gallery.search(template, scoring, Some(threshold))?)
            };
            let answers = guests.templates.par_iter().map(search).collect::<Result<Vec<_>>>()?;
            let fpir_measured =
                tops.iter().filter(|&&top| top >= threshold).count() as f64 / tops.len() as f64;
            rows.push(row(name, fpir, fpir_measured, threshold, &answers, &guests.mates));
        }
    }
    Ok(rows)
}

/// Returns the best score of each stranger, in descending order. The score is -1 for a picture without a face
/// and for a search without a match of at least `SCORE_MIN`.
pub fn stranger_tops(
    gallery: &Gallery,
    strangers: &[Option<Vec<f32>>],
    scoring: Scoring,
) -> Result<Vec<f32>> {
    let top = |template: &Option<Vec<f32>>| -> Result<f32> {
        let Some(template) = template else { return Ok(-1.0) };
        let answer = gallery.search(template, scoring, Some(SCORE_MIN))?;
        Ok(answer.first().map_or(-1.0, |best| best.similarity))
    };
    let mut tops = strangers.par_iter().map(top).collect::<Result<Vec<f32>>>()?;
    tops.sort_by(|a, b| b.total_cmp(a));
    Ok(tops)
}

/// Returns the lowest threshold that at most the fraction `fpir` of the strangers reach, rounded to whole
/// strangers. `tops` are the best scores of the strangers in descending order.
pub fn threshold_at(tops: &[f32], fpir: f64) -> f32 {
    let allowed = (fpir * tops.len() as f64).round() as usize;
    tops.get(allowed).map_or(SCORE_MIN, |first_rejected| first_rejected.next_up())
}

/// Measures thresholds in galleries of every ninth, every third and every picture.
fn calibrate(
    photos: &[Photo],
    pack: &Pack,
    strangers: &[Option<Vec<f32>>],
) -> Result<Vec<Calibration>> {
    let mut all = Vec::new();
    for step in [9, 3, 1] {
        let part: Vec<&Photo> = photos.iter().step_by(step).collect();
        let mut gallery = Gallery::new(pack.embedder.dim, pack.matching);
        part.iter().try_for_each(|photo| gallery.add(photo))?;
        gallery.update_people(part.iter().copied());
        for (scoring, how) in [("direct", Scoring::Direct), ("people", Scoring::People)] {
            let tops = stranger_tops(&gallery, strangers, how)?;
            for fpir in [0.03, 0.01, 0.003] {
                let threshold = threshold_at(&tops, fpir);
                all.push(Calibration {
                    gallery_faces: gallery.face_count(),
                    scoring,
                    fpir,
                    threshold,
                });
            }
        }
    }
    Ok(all)
}

fn row(
    scoring: &'static str,
    fpir: Option<f64>,
    fpir_measured: f64,
    threshold: f32,
    answers: &[Vec<Accepted>],
    mates: &[HashSet<PhotoId>],
) -> AccuracyRow {
    let (mut hits, mut recall, mut right, mut returned, mut relevant) = (0, 0.0, 0, 0, 0);
    for (answer, mates) in answers.iter().zip(mates) {
        let found = answer.iter().filter(|accepted| mates.contains(&accepted.photo)).count();
        hits += usize::from(answer.first().is_some_and(|best| mates.contains(&best.photo)));
        recall += found as f64 / mates.len().max(1) as f64;
        (right, returned, relevant) =
            (right + found, returned + answer.len(), relevant + mates.len());
    }
    let guests = answers.len().max(1) as f64;
    AccuracyRow {
        scoring,
        fpir,
        fpir_measured,
        threshold,
        tpir: hits as f64 / guests,
        recall_macro: recall / guests,
        recall_micro: right as f64 / relevant.max(1) as f64,
        precision: right as f64 / returned.max(1) as f64,
    }
}

fn show(setup: &Setup, report: &AccuracyReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let AccuracyReport {
        pack,
        provider,
        gallery_faces,
        people,
        guests,
        strangers,
        without_face,
        rows,
        calibration,
    } = report;
    println!("{pack} on {provider}");
    println!("{gallery_faces} faces of {people} people, {guests} guests, {strangers} strangers");
    println!("pictures without a face: {without_face}");
    println!("scoring  FPIR target  measured  threshold   TPIR  recall macro  micro  precision");
    for row in rows {
        let target = row.fpir.map_or("default".into(), |fpir| format!("{:.1} %", fpir * 100.0));
        println!(
            "{:<8} {:>11} {:>7.2} % {:>10.4} {:>6.4} {:>13.4} {:>6.4} {:>10.4}",
            row.scoring,
            target,
            row.fpir_measured * 100.0,
            row.threshold,
            row.tpir,
            row.recall_macro,
            row.recall_micro,
            row.precision
        );
    }
    for Calibration { gallery_faces, scoring, fpir, threshold } in calibration {
        println!(
            "{gallery_faces:>6} faces, {scoring}, FPIR {:.1} %: threshold {threshold:.4}",
            fpir * 100.0
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_accepts_exactly_the_target_share() {
        let tops: Vec<f32> = (0..1000).map(|i| 1.0 - i as f32 / 1000.0).collect();
        let threshold = threshold_at(&tops, 0.01);
        assert_eq!(tops.iter().filter(|&&top| top >= threshold).count(), 10);
        assert_eq!(threshold_at(&[], 0.01), SCORE_MIN);
    }
}
