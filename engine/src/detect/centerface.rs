//! Input and output format of CenterFace.
//!
//! Input: RGB 0..255. Four outputs at stride 4: heat map, log sizes (height, width), centre offsets (y, x)
//! and landmarks (y, x pairs in box sizes from the box's top left).

use ndarray::{Array4, ArrayD};

use super::{Detection, Family, entry, planes};
use crate::error::{Error, Result};
use crate::models::runtime::Outputs;
use crate::picture::{Picture, Region};

const STRIDE: f32 = 4.0;

pub(super) struct CenterFace;

impl Family for CenterFace {
    fn tensor(&self, pictures: &[Picture]) -> Array4<f32> {
        planes(pictures, false, 0.0, 1.0)
    }

    fn read(
        &self,
        outputs: &Outputs,
        n: usize,
        size: (u32, u32),
        score_min: f32,
    ) -> Result<Vec<Detection>> {
        let (columns, rows) = (size.0 as usize / 4, size.1 as usize / 4);
        let cells = columns * rows;
        // Every published file has the outputs in this order; only their names differ.
        let part = |index: usize, channels: usize| entry(nth(outputs, index)?, n, cells * channels);
        let (heat, scale, offset, points) = (part(0, 1)?, part(1, 2)?, part(2, 2)?, part(3, 10)?);
        let at = |plane: &[f32], channel: usize, cell: usize| {
            plane.get(channel * cells + cell).copied().unwrap_or(0.0)
        };
        let mut faces = Vec::new();
        for (cell, &score) in heat.iter().enumerate().filter(|&(_, &score)| score >= score_min) {
            let (column, row) = ((cell % columns) as f32, (cell / columns) as f32);
            let (height, width) =
                (at(scale, 0, cell).exp() * STRIDE, at(scale, 1, cell).exp() * STRIDE);
            let x = (column + at(offset, 1, cell) + 0.5) * STRIDE - width / 2.0;
            let y = (row + at(offset, 0, cell) + 0.5) * STRIDE - height / 2.0;
            let mut landmarks = [[0.0; 2]; 5];
            for (i, point) in landmarks.iter_mut().enumerate() {
                *point =
                    [x + at(points, 2 * i + 1, cell) * width, y + at(points, 2 * i, cell) * height];
            }
            faces.push(Detection::seen(Region { x, y, width, height }, landmarks, score));
        }
        Ok(faces)
    }
}

fn nth(outputs: &Outputs, index: usize) -> Result<&ArrayD<f32>> {
    outputs.values().nth(index).ok_or_else(|| Error::Model {
        name: "CenterFace detector".into(),
        reason: format!("expected 4 outputs, output {} is missing", index + 1),
    })
}
