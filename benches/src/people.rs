//! How long the people of a large collection take to form, and to take in a few more faces.
//!
//! Faces are made up: guests who were photographed often, and passers-by who were once. How well people are told
//! apart is measured by `accuracy`, on real faces. Knows nothing of how clusters are made.

use std::time::Instant;

use anyhow::{Result, bail};
use picpick_engine::{Face, FaceId, Gallery, Photo, PhotoId};
use serde::Serialize;

use crate::setup::Setup;

const FACES_A_PHOTO: usize = 5;
/// Cosine of two pictures of one person: a good deal above the cut, as good pictures are.
const ALIKE: f32 = 0.64;

#[derive(clap::Args)]
pub struct Args {
    /// Faces in the collection
    #[arg(long, default_value_t = 100_000)]
    faces: usize,
    /// Faces of each guest
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    each: u32,
    /// Share of faces that are somebody's only one, 0 to 1
    #[arg(long, default_value_t = 0.3)]
    alone: f32,
    /// Share of faces of poor quality, 0 to 1
    #[arg(long, default_value_t = 0.2)]
    poor: f32,
    /// Share of faces that come later, when people have formed, 0 to 1
    #[arg(long, default_value_t = 0.01)]
    later: f32,
}

#[derive(Serialize)]
struct Report {
    faces: usize,
    /// Guests and passers-by that the faces were made of.
    made_of: usize,
    people: usize,
    formed_s: f64,
    later_faces: usize,
    later_s: f64,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    if ![args.alone, args.poor, args.later].iter().all(|share| (0.0..=1.0).contains(share)) {
        bail!("--alone, --poor and --later are shares, 0 to 1");
    }
    let pack = setup.pack()?;
    let mut crowd = Crowd::new(args, pack.embedder.dim);
    let photos = |count: usize, crowd: &mut Crowd| {
        let photo = |_| crowd.photo(pack.id());
        (0..count.div_ceil(FACES_A_PHOTO)).map(photo).collect::<Vec<Photo>>()
    };
    let later = (args.faces as f32 * args.later) as usize;
    let mut all = photos(args.faces.saturating_sub(later), &mut crowd);
    let mut gallery = Gallery::new(pack.embedder.dim, pack.matching);
    let mut seconds = Vec::new();
    for more in [Vec::new(), photos(later, &mut crowd)] {
        all.extend(more);
        let begun = Instant::now();
        gallery.update_people(all.iter());
        seconds.push(begun.elapsed().as_secs_f64());
    }
    let [formed_s, later_s] = seconds.try_into().unwrap_or_default();
    let made_of = crowd.people();
    let people = gallery.people().len();
    let later_faces = later.div_ceil(FACES_A_PHOTO) * FACES_A_PHOTO;
    let faces = all.len() * FACES_A_PHOTO;
    let report = Report { faces, made_of, people, formed_s, later_faces, later_s };
    if setup.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{} faces of {made_of} people formed {people} people", report.faces);
    println!("formed anew in {formed_s:.2} s; with {later_faces} faces more in {later_s:.2} s");
    Ok(())
}

/// Makes photos of people, one after the other.
struct Crowd {
    rng: Rng,
    /// Directions of the guests.
    guests: Vec<Vec<f32>>,
    alone: f32,
    poor: f32,
    passers_by: usize,
    photos: usize,
}

impl Crowd {
    fn new(args: &Args, dim: usize) -> Self {
        let mut rng = Rng(1);
        let often = args.faces as f32 * (1.0 - args.alone);
        let guests = (often as usize).div_ceil(args.each as usize).max(FACES_A_PHOTO);
        let guests = (0..guests).map(|_| rng.direction(dim)).collect();
        Self { rng, guests, alone: args.alone, poor: args.poor, passers_by: 0, photos: 0 }
    }

    fn people(&self) -> usize {
        self.guests.len() + self.passers_by
    }

    fn photo(&mut self, pack: &str) -> Photo {
        self.photos += 1;
        let id = PhotoId::of(&self.photos.to_le_bytes());
        let first = (self.rng.share() * self.guests.len() as f32) as usize;
        let faces = (0..FACES_A_PHOTO).map(|which| {
            let bbox = [which as i32 * 300, 200, 180, 220];
            let (id, landmarks) = (FaceId::of(id, pack, bbox), [[1.0, 2.0]; 5]);
            let embedding = self.face(first + which);
            let quality = if self.rng.share() < self.poor { 0.2 } else { 0.9 };
            Face { id, bbox, landmarks, score: 0.9, quality, embedding }
        });
        let faces = faces.collect();
        let path = format!("IMG_{:06}.jpg", self.photos).into();
        Photo { id, path, width: 6000, height: 4000, faces }
    }

    /// A picture of guest `nth`, or of a passer-by.
    fn face(&mut self, nth: usize) -> Vec<f32> {
        let dim = self.guests.first().map_or(0, Vec::len);
        let noise = self.rng.direction(dim);
        if self.rng.share() < self.alone {
            self.passers_by += 1;
            return noise;
        }
        let guest = self.guests.get(nth % self.guests.len()).unwrap_or(&noise);
        let (own, other) = (ALIKE.sqrt(), (1.0 - ALIKE).sqrt());
        unit(guest.iter().zip(&noise).map(|(guest, noise)| own * guest + other * noise).collect())
    }
}

/// Numbers that look random and are the same in every run: SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    fn share(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A unit vector; sums of even numbers are about normal, so that all directions are equally likely.
    fn direction(&mut self, dim: usize) -> Vec<f32> {
        unit((0..dim).map(|_| (0..4).map(|_| self.share() - 0.5).sum()).collect())
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= norm);
    vector
}
