use image::metadata::Orientation;

use crate::error::Result;
use crate::picture::Picture;

/// Side of the tiles by which a quarter turn copies pixels, px. The cache holds such a tile of both buffers.
const TILE_PX: usize = 32;

type Rgb = [u8; 3];

/// Returns whether the orientation is applied in place. Half turns and mirrors are; quarter turns need a
/// second buffer.
pub(super) fn is_in_place(orientation: Orientation) -> bool {
    use Orientation::{FlipHorizontal, FlipVertical, NoTransforms, Rotate180};
    matches!(orientation, NoTransforms | Rotate180 | FlipHorizontal | FlipVertical)
}

/// Applies the EXIF orientation to `pixels`, which are `width` x `height` as stored.
pub(super) fn upright(
    width: u32,
    height: u32,
    mut pixels: Vec<u8>,
    orientation: Orientation,
) -> Result<Picture> {
    let (across, down) = (width as usize, height as usize);
    let all: &mut [Rgb] = pixels.as_chunks_mut::<3>().0;
    let turned = match orientation {
        Orientation::NoTransforms => return Picture::new(width, height, pixels),
        Orientation::Rotate180 => {
            all.reverse();
            return Picture::new(width, height, pixels);
        }
        Orientation::FlipHorizontal => {
            all.chunks_exact_mut(across).for_each(|row| row.reverse());
            return Picture::new(width, height, pixels);
        }
        Orientation::FlipVertical => {
            swap_rows(all, across, down);
            return Picture::new(width, height, pixels);
        }
        Orientation::Rotate90 => quarter(all, across, down, [true, false]),
        Orientation::Rotate270 => quarter(all, across, down, [false, true]),
        Orientation::Rotate90FlipH => quarter(all, across, down, [false, false]),
        Orientation::Rotate270FlipH => quarter(all, across, down, [true, true]),
    };
    drop(pixels);
    Picture::new(height, width, turned)
}

fn swap_rows(pixels: &mut [Rgb], across: usize, down: usize) {
    let (upper, lower) = pixels.split_at_mut(down / 2 * across);
    let upper = upper.chunks_exact_mut(across);
    for (a, b) in upper.zip(lower.chunks_exact_mut(across).rev()) {
        a.swap_with_slice(b);
    }
}

/// Turns rows into columns; `mirrored` reverses the order of source rows (first) and columns (second).
fn quarter(from: &[Rgb], across: usize, down: usize, mirrored: [bool; 2]) -> Vec<u8> {
    let mut turned = vec![0; from.len() * 3];
    let to: &mut [Rgb] = turned.as_chunks_mut::<3>().0;
    let place = |at: usize, length: usize, back: bool| if back { length - 1 - at } else { at };
    for (strip, rows) in to.chunks_mut(down * TILE_PX).enumerate() {
        for left in (0..down).step_by(TILE_PX) {
            for (y, row) in rows.chunks_exact_mut(down).enumerate() {
                let column = place(strip * TILE_PX + y, across, mirrored[1]);
                let tile = row.iter_mut().enumerate().skip(left).take(TILE_PX);
                for (x, pixel) in tile {
                    let source = place(x, down, mirrored[0]) * across + column;
                    *pixel = from.get(source).copied().unwrap_or_default();
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, RgbImage};

    #[test]
    fn every_orientation_turns_as_exif_says() {
        for (width, height) in [(1, 1), (70, 33), (32, 64), (5, 100)] {
            let bytes: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
            for exif in 1..=8 {
                let orientation = Orientation::from_exif(exif).unwrap();
                let mut expected = DynamicImage::ImageRgb8(
                    RgbImage::from_raw(width, height, bytes.clone()).unwrap(),
                );
                expected.apply_orientation(orientation);
                let received = upright(width, height, bytes.clone(), orientation).unwrap();
                assert_eq!(
                    (received.width(), received.height(), received.pixels()),
                    (expected.width(), expected.height(), expected.as_bytes()),
                    "orientation {exif} of {width}x{height}"
                );
            }
        }
    }
}
