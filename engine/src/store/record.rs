//! The encoding of a photo's row as Protobuf, so that a later version can add fields that this version
//! ignores. The decoder checks every length.

use prost::Message;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use crate::face::{Face, Photo};
use crate::ids::{FaceId, PhotoId};

#[derive(Clone, PartialEq, Message)]
struct PhotoRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    /// The path as bytes, because file names need not be UTF-8.
    #[prost(bytes = "vec", tag = "2")]
    path: Vec<u8>,
    #[prost(uint32, tag = "3")]
    width: u32,
    #[prost(uint32, tag = "4")]
    height: u32,
    #[prost(message, repeated, tag = "5")]
    faces: Vec<FaceRow>,
}

#[derive(Clone, PartialEq, Message)]
struct FaceRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(sint32, repeated, tag = "2")]
    bbox: Vec<i32>,
    /// x and y of each of the five landmarks: 10 numbers.
    #[prost(float, repeated, tag = "3")]
    landmarks: Vec<f32>,
    #[prost(float, tag = "4")]
    score: f32,
    #[prost(float, tag = "5")]
    quality: f32,
    #[prost(float, repeated, tag = "6")]
    embedding: Vec<f32>,
}

pub(crate) fn encode(photo: &Photo) -> Vec<u8> {
    let face = |face: &Face| FaceRow {
        id: face.id.0.to_vec(),
        bbox: face.bbox.to_vec(),
        landmarks: face.landmarks.as_flattened().to_vec(),
        score: face.score,
        quality: face.quality,
        embedding: face.embedding.clone(),
    };
    let row = PhotoRow {
        id: photo.id.0.to_vec(),
        path: photo.path.as_os_str().as_bytes().to_vec(),
        width: photo.width,
        height: photo.height,
        faces: photo.faces.iter().map(face).collect(),
    };
    row.encode_to_vec()
}

/// Decodes bytes that `encode` wrote. Returns `None` for other bytes, for a wrong length, and for an
/// embedding that is empty or not finite.
pub(crate) fn decode(bytes: &[u8]) -> Option<Photo> {
    let row = PhotoRow::decode(bytes).ok()?;
    let faces = row.faces.into_iter().map(face).collect::<Option<Vec<_>>>()?;
    let path = PathBuf::from(OsString::from_vec(row.path));
    Some(Photo {
        id: PhotoId(row.id.try_into().ok()?),
        path,
        width: row.width,
        height: row.height,
        faces,
    })
}

fn face(row: FaceRow) -> Option<Face> {
    let (points, rest) = row.landmarks.as_chunks::<2>();
    let finite = row.embedding.iter().all(|value| value.is_finite()) && !row.embedding.is_empty();
    (finite && rest.is_empty()).then_some(())?;
    Some(Face {
        id: FaceId(row.id.try_into().ok()?),
        bbox: row.bbox.try_into().ok()?,
        landmarks: points.try_into().ok()?,
        score: row.score,
        quality: row.quality,
        embedding: row.embedding,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo() -> Photo {
        let face = Face {
            id: FaceId([3; 16]),
            bbox: [-4, 7, 30, 40],
            landmarks: [[1.5, -2.0]; 5],
            score: 0.9,
            quality: 0.5,
            embedding: vec![0.25; 128],
        };
        let path = PathBuf::from(OsString::from_vec(vec![b'a', 0xff, b'.', b'j']));
        Photo {
            id: PhotoId([1; 16]),
            path,
            width: 6000,
            height: 4000,
            faces: vec![face.clone(), face],
        }
    }

    #[test]
    fn a_photo_comes_back_as_it_was() {
        assert_eq!(decode(&encode(&photo())), Some(photo()));
        let empty = Photo { faces: Vec::new(), ..photo() };
        assert_eq!(decode(&encode(&empty)), Some(empty));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let bytes = encode(&photo());
        for i in 0..bytes.len() {
            assert_ne!(decode(&bytes[..i]), Some(photo()), "cut at {i}");
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[i] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
        assert_eq!(decode(b"garbage"), None);
    }
}
