//! Measures the recall of faces by the parts of their quality: the tables behind the coverage report.
//!
//! In a gallery of good photos, each step degrades a quarter of each guest's photos in a known way. The guest
//! searches with a good selfie, at the product's threshold and scoring.

mod degrade;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use picpick_engine::{
    Coverage, DecodeLimits, Gallery, Pack, Photo, Picture, Pipeline, Scoring, Subject,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::accuracy::{Protocol, photo};
use crate::setup::{PictureRole, Setup, central_faces};
use degrade::Degradation;
use table::{Sample, Table, tables};

#[derive(clap::Args)]
pub struct CoverageArgs {
    /// Protocol file, as for 'accuracy'
    #[arg(long)]
    protocol: PathBuf,
    /// Folder that the protocol's paths are relative to
    #[arg(long)]
    images: PathBuf,
    /// Use only every Nth guest
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
}

/// Distances between the eyes in reduced photos, pixels. The size part of the quality is 0 up to 8 pixels and
/// 1 from 36 pixels.
const EYES_PX: [f32; 9] = [6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 28.0];
/// Blurs of photos in their original size, as in [`Degradation::blur`]. At the largest blur almost no face is
/// found. Evenly spaced, because the distribution of blur in real photos is unknown.
const BLURS: [f32; 7] = [0.02, 0.036, 0.052, 0.068, 0.084, 0.1, 0.116];
/// Distances between the eyes and blurs of photos that are reduced and blurred.
const BOTH: [(f32, f32); 4] = [(28.0, 0.036), (20.0, 0.052), (14.0, 0.052), (20.0, 0.084)];
/// Limits the degraded photos: a step degrades one in four of each guest's photos. The others stay good, so
/// that the guest's faces still form one person.
const DEGRADED_ONE_IN: usize = 4;
/// JPEG quality of degraded photos, high enough that compression does not affect recall.
const JPEG_QUALITY: i32 = 92;

#[derive(Serialize)]
struct CoverageReport {
    pack: String,
    gallery_faces: usize,
    threshold: f32,
    guests: usize,
    faces: usize,
    steps: Vec<CoverageRow>,
    tables: Vec<Table>,
}

/// The result of one degradation.
#[derive(Serialize)]
struct CoverageRow {
    step: String,
    /// Number of faces that were searched for.
    faces: usize,
    /// Number of degraded photos without a detected face, which count in no other field.
    undetected: usize,
    /// Mean quality, 0 to 1.
    quality: f64,
    /// Numbers of weak faces by the engine's reason.
    small: usize,
    blurred: usize,
    turned: usize,
    /// Share of the faces that a search finds.
    recall: f64,
    /// The recall that the engine's tables predict.
    expected: f64,
}

struct Bench<'a> {
    pipeline: &'a Pipeline,
    pack: &'a Pack,
    images: &'a Path,
    photos: Vec<Photo>,
    /// For each guest, the embedding of the selfie and the indices of the guest's photos in `photos`.
    guests: Vec<(Vec<f32>, Vec<usize>)>,
}

pub fn run(setup: &Setup, args: &CoverageArgs) -> Result<()> {
    let protocol = Protocol::read(&args.protocol)?;
    let (pipeline, pack) = (setup.pipeline()?, setup.pack()?);
    let guests: Vec<_> = protocol.guests.iter().step_by(args.every.into()).collect();
    let selfies: Vec<String> = guests.iter().map(|guest| guest.selfie.clone()).collect();
    let selfies = central_faces(&pipeline, PictureRole::Selfie, &args.images, &selfies)?;
    let faces = central_faces(&pipeline, PictureRole::Photo, &args.images, &protocol.gallery)?;
    let photos = protocol.gallery.iter().zip(faces).map(|(path, face)| photo(path, face));
    let indices = protocol.gallery.iter().enumerate().map(|(nth, path)| (path.as_str(), nth));
    let indices: HashMap<&str, usize> = indices.collect();
    let guest_photos = guests.iter().map(|guest| {
        guest.photos.iter().filter_map(|path| indices.get(path.as_str()).copied()).collect()
    });
    let guests = selfies.into_iter().zip(guest_photos);
    let bench = Bench {
        pipeline: &pipeline,
        pack: &pack,
        images: &args.images,
        photos: photos.collect(),
        guests: guests.filter_map(|(face, photos)| Some((face?.embedding, photos))).collect(),
    };
    let (mut steps, mut all) = (Vec::new(), Vec::new());
    for (nth, degradation) in degradations().into_iter().enumerate() {
        let (samples, undetected) = bench.measure(degradation, nth)?;
        steps.push(row(degradation, &samples, undetected));
        all.extend(samples);
    }
    let gallery = bench.gallery(&bench.photos)?;
    let report = CoverageReport {
        pack: pack.id().to_owned(),
        gallery_faces: gallery.face_count(),
        threshold: gallery.threshold(),
        guests: bench.guests.len(),
        faces: all.len(),
        steps,
        tables: tables(&all),
    };
    show(setup, &report)
}

/// Returns all degradations to measure; the first changes nothing.
fn degradations() -> Vec<Degradation> {
    let degradation = |eyes_px, blur| Degradation { eyes_px, blur };
    let mut all = vec![Degradation::default()];
    all.extend(EYES_PX.map(|eyes| degradation(Some(eyes), None)));
    all.extend(BLURS.map(|blur| degradation(None, Some(blur))));
    all.extend(BOTH.map(|(eyes, blur)| degradation(Some(eyes), Some(blur))));
    all
}

impl Bench<'_> {
    fn gallery(&self, photos: &[Photo]) -> Result<Gallery> {
        let mut gallery = Gallery::new(self.pack.embedder.dim, self.pack.matching);
        photos.iter().try_for_each(|photo| gallery.add(photo))?;
        gallery.update_people(photos.iter());
        Ok(gallery)
    }

    /// Returns the photos to search for, each as its index and the guest's selfie. With the default
    /// degradation, these are all photos of the guests; otherwise one in `DEGRADED_ONE_IN`, chosen by `nth`.
    fn queries(&self, degradation: Degradation, nth: usize) -> Vec<(usize, &[f32])> {
        let is_default = degradation == Degradation::default();
        let mut queries = Vec::new();
        for (guest, (selfie, photos)) in self.guests.iter().enumerate() {
            let is_chosen = |photo: usize| (photo + guest + nth).is_multiple_of(DEGRADED_ONE_IN);
            let photos = photos.iter().enumerate();
            let photos = photos.filter(|(photo, _)| is_default || is_chosen(*photo));
            queries.extend(photos.map(|(_, &index)| (index, selfie.as_slice())));
        }
        queries
    }

    /// Degrades the photos of step `nth` and searches for these photos. Returns the faces that were searched
    /// for, and the number of photos without a detected face.
    fn measure(&self, degradation: Degradation, nth: usize) -> Result<(Vec<Sample>, usize)> {
        let (queries, mut photos) = (self.queries(degradation, nth), self.photos.clone());
        if degradation != Degradation::default() {
            let degrade =
                |&(index, _): &(usize, &[f32])| Ok((index, self.degrade(degradation, index)?));
            for (index, degraded) in queries.par_iter().map(degrade).collect::<Result<Vec<_>>>()? {
                *photos.get_mut(index).context("a photo is missing from the gallery")? = degraded;
            }
        }
        let gallery = self.gallery(&photos)?;
        let sample = |&(index, selfie): &(usize, &[f32])| -> Result<Option<Sample>> {
            let photo = photos.get(index).context("a photo is missing from the gallery")?;
            let Some(face) = photo.faces.first().and_then(|face| gallery.face(&face.id)) else {
                return Ok(None);
            };
            let answer = gallery.search(selfie, Scoring::People, None)?;
            let found = answer.iter().any(|accepted| accepted.photo == photo.id);
            let (kind, quality, parts) = (degradation.kind(), face.quality, face.parts);
            Ok(Some(Sample { kind, quality, parts, found }))
        };
        let samples = queries.par_iter().map(sample).collect::<Result<Vec<_>>>()?;
        let undetected = samples.iter().filter(|sample| sample.is_none()).count();
        Ok((samples.into_iter().flatten().collect(), undetected))
    }

    /// Returns the photo at `index`, degraded, with the face that is detected in the degraded photo.
    fn degrade(&self, degradation: Degradation, index: usize) -> Result<Photo> {
        let good = self.photos.get(index).context("a photo is missing from the gallery")?;
        let Some(face) = good.faces.first() else { return Ok(good.clone()) };
        let path = self.images.join(&good.path);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let limits = DecodeLimits::default();
        let picture = Picture::decode(&bytes, &limits)?;
        let [left, right, ..] = face.landmarks;
        let eyes_px = (left[0] - right[0]).hypot(left[1] - right[1]).max(1.0);
        let picture = degradation.apply(&picture, eyes_px)?;
        let found = self.pipeline.analyse(&picture.to_jpeg(u32::MAX, JPEG_QUALITY)?)?;
        let not_utf8 = || anyhow!("the path {} is not UTF-8", good.path.display());
        let name = good.path.to_str().ok_or_else(not_utf8)?;
        let face = Subject::Central.choose(&found.faces, (found.width, found.height), name);
        Ok(photo(name, face.ok().cloned()))
    }
}

fn row(degradation: Degradation, samples: &[Sample], undetected: usize) -> CoverageRow {
    let coverage = Coverage::of(samples.iter().map(|sample| &sample.parts));
    let quality: f64 = samples.iter().map(|sample| f64::from(sample.quality)).sum();
    let found = samples.iter().filter(|sample| sample.found).count();
    let number = samples.len().max(1) as f64;
    CoverageRow {
        step: degradation.name(),
        faces: samples.len(),
        undetected,
        quality: quality / number,
        small: coverage.small,
        blurred: coverage.blurred,
        turned: coverage.turned,
        recall: found as f64 / number,
        expected: coverage.recall().unwrap_or(0.0),
    }
}

fn show(setup: &Setup, report: &CoverageReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let CoverageReport { pack, gallery_faces, threshold, guests, faces, steps, tables } = report;
    println!("{pack}: {gallery_faces} faces in the gallery, threshold {threshold:.4}");
    println!("{guests} guests, {faces} faces searched for");
    println!("none: photos without a detected face; small, blurred, turned: weak faces, by");
    println!("reason; expected: recall by the engine's tables");
    println!("degradation             faces none quality small blurred turned recall expected");
    for row in steps {
        println!(
            "{:<22} {:>6} {:>4} {:>7.3} {:>5} {:>7} {:>6} {:>6.4} {:>8.4}",
            row.step,
            row.faces,
            row.undetected,
            row.quality,
            row.small,
            row.blurred,
            row.turned,
            row.recall,
            row.expected
        );
    }
    for Table { name, faces, mean, rising } in tables {
        println!("{name}, at 0, 0.1 … 1:");
        let line = |values: &[f64]| {
            values.iter().map(|value| format!("{value:>5.3}")).collect::<Vec<_>>().join(" ")
        };
        let faces: Vec<String> = faces.iter().map(|faces| format!("{faces:>5}")).collect();
        println!(
            "  faces    {}\n  mean     {}\n  isotonic {}",
            faces.join(" "),
            line(mean),
            line(rising)
        );
    }
    Ok(())
}
