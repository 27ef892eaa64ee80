//! Input and output format of YuNet, after its authors (libfacedetection, OpenCV's FaceDetectorYN).
//!
//! Input: BGR 0..255. Twelve outputs: cls, obj, bbox, kps at strides 8, 16 and 32, one row per cell.

use ndarray::Array4;

use super::{Detection, Family, entry, landmarks_at, planes};
use crate::error::Result;
use crate::models::runtime::Outputs;
use crate::picture::{Picture, Region};

pub(super) struct YuNet;

impl Family for YuNet {
    fn tensor(&self, pictures: &[Picture]) -> Array4<f32> {
        planes(pictures, true, 0.0, 1.0)
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
            let (columns, rows) = (size.0 / stride, size.1 / stride);
            let cells = (columns * rows) as usize;
            let part = |name: &str, width| {
                entry(outputs.get(&format!("{name}_{stride}"))?, n, cells * width)
            };
            let (cls, obj, bbox, kps) =
                (part("cls", 1)?, part("obj", 1)?, part("bbox", 4)?, part("kps", 10)?);
            let cells = cls.iter().zip(obj).zip(bbox.chunks_exact(4)).zip(kps.chunks_exact(10));
            for (cell, (((cls, obj), bbox), kps)) in cells.enumerate() {
                let score = (cls.clamp(0.0, 1.0) * obj.clamp(0.0, 1.0)).sqrt();
                if score >= score_min {
                    let (column, row) = (cell as u32 % columns, cell as u32 / columns);
                    faces.extend(face(
                        bbox,
                        kps,
                        [column as f32, row as f32],
                        stride as f32,
                        score,
                    ));
                }
            }
        }
        Ok(faces)
    }
}

fn face(bbox: &[f32], kps: &[f32], cell: [f32; 2], stride: f32, score: f32) -> Option<Detection> {
    let &[dx, dy, log_width, log_height] = bbox else { return None };
    let (width, height) = (log_width.exp() * stride, log_height.exp() * stride);
    let centre = [(cell[0] + dx) * stride, (cell[1] + dy) * stride];
    let region = Region { x: centre[0] - width / 2.0, y: centre[1] - height / 2.0, width, height };
    let landmarks = landmarks_at(cell.map(|at| at * stride), kps, stride);
    Some(Detection::seen(region, landmarks, score))
}
