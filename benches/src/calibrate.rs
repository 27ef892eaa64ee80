//! Compares two thresholds on synthetic events: the estimate from the event's own photos, and the threshold
//! from the strangers of an open-set protocol. The photos of an event show four people each, drawn from the
//! protocol's gallery. The report also contains the estimate from real pictures with several people.
//!
//! Result on the LFW dev half, scored through people, with twelve events of each size, at FPIR 0.3 % (the
//! estimates at 1 % are as good). "Strangers" is the threshold at which the strangers have that FPIR. "Bias"
//! is the mean of the estimates minus this threshold, "spread" the standard deviation of the estimates.
//!
//! | faces | pairs | strangers | bias | spread | half the interval |
//! |---|---|---|---|---|---|
//! | 300 | 436 | 0.395 | too few pairs | | |
//! | 700 | 1,010 | 0.411 | +0.002 | 0.016 | 0.032 |
//! | 1,500 | 2,136 | 0.419 | -0.001 | 0.008 | 0.022 |
//! | 4,500 | 6,200 | 0.443 | -0.001 | 0.006 | 0.014 |
//!
//! The events share people, so the spread is smaller than that of independent events. The 930 pairs of people
//! in real pictures give 0.562 (0.518 to 0.606) instead of 0.443. People who attend together look alike, so
//! the estimate from an event's own photos is too strict.

use anyhow::{Context, Result};
use picpick_engine::thresholds::Estimate;
use picpick_engine::{Face, FaceId, Gallery, Pack, Photo, PhotoId, Pipeline};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::accuracy::{Protocol, stranger_tops, threshold_at};
use crate::setup::{PictureRole, Setup, central_faces};

#[derive(clap::Args)]
pub struct CalibrateArgs {
    /// Protocol file, as for 'accuracy'
    #[arg(long)]
    protocol: PathBuf,
    /// Folder that the protocol's paths are relative to
    #[arg(long)]
    images: PathBuf,
    /// Number of events of each size
    #[arg(long, default_value_t = 12)]
    events: usize,
}

/// Sizes of the events, faces.
const SIZES: [usize; 4] = [300, 700, 1500, 4500];
/// Number of people in one photo of an event.
const PEOPLE_PER_PHOTO: usize = 4;
/// FPIRs to measure; the second is the product's.
const FPIRS: [f64; 2] = [0.01, Estimate::FPIR];

#[derive(Serialize)]
struct CalibrateReport {
    pack: String,
    rows: Vec<CalibrateRow>,
    real: RealPhotos,
}

/// Events of one size; all thresholds are means over the events.
#[derive(Serialize)]
struct CalibrateRow {
    faces: usize,
    fpir: f64,
    pairs: usize,
    events: usize,
    /// Number of events with enough pairs for an estimate.
    estimated: usize,
    /// Threshold by the pack's formula.
    formula: f32,
    /// Threshold at which the strangers have the FPIR.
    strangers: f32,
    /// Mean of the estimate minus the threshold of the strangers.
    bias: f32,
    /// Standard deviation of the estimate between events.
    spread: f32,
    /// Half the width of the estimate's confidence interval.
    interval: f32,
    calibration_ms: f64,
}

/// The estimate from the gallery's own pictures, with all their faces.
#[derive(Serialize)]
struct RealPhotos {
    faces: usize,
    photos: usize,
    pairs: usize,
    threshold: Option<f32>,
    low: Option<f32>,
    high: Option<f32>,
}

/// The thresholds of one event. Fields have the meanings of [`CalibrateRow`].
struct EventResult {
    pairs: usize,
    formula: f32,
    strangers: f32,
    /// The estimate and half the width of its interval; `None` with too few pairs.
    estimate: Option<(f32, f32)>,
    calibration_ms: f64,
}

pub fn run(setup: &Setup, args: &CalibrateArgs) -> Result<()> {
    let text = std::fs::read(&args.protocol)
        .with_context(|| format!("reading {}", args.protocol.display()))?;
    let protocol: Protocol = serde_json::from_slice(&text)
        .with_context(|| format!("parsing the protocol {}", args.protocol.display()))?;
    let (pipeline, pack) = (setup.pipeline()?, setup.pack()?);
    let pictures = analyse_all(&pipeline, &args.images, &protocol.gallery)?;
    let strangers: Vec<Option<Vec<f32>>> =
        central_faces(&pipeline, PictureRole::Selfie, &args.images, &protocol.strangers)?
            .into_iter()
            .map(|face| face.map(|face| face.embedding))
            .collect();
    let central: Vec<(&str, &Face)> = pictures
        .iter()
        .zip(&protocol.gallery)
        .filter_map(|((_, central), path)| Some((path.split('/').next()?, central.as_ref()?)))
        .collect();
    let mut rows = Vec::new();
    for faces in SIZES {
        for fpir in FPIRS {
            let event = |number| {
                let photos = compose_event(&central, faces, number);
                measure_event(&pack, &photos, &strangers, fpir)
            };
            let events = (0..args.events).map(event).collect::<Result<Vec<EventResult>>>()?;
            rows.push(row(faces, fpir, &events));
        }
    }
    let photos: Vec<Photo> = pictures.into_iter().map(|(photo, _)| photo).collect();
    let real = measure_real(&pack, &photos)?;
    show(setup, &CalibrateReport { pack: pack.id().to_owned(), rows, real })
}

/// Returns each picture as a photo with all its faces, and the most central face.
fn analyse_all(
    pipeline: &Pipeline,
    images: &Path,
    pictures: &[String],
) -> Result<Vec<(Photo, Option<Face>)>> {
    let analyse = |picture: &String| {
        let path = images.join(picture);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = pipeline.analyse(&bytes).with_context(|| format!("analysing {picture}"))?;
        let (size, choice) = ((found.width, found.height), picpick_engine::Subject::Central);
        let central = choice.choose(&found.faces, size, picture).ok().cloned();
        let id = PhotoId::of(picture.as_bytes());
        let photo = Photo {
            id,
            path: picture.into(),
            width: found.width,
            height: found.height,
            faces: found.faces,
        };
        Ok((photo, central))
    };
    pictures.par_iter().map(analyse).collect()
}

/// Composes an event of `faces` faces, drawn from `central` (names and faces) in an order that `number`
/// seeds. Each photo has up to `PEOPLE_PER_PHOTO` different people.
fn compose_event(central: &[(&str, &Face)], faces: usize, number: usize) -> Vec<Photo> {
    let mut order: Vec<(PhotoId, &(&str, &Face))> = central
        .iter()
        .map(|named| (PhotoId::of(format!("{number} {}", named.1.id).as_bytes()), named))
        .collect();
    order.sort_unstable_by_key(|(key, _)| *key);
    order.truncate(faces);
    let mut photos = Vec::new();
    for (nth, group) in order.chunks(PEOPLE_PER_PHOTO).enumerate() {
        let id = PhotoId::of(format!("event {number}, photo {nth}").as_bytes());
        let mut all: Vec<(&str, Face)> = Vec::new();
        for (column, (_, (name, face))) in (0i32..).zip(group) {
            // Leaves out a person's second face in a photo; few composed photos have one.
            if all.iter().all(|(known, _)| known != name) {
                let bbox = [column * 200, 0, 100, 100];
                let face = Face { id: FaceId::of(id, "bench", bbox), bbox, ..(*face).clone() };
                all.push((name, face));
            }
        }
        let faces = all.into_iter().map(|(_, face)| face).collect();
        photos.push(Photo { id, path: "composed".into(), width: 800, height: 100, faces });
    }
    photos
}

fn gallery(pack: &Pack, photos: &[Photo]) -> Result<Gallery> {
    let mut gallery = Gallery::new(pack.embedder.dim, pack.matching);
    photos.iter().try_for_each(|photo| gallery.add(photo))?;
    gallery.update_people(photos.iter());
    Ok(gallery)
}

fn measure_event(
    pack: &Pack,
    photos: &[Photo],
    strangers: &[Option<Vec<f32>>],
    fpir: f64,
) -> Result<EventResult> {
    let gallery = gallery(pack, photos)?;
    let tops = stranger_tops(&gallery, strangers, picpick_engine::Scoring::People)?;
    let begun = Instant::now();
    let found = gallery.calibration(fpir);
    Ok(EventResult {
        calibration_ms: begun.elapsed().as_secs_f64() * 1000.0,
        pairs: found.pairs,
        formula: gallery.threshold(),
        strangers: threshold_at(&tops, fpir),
        estimate: found.own.map(|own| (own.threshold, (own.high - own.low) / 2.0)),
    })
}

fn mean(values: impl Iterator<Item = f32> + Clone) -> f32 {
    values.clone().sum::<f32>() / values.count().max(1) as f32
}

fn row(faces: usize, fpir: f64, events: &[EventResult]) -> CalibrateRow {
    let estimated = events.iter().filter_map(|event| Some((event.estimate?, event.strangers)));
    let bias = mean(estimated.clone().map(|((estimate, _), strangers)| estimate - strangers));
    let centre = mean(estimated.clone().map(|((estimate, _), _)| estimate));
    let spread = mean(estimated.clone().map(|((estimate, _), _)| (estimate - centre).powi(2)));
    let spread = spread.sqrt();
    CalibrateRow {
        faces,
        fpir,
        pairs: events.iter().map(|event| event.pairs).sum::<usize>() / events.len().max(1),
        events: events.len(),
        estimated: estimated.clone().count(),
        formula: mean(events.iter().map(|event| event.formula)),
        strangers: mean(events.iter().map(|event| event.strangers)),
        bias,
        spread,
        interval: mean(estimated.map(|((_, half), _)| half)),
        calibration_ms: events.iter().map(|event| event.calibration_ms).sum::<f64>()
            / events.len().max(1) as f64,
    }
}

fn measure_real(pack: &Pack, photos: &[Photo]) -> Result<RealPhotos> {
    let gallery = gallery(pack, photos)?;
    let found = gallery.calibration(Estimate::FPIR);
    Ok(RealPhotos {
        faces: gallery.face_count(),
        photos: found.photos,
        pairs: found.pairs,
        threshold: found.own.map(|own| own.threshold),
        low: found.own.map(|own| own.low),
        high: found.own.map(|own| own.high),
    })
}

fn show(setup: &Setup, report: &CalibrateReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!("{}: synthetic events, {PEOPLE_PER_PHOTO} people in each photo", report.pack);
    println!("faces   FPIR  pairs estimated formula strangers   bias spread    +/-     ms");
    for row in &report.rows {
        println!(
            "{:>5} {:>4.1} % {:>6} {:>3} of {:<2} {:>7.3} {:>9.3} {:>+6.3} {:>6.3} {:>6.3} {:>6.1}",
            row.faces,
            row.fpir * 100.0,
            row.pairs,
            row.estimated,
            row.events,
            row.formula,
            row.strangers,
            row.bias,
            row.spread,
            row.interval,
            row.calibration_ms
        );
    }
    let RealPhotos { faces, photos, pairs, threshold, low, high } = &report.real;
    println!("real pictures: {pairs} pairs in {photos} photos; {faces} faces in all");
    match (threshold, low, high) {
        (Some(threshold), Some(low), Some(high)) => {
            println!("estimate from these pairs: {threshold:.3} ({low:.3} to {high:.3})");
        }
        _ => println!("no estimate: at least {} pairs are needed", Estimate::PAIRS_MIN),
    }
    Ok(())
}
