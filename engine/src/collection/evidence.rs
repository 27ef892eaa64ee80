//! What an event's own photos say of its threshold: people who are seen together are different people.
//!
//! Gathers scores from a gallery; what they mean, `calibrate.rs` says. Scores are made as a search makes them, so
//! that like is held against like. Knows nothing of guests and of what an owner has chosen.

use std::collections::{HashMap, HashSet};

use super::gallery::{Gallery, KnownPhoto};
use crate::calibrate::{self, Estimate, Histogram};
use crate::embed::cosine;
use crate::ids::{FaceId, PhotoId};
use crate::people::Person;
use crate::quality::QUALITY_LOW;

/// Pairs of faces that are looked at; photos are taken in order of their ids, which are hashes of their content,
/// so what is left out is left out at random. Range: 10,000 to 10,000,000. Cost: some 0.2 µs each.
const PAIRS_MAX: usize = 1_000_000;
/// Two boxes of which the smaller lies in the other by this share are one face, found twice.
const OVERLAP_MAX: f32 = 0.5;

/// What an event's own photos say.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Pairs of people who are seen together in some photo; each counts once, however often they are.
    pub pairs: usize,
    /// Photos that show such a pair.
    pub photos: usize,
    /// The threshold that these pairs speak for; `None` where they are fewer than `PAIRS_MIN`.
    pub own: Option<Estimate>,
    /// Scores of those pairs, two for each, and of people with themselves, one for each face.
    pub histogram: Histogram,
}

/// A face that counts: of its person, in one photo.
struct Member<'a> {
    person: usize,
    centroid: &'a [f32],
    bbox: [i32; 4],
    embedding: Vec<f32>,
}

impl Member<'_> {
    /// The score of this face for whoever `other` is of: what a search by the other face holds against the threshold.
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
    /// The threshold at which `fpir` of strangers would be shown anything, as the photos themselves have it, with
    /// the scores behind it. Takes some milliseconds for 10,000 faces.
    ///
    /// Only good faces count, for the threshold is what a good face must reach; poor ones meet a bar of their own. Of
    /// two people seen together each is asked for by the other's face. The pair counts once, by the first photo in
    /// order of id: a couple in five hundred photos are not five hundred strangers.
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
        let known = self.faces.get(face).filter(|known| known.quality >= QUALITY_LOW)?;
        let centroid = &persons.get(person)?.centroid;
        let embedding = self.index.embedding(face)?;
        Some(Member { person, centroid, bbox: known.bbox, embedding })
    }

    /// The score of each good face of a person who is asked for by the next one, from another photo. That one is
    /// left out of the centroid, as whoever asks with a selfie is not in it.
    fn with_itself(&self, person: &Person) -> Vec<f32> {
        let good = |face: &FaceId| {
            let known = self.faces.get(face).filter(|known| known.quality >= QUALITY_LOW)?;
            Some((known.photo, self.index.embedding(face)?))
        };
        if person.faces.len() < 2 {
            return Vec::new();
        }
        let all: Vec<(PhotoId, Vec<f32>)> = person.faces.iter().filter_map(good).collect();
        let others = Others::of(all.iter().map(|(_, face)| face.as_slice()));
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

/// The sum of a person's embeddings, of which single ones can be left out.
pub(super) struct Others(Vec<f32>);

impl Others {
    /// Of unit embeddings \[D\].
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a [f32]>) -> Self {
        let mut sum: Vec<f32> = Vec::new();
        for one in all {
            sum.resize(one.len(), 0.0);
            sum.iter_mut().zip(one).for_each(|(sum, value)| *sum += value);
        }
        Self(sum)
    }

    /// The unit mean of the others; `None` where there are none.
    pub(super) fn without(&self, one: &[f32]) -> Option<Vec<f32>> {
        // What is left of nothing is a rounding error, and no direction.
        let rest: Vec<f32> = self.0.iter().zip(one).map(|(sum, value)| sum - value).collect();
        let norm = cosine(&rest, &rest).sqrt();
        (norm > 1e-3).then(|| rest.iter().map(|value| value / norm).collect())
    }

    /// The unit mean of all; `None` where there are none.
    pub(super) fn all(&self) -> Option<Vec<f32>> {
        self.without(&vec![0.0; self.0.len()])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::face::{Face, Photo};
    use crate::manifest::Matching;

    const DIM: usize = 64;

    /// A direction for each number, all about at right angles.
    fn direction(number: u64) -> Vec<f32> {
        let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut share = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let values: Vec<f32> = (0..DIM).map(|_| (0..4).map(|_| share()).sum()).collect();
        crate::embed::unit(&values).unwrap()
    }

    /// Face of `person` in `photo`, at a place of its own; a little different in each photo.
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
        let found = found.calibration(calibrate::FPIR);
        assert_eq!((found.pairs, found.photos, found.own), (2, 3, None));
        assert_eq!(found.histogram.different.iter().sum::<usize>(), 4, "both ways");
        assert_eq!(found.histogram.same.iter().sum::<usize>(), 5, "1 thrice, 2 twice");
    }

    #[test]
    fn one_face_in_two_boxes_and_poor_faces_are_no_pair() {
        let mut twice = face(1, 2);
        twice.bbox = [210, 5, 110, 90];
        let mut poor = face(2, 2);
        poor.quality = 0.1;
        let one = [photo(1, vec![face(1, 1), twice]), photo(2, vec![face(2, 1), poor])];
        assert_eq!(gallery(&one).calibration(calibrate::FPIR).pairs, 0);
        let empty = gallery(&[]).calibration(calibrate::FPIR);
        assert_eq!((empty.pairs, empty.photos, empty.own), (0, 0, None));
    }

    #[test]
    fn enough_pairs_give_a_threshold_and_portraits_on_the_wall_hardly_move_it() {
        // 60 people, each photo another five of them: 600 pairs and more.
        let five =
            |number: u64| [0, 1, 5, 14, 30].map(|step| (number + step * (1 + number / 60)) % 60);
        let photos: Vec<Photo> = (0..120).map(|number| seen(number, &five(number))).collect();
        let clean = gallery(&photos).calibration(calibrate::FPIR);
        let own = clean.own.unwrap();
        assert!(clean.pairs >= calibrate::PAIRS_MIN, "{}", clean.pairs);
        // Independent directions of 64 numbers: 1/8, which 0.003/600 leaves at 4.4 deviations.
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
            gallery(&with).calibration(calibrate::FPIR).own.unwrap().threshold - own.threshold;
        assert!(moved.abs() < 0.05, "{moved}");
    }
}
