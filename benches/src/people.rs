use std::time::Instant;

use anyhow::{Result, bail};
use picpick_engine::{Face, FaceId, Gallery, Photo, PhotoId};
use serde::Serialize;

use crate::setup::Setup;

const FACES_PER_PHOTO: usize = 5;
/// Cosine of two pictures of one guest. As with good pictures, it is well above the clustering threshold.
const SAME_PERSON_COSINE: f32 = 0.64;

#[derive(clap::Args)]
pub struct PeopleArgs {
    /// Faces in the collection
    #[arg(long, default_value_t = 100_000)]
    faces: usize,
    /// Faces per guest, on average
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    each: u32,
    /// Share of faces whose person has no other face, 0 to 1
    #[arg(long, default_value_t = 0.3)]
    alone: f32,
    /// Share of faces of low quality, 0 to 1
    #[arg(long, default_value_t = 0.2)]
    poor: f32,
    /// Share of faces that are added after the first clustering, 0 to 1
    #[arg(long, default_value_t = 0.01)]
    later: f32,
}

#[derive(Serialize)]
struct PeopleReport {
    faces: usize,
    /// Number of simulated people: guests and passers-by.
    made_of: usize,
    /// Number of people that clustering found.
    people: usize,
    /// Duration of the first clustering, seconds.
    formed_s: f64,
    /// Number of faces added after the first clustering.
    later_faces: usize,
    /// Duration of the update with the added faces, seconds.
    later_s: f64,
}

/// Measures the seconds to cluster a collection's faces into people, and to update the people with further
/// faces. The embeddings are synthetic; `accuracy` measures on real faces how well clustering separates
/// people.
pub fn run(setup: &Setup, args: &PeopleArgs) -> Result<()> {
    if ![args.alone, args.poor, args.later].iter().all(|share| (0.0..=1.0).contains(share)) {
        bail!("--alone, --poor and --later must be from 0 to 1");
    }
    let pack = setup.pack()?;
    let mut crowd = Crowd::new(args, pack.embedder.dim);
    let photos = |count: usize, crowd: &mut Crowd| {
        let photo = |_| crowd.photo(pack.id());
        (0..count.div_ceil(FACES_PER_PHOTO)).map(photo).collect::<Vec<Photo>>()
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
    let later_faces = later.div_ceil(FACES_PER_PHOTO) * FACES_PER_PHOTO;
    let faces = all.len() * FACES_PER_PHOTO;
    let report = PeopleReport { faces, made_of, people, formed_s, later_faces, later_s };
    if setup.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!("{} faces of {made_of} simulated people; {people} people found", report.faces);
    println!("clustered in {formed_s:.2} s; updated with {later_faces} more in {later_s:.2} s");
    Ok(())
}

/// A generator of photos. Guests occur in many photos, passers-by in one photo each.
struct Crowd {
    rng: Rng,
    /// The mean embedding of each guest.
    guests: Vec<Vec<f32>>,
    /// Share of faces that are passers-by.
    alone: f32,
    /// Share of faces of low quality.
    poor: f32,
    /// Number of passers-by so far.
    passers_by: usize,
    /// Number of photos so far.
    photos: usize,
}

impl Crowd {
    fn new(args: &PeopleArgs, dim: usize) -> Self {
        let mut rng = Rng(1);
        let guest_faces = args.faces as f32 * (1.0 - args.alone);
        let guests = (guest_faces as usize).div_ceil(args.each as usize).max(FACES_PER_PHOTO);
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
        let faces = (0..FACES_PER_PHOTO).map(|which| {
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

    /// Returns an embedding of guest `nth` or, with probability `alone`, of a new passer-by.
    fn face(&mut self, nth: usize) -> Vec<f32> {
        let dim = self.guests.first().map_or(0, Vec::len);
        let noise = self.rng.direction(dim);
        if self.rng.share() < self.alone {
            self.passers_by += 1;
            return noise;
        }
        let guest = self.guests.get(nth % self.guests.len()).unwrap_or(&noise);
        let (own, other) = (SAME_PERSON_COSINE.sqrt(), (1.0 - SAME_PERSON_COSINE).sqrt());
        unit(guest.iter().zip(&noise).map(|(guest, noise)| own * guest + other * noise).collect())
    }
}

/// A pseudo-random number generator with a fixed seed: SplitMix64 (Steele, Lea, Flood 2014).
struct Rng(u64);

impl Rng {
    /// Returns a uniform number, at least 0 and below 1.
    fn share(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Returns a random unit vector. Sums of uniform numbers are nearly normal, so all directions are about
    /// equally likely.
    fn direction(&mut self, dim: usize) -> Vec<f32> {
        unit((0..dim).map(|_| (0..4).map(|_| self.share() - 0.5).sum()).collect())
    }
}

fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= norm);
    vector
}
