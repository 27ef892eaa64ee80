use crate::error::Result;
use crate::picture::{Picture, Region};

/// Number of cells per side of a fingerprint. In a camera frame, a cell is the mean of about a hundred
/// pixels, which removes noise and coding artefacts.
const SIDE: u32 = 64;

/// The fingerprint of a frame: luma in 64 × 64 cells, 0..255, and the cells that the face covers. Two
/// encodings of one frame have similar fingerprints.
#[derive(Clone)]
pub(super) struct FrameFingerprint {
    cells: Vec<f32>,
    /// First and last column, first and last row, 0 to 63.
    face: [usize; 4],
}

impl std::fmt::Debug for FrameFingerprint {
    /// Omits the cells, because they are a small picture of a person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Print")
    }
}

impl FrameFingerprint {
    /// Computes the fingerprint of `picture` with a face in the region `face`, px.
    pub fn of(picture: &Picture, face: Region) -> Result<Self> {
        let small = picture.cut(picture.frame(), SIDE, SIDE, (SIDE, SIDE))?;
        let cell = |at: f32, length: u32| {
            (at / length as f32 * SIDE as f32).clamp(0.0, (SIDE - 1) as f32) as usize
        };
        let (width, height) = (picture.width(), picture.height());
        Ok(Self {
            cells: small.pixels().chunks_exact(3).map(luma).collect(),
            face: [
                cell(face.x, width),
                cell(face.x + face.width, width),
                cell(face.y, height),
                cell(face.y + face.height, height),
            ],
        })
    }

    /// Returns the mean difference of two frames in the cells of this frame's face, 0 to 255.
    pub fn difference(&self, other: &FrameFingerprint) -> f32 {
        let [left, right, top, bottom] = self.face;
        let (mut sum, mut count) = (0.0, 0.0f32);
        let rows = self.cells.chunks(SIDE as usize).zip(other.cells.chunks(SIDE as usize));
        for (ours, theirs) in rows.take(bottom + 1).skip(top) {
            for (a, b) in ours.iter().zip(theirs).take(right + 1).skip(left) {
                sum += (a - b).abs();
                count += 1.0;
            }
        }
        sum / count.max(1.0)
    }
}

/// Returns the luma of an RGB pixel with the weights of BT.601, 0..255.
pub(super) fn luma(pixel: &[u8]) -> f32 {
    pixel.iter().zip([0.299, 0.587, 0.114]).map(|(&value, weight)| f32::from(value) * weight).sum()
}
