use crate::detect::planes;
use crate::error::Result;
use crate::models::runtime::Model;
use crate::picture::{Picture, Region};

/// Side of the model's input, px.
pub(super) const SIDE_PX: u32 = 128;
/// Ratio of the crop's sides to the sides of the face's box, as in the model's package (`fr_liveness.js`).
const FACTOR: f32 = 2.7;

/// The presentation attack detection model. It responds to texture (screens, paper) and to the surroundings
/// of the face.
pub(super) struct AttackDetector(pub(super) Model);

impl AttackDetector {
    /// Computes the live score of the face in the region `face`, px of the upright `picture`: 0 (a picture of
    /// a person) to 1 (a person).
    pub(super) fn live_score(&self, picture: &Picture, face: Region) -> Result<f32> {
        let region = within(face, picture.width() as f32, picture.height() as f32);
        let crop = picture.cut(region, SIDE_PX, SIDE_PX, (SIDE_PX, SIDE_PX))?;
        let outputs = self.0.run(planes(&[crop], true, 0.0, 1.0))?;
        let scores: Vec<f32> = outputs.get("output")?.iter().copied().collect();
        // Class 0 is a person. The other classes are kinds of presentation attacks.
        Ok(share_of_first(&scores))
    }
}

/// Returns the box `face` enlarged `FACTOR` times around its centre, or less if it would not fit into the
/// frame. The result is shifted so that it is inside the frame.
fn within(face: Region, width: f32, height: f32) -> Region {
    let factor = FACTOR.min(width / face.width.max(1.0)).min(height / face.height.max(1.0));
    let (wide, high) = ((face.width * factor).max(1.0), (face.height * factor).max(1.0));
    let [x, y] = face.centre();
    Region {
        x: (x - wide / 2.0).min(width - wide).max(0.0),
        y: (y - high / 2.0).min(height - high).max(0.0),
        width: wide,
        height: high,
    }
}

/// Returns the softmax of the first class; 0 if there is no class or a score is not finite.
fn share_of_first(scores: &[f32]) -> f32 {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - largest).exp()).sum();
    let share = scores.first().map_or(0.0, |first| (first - largest).exp() / sum);
    if share.is_finite() { share } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crop_stays_inside_the_frame() {
        let frame = (640.0, 480.0);
        for face in [
            Region { x: 300.0, y: 200.0, width: 60.0, height: 80.0 },
            Region { x: -20.0, y: -30.0, width: 100.0, height: 120.0 },
            Region { x: 560.0, y: 400.0, width: 100.0, height: 140.0 },
            Region { x: 100.0, y: 0.0, width: 400.0, height: 470.0 },
            Region { x: 0.0, y: 0.0, width: 900.0, height: 900.0 },
        ] {
            let crop = within(face, frame.0, frame.1);
            assert!(crop.x >= 0.0 && crop.y >= 0.0, "{face:?} {crop:?}");
            assert!(crop.x + crop.width <= frame.0 + 0.01, "{face:?} {crop:?}");
            assert!(crop.y + crop.height <= frame.1 + 0.01, "{face:?} {crop:?}");
            assert!((crop.width / crop.height - face.width / face.height).abs() < 0.01);
        }
        let middle = within(Region { x: 300.0, y: 200.0, width: 60.0, height: 80.0 }, 640.0, 480.0);
        assert_eq!(middle, Region { x: 249.0, y: 132.0, width: 162.0, height: 216.0 });
    }

    #[test]
    fn the_first_class_is_a_share() {
        assert!((share_of_first(&[1.0, 1.0, 1.0]) - 1.0 / 3.0).abs() < 1e-6);
        assert!(share_of_first(&[200.0, 0.0, 0.0]) > 0.999);
        assert_eq!(share_of_first(&[]), 0.0);
        assert_eq!(share_of_first(&[f32::NAN, 0.0, 0.0]), 0.0);
    }
}
