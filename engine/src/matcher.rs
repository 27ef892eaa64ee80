use std::collections::HashMap;

use crate::ids::{FaceId, PhotoId};
use crate::models::manifest::Matching;
use crate::quality::Quality;

/// The reason why a photo is among the matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchKind {
    /// The face's own cosine reaches the threshold.
    Direct,
    /// The mean of the cosines with the face and with its person's centroid reaches the threshold.
    Person,
    /// Another face of the same person was accepted.
    Expanded,
}

/// A face that may match, with its cosines.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub face: FaceId,
    pub photo: PhotoId,
    /// 0..1.
    pub quality: f32,
    /// Cosine of the query and the face, -1..1.
    pub direct: f32,
    /// Cosine of the query and the centroid of the face's person; `None` for a face without one.
    pub person: Option<f32>,
}

/// An accepted face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Accepted {
    pub face: FaceId,
    pub photo: PhotoId,
    /// The score that was compared with the threshold, -1..1.
    pub similarity: f32,
    pub kind: MatchKind,
    /// 0..1.
    pub quality: f32,
}

/// The amount added to the threshold for a face of quality 0; it falls linearly to 0 at `Quality::LOW`. Range
/// 0 to 0.15: more loses low-quality faces, less lets blurred faces match strangers.
const LOW_QUALITY_PENALTY: f32 = 0.08;

/// A threshold offset: what the owner adds to the threshold of the pack's formula, 0 to 0.20.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct ThresholdOffset(f32);

impl ThresholdOffset {
    /// The highest offset. Two pictures of one person have a cosine of about 0.67 (LFW), and thresholds are
    /// 0.36 to 0.58: a higher offset would reject most true matches.
    pub const MAX: ThresholdOffset = ThresholdOffset(0.2);

    /// Makes an offset; `None` unless `value` is 0 to 0.20.
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=Self::MAX.0).contains(&value).then_some(Self(value))
    }

    /// Returns the number that is added to the threshold.
    pub fn value(self) -> f32 {
        self.0
    }

    /// Encodes the offset: a format byte, 1, and an f32, little endian.
    pub(crate) fn to_bytes(self) -> [u8; 5] {
        let [a, b, c, d] = self.0.to_le_bytes();
        [1, a, b, c, d]
    }

    /// Decodes the bytes of `to_bytes`; `None` for any others.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [1, a, b, c, d] => Self::new(f32::from_le_bytes([a, b, c, d])),
            _ => None,
        }
    }
}

impl Matching {
    /// Returns the similarity that a good face must reach in a collection of `faces` faces.
    ///
    /// With a false match rate m per comparison, a stranger is shown a photo with the probability
    /// FPIR = 1 − (1 − m)^N ≈ m · N (false positive identification rate). The tail of the impostor similarities
    /// falls about exponentially, so a constant FPIR takes a constant step for every tenfold N:
    /// threshold = base + per_decade · log10(N), with N limited to 100 to 1,000,000. The constants of each pack
    /// are fitted to an FPIR of 0.3 % with `picpick-bench accuracy`.
    pub fn threshold(&self, faces: usize) -> f32 {
        let decades = (faces.clamp(100, 1_000_000) as f32).log10();
        self.threshold_base + self.threshold_per_decade * decades
    }
}

/// Returns the score of a face: the mean of its own cosine and its person's. With `direct`, and for a face
/// without a person, its own cosine.
pub fn score(candidate: &Candidate, direct: bool) -> f32 {
    match candidate.person {
        Some(person) if !direct => f32::midpoint(candidate.direct, person),
        _ => candidate.direct,
    }
}

/// Returns the threshold for a face of this quality, when good faces must reach `threshold`.
pub fn threshold_for(threshold: f32, quality: f32) -> f32 {
    threshold + LOW_QUALITY_PENALTY * (1.0 - quality / Quality::LOW).max(0.0)
}

/// Returns the accepted faces of `candidates`, one best face per photo, best first.
pub fn decide(candidates: &[Candidate], threshold: f32, direct: bool) -> Vec<Accepted> {
    let accept = |candidate: &Candidate| {
        let similarity = score(candidate, direct);
        let bar = threshold_for(threshold, candidate.quality);
        let kind = if candidate.direct >= bar { MatchKind::Direct } else { MatchKind::Person };
        let &Candidate { face, photo, quality, .. } = candidate;
        (similarity >= bar).then_some(Accepted { face, photo, similarity, kind, quality })
    };
    best_per_photo(candidates.iter().filter_map(accept))
}

/// Returns the best face of each photo, best first; equal ones in order of photo id.
pub fn best_per_photo(accepted: impl Iterator<Item = Accepted>) -> Vec<Accepted> {
    let mut best: HashMap<PhotoId, Accepted> = HashMap::new();
    for candidate in accepted {
        let entry = best.entry(candidate.photo).or_insert(candidate);
        // A face with an accepted score wins over one that was added because of its person only.
        let rank =
            |accepted: &Accepted| (accepted.kind == MatchKind::Expanded, accepted.similarity);
        let ((expanded, similarity), (known_expanded, known)) = (rank(&candidate), rank(entry));
        let better = similarity.total_cmp(&known).then(entry.face.cmp(&candidate.face)).is_gt();
        if (known_expanded && !expanded) || (known_expanded == expanded && better) {
            *entry = candidate;
        }
    }
    let mut all: Vec<Accepted> = best.into_values().collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.photo.cmp(&b.photo)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: u8, photo: u8, direct: f32, person: Option<f32>) -> Candidate {
        Candidate {
            face: FaceId([n; 16]),
            photo: PhotoId([photo; 16]),
            quality: 0.8,
            direct,
            person,
        }
    }

    #[test]
    fn the_threshold_rises_with_the_collection_and_stops_at_the_ends() {
        let matching =
            Matching { threshold_base: 0.3, threshold_per_decade: 0.05, ..Matching::default() };
        assert!((matching.threshold(10_000) - 0.5).abs() < 1e-6);
        assert_eq!(matching.threshold(0), matching.threshold(100));
        assert!(matching.threshold(50_000) > matching.threshold(500));
        assert_eq!(matching.threshold(usize::MAX), matching.threshold(1_000_000));
    }

    #[test]
    fn an_offset_never_lowers_the_threshold_and_reads_back() {
        for added in [0.0, 0.05, 0.2] {
            let offset = ThresholdOffset::new(added).unwrap_or(ThresholdOffset::MAX);
            assert_eq!(offset.value(), added);
            assert_eq!(ThresholdOffset::from_bytes(&offset.to_bytes()), Some(offset));
        }
        for wrong in [-0.01, 0.21, 5.0, f32::NAN, f32::INFINITY] {
            assert_eq!(ThresholdOffset::new(wrong), None, "{wrong}");
            let [a, b, c, d] = wrong.to_le_bytes();
            assert_eq!(ThresholdOffset::from_bytes(&[1, a, b, c, d]), None, "{wrong}");
        }
        for wrong in [&[][..], &[1], &[2, 0, 0, 0, 0], &[1, 0, 0, 0, 0, 0]] {
            assert_eq!(ThresholdOffset::from_bytes(wrong), None);
        }
    }

    #[test]
    fn one_best_face_per_photo_best_first() {
        let all = [
            candidate(1, 1, 0.6, None),
            candidate(2, 1, 0.7, None),
            candidate(3, 2, 0.9, None),
            candidate(4, 3, 0.4, None),
        ];
        let accepted = decide(&all, 0.5, true);
        assert_eq!(accepted.iter().map(|a| a.face.0[0]).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_person_lifts_a_side_face_and_holds_down_a_lucky_stranger() {
        let side = candidate(1, 1, 0.42, Some(0.7));
        let lucky = candidate(2, 2, 0.55, Some(0.2));
        let through = decide(&[side, lucky], 0.5, false);
        assert_eq!(
            through.iter().map(|a| (a.face.0[0], a.kind)).collect::<Vec<_>>(),
            [(1, MatchKind::Person)]
        );
        let direct = decide(&[side, lucky], 0.5, true);
        assert_eq!(
            direct.iter().map(|a| (a.face.0[0], a.kind)).collect::<Vec<_>>(),
            [(2, MatchKind::Direct)]
        );
    }

    #[test]
    fn a_low_quality_face_needs_a_higher_score() {
        let good = candidate(1, 1, 0.52, None);
        let poor = Candidate { quality: 0.05, ..candidate(2, 2, 0.52, None) };
        assert_eq!(decide(&[good, poor], 0.5, true).len(), 1);
        assert!(
            threshold_for(0.5, 0.0) > threshold_for(0.5, 0.1)
                && threshold_for(0.5, Quality::LOW) == 0.5
        );
    }

    #[test]
    fn scores_that_are_not_numbers_match_nothing() {
        assert!(
            decide(
                &[candidate(1, 1, f32::NAN, None), candidate(2, 2, 0.9, Some(f32::NAN))],
                0.1,
                false
            )
            .is_empty()
        );
    }
}
