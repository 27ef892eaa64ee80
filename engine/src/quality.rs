use crate::detect::Landmarks;
use crate::picture::Picture;

/// The reliability of a face's embedding, in three parts of 0..1 each. Tiny, blurred or turned faces match
/// strangers, so the matcher raises the threshold for such faces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// From the distance between the eyes in photo pixels: 0 at 8 px, 1 at 36 px. Below 20 px an embedding
    /// begins to match strangers.
    pub size: f32,
    /// From the edge strength in the aligned crop.
    pub sharpness: f32,
    /// 1 for a face seen from the front, 0 for a profile.
    pub pose: f32,
}

impl Quality {
    /// Score below which a face seeds no cluster and has a higher threshold. Range 0.1 to 0.5. A higher value
    /// loses recall on faces in profile; a lower value lets blurred faces match strangers. Measure with
    /// `picpick-bench accuracy`.
    pub const LOW: f32 = 0.25;

    /// Computes the quality of the face with `landmarks` in photo pixels, aligned to `crop` (112 × 112).
    pub fn of(landmarks: &Landmarks, crop: &Picture) -> Self {
        Self { size: size(landmarks), sharpness: sharpness(crop), pose: pose(landmarks) }
    }

    /// Returns the geometric mean of the parts, 0..1, so that good parts do not compensate for a bad one.
    pub fn score(&self) -> f32 {
        (self.size * self.sharpness * self.pose).cbrt()
    }

    /// Recovers the parts from the `score`, 0..1, and the `landmarks`, in photo pixels, of a face. Size and
    /// pose follow from the landmarks, and sharpness is the remaining factor of the score. If size or pose is
    /// 0, the score does not depend on sharpness, and sharpness is set to 1.
    pub fn reconstruct(score: f32, landmarks: &Landmarks) -> Self {
        let (size, pose) = (size(landmarks), pose(landmarks));
        let rest = size * pose;
        let sharpness = if rest > 0.0 { (score.powi(3) / rest).clamp(0.0, 1.0) } else { 1.0 };
        Self { size, sharpness, pose }
    }
}

/// Maps `value` linearly from 0 at `low` to 1 at `high`, clamped.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

fn distance(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn size(landmarks: &Landmarks) -> f32 {
    // Turning the head reduces the distance between the eyes, but neither the number of pixels of the face nor
    // the distance from eyes to mouth.
    let [left, right, _, mouth_left, mouth_right] = *landmarks;
    let middle = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
    let eyes_to_mouth = distance(middle(left, right), middle(mouth_left, mouth_right));
    ramp(distance(left, right).max(0.87 * eyes_to_mouth), 8.0, 36.0)
}

/// Computes the mean absolute Laplacian of the face's middle, divided by its contrast. Blur lowers the
/// Laplacian more than the contrast; dim light lowers both alike, so it does not change the quotient.
fn sharpness(crop: &Picture) -> f32 {
    let (width, height) = (crop.width() as usize, crop.height() as usize);
    let grey: Vec<f32> = crop
        .pixels()
        .chunks_exact(3)
        .map(|pixel| {
            pixel
                .iter()
                .zip([0.299, 0.587, 0.114])
                .map(|(&value, weight)| f32::from(value) * weight)
                .sum()
        })
        .collect();
    let at = |x: usize, y: usize| grey.get(y * width + x).copied().unwrap_or(0.0);
    let (mut edges, mut sum, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0f32);
    for y in (height / 4)..(height * 15 / 16).saturating_sub(1) {
        for x in (width / 5).max(1)..width * 4 / 5 {
            let centre = at(x, y);
            let around = at(x - 1, y) + at(x + 1, y) + at(x, y.saturating_sub(1)) + at(x, y + 1);
            edges += (4.0 * centre - around).abs();
            (sum, squares, count) = (sum + centre, squares + centre * centre, count + 1.0);
        }
    }
    if count == 0.0 {
        return 0.0;
    }
    let contrast = (squares / count - (sum / count).powi(2)).max(0.0).sqrt();
    if contrast < 2.0 { 0.0 } else { ramp(edges / count / contrast, 0.02, 0.14) }
}

/// Rates the pose from 1 (frontal) to 0 (profile) by the distance of the nose from the midpoint of the eyes.
/// The distance is measured along the line of the eyes, in eye distances: 0 from the front, 0.5 or more in
/// profile.
fn pose(landmarks: &Landmarks) -> f32 {
    let [left, right, nose, mouth_left, mouth_right] = *landmarks;
    let across = [right[0] - left[0], right[1] - left[1]];
    let eyes = across[0].hypot(across[1]);
    let mouth = distance(mouth_left, mouth_right);
    if eyes <= 0.0 || mouth <= 0.0 {
        return 0.0;
    }
    let from_left = [nose[0] - left[0], nose[1] - left[1]];
    let along = (from_left[0] * across[0] + from_left[1] * across[1]) / (eyes * eyes);
    // In a strong profile the far eye and mouth corner coincide with the near ones.
    let eyes_to_mouth = distance(
        [(left[0] + right[0]) / 2.0, (left[1] + right[1]) / 2.0],
        [(mouth_left[0] + mouth_right[0]) / 2.0, (mouth_left[1] + mouth_right[1]) / 2.0],
    );
    let narrow = if eyes_to_mouth > 0.0 { ramp(eyes / eyes_to_mouth, 0.25, 0.7) } else { 0.0 };
    (1.0 - ramp((along - 0.5).abs(), 0.12, 0.7)) * narrow
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRONT: Landmarks = [[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]];

    fn stripes(period: usize) -> Picture {
        let grey = |i: usize| if ((i % 112) / period).is_multiple_of(2) { 60 } else { 180 };
        Picture::new(112, 112, (0..112 * 112).flat_map(|i| [grey(i); 3]).collect()).unwrap()
    }

    #[test]
    fn a_large_sharp_frontal_face_is_good() {
        let quality = Quality::of(&FRONT.map(|[x, y]| [x * 2.0, y * 2.0]), &stripes(4));
        assert!(quality.score() > 0.95, "{quality:?}");
    }

    #[test]
    fn the_parts_follow_from_landmarks_and_score() {
        for (scale, period) in [(0.4, 4), (0.6, 9), (2.0, 3), (0.1, 4)] {
            let landmarks = FRONT.map(|[x, y]| [x * scale, y * scale]);
            let known = Quality::of(&landmarks, &stripes(period));
            let derived = Quality::reconstruct(known.score(), &landmarks);
            assert_eq!((derived.size, derived.pose), (known.size, known.pose));
            let expected = if known.size > 0.0 { known.sharpness } else { 1.0 };
            assert!((derived.sharpness - expected).abs() < 1e-4, "{derived:?} {known:?}");
        }
    }

    #[test]
    fn tiny_turned_and_flat_faces_are_not() {
        assert!(
            Quality::of(&FRONT.map(|[x, y]| [x / 6.0, y / 6.0]), &stripes(4)).score()
                < Quality::LOW
        );
        let mut profile = FRONT;
        profile[2][0] = 84.0;
        profile[1][0] = 48.0;
        assert!(Quality::of(&profile, &stripes(4)).pose < 0.2);
        let flat = Picture::new(112, 112, vec![120; 112 * 112 * 3]).unwrap();
        assert_eq!(Quality::of(&FRONT, &flat).sharpness, 0.0);
    }

    #[test]
    fn blur_lowers_sharpness_and_dim_light_does_not() {
        let sharp = stripes(3);
        let blurred = sharp.cut(sharp.frame(), 14, 14, (14, 14)).unwrap();
        let blurred = blurred.cut(blurred.frame(), 112, 112, (112, 112)).unwrap();
        let dim =
            Picture::new(112, 112, sharp.pixels().iter().map(|value| value / 4).collect()).unwrap();
        assert!(sharpness(&blurred) < 0.5 * sharpness(&sharp));
        assert!((sharpness(&dim) - sharpness(&sharp)).abs() < 0.1);
    }

    #[test]
    fn landmarks_in_one_point_have_no_quality() {
        assert_eq!(Quality::of(&[[5.0, 5.0]; 5], &stripes(4)).score(), 0.0);
    }
}
