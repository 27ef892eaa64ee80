//! Detects faces in a picture: box, five landmarks and score. Each model family has a file of its own.
//!
//! `scales` runs the detector on the photo at two scales and on tiles; `refine` runs it again on a crop of
//! each candidate. Coordinates are pixels of the input picture.

mod centerface;
mod refine;
mod scales;
mod scrfd;
mod yunet;

use ndarray::{Array4, ArrayD};

use crate::error::{Error, Result};
use crate::models::manifest::DetectorFamily;
use crate::models::runtime::{Model, Outputs};
use crate::picture::{Picture, Region};

pub(crate) use refine::{CHIP_SIDE_PX, Refined};

/// Left eye, right eye, nose tip, left and right mouth corner, as seen in the picture; each (x, y) in px.
pub type Landmarks = [[f32; 2]; 5];

/// A face that a detector found.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// The face's box in pixels; may extend past the picture's edge.
    pub region: Region,
    pub landmarks: Landmarks,
    /// Confidence 0..1.
    pub score: f32,
    /// Longer side of the box in pixels of the model's input.
    pub input_side_px: f32,
}

impl Detection {
    /// Creates a detection whose coordinates are pixels of the model's input.
    fn new(region: Region, landmarks: Landmarks, score: f32) -> Self {
        Self { region, landmarks, score, input_side_px: region.width.max(region.height) }
    }
}

/// The input and output format of a detector family.
trait Family: Send + Sync {
    /// Converts `pictures`, all of one size, to the model's input [N, 3, H, W].
    fn tensor(&self, pictures: &[Picture]) -> Array4<f32>;
    /// Returns the faces of picture `n` of the batch that score at least `score_min`, before non-maximum
    /// suppression. `size` is (width, height) of the input.
    fn read(
        &self,
        outputs: &Outputs,
        n: usize,
        size: (u32, u32),
        score_min: f32,
    ) -> Result<Vec<Detection>>;
}

/// A face detector: a model, its family, and its input size if the model has a fixed one.
pub(crate) struct Detector {
    model: Model,
    family: Box<dyn Family>,
    /// Side of the input, px, for models exported with a fixed square input.
    fixed_side_px: Option<u32>,
}

impl Detector {
    /// Overwrites the buffers of the model, which hold the last pictures.
    pub(crate) fn overwrite_buffers(&self) {
        self.model.overwrite_buffers();
    }

    /// Creates a detector. `fixed_side_px` is `None` for a model that accepts any size.
    pub(crate) fn new(model: Model, family: DetectorFamily, fixed_side_px: Option<u32>) -> Self {
        let family: Box<dyn Family> = match family {
            DetectorFamily::Yunet => Box::new(yunet::YuNet),
            DetectorFamily::Scrfd => Box::new(scrfd::Scrfd),
            DetectorFamily::Centerface => Box::new(centerface::CenterFace),
        };
        Self { model, family, fixed_side_px }
    }

    /// Runs the model once on `pictures` of one size. Returns the faces per picture after non-maximum
    /// suppression.
    fn run(&self, pictures: &[Picture], score_min: f32) -> Result<Vec<Vec<Detection>>> {
        let Some(first) = pictures.first() else { return Ok(Vec::new()) };
        let size = (first.width(), first.height());
        let outputs = self.model.run(self.family.tensor(pictures))?;
        let read = |n| Ok(suppress(self.family.read(&outputs, n, size, score_min)?, 0.3));
        (0..pictures.len()).map(read).collect()
    }

    /// Returns the input size for a picture scaled to `width` × `height`: padded right and bottom to a
    /// multiple of 64, so that the runtime compiles sessions for few shapes only.
    fn canvas(&self, width: u32, height: u32) -> (u32, u32) {
        match self.fixed_side_px {
            Some(side) => (side, side),
            None => (width.next_multiple_of(64), height.next_multiple_of(64)),
        }
    }
}

/// Applies greedy non-maximum suppression: sorts by score, best first, and drops a face whose intersection
/// over union with a better face is above `iou`. Also drops faces with an invalid box or score.
fn suppress(mut faces: Vec<Detection>, iou: f32) -> Vec<Detection> {
    faces.retain(|face| {
        face.score.is_finite() && face.region.width > 0.0 && face.region.height > 0.0
    });
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut retained: Vec<Detection> = Vec::new();
    for face in faces {
        if retained.iter().all(|better| better.region.iou(&face.region) <= iou) {
            retained.push(face);
        }
    }
    retained
}

/// Converts interleaved RGB bytes to planes [N, 3, H, W] of (value − mean) / deviation; `bgr` swaps the
/// channels.
pub(crate) fn planes(pictures: &[Picture], bgr: bool, mean: f32, deviation: f32) -> Array4<f32> {
    let (width, height) =
        pictures.first().map_or((0, 0), |first| (first.width() as usize, first.height() as usize));
    let plane = width * height;
    let mut data = vec![0.0f32; pictures.len() * 3 * plane];
    let values: [f32; 256] = std::array::from_fn(|value| (value as f32 - mean) / deviation);
    let value = |byte: u8| values.get(usize::from(byte)).copied().unwrap_or_default();
    for (picture, out) in pictures.iter().zip(data.chunks_exact_mut((3 * plane).max(1))) {
        let (first, rest) = out.split_at_mut(plane);
        let (second, third) = rest.split_at_mut(plane);
        let (red, blue) = if bgr { (third, first) } else { (first, third) };
        let targets = red.iter_mut().zip(second.iter_mut()).zip(blue.iter_mut());
        for (pixel, ((red, green), blue)) in picture.pixels().chunks_exact(3).zip(targets) {
            if let [r, g, b] = *pixel {
                (*red, *green, *blue) = (value(r), value(g), value(b));
            }
        }
    }
    Array4::from_shape_vec((pictures.len(), 3, height, width), data).unwrap_or_default()
}

/// Converts ten values, (x, y) offsets in strides from the cell at `cell` px, to landmarks.
fn landmarks_at(cell: [f32; 2], pairs: &[f32], stride: f32) -> Landmarks {
    let mut landmarks = [[0.0; 2]; 5];
    for (point, pair) in landmarks.iter_mut().zip(pairs.as_chunks::<2>().0) {
        *point = [cell[0] + pair[0] * stride, cell[1] + pair[1] * stride];
    }
    landmarks
}

/// Returns the `expected` values of batch entry `n` of an output; `Error::Model` if there are fewer.
fn entry(output: &ArrayD<f32>, n: usize, expected: usize) -> Result<&[f32]> {
    let all = output.as_slice().unwrap_or_default();
    all.get(n * expected..(n + 1) * expected).ok_or_else(|| Error::Model {
        name: "detector".into(),
        reason: format!(
            "output of shape {:?} does not hold {expected} values for picture {n}",
            output.shape()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f32, score: f32) -> Detection {
        let region = Region { x, y: 0.0, width: 10.0, height: 10.0 };
        Detection::new(region, [[0.0; 2]; 5], score)
    }

    #[test]
    fn suppression_keeps_the_best_of_overlapping_faces() {
        let kept = suppress(
            vec![face(1.0, 0.7), face(0.0, 0.9), face(30.0, 0.8), face(60.0, f32::NAN)],
            0.3,
        );
        assert_eq!(kept.iter().map(|face| face.score).collect::<Vec<_>>(), [0.9, 0.8]);
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn planes_separate_and_scale_the_channels() {
        let picture = Picture::new(2, 1, vec![10, 20, 30, 40, 50, 60]).unwrap();
        let rgb = planes(std::slice::from_ref(&picture), false, 10.0, 10.0);
        assert_eq!(rgb.as_slice().unwrap(), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let bgr = planes(&[picture], true, 0.0, 1.0);
        assert_eq!(bgr.as_slice().unwrap(), [30.0, 60.0, 20.0, 50.0, 10.0, 40.0]);
    }
}
