use super::{Hit, Index};
use crate::ids::FaceId;
use crate::split_mix;

/// A deterministic random source with the given seed.
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        split_mix::next(&mut self.0)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    pub fn code(&mut self) -> i8 {
        (self.below(255) as i16 - 127) as i8
    }

    pub fn face(&mut self) -> FaceId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.word().to_be_bytes());
        id[8..].copy_from_slice(&self.word().to_be_bytes());
        FaceId(id)
    }

    /// Returns a unit vector whose first components vary twice as much as its last ones.
    pub fn unit(&mut self, dim: usize) -> Vec<f32> {
        let v = (0..dim)
            .map(|i| {
                let uniform: f32 =
                    (0..6).map(|_| (self.word() >> 40) as f32 / (1 << 24) as f32).sum();
                (uniform - 3.0) * (2.0 - i as f32 / dim as f32)
            })
            .collect();
        normed(v)
    }
}

pub fn normed(mut v: Vec<f32>) -> Vec<f32> {
    let norm = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    v.iter_mut().for_each(|x| *x /= norm);
    v
}

/// Synthetic people with face-like embeddings: cosines of about 0.6 within a person, about 0 between people.
pub struct SyntheticPeople {
    pub dim: usize,
    pub centres: Vec<Vec<f32>>,
    pub random: Random,
}

/// The number of faces of each person.
pub const FACES: usize = 5;

impl SyntheticPeople {
    pub fn new(dim: usize, people: usize) -> Self {
        let mut random = Random(people as u64);
        let centres = (0..people).map(|_| random.unit(dim)).collect();
        Self { dim, centres, random }
    }

    /// Makes a new face of a person.
    pub fn face_of(&mut self, person: usize) -> Vec<f32> {
        // A share s of noise gives two faces of one person the cosine 1 / (1 + s * s).
        let share = 0.6 + 0.4 * (self.random.below(1_000) as f32 / 1_000.0);
        let noise = self.random.unit(self.dim);
        let centre = &self.centres[person];
        normed(centre.iter().zip(noise).map(|(c, n)| c + share * n).collect())
    }

    /// Makes 5 faces of each person, one person after the other.
    pub fn faces(&mut self) -> Vec<(FaceId, Vec<f32>)> {
        (0..self.centres.len() * FACES)
            .map(|n| (self.random.face(), self.face_of(n / FACES)))
            .collect()
    }

    /// Makes new faces of `count` people, drawn at random.
    pub fn queries(&mut self, count: usize) -> Vec<Vec<f32>> {
        (0..count)
            .map(|_| {
                let person = self.random.below(self.centres.len());
                self.face_of(person)
            })
            .collect()
    }
}

/// Returns the share of the `expected` hits that are in `received`.
pub fn recall(expected: &[Vec<Hit>], received: &[Vec<Hit>]) -> f64 {
    let found = |(e, r): (&Vec<Hit>, &Vec<Hit>)| {
        let has = |hit: &&Hit| r.iter().any(|other| other.face == hit.face);
        e.iter().filter(has).count()
    };
    let all: usize = expected.iter().map(Vec::len).sum();
    let got: usize = expected.iter().zip(received).map(found).sum();
    got as f64 / all as f64
}

pub fn fill(index: &mut impl Index, faces: &[(FaceId, Vec<f32>)]) {
    for (face, embedding) in faces {
        assert!(index.insert(*face, embedding).is_ok());
    }
}
