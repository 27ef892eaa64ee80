//! Input and output format of SCRFD (InsightFace's det_*.onnx).
//!
//! Input: RGB as (value − 127.5) / 128. Nine outputs: strides 8, 16, 32 with two anchors per cell; boxes and
//! landmarks are distances from the anchor in strides. The output names are only numbers, so outputs are
//! identified by their last dimension and length.

use ndarray::{Array4, ArrayD};

use super::{Detection, Family, entry, landmarks_at, planes};
use crate::error::{Error, Result};
use crate::models::runtime::Outputs;
use crate::picture::{Picture, Region};

const ANCHORS: u32 = 2;

pub(super) struct Scrfd;

impl Family for Scrfd {
    fn tensor(&self, pictures: &[Picture]) -> Array4<f32> {
        planes(pictures, false, 127.5, 128.0)
    }

    fn read(
        &self,
        outputs: &Outputs,
        n: usize,
        size: (u32, u32),
        score_min: f32,
    ) -> Result<Vec<Detection>> {
        let mut faces = Vec::new();
        for stride in [8, 16, 32] {
            let columns = size.0 / stride;
            let anchors = (columns * (size.1 / stride) * ANCHORS) as usize;
            let part = |width: usize| entry(find(outputs, anchors, width)?, n, anchors * width);
            let (scores, boxes, points) = (part(1)?, part(4)?, part(10)?);
            let all = scores.iter().zip(boxes.chunks_exact(4)).zip(points.chunks_exact(10));
            for (anchor, ((&score, sides), points)) in all.enumerate() {
                if score >= score_min {
                    let cell = anchor as u32 / ANCHORS;
                    let at = [(cell % columns * stride) as f32, (cell / columns * stride) as f32];
                    faces.extend(face(sides, points, at, stride as f32, score));
                }
            }
        }
        Ok(faces)
    }
}

/// Finds the output that has `anchors` rows of `width` values for each picture of the batch.
fn find(outputs: &Outputs, anchors: usize, width: usize) -> Result<&ArrayD<f32>> {
    let fits = |array: &&ArrayD<f32>| {
        array.shape().last() == Some(&width) && array.len() == outputs.batch() * anchors * width
    };
    outputs.values().find(fits).ok_or_else(|| Error::Model {
        name: "SCRFD detector".into(),
        reason: format!("no output of {anchors} x {width}; expected 9 outputs (scores, boxes, 5 landmarks at strides 8, 16, 32)"),
    })
}

fn face(sides: &[f32], points: &[f32], at: [f32; 2], stride: f32, score: f32) -> Option<Detection> {
    let &[left, top, right, bottom] = sides else { return None };
    let region = Region {
        x: at[0] - left * stride,
        y: at[1] - top * stride,
        width: (left + right) * stride,
        height: (top + bottom) * stride,
    };
    Some(Detection::seen(region, landmarks_at(at, points, stride), score))
}
