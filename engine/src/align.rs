use crate::detect::Landmarks;
use crate::error::Result;
use crate::picture::Picture;

/// Side of an aligned crop, px.
pub const CROP_SIDE_PX: u32 = 112;

/// Positions of the five landmarks in an aligned crop, px: the ArcFace reference points (InsightFace), which
/// SFace and MobileFaceNet share.
const REFERENCE: Landmarks = [
    [38.2946, 51.6963],
    [73.5318, 51.5014],
    [56.0252, 71.7366],
    [41.5493, 92.3655],
    [70.7299, 92.2041],
];

/// A similarity transform (rotation, uniform scale, shift): (x, y) → (a·x − b·y + tx, b·x + a·y + ty).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Similarity {
    a: f32,
    b: f32,
    tx: f32,
    ty: f32,
}

impl Similarity {
    /// Returns the least-squares transform from `from` to `to` (Umeyama 1991). In the plane it has a closed
    /// form, which excludes mirroring. The scale is 0 if all points of `from` coincide.
    pub(crate) fn between(from: &Landmarks, to: &Landmarks) -> Self {
        let mean = |points: &Landmarks, axis: usize| {
            points.iter().map(|point| point[axis]).sum::<f32>() / 5.0
        };
        let (from_x, from_y, to_x, to_y) = (mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1));
        let (mut along, mut across, mut spread) = (0.0, 0.0, 0.0);
        for (p, q) in from.iter().zip(to) {
            let (px, py, qx, qy) = (p[0] - from_x, p[1] - from_y, q[0] - to_x, q[1] - to_y);
            along += px * qx + py * qy;
            across += px * qy - py * qx;
            spread += px * px + py * py;
        }
        let (a, b) = if spread > 0.0 { (along / spread, across / spread) } else { (0.0, 0.0) };
        Self { a, b, tx: to_x - a * from_x + b * from_y, ty: to_y - b * from_x - a * from_y }
    }

    #[cfg(test)]
    fn apply(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.a * x - self.b * y + self.tx, self.b * x + self.a * y + self.ty]
    }
}

/// Warps the face with `landmarks` (px of `chip`) to the 112 × 112 reference pose of embedding models, with
/// bilinear interpolation. Pixels outside the chip are black. A face should have about equal sizes in chip and
/// crop, because the chip is sampled, not averaged.
pub(crate) fn align(chip: &Picture, landmarks: &Landmarks) -> Result<Picture> {
    // The inverse map (crop → chip) is fitted directly, which saves an inversion.
    let map = Similarity::between(&REFERENCE, landmarks);
    let side = CROP_SIDE_PX as usize;
    let mut pixels = vec![0; side * side * 3];
    let (width, height) = (chip.width() as i32, chip.height() as i32);
    for (i, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let (u, v) = ((i % side) as f32, (i / side) as f32);
        let (x, y) = (map.a * u - map.b * v + map.tx, map.b * u + map.a * v + map.ty);
        let (column, row) = (floor(x), floor(y));
        let (dx, dy) = (x - column as f32, y - row as f32);
        let at = |x: i32, y: i32| -> [f32; 3] {
            if x < 0 || y < 0 || x >= width || y >= height {
                return [0.0; 3];
            }
            let start = (y as usize * width as usize + x as usize) * 3;
            match chip.pixels().get(start..start + 3) {
                Some(&[r, g, b]) => [f32::from(r), f32::from(g), f32::from(b)],
                _ => [0.0; 3],
            }
        };
        let (p, q) = (at(column, row), at(column.saturating_add(1), row));
        let (r, s) = (
            at(column, row.saturating_add(1)),
            at(column.saturating_add(1), row.saturating_add(1)),
        );
        for (channel, out) in pixel.iter_mut().enumerate() {
            let upper = p[channel] + (q[channel] - p[channel]) * dx;
            let lower = r[channel] + (s[channel] - r[channel]) * dx;
            *out = (upper + (lower - upper) * dy + 0.5) as u8;
        }
    }
    Picture::new(CROP_SIDE_PX, CROP_SIDE_PX, pixels)
}

/// Returns the largest integer not above `value`, saturating. `f32::floor` would be a library call, because
/// the baseline target has no instruction for it.
fn floor(value: f32) -> i32 {
    let whole = value as i32;
    whole.saturating_sub(i32::from((whole as f32) > value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_scaled_and_moved_face_comes_back_to_the_reference() {
        let turn = Similarity { a: 1.7, b: -0.6, tx: 31.0, ty: 12.0 };
        let landmarks = REFERENCE.map(|point| turn.apply(point));
        let back = Similarity::between(&landmarks, &REFERENCE);
        for (landmark, expected) in landmarks.iter().zip(REFERENCE) {
            let [x, y] = back.apply(*landmark);
            assert!(
                (x - expected[0]).abs() < 1e-3 && (y - expected[1]).abs() < 1e-3,
                "{x} {y} {expected:?}"
            );
        }
    }

    #[test]
    fn aligning_an_aligned_crop_changes_nothing() {
        let pixels: Vec<u8> = (0..112 * 112 * 3).map(|i| (i / 3 % 112) as u8).collect();
        let chip = Picture::new(112, 112, pixels).unwrap();
        let crop = align(&chip, &REFERENCE).unwrap();
        let differs =
            crop.pixels().iter().zip(chip.pixels()).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert!(differs < 700, "{differs} bytes differ"); // the last row and column lose a neighbour
    }

    #[test]
    fn landmarks_in_one_point_or_far_outside_do_not_panic() {
        let chip = Picture::new(8, 8, vec![255; 192]).unwrap();
        for landmarks in [[[4.0, 4.0]; 5], [[1e30, -1e30]; 5], [[f32::NAN; 2]; 5]] {
            assert_eq!(align(&chip, &landmarks).unwrap().width(), CROP_SIDE_PX);
        }
    }
}
