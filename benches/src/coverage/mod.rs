//! How likely a face is found, by what its quality is made of: the tables behind the coverage report.
//!
//! In a gallery of good photos some of each guest's are made worse in a known way; the guest asks with a good selfie,
//! at the product's threshold and scoring. Knows nothing of how faces are found.

mod degrade;
mod table;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use picpick_engine::{
    Coverage, DecodeLimits, Gallery, Pack, Photo, Pipeline, Scoring, Subject, decode, probe,
    subject, to_jpeg,
};
use rayon::prelude::*;
use serde::Serialize;

use crate::accuracy::{Protocol, photo};
use crate::setup::{Setup, Way, central_faces};
use degrade::Step;
use table::{Sample, Table, tables};

#[derive(clap::Args)]
pub struct Args {
    /// Protocol file, as of `accuracy`
    #[arg(long)]
    protocol: PathBuf,
    /// Folder that the protocol's paths are relative to
    #[arg(long)]
    images: PathBuf,
    /// Take every Nth guest only
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    every: u16,
}

/// From below the size at which the quality of a face is 0 almost to that at which more pixels do not raise it.
const EYES_PX: [f32; 9] = [6.0, 7.0, 8.0, 10.0, 12.0, 14.0, 16.0, 20.0, 28.0];
/// Evenly spread, up to where hardly a face is found any more: how often photos are blurred how much, nobody knows.
const BLURS: [f32; 7] = [0.02, 0.036, 0.052, 0.068, 0.084, 0.1, 0.116];
const BOTH: [(f32, f32); 4] = [(28.0, 0.036), (20.0, 0.052), (14.0, 0.052), (20.0, 0.084)];
/// A step changes one of so many photos of each guest: the others stay good, and keep the guest together.
const ONE_OF: usize = 4;
/// JPEG quality of what is made: little enough is lost that size or blur is what counts.
const JPEG_QUALITY: i32 = 92;

#[derive(Serialize)]
struct Report {
    pack: String,
    gallery_faces: usize,
    threshold: f32,
    guests: usize,
    faces: usize,
    steps: Vec<Row>,
    tables: Vec<Table>,
}

/// What became of the faces of one step.
#[derive(Serialize)]
struct Row {
    step: String,
    faces: usize,
    /// Photos in which no face was found any more; they play no further part.
    undetected: usize,
    quality: f64,
    small: usize,
    blurred: usize,
    turned: usize,
    recall: f64,
    /// What the engine's tables say to that.
    expected: f64,
}

struct Bench<'a> {
    pipeline: &'a Pipeline,
    pack: &'a Pack,
    images: &'a Path,
    photos: Vec<Photo>,
    /// Guest by guest: the embedding of their selfie, and where their photos are.
    guests: Vec<(Vec<f32>, Vec<usize>)>,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    let protocol = Protocol::read(&args.protocol)?;
    let (pipeline, pack) = (setup.pipeline()?, setup.pack()?);
    let guests: Vec<_> = protocol.guests.iter().step_by(args.every.into()).collect();
    let selfies: Vec<String> = guests.iter().map(|guest| guest.selfie.clone()).collect();
    let selfies = central_faces(&pipeline, Way::Selfie, &args.images, &selfies)?;
    let faces = central_faces(&pipeline, Way::Photo, &args.images, &protocol.gallery)?;
    let photos = protocol.gallery.iter().zip(faces).map(|(path, face)| photo(path, face));
    let places = protocol.gallery.iter().enumerate().map(|(nth, path)| (path.as_str(), nth));
    let places: HashMap<&str, usize> = places.collect();
    let theirs = guests.iter().map(|guest| {
        guest.photos.iter().filter_map(|path| places.get(path.as_str()).copied()).collect()
    });
    let asking = selfies.into_iter().zip(theirs);
    let bench = Bench {
        pipeline: &pipeline,
        pack: &pack,
        images: &args.images,
        photos: photos.collect(),
        guests: asking.filter_map(|(face, theirs)| Some((face?.embedding, theirs))).collect(),
    };
    let (mut steps, mut all) = (Vec::new(), Vec::new());
    for (nth, step) in every_step().into_iter().enumerate() {
        let (samples, undetected) = bench.step(step, nth)?;
        steps.push(row(step, &samples, undetected));
        all.extend(samples);
    }
    let gallery = bench.gallery(&bench.photos)?;
    let report = Report {
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

fn every_step() -> Vec<Step> {
    let step = |eyes_px, blur| Step { eyes_px, blur };
    let mut steps = vec![Step::default()];
    steps.extend(EYES_PX.map(|eyes| step(Some(eyes), None)));
    steps.extend(BLURS.map(|blur| step(None, Some(blur))));
    steps.extend(BOTH.map(|(eyes, blur)| step(Some(eyes), Some(blur))));
    steps
}

impl Bench<'_> {
    fn gallery(&self, photos: &[Photo]) -> Result<Gallery> {
        let mut gallery = Gallery::new(self.pack.embedder.dim, self.pack.matching);
        photos.iter().try_for_each(|photo| gallery.add(photo))?;
        gallery.update_people(photos.iter());
        Ok(gallery)
    }

    /// The photos of guests that a step asks for, each with the selfie that asks: other ones in each step, by its
    /// number; as they are, all.
    fn asked(&self, step: Step, nth: usize) -> Vec<(usize, &[f32])> {
        let mut asked = Vec::new();
        for (guest, (selfie, theirs)) in self.guests.iter().enumerate() {
            let turn = |photo: usize| (photo + guest + nth).is_multiple_of(ONE_OF);
            let theirs = theirs.iter().enumerate();
            let theirs = theirs.filter(|(photo, _)| step == Step::default() || turn(*photo));
            asked.extend(theirs.map(|(_, &place)| (place, selfie.as_slice())));
        }
        asked
    }

    /// The faces asked for after `step`, and in how many photos there was none any more.
    fn step(&self, step: Step, nth: usize) -> Result<(Vec<Sample>, usize)> {
        let (asked, mut photos) = (self.asked(step, nth), self.photos.clone());
        if step != Step::default() {
            let worse = |&(place, _): &(usize, &[f32])| Ok((place, self.worse(step, place)?));
            for (place, made) in asked.par_iter().map(worse).collect::<Result<Vec<_>>>()? {
                *photos.get_mut(place).context("a photo of the gallery")? = made;
            }
        }
        let gallery = self.gallery(&photos)?;
        let sample = |&(place, selfie): &(usize, &[f32])| -> Result<Option<Sample>> {
            let photo = photos.get(place).context("a photo of the gallery")?;
            let Some(face) = photo.faces.first().and_then(|face| gallery.face(&face.id)) else {
                return Ok(None);
            };
            let answer = gallery.search(selfie, Scoring::People, None)?;
            let found = answer.iter().any(|accepted| accepted.photo == photo.id);
            let (kind, quality, parts) = (step.kind(), face.quality, face.parts);
            Ok(Some(Sample { kind, quality, parts, found }))
        };
        let samples = asked.par_iter().map(sample).collect::<Result<Vec<_>>>()?;
        let undetected = samples.iter().filter(|sample| sample.is_none()).count();
        Ok((samples.into_iter().flatten().collect(), undetected))
    }

    /// The photo at `place` of the gallery, made worse, with the face that is found in it then.
    fn worse(&self, step: Step, place: usize) -> Result<Photo> {
        let good = self.photos.get(place).context("a photo of the gallery")?;
        let Some(face) = good.faces.first() else { return Ok(good.clone()) };
        let path = self.images.join(&good.path);
        let bytes = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let limits = DecodeLimits::default();
        let picture = decode(&bytes, &probe(&bytes, &limits)?, &limits)?;
        let [left, right, ..] = face.landmarks;
        let eyes_px = (left[0] - right[0]).hypot(left[1] - right[1]).max(1.0);
        let picture = step.of(&picture, eyes_px)?;
        let found = self.pipeline.analyse(&to_jpeg(&picture, u32::MAX, JPEG_QUALITY)?)?;
        let name = good.path.to_str().ok_or_else(|| anyhow!("a path that is not UTF-8"))?;
        let face = subject(&found.faces, (found.width, found.height), Subject::Central, name);
        Ok(photo(name, face.ok().cloned()))
    }
}

fn row(step: Step, samples: &[Sample], undetected: usize) -> Row {
    let coverage = Coverage::of(samples.iter().map(|sample| &sample.parts));
    let quality: f64 = samples.iter().map(|sample| f64::from(sample.quality)).sum();
    let found = samples.iter().filter(|sample| sample.found).count();
    let number = samples.len().max(1) as f64;
    Row {
        step: step.name(),
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

fn show(setup: &Setup, report: &Report) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { pack, gallery_faces, threshold, guests, faces, steps, tables } = report;
    println!(
        "{pack}: {gallery_faces} faces in the gallery, threshold {threshold:.4}, {guests} guests, {faces} faces asked for"
    );
    println!(
        "step                     faces  unseen  quality  small  blurred  turned  recall  expected"
    );
    for row in steps {
        println!(
            "{:<23} {:>6} {:>7} {:>8.3} {:>6} {:>8} {:>7} {:>7.4} {:>9.4}",
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
            values.iter().map(|value| format!("{value:>6.3}")).collect::<Vec<_>>().join(" ")
        };
        let faces: Vec<String> = faces.iter().map(|faces| format!("{faces:>6}")).collect();
        println!(
            "  faces  {}\n  mean   {}\n  rising {}",
            faces.join(" "),
            line(mean),
            line(rising)
        );
    }
    Ok(())
}
