mod threshold;

use std::collections::HashMap;

use crate::ids::{FaceId, PhotoId};

pub use threshold::{ThresholdOffset, threshold_for};

/// The reason why a photo is among the matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchKind {
    /// The face's own cosine reaches the threshold.
    Direct,
    /// The mean of the cosines with the face and with its person's centroid reaches the threshold.
    Person,
    /// Another face of the face's person was accepted.
    Expanded,
}

/// A face that may match, with its cosines.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub face: FaceId,
    pub photo: PhotoId,
    /// Quality of the face, 0..1.
    pub quality: f32,
    /// Cosine of the query and the face, -1..1.
    pub direct: f32,
    /// Cosine of the query and the centroid of the face's person, -1..1; `None` for a face without a person.
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
    /// Quality of the face, 0..1.
    pub quality: f32,
}

/// Returns the score of a face, -1..1: the mean of the cosines with the face and with its person's centroid.
/// With `direct`, or for a face without a person, the score is the cosine with the face.
pub fn score(candidate: &Candidate, direct: bool) -> f32 {
    match candidate.person {
        Some(person) if !direct => f32::midpoint(candidate.direct, person),
        _ => candidate.direct,
    }
}

/// Returns the best accepted face of each photo, best first. A face is accepted if its score reaches its
/// threshold.
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

/// Returns the best face of each photo, best first. Faces of equal similarity are in order of photo id.
pub fn best_per_photo(accepted: impl Iterator<Item = Accepted>) -> Vec<Accepted> {
    let mut best: HashMap<PhotoId, Accepted> = HashMap::new();
    for candidate in accepted {
        let entry = best.entry(candidate.photo).or_insert(candidate);
        // A face with an accepted score precedes a face that was added only because of its person.
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
    use crate::quality::Quality;

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
