//! Collects similarity scores from an event's own photos, from which `calibrate.rs` estimates a threshold.
//!
//! Two people in one photo are different people. Scores are computed as a search computes them, so that they
//! are comparable with the threshold.

use std::collections::{HashMap, HashSet};

use super::gallery::{Gallery, KnownPhoto};
use crate::calibrate::{self, Estimate, Histogram};
use crate::embed::cosine;
use crate::ids::{FaceId, PhotoId};
use crate::people::Person;
use crate::quality::Quality;

/// Limits the face pairs compared to 1,000,000. Photos are taken in order of their ids, which are hashes of
/// their content, so the photos left out are a random sample. Range: 10,000 to 10,000,000. Cost: about 0.2 µs
/// per pair.
const PAIRS_MAX: usize = 1_000_000;
/// Limits the overlap of two people's boxes in one photo, as a fraction of the smaller box. Boxes that
/// overlap by half of the smaller box or more count as one face, detected twice.
const OVERLAP_MAX: f32 = 0.5;

/// The threshold estimate from an event's own photos, with the scores behind it.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// The number of pairs of people who appear together in at least one photo; each pair counts once.
    pub pairs: usize,
    /// The number of photos that show such a pair.
    pub photos: usize,
    /// The threshold estimated from these pairs; `None` if there are fewer than [`Estimate::PAIRS_MIN`].
    pub own: Option<Estimate>,
    /// The scores of these pairs (two per pair), and of people with themselves (one per good face).
    pub histogram: Histogram,
}

/// A good face of a person in one photo.
struct Member<'a> {
    person: usize,
    centroid: &'a [f32],
    bbox: [i32; 4],
    embedding: Vec<f32>,
}

impl Member<'_> {
    /// Returns the score of this face in a search by the face `other`.
    fn score_for(&self, other: &Member<'_>) -> f32 {
        let direct = cosine(&self.embedding, &other.embedding);
        f32::midpoint(direct, cosine(self.centroid, &other.embedding))
    }

    fn overlaps(&self, other: &Member<'_>) -> bool {
        let along = |at: usize, size: usize| {
            let end = |of: &[i32; 4]| of[at].saturating_add(of[size]);
            let common = end(&self.bbox).min(end(&other.bbox)) - self.bbox[at].max(other.bbox[at]);
            common.max(0) as f32
        };
        let area = |of: &[i32; 4]| of[2] as f32 * of[3] as f32;
        along(0, 2) * along(1, 3) >= OVERLAP_MAX * area(&self.bbox).min(area(&other.bbox))
    }
}

impl Gallery {
    /// Estimates, from the photos, the threshold that gives the false positive identification rate `fpir`,
    /// 0..1: the share of strangers to whom a search shows any photo. Takes a few milliseconds for 10,000
    /// faces.
    ///
    /// Only good faces count, because low-quality faces need a higher score than the threshold. If a photo
    /// shows two people, the face of each is scored in a search by the other's face. A pair of people counts
    /// once, by the first photo in order of id: a couple in 500 photos is not 500 pairs of strangers.
    pub fn calibration(&self, fpir: f64) -> Calibration {
        let persons = self.people.persons();
        let number: HashMap<FaceId, usize> = persons
            .iter()
            .enumerate()
            .flat_map(|(number, person)| person.faces.iter().map(move |face| (*face, number)))
            .collect();
        let mut photos: Vec<(&PhotoId, &KnownPhoto)> =
            self.photos.iter().filter(|(_, photo)| photo.faces.len() > 1).collect();
        photos.sort_unstable_by_key(|(id, _)| **id);
        let (mut different, mut met, mut showing) = (Vec::new(), HashSet::new(), 0);
        let mut left = PAIRS_MAX;
        for (_, photo) in photos {
            let members: Vec<Member<'_>> = photo
                .faces
                .iter()
                .filter_map(|face| self.member(face, persons, *number.get(face)?))
                .collect();
            let mut shows = false;
            for (i, a) in members.iter().enumerate() {
                for b in members.iter().skip(i + 1).take(left) {
                    left -= 1;
                    if a.person == b.person || a.overlaps(b) {
                        continue;
                    }
                    shows = true;
                    if met.insert((a.person.min(b.person), a.person.max(b.person))) {
                        different.extend([a.score_for(b), b.score_for(a)]);
                    }
                }
            }
            showing += usize::from(shows);
        }
        let same: Vec<f32> = persons.iter().flat_map(|person| self.with_itself(person)).collect();
        let histogram = Histogram::of(&different, &same);
        let own = calibrate::estimate(&mut different, met.len(), self.face_count(), fpir);
        Calibration { pairs: met.len(), photos: showing, own, histogram }
    }

    fn member<'a>(
        &self,
        face: &FaceId,
        persons: &'a [Person],
        person: usize,
    ) -> Option<Member<'a>> {
        let known = self.faces.get(face).filter(|known| known.quality >= Quality::LOW)?;
        let centroid = &persons.get(person)?.centroid;
        let embedding = self.index.embedding(face)?;
        Some(Member { person, centroid, bbox: known.bbox, embedding })
    }

    /// Returns the scores of a person's faces among one another. Each good face is scored in a search by the
    /// next good face, if the two are in different photos. The searching face is left out of the centroid,
    /// because the centroid never includes a guest's selfie either.
    fn with_itself(&self, person: &Person) -> Vec<f32> {
        let good = |face: &FaceId| {
            let known = self.faces.get(face).filter(|known| known.quality >= Quality::LOW)?;
            Some((known.photo, self.index.embedding(face)?))
        };
        if person.faces.len() < 2 {
            return Vec::new();
        }
        let all: Vec<(PhotoId, Vec<f32>)> = person.faces.iter().filter_map(good).collect();
        let others = LeaveOneOutMean::of(all.iter().map(|(_, face)| face.as_slice()));
        let mut scores = Vec::with_capacity(all.len());
        for ((photo, face), (elsewhere, asking)) in all.iter().zip(all.iter().cycle().skip(1)) {
            let centroid = others.without(asking).filter(|_| photo != elsewhere);
            scores.extend(
                centroid.map(|of| f32::midpoint(cosine(face, asking), cosine(&of, asking))),
            );
        }
        scores
    }
}

/// The sum of a person's embeddings, from which the mean of all embeddings but one is computed.
pub(super) struct LeaveOneOutMean(Vec<f32>);

impl LeaveOneOutMean {
    /// Sums unit embeddings \[D\].
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut sum: Vec<f32> = Vec::new();
        for one in all {
            sum.resize(one.len(), 0.0);
            sum.iter_mut().zip(one).for_each(|(sum, value)| *sum += value);
        }
        Self(sum)
    }

    /// Returns the unit mean of all embeddings but `one`, \[D\]; `None` if there are no others.
    pub(super) fn without(&self, one: &[f32]) -> Option<Vec<f32>> {
        // Without others, the difference is a rounding error and not a direction.
        let rest: Vec<f32> = self.0.iter().zip(one).map(|(sum, value)| sum - value).collect();
        let norm = cosine(&rest, &rest).sqrt();
        (norm > 1e-3).then(|| rest.iter().map(|value| value / norm).collect())
    }

    /// Returns the unit mean of all embeddings; `None` if there are none.
    pub(super) fn all(&self) -> Option<Vec<f32>> {
        self.without(&vec![0.0; self.0.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::{Face, Photo};
    use crate::models::manifest::Matching;

    const DIM: usize = 64;

    /// Returns a pseudo-random unit vector for each number; any two are nearly orthogonal.
    fn direction(number: u64) -> Vec<f32> {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut share = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let values: Vec<f32> = (0..DIM).map(|_| (0..4).map(|_| share()).sum()).collect();
        crate::embed::unit(&values).unwrap()
    }

    /// Makes the face of `person` in `photo`, in a box that overlaps no other. Its embedding has noise that
    /// differs by photo.
    fn face(photo: u64, person: u64) -> Face {
        let id = FaceId::of(photo_id(photo), "pack", [person as i32, 0, 1, 1]);
        let noise = direction(1_000_000 + photo * 1_000 + person);
        let mixed: Vec<f32> =
            direction(person).iter().zip(&noise).map(|(own, noise)| own + 0.5 * noise).collect();
        let embedding = crate::embed::unit(&mixed).unwrap();
        let bbox = [200 * person as i32, 0, 100, 100];
        Face { id, bbox, landmarks: [[0.0; 2]; 5], score: 0.9, quality: 0.9, embedding }
    }

    fn photo_id(number: u64) -> PhotoId {
        PhotoId::of(&number.to_le_bytes())
    }

    fn photo(number: u64, faces: Vec<Face>) -> Photo {
        Photo { id: photo_id(number), path: "p".into(), width: 9, height: 9, faces }
    }

    fn gallery(photos: &[Photo]) -> Gallery {
        let mut gallery = Gallery::new(DIM, Matching::default());
        photos.iter().for_each(|photo| gallery.add(photo).unwrap());
        gallery.update_people(photos.iter());
        gallery
    }

    fn seen(number: u64, persons: &[u64]) -> Photo {
        photo(number, persons.iter().map(|person| face(number, *person)).collect())
    }

    #[test]
    fn a_pair_counts_once_however_often_it_is_seen() {
        let found = gallery(&[seen(1, &[1, 2]), seen(2, &[1, 2]), seen(3, &[1, 3]), seen(4, &[4])]);
        let found = found.calibration(Estimate::FPIR);
        assert_eq!((found.pairs, found.photos, found.own), (2, 3, None));
        assert_eq!(found.histogram.different.iter().sum::<usize>(), 4, "two scores a pair");
        assert_eq!(found.histogram.same.iter().sum::<usize>(), 5, "3 of person 1, 2 of person 2");
    }

    #[test]
    fn one_face_in_two_boxes_and_low_quality_faces_are_no_pair() {
        let mut twice = face(1, 2);
        twice.bbox = [210, 5, 110, 90];
        let mut poor = face(2, 2);
        poor.quality = 0.1;
        let one = [photo(1, vec![face(1, 1), twice]), photo(2, vec![face(2, 1), poor])];
        assert_eq!(gallery(&one).calibration(Estimate::FPIR).pairs, 0);
        let empty = gallery(&[]).calibration(Estimate::FPIR);
        assert_eq!((empty.pairs, empty.photos, empty.own), (0, 0, None));
    }

    #[test]
    fn enough_pairs_give_a_threshold_and_wall_portraits_hardly_move_it() {
        // 60 people, five in each photo: more than 600 pairs.
        let five =
            |number: u64| [0, 1, 5, 14, 30].map(|step| (number + step * (1 + number / 60)) % 60);
        let photos: Vec<Photo> = (0..120).map(|number| seen(number, &five(number))).collect();
        let clean = gallery(&photos).calibration(Estimate::FPIR);
        let own = clean.own.unwrap();
        assert!(clean.pairs >= Estimate::PAIRS_MIN, "{}", clean.pairs);
        // Cosines of independent unit vectors of 64 numbers have a standard deviation of 1/8. A false
        // positive rate of 0.003/600 is 4.4 standard deviations from the mean.
        assert!((own.low..own.high).contains(&0.55), "{own:?}");
        let portraits = photos.iter().take(10).map(|of| {
            let mut of = of.clone();
            let mut portrait = of.faces[0].clone();
            portrait.id = FaceId::of(of.id, "pack", [7, 7, 7, 7]);
            portrait.bbox = [-500, 0, 60, 60];
            of.faces.push(portrait);
            of
        });
        let with: Vec<Photo> = portraits.chain(photos.iter().skip(10).cloned()).collect();
        let moved =
            gallery(&with).calibration(Estimate::FPIR).own.unwrap().threshold - own.threshold;
        assert!(moved.abs() < 0.05, "{moved}");
    }
}
