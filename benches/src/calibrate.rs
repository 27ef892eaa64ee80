//! What events' own photos say of their threshold, held against what strangers say.
//!
//! From the gallery of an open-set protocol events of several sizes are drawn, whose photos show four people each, as
//! if they had stood together; the threshold estimated from those is compared with the one that the protocol's
//! strangers give. Beside them the real thing: people who really stand together in one picture.
//!
//! LFW, dev half, through people, twelve events of each size, FPIR 0.3 % (1 % is as good):
//!
//! | faces | pairs | strangers | bias | spread | half the interval |
//! |---|---|---|---|---|---|
//! | 300 | 436 | 0.395 | too few pairs | | |
//! | 700 | 1,010 | 0.411 | +0.002 | 0.016 | 0.032 |
//! | 1,500 | 2,136 | 0.419 | -0.001 | 0.008 | 0.022 |
//! | 4,500 | 6,200 | 0.443 | -0.001 | 0.006 | 0.014 |
//!
//! The spread between events is less than chance, for they share people. 930 pairs who really share a picture give
//! 0.562 (0.518 to 0.606) in place of 0.443: company looks alike, so an event's own threshold is to the strict side.
//!
//! Knows nothing of how an estimate is made.

use anyhow::{Context, Result};
use picpick_engine::{
    FPIR, Face, FaceId, Gallery, PAIRS_MIN, Pack, Photo, PhotoId, Pipeline, subject,
};
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::accuracy::{Protocol, stranger_tops, threshold_at};
use crate::setup::{Setup, Way, central_faces};

#[derive(clap::Args)]
pub struct Args {
    /// Protocol file, as of `accuracy`
    #[arg(long)]
    protocol: PathBuf,
    /// Folder that the protocol's paths are relative to
    #[arg(long)]
    images: PathBuf,
    /// Events of each size
    #[arg(long, default_value_t = 12)]
    events: usize,
}

/// Faces of the events.
const SIZES: [usize; 4] = [300, 700, 1500, 4500];
/// People in one photo of an event.
const TOGETHER: usize = 4;
const FPIRS: [f64; 2] = [0.01, FPIR];

#[derive(Serialize)]
struct Report {
    pack: String,
    rows: Vec<Row>,
    real: Real,
}

/// Events of one size; all thresholds are means over the events.
#[derive(Serialize)]
struct Row {
    faces: usize,
    fpir: f64,
    pairs: usize,
    events: usize,
    /// Events with enough pairs for an estimate.
    estimated: usize,
    /// The pack's formula.
    formula: f32,
    /// What the strangers give.
    strangers: f32,
    /// What the estimate is above it, its spread, and half the width of the interval that comes with it.
    bias: f32,
    spread: f32,
    interval: f32,
    calibration_ms: f64,
}

/// The pictures as they are, with everybody who is in them.
#[derive(Serialize)]
struct Real {
    faces: usize,
    photos: usize,
    pairs: usize,
    threshold: Option<f32>,
    low: Option<f32>,
    high: Option<f32>,
}

/// What one event gave.
struct Event {
    pairs: usize,
    formula: f32,
    strangers: f32,
    /// The estimate and half the width of its interval.
    own: Option<(f32, f32)>,
    calibration_ms: f64,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    let text = std::fs::read(&args.protocol)
        .with_context(|| format!("reading {}", args.protocol.display()))?;
    let protocol: Protocol = serde_json::from_slice(&text).context("the protocol does not read")?;
    let (pipeline, pack) = (setup.pipeline()?, setup.pack()?);
    let pictures = everybody(&pipeline, &args.images, &protocol.gallery)?;
    let strangers: Vec<Option<Vec<f32>>> =
        central_faces(&pipeline, Way::Selfie, &args.images, &protocol.strangers)?
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
                let photos = composed(&central, faces, number);
                asked(&pack, &photos, &strangers, fpir)
            };
            let events = (0..args.events).map(event).collect::<Result<Vec<Event>>>()?;
            rows.push(row(faces, fpir, &events));
        }
    }
    let whole: Vec<Photo> = pictures.into_iter().map(|(photo, _)| photo).collect();
    let report = Report { pack: pack.id().to_owned(), rows, real: real(&pack, &whole)? };
    show(setup, &report)
}

/// Each picture with all its faces, and the most central one.
fn everybody(
    pipeline: &Pipeline,
    images: &Path,
    pictures: &[String],
) -> Result<Vec<(Photo, Option<Face>)>> {
    let one = |picture: &String| {
        let path = images.join(picture);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let found = pipeline.analyse(&bytes).with_context(|| format!("analysing {picture}"))?;
        let (size, choice) = ((found.width, found.height), picpick_engine::Subject::Central);
        let central = subject(&found.faces, size, choice, picture).ok().cloned();
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
    pictures.par_iter().map(one).collect()
}

/// Photos of `TOGETHER` different people each, `faces` faces in all, drawn by `number`.
fn composed(central: &[(&str, &Face)], faces: usize, number: usize) -> Vec<Photo> {
    let mut order: Vec<(PhotoId, &(&str, &Face))> = central
        .iter()
        .map(|one| (PhotoId::of(format!("{number} {}", one.1.id).as_bytes()), one))
        .collect();
    order.sort_unstable_by_key(|(drawn, _)| *drawn);
    order.truncate(faces);
    let mut photos = Vec::new();
    for (drawn, together) in order.chunks(TOGETHER).enumerate() {
        let id = PhotoId::of(format!("event {number}, photo {drawn}").as_bytes());
        let mut all: Vec<(&str, Face)> = Vec::new();
        for (place, (_, (name, face))) in (0i32..).zip(together) {
            // Whoever would be there twice is in no pair; that is rare.
            if all.iter().all(|(known, _)| known != name) {
                let bbox = [place * 200, 0, 100, 100];
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

fn asked(
    pack: &Pack,
    photos: &[Photo],
    strangers: &[Option<Vec<f32>>],
    fpir: f64,
) -> Result<Event> {
    let gallery = gallery(pack, photos)?;
    let tops = stranger_tops(&gallery, strangers, picpick_engine::Scoring::People)?;
    let begun = Instant::now();
    let found = gallery.calibration(fpir);
    Ok(Event {
        calibration_ms: begun.elapsed().as_secs_f64() * 1000.0,
        pairs: found.pairs,
        formula: gallery.threshold(),
        strangers: threshold_at(&tops, fpir),
        own: found.own.map(|own| (own.threshold, (own.high - own.low) / 2.0)),
    })
}

fn mean(all: impl Iterator<Item = f32> + Clone) -> f32 {
    all.clone().sum::<f32>() / all.count().max(1) as f32
}

fn row(faces: usize, fpir: f64, events: &[Event]) -> Row {
    let estimated = events.iter().filter_map(|event| Some((event.own?, event.strangers)));
    let bias = mean(estimated.clone().map(|((own, _), strangers)| own - strangers));
    let middle = mean(estimated.clone().map(|((own, _), _)| own));
    let spread = mean(estimated.clone().map(|((own, _), _)| (own - middle).powi(2))).sqrt();
    Row {
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

fn real(pack: &Pack, photos: &[Photo]) -> Result<Real> {
    let gallery = gallery(pack, photos)?;
    let found = gallery.calibration(FPIR);
    Ok(Real {
        faces: gallery.face_count(),
        photos: found.photos,
        pairs: found.pairs,
        threshold: found.own.map(|own| own.threshold),
        low: found.own.map(|own| own.low),
        high: found.own.map(|own| own.high),
    })
}

fn show(setup: &Setup, report: &Report) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    println!("{}: events of people as if seen together, four to a photo", report.pack);
    println!(
        "faces    FPIR  pairs  estimated  formula  strangers    bias  spread  interval      ms"
    );
    for row in &report.rows {
        println!(
            "{:>5} {:>5.1} % {:>6} {:>5} of {:<2} {:>7.3} {:>10.3} {:>+7.3} {:>7.3} {:>8.3} {:>7.1}",
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
    let Real { faces, photos, pairs, threshold, low, high } = &report.real;
    print!("really together: {pairs} pairs in {photos} photos, {faces} faces in all; ");
    match (threshold, low, high) {
        (Some(threshold), Some(low), Some(high)) => {
            println!("own {threshold:.3} ({low:.3} to {high:.3})");
        }
        _ => println!("fewer than {PAIRS_MIN}: no estimate"),
    }
    Ok(())
}
