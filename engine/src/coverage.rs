//! Estimates the share of a collection's faces that searches will find (the expected recall) from the quality
//! of each face, and names the reason for each face that searches often miss.

use crate::quality::Quality;

/// The main reason why searches often miss a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Weakness {
    /// Too few pixels: the person was too far from the camera, or the photo was reduced.
    Small,
    /// Too little detail for its size: the face is out of focus or has motion blur.
    Blurred,
    /// Turned too far towards profile.
    Turned,
}

/// Expected recall, 0..1, below which a face is weak. Range 0.5 to 0.8. A higher value also flags faces that
/// searches usually find; a lower value omits faces that searches often miss.
const RECALL_WEAK: f32 = 2.0 / 3.0;

/// Values of a function at 0, 0.1, …, 1; values between these points are interpolated linearly.
type Table = [f32; 11];

/// Sharpness of an unblurred face, 0..1, by its size part. A face of few pixels is enlarged to the crop, which
/// lowers its sharpness.
const CRISP: Table = [0.414, 0.587, 0.749, 0.844, 0.918, 0.919, 0.919, 0.976, 0.976, 0.976, 0.994];

/// Share of faces that a clear selfie finds, by the size part of their quality, where the other parts are
/// good. Measured with `picpick-bench coverage` on the LFW dev half: 17,600 faces of 860 guests, in original,
/// reduced and blurred photos. A table of the quality score alone would be wrong: at a score of 0.67, a
/// selfie finds 97 % of the small faces, but only 38 % of the faces blurred by a tenth of the distance
/// between the eyes.
const RECALL_BY_SIZE: Table =
    [0.198, 0.925, 0.959, 0.974, 0.974, 0.974, 0.974, 0.974, 0.974, 0.974, 0.974];
/// Share of faces that a clear selfie finds, by sharpness as a fraction of `CRISP`.
const RECALL_BY_SHARPNESS: Table =
    [0.000, 0.197, 0.433, 0.541, 0.627, 0.703, 0.803, 0.858, 0.924, 0.962, 0.977];
/// Share of faces that a clear selfie finds, by the pose part.
const RECALL_BY_POSE: Table =
    [0.420, 0.943, 0.943, 0.943, 0.943, 0.943, 0.975, 0.975, 0.975, 0.975, 0.975];

fn read(table: &Table, value: f32) -> f32 {
    // NaN counts as 0, the worst.
    let place = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) * 10.0 };
    let below = place as usize;
    let at = |nth: usize| table.get(nth.min(10)).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * (place - below as f32)
}

/// Returns the expected recall by each part of the quality, 0..1, and the weakness that a low value means.
fn chances(parts: &Quality) -> [(f32, Weakness); 3] {
    let sharpness = parts.sharpness / read(&CRISP, parts.size);
    [
        (read(&RECALL_BY_SIZE, parts.size), Weakness::Small),
        (read(&RECALL_BY_SHARPNESS, sharpness), Weakness::Blurred),
        (read(&RECALL_BY_POSE, parts.pose), Weakness::Turned),
    ]
}

/// Returns the lowest expected recall of the parts, 0..1, and its reason. Only the worst part counts: measured
/// over all parts together, the recall is little lower than for the worst part alone.
fn worst(parts: &Quality) -> (f32, Weakness) {
    let [size, sharpness, pose] = chances(parts);
    let worse = |a: (f32, Weakness), b: (f32, Weakness)| if b.0 < a.0 { b } else { a };
    worse(worse(size, sharpness), pose)
}

/// Returns the probability that a clear selfie of the person finds the face, 0..1.
fn recall_expected(parts: &Quality) -> f32 {
    worst(parts).0
}

impl Weakness {
    /// Returns the reason why searches often miss the face; `None` if the expected recall is at least 2/3.
    pub fn of(parts: &Quality) -> Option<Self> {
        let (recall, weakness) = worst(parts);
        (recall < RECALL_WEAK).then_some(weakness)
    }
}

/// The expected recall of a set of photos, and its weak faces by reason.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    pub photos: usize,
    /// Photos in which no face was detected.
    pub without_face: usize,
    pub faces: usize,
    /// Weak faces with too few pixels.
    pub small: usize,
    /// Weak faces with too little detail.
    pub blurred: usize,
    /// Weak faces that are turned too far.
    pub turned: usize,
    /// The sum of the expected recalls of all faces.
    recall_sum: f64,
}

impl Coverage {
    /// Computes the coverage of one photo from the quality of its faces.
    pub fn of<'a>(faces: impl IntoIterator<Item = &'a Quality>) -> Self {
        let mut coverage = Self { photos: 1, ..Self::default() };
        for parts in faces {
            coverage.faces += 1;
            coverage.recall_sum += f64::from(recall_expected(parts));
            match Weakness::of(parts) {
                Some(Weakness::Small) => coverage.small += 1,
                Some(Weakness::Blurred) => coverage.blurred += 1,
                Some(Weakness::Turned) => coverage.turned += 1,
                None => {}
            }
        }
        coverage.without_face = usize::from(coverage.faces == 0);
        coverage
    }

    /// Adds the coverage of other photos.
    pub fn add(&mut self, other: &Self) {
        self.photos += other.photos;
        self.without_face += other.without_face;
        self.faces += other.faces;
        self.small += other.small;
        self.blurred += other.blurred;
        self.turned += other.turned;
        self.recall_sum += other.recall_sum;
    }

    /// Returns the number of weak faces.
    pub fn weak(&self) -> usize {
        self.small + self.blurred + self.turned
    }

    /// Returns the number of faces that are not weak.
    pub fn good(&self) -> usize {
        self.faces.saturating_sub(self.weak())
    }

    /// Returns the expected share of a guest's photos that a search finds, 0..1: the mean of the expected
    /// recalls of all faces. Returns `None` if there is no face.
    ///
    /// Assumes that guests send a clear selfie, that each face belongs to a guest, and that a guest is in
    /// about four photos, like the people in the measured photos. The recall of guests with more photos is
    /// higher. Faces that were not detected are not counted.
    pub fn recall(&self) -> Option<f64> {
        (self.faces > 0).then(|| self.recall_sum / self.faces as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Quality = Quality { size: 1.0, sharpness: 1.0, pose: 1.0 };

    #[test]
    fn tables_rise_and_are_read_between_their_points() {
        for table in [CRISP, RECALL_BY_SIZE, RECALL_BY_SHARPNESS, RECALL_BY_POSE] {
            assert!(table.is_sorted() && table.iter().all(|value| (0.0..=1.0).contains(value)));
            assert_eq!([read(&table, -1.0), read(&table, f32::NAN)], [table[0]; 2]);
            assert_eq!([read(&table, 1.0), read(&table, f32::INFINITY)], [table[10]; 2]);
            assert!((read(&table, 0.25) - f32::midpoint(table[2], table[3])).abs() < 1e-6);
        }
    }

    #[test]
    fn the_worst_part_is_named_and_decides() {
        assert_eq!(Weakness::of(&GOOD), None);
        for (parts, lacking) in [
            (Quality { size: 0.01, sharpness: 0.4, ..GOOD }, Weakness::Small),
            (Quality { sharpness: 0.2, ..GOOD }, Weakness::Blurred),
            (Quality { pose: 0.0, ..GOOD }, Weakness::Turned),
            (Quality { sharpness: f32::NAN, ..GOOD }, Weakness::Blurred),
        ] {
            assert_eq!(Weakness::of(&parts), Some(lacking), "{parts:?}");
            assert!(recall_expected(&parts) < RECALL_WEAK);
        }
        // The softness that follows from a small size does not count as blur too.
        assert_eq!(Weakness::of(&Quality { size: 0.2, sharpness: 0.6, ..GOOD }), None);
        assert_eq!(Weakness::of(&Quality { sharpness: 0.4, ..GOOD }), Some(Weakness::Blurred));
    }

    #[test]
    fn counts_add_up_over_photos() {
        let small = Quality { size: 0.0, ..GOOD };
        let turned = Quality { pose: 0.0, ..GOOD };
        let mut all = Coverage::of([&GOOD, &small, &GOOD]);
        for other in [Coverage::of([]), Coverage::of([&turned])] {
            all.add(&other);
        }
        assert_eq!((all.photos, all.without_face, all.faces), (3, 1, 4));
        assert_eq!((all.good(), all.small, all.blurred, all.turned), (2, 1, 0, 1));
        let mean = [GOOD, small, GOOD, turned].iter().map(recall_expected).sum::<f32>() / 4.0;
        assert!(all.recall().is_some_and(|recall| (recall - f64::from(mean)).abs() < 1e-6));
        assert_eq!(Coverage::of([]).recall(), None);
    }
}
