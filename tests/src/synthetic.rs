use std::path::PathBuf;

use picpick_engine::{Face, FaceId, Photo, PhotoId, RetentionPolicy};

use crate::rng::Rng;

/// Dimension of an embedding, as in the default pack.
const DIM: usize = 128;
/// Exclusive upper bound of the faces of a photo.
const FACES_BELOW: u32 = 6;

/// Returns the number of faces of photo `number` before any is deleted; some photos have none.
pub fn face_count(number: u32) -> u8 {
    (number % FACES_BELOW) as u8
}

pub fn photo_id(number: u32) -> PhotoId {
    PhotoId::of(format!("synthetic photo {number}").as_bytes())
}

/// Returns the synthetic photo `number` with all its faces, for model pack `pack`. The number alone
/// determines photo, faces and embeddings, so that two processes create equal photos.
pub fn photo(number: u32, pack: &str) -> Photo {
    let faces = (0..face_count(number)).map(|which| face(number, which, pack)).collect();
    let path = PathBuf::from(number.to_string());
    Photo { id: photo_id(number), path, width: 6000, height: 4000, faces }
}

/// Returns face `which` of photo `number`. Embeddings are random, so no two faces are similar.
pub fn face(number: u32, which: u8, pack: &str) -> Face {
    let bbox = bbox(number, which);
    let mut rng = Rng::new(u64::from(number) << 8 | u64::from(which));
    // A sum of uniform numbers is nearly normally distributed, so all directions are equally likely.
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

/// Returns the retention policy of collections of synthetic photos.
pub fn keep() -> RetentionPolicy {
    RetentionPolicy { purpose: "tests".into(), legal_basis: "consent".into(), ends_unix_s: None }
}
