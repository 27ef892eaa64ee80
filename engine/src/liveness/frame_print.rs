use crate::error::Result;
use crate::picture::{Picture, Region};
use crate::split_mix;

use super::frame_fingerprint::luma;

/// Number of cells per side of the frame. In a frame of 640 × 480 pixels, a cell has 5 × 3.75 pixels.
const SIDE: usize = 128;
/// Distance in cells over which a cell is compared with its surroundings.
const AROUND: usize = 2;

/// Limits the distance of two prints of one frame to 48 of 512 bits.
///
/// Measured with two synthetic heads (`tests/engine/frame_memory.rs`): 30 of 36 encodings of a frame (JPEG of
/// quality 40 and 70, added noise) differ by at most 48 bits, the others by at most 76. Of 90 pairs of fresh
/// frames of one head in one pose, the nearest differ by 74, 80 and 89 bits, half of them by more than 245.
/// Frames of different heads differ by 200 bits or more. The gap below 74 is for a guest who tries again and
/// again: each frame is compared with all earlier ones, and the nearest of many pairs lies lower. Real people
/// were not measured, so a single similar frame proves nothing, and `SIMILAR_FRAMES_MAX` are needed.
const SIMILAR_MAX: u32 = 48;

/// Number of frames of one challenge similar to remembered ones that makes the challenge a replay. A single
/// frame may resemble an earlier one by chance.
pub(crate) const SIMILAR_FRAMES_MAX: usize = 3;

/// Whether a frame was shown in the event before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameHistory {
    New,
    /// A frame that is nearly the same was shown, perhaps another encoding of this one.
    Similar,
    /// The same pixels were shown.
    Shown,
}

/// What an event remembers of a camera frame with a face: a digest, and a print that re-encoding hardly
/// changes. No picture and no template can be computed from them. The type does not implement `Debug`.
///
/// The print is a SimHash (Charikar 2002) of the fine structure of the frame where the face is. The cells are
/// fixed to the frame and not to the face, so that a face that moves by a few pixels has another print: the
/// print recognises a frame and not a person.
#[derive(Clone, Copy)]
pub struct FramePrint {
    /// SHA-256 of the decoded pixels.
    pub(crate) digest: [u8; 32],
    pub(crate) bits: PrintBits,
}

/// The bits of a print. Two prints of `n` bits differ by a share of them that scatters by about `0.3 / √n`; of
/// 128 bits, encodings of one frame and fresh frames could not be told apart.
pub(crate) type PrintBits = [u64; PRINT_WORDS];

/// Number of words of a print.
pub(crate) const PRINT_WORDS: usize = 8;

impl FramePrint {
    /// Computes the print of `picture` with a face in the region `face`, px. `digest` is that of the pixels.
    pub(super) fn of(picture: &Picture, face: Region, digest: [u8; 32]) -> Result<Self> {
        let side = SIDE as u32;
        let small = picture.cut(picture.frame(), side, side, (side, side))?;
        let cells: Vec<f32> = small.pixels().chunks_exact(3).map(luma).collect();
        let cell = |at: f32, length: u32| {
            (at / length as f32 * SIDE as f32).clamp(0.0, (SIDE - 1) as f32) as usize
        };
        let columns = cell(face.x, picture.width())..=cell(face.x + face.width, picture.width());
        let rows = cell(face.y, picture.height())..=cell(face.y + face.height, picture.height());
        let mut sums = [[0.0f32; 64]; PRINT_WORDS];
        for row in rows {
            for column in columns.clone() {
                let detail = detail(&cells, row, column);
                let signs = signs((row * SIDE + column) as u64);
                for (sums, signs) in sums.iter_mut().zip(signs) {
                    for (bit, sum) in sums.iter_mut().enumerate() {
                        *sum += if signs >> bit & 1 == 1 { detail } else { -detail };
                    }
                }
            }
        }
        let word = |sums: [f32; 64]| {
            let set = sums.into_iter().enumerate().filter(|(_, sum)| *sum > 0.0);
            set.fold(0, |word, (bit, _)| word | 1 << bit)
        };
        Ok(Self { digest, bits: sums.map(word) })
    }

    /// Returns whether the print is that of the same frame in another encoding.
    pub(crate) fn is_similar(&self, bits: &PrintBits) -> bool {
        self.distance(bits) <= SIMILAR_MAX
    }

    /// Returns the number of differing bits, 0 to 512.
    fn distance(&self, bits: &PrintBits) -> u32 {
        self.bits.iter().zip(bits).map(|(one, other)| (one ^ other).count_ones()).sum()
    }

    /// Returns the number of differing bits of two prints, 0 to 512.
    #[doc(hidden)]
    pub fn distance_to(&self, other: &Self) -> u32 {
        self.distance(&other.bits)
    }
}

/// Returns a cell's luma minus the mean of its surroundings.
fn detail(cells: &[f32], row: usize, column: usize) -> f32 {
    let rows = row.saturating_sub(AROUND)..=(row + AROUND).min(SIDE - 1);
    let (mut sum, mut count) = (0.0, 0.0f32);
    for row in rows {
        let line = row * SIDE;
        let near = line + column.saturating_sub(AROUND)..=line + (column + AROUND).min(SIDE - 1);
        for value in cells.get(near).unwrap_or_default() {
            sum += value;
            count += 1.0;
        }
    }
    cells.get(row * SIDE + column).copied().unwrap_or(0.0) - sum / count.max(1.0)
}

/// Returns the signs of a cell in the 512 projections, from SplitMix64.
fn signs(cell: u64) -> PrintBits {
    let words = PRINT_WORDS as u64;
    std::array::from_fn(|word| split_mix::nth(cell * words + word as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(seed: u32) -> Picture {
        let value = |at: u32| {
            let mixed = at.wrapping_add(seed << 20).wrapping_mul(2_654_435_761);
            ((mixed ^ mixed >> 15).wrapping_mul(0x2c1b_3c6d) >> 12) as u8
        };
        Picture::new(256, 192, (0..256 * 192 * 3).map(value).collect()).unwrap()
    }

    #[test]
    fn a_frame_is_similar_to_itself_and_to_no_other() {
        let face = Region { x: 60.0, y: 40.0, width: 100.0, height: 120.0 };
        let print = |seed| FramePrint::of(&picture(seed), face, [0; 32]).unwrap();
        let (one, other) = (print(1), print(2));
        assert!(one.is_similar(&one.bits) && !one.is_similar(&other.bits));
        assert!(one.distance_to(&other) > 150, "{}", one.distance_to(&other));
        // A face beyond the frame's edges is cut to the frame.
        let beyond = Region { x: -50.0, y: -50.0, width: 900.0, height: 900.0 };
        assert!(FramePrint::of(&picture(1), beyond, [0; 32]).is_ok());
    }
}
