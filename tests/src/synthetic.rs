//! Photos that no camera took: a number gives the photo, its faces and their embeddings.
//!
//! Two processes that know the number know the same photo. Embeddings are random, so that no two
//! faces resemble each other. Knows nothing of pictures or models.

use std::path::PathBuf;

use picpick_engine::{Face, FaceId, Keep, Photo, PhotoId};

use crate::rng::Rng;

/// Numbers of an embedding; those of the default pack.
const DIM: usize = 128;
/// A photo has fewer faces than this.
const FACES_BELOW: u32 = 6;

/// How many faces photo `number` has when it is new; some have none.
pub fn face_count(number: u32) -> u8 {
    (number % FACES_BELOW) as u8
}

pub fn photo_id(number: u32) -> PhotoId {
    PhotoId::of(format!("synthetic photo {number}").as_bytes())
}

/// Photo `number` with all its faces, as model pack `pack` sees them.
pub fn photo(number: u32, pack: &str) -> Photo {
    let faces = (0..face_count(number)).map(|which| face(number, which, pack)).collect();
    let path = PathBuf::from(number.to_string());
    Photo { id: photo_id(number), path, width: 6000, height: 4000, faces }
}

/// Face `which` of photo `number`.
pub fn face(number: u32, which: u8, pack: &str) -> Face {
    let bbox = bbox(number, which);
    let mut rng = Rng::new(u64::from(number) << 8 | u64::from(which));
    // The sum of some even numbers is about normal, so that all directions are equally likely.
    let mut embedding: Vec<f32> =
        (0..DIM).map(|_| (0..6).map(|_| rng.share() - 0.5).sum()).collect();
    let norm = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
    embedding.iter_mut().for_each(|value| *value /= norm);
    let quality = if which % 3 == 2 { 0.2 } else { 0.9 };
    let id = face_id(number, which, pack);
    Face { id, bbox, landmarks: [[1.0, 2.0]; 5], score: 0.9, quality, embedding }
}

pub fn face_id(number: u32, which: u8, pack: &str) -> FaceId {
    FaceId::of(photo_id(number), pack, bbox(number, which))
}

fn bbox(number: u32, which: u8) -> [i32; 4] {
    [i32::from(which) * 200, (number % 3000) as i32, 150, 180]
}

/// Why collections of these are kept.
pub fn keep() -> Keep {
    Keep { purpose: "tests".into(), legal_basis: "consent".into(), ends_unix_s: None }
}
