use super::Pose;
use crate::detect::{Landmarks, planes};
use crate::error::Result;
use crate::models::runtime::Model;
use crate::picture::{Picture, Region};

/// Side of the model's input, px.
pub(super) const SIDE_PX: u32 = 224;
/// Ratio of the crop's sides to the sides of the face's box, as in the model's training. The box need not be
/// square.
const FACTOR: f32 = 1.5;
/// ImageNet's channel means, with which the model was trained, for values in 0..255.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// ImageNet's standard deviations per channel, for values in 0..255.
const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];
/// Each angle is the expectation over 66 classes of 3 degrees, the first at −99 (Ruiz et al. 2018, Hopenet).
const CLASSES: usize = 66;
const CLASS_DEGREES: f32 = 3.0;
const FIRST_DEGREES: f32 = -99.0;
/// The model's error in yaw for faces that look straight ahead, 1.5 degrees. The yaws of a photo and of its
/// mirror image should add up to 0; over 250 LFW photos, the mean sum is twice this error.
const YAW_BIAS_DEGREES: f32 = 1.5;

/// The head pose model: yaw and pitch come from the model, roll from the eyes.
pub(super) struct HeadPose(pub(super) Model);

impl HeadPose {
    /// Computes the pose of the face in the region `face` with `landmarks`, both in px of `picture`. The
    /// picture must be upright and not mirrored.
    pub(super) fn estimate(
        &self,
        picture: &Picture,
        face: Region,
        landmarks: &Landmarks,
    ) -> Result<Pose> {
        let [x, y] = face.centre();
        let (width, height) = (face.width * FACTOR, face.height * FACTOR);
        let region = Region { x: x - width / 2.0, y: y - height / 2.0, width, height };
        let crop = picture.cut(region, SIDE_PX, SIDE_PX, (SIDE_PX, SIDE_PX))?;
        let mut input = planes(&[crop], false, 0.0, 1.0);
        for ((mut plane, mean), deviation) in
            input.axis_iter_mut(ndarray::Axis(1)).zip(MEAN).zip(DEVIATION)
        {
            plane.mapv_inplace(|value| (value - mean) / deviation);
        }
        let outputs = self.0.run(input)?;
        let angle = |name: &str| -> Result<f32> {
            let classes: Vec<f32> = outputs.get(name)?.iter().copied().take(CLASSES).collect();
            Ok(expected_degrees(&classes))
        };
        // The model's yaw is positive for a turn to the person's right. The model's third output, roll, is
        // not used, because its error is ± 5 degrees. The line of the eyes gives the roll exactly, by
        // definition.
        Ok(Pose {
            yaw: -(angle("output")? + YAW_BIAS_DEGREES),
            pitch: angle("617")?,
            roll: roll_degrees(landmarks),
        })
    }
}

/// Returns the mean angle, in degrees, of a distribution over classes that is given as logits; 0 if there are
/// no logits.
fn expected_degrees(logits: &[f32]) -> f32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights = || logits.iter().map(|logit| (logit - largest).exp());
    let sum: f32 = weights().sum();
    let mean =
        weights().enumerate().map(|(class, weight)| class as f32 * weight).sum::<f32>() / sum;
    let degrees = mean * CLASS_DEGREES + FIRST_DEGREES;
    if degrees.is_finite() { degrees } else { 0.0 }
}

/// Returns the roll in degrees, positive if the line of the eyes falls towards the picture's right side, the
/// person's left.
fn roll_degrees([left, right, ..]: &Landmarks) -> f32 {
    (right[1] - left[1]).atan2(right[0] - left[0]).to_degrees()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_angle_is_the_mean_of_its_classes() {
        let mut logits = [-50.0; CLASSES];
        logits[33] = 50.0;
        assert!((expected_degrees(&logits) - 0.0).abs() < 1e-3);
        logits[43] = 50.0;
        assert!((expected_degrees(&logits) - 15.0).abs() < 1e-3);
        assert_eq!(expected_degrees(&[]), 0.0);
        assert_eq!(expected_degrees(&[f32::NAN; 66]), 0.0);
    }

    #[test]
    fn a_head_leaned_to_its_left_has_a_positive_roll() {
        let mut landmarks = [[0.0; 2]; 5];
        landmarks[1] = [10.0, 10.0];
        assert!((roll_degrees(&landmarks) - 45.0).abs() < 1e-4);
    }
}
