use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use crate::error::{Error, Result};

/// An upright RGB picture in memory: pixels of shape [height, width, 3], 0..255, row by row without padding.
#[derive(Clone)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// A rectangle in pixels of a picture; it may extend past the picture's edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Region {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl Picture {
    /// Creates a picture from `pixels`.
    ///
    /// # Errors
    /// - `Error::Image` if the length of `pixels` is not width · height · 3, or if a side is zero.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self> {
        let expected = (u64::from(width) * u64::from(height)).saturating_mul(3);
        if expected == 0 || pixels.len() as u64 != expected {
            let received = pixels.len();
            return Err(Error::Image {
                reason: format!(
                    "{width}x{height} pixels need {expected} bytes, received {received}"
                ),
            });
        }
        Ok(Self { width, height, pixels })
    }

    /// Returns the width in pixels, at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns the height in pixels, at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Returns the bytes, shape [height, width, 3].
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Returns the whole picture as a region.
    pub fn frame(&self) -> Region {
        Region { x: 0.0, y: 0.0, width: self.width as f32, height: self.height as f32 }
    }

    /// Cuts out `region`, scales it to `width` × `height`, and places it at the top left of a black canvas of
    /// the size `canvas` (width, height). Parts outside the picture are black. Reduction averages over all
    /// source pixels (no aliasing); enlargement is bicubic (Catmull-Rom).
    ///
    /// # Errors
    /// - `Error::Image` if a side of `canvas` is zero, or if the region cannot be resized.
    pub fn cut(
        &self,
        region: Region,
        width: u32,
        height: u32,
        canvas: (u32, u32),
    ) -> Result<Picture> {
        let mut out = vec![0; canvas.0 as usize * canvas.1 as usize * 3];
        if let Some(part) =
            self.inside(region, width.min(canvas.0), height.min(canvas.1), width, height)
        {
            let resized = self.resize(&part)?;
            let row_bytes = part.to_width as usize * 3;
            let offset = (part.to_y as usize * canvas.0 as usize + part.to_x as usize) * 3;
            let rows = out.get_mut(offset..).unwrap_or_default().chunks_mut(canvas.0 as usize * 3);
            for (to, from) in rows.zip(resized.chunks_exact(row_bytes)) {
                if let Some(to) = to.get_mut(..row_bytes) {
                    to.copy_from_slice(from);
                }
            }
        }
        Picture::new(canvas.0, canvas.1, out)
    }

    /// Returns the part of `region` inside the picture, and the target pixels that it fills entirely. Returns
    /// `None` if it fills no pixel.
    fn inside(
        &self,
        region: Region,
        limit_x: u32,
        limit_y: u32,
        width: u32,
        height: u32,
    ) -> Option<Part> {
        let (scale_x, scale_y) = (region.width / width as f32, region.height / height as f32);
        let finite = [scale_x, scale_y, region.x, region.y].iter().all(|value| value.is_finite());
        if !finite || scale_x <= 0.0 || scale_y <= 0.0 {
            return None;
        }
        let span = |start: f32, scale: f32, source: u32, target: u32| {
            let first = ((-start / scale).ceil().max(0.0)) as u32;
            let last = (((source as f32 - start) / scale).floor()).min(target as f32) as i64;
            (i64::from(first) < last).then(|| (first, last as u32 - first))
        };
        let (to_x, to_width) = span(region.x, scale_x, self.width, limit_x)?;
        let (to_y, to_height) = span(region.y, scale_y, self.height, limit_y)?;
        let left = f64::from((region.x + to_x as f32 * scale_x).max(0.0));
        let top = f64::from((region.y + to_y as f32 * scale_y).max(0.0));
        let wide = f64::from(to_width as f32 * scale_x).min(f64::from(self.width) - left);
        let high = f64::from(to_height as f32 * scale_y).min(f64::from(self.height) - top);
        let crop = [left, top, wide, high];
        (wide > 0.0 && high > 0.0).then_some(Part { to_x, to_y, to_width, to_height, crop })
    }

    fn resize(&self, part: &Part) -> Result<Vec<u8>> {
        let failed =
            |error: &dyn std::fmt::Display| Error::Image { reason: format!("resizing: {error}") };
        let mut pixels = vec![0; part.to_width as usize * part.to_height as usize * 3];
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.pixels);
        let source = source.map_err(|error| failed(&error))?;
        let mut target =
            TypedImage::<U8x3>::from_buffer(part.to_width, part.to_height, &mut pixels)
                .map_err(|error| failed(&error))?;
        let [left, top, width, height] = part.crop;
        let reduces = width >= f64::from(part.to_width) && height >= f64::from(part.to_height);
        let filter = if reduces { FilterType::Bilinear } else { FilterType::CatmullRom };
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(filter))
            .crop(left, top, width, height)
            .use_alpha(false);
        // The untyped call would compile the code of every pixel format, which takes minutes.
        Resizer::new()
            .resize_typed(&source, &mut target, &options)
            .map_err(|error| failed(&error))?;
        drop(target);
        Ok(pixels)
    }
}

/// A part of a picture, and the target pixels that it is resized to.
struct Part {
    to_x: u32,
    to_y: u32,
    to_width: u32,
    to_height: u32,
    /// Left, top, width, height in source pixels.
    crop: [f64; 4],
}

impl Region {
    /// Returns the square around this region's centre whose side is `factor` times the region's longer side.
    pub fn square(&self, factor: f32) -> Region {
        let side = self.width.max(self.height) * factor;
        Region {
            x: self.x + (self.width - side) / 2.0,
            y: self.y + (self.height - side) / 2.0,
            width: side,
            height: side,
        }
    }

    /// Returns the intersection over union with `other`, 0..1.
    pub fn iou(&self, other: &Region) -> f32 {
        let both = self.overlap(other);
        let union = self.width * self.height + other.width * other.height - both;
        if union > 0.0 { both / union } else { 0.0 }
    }

    /// Returns the area of the intersection with `other`, in square pixels.
    pub fn overlap(&self, other: &Region) -> f32 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        width.max(0.0) * height.max(0.0)
    }

    /// Returns the centre (x, y).
    pub fn centre(&self) -> [f32; 2] {
        [self.x + self.width / 2.0, self.y + self.height / 2.0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let pixels =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7])).collect();
        Picture::new(width, height, pixels).unwrap()
    }

    #[test]
    fn a_picture_must_have_the_pixels_it_claims() {
        assert!(Picture::new(2, 2, vec![0; 12]).is_ok());
        assert!(Picture::new(2, 2, vec![0; 11]).is_err());
        assert!(Picture::new(0, 2, vec![]).is_err());
        assert!(Picture::new(u32::MAX, u32::MAX, vec![0; 3]).is_err());
    }

    #[test]
    fn a_region_over_the_edge_is_black_outside_and_true_inside() {
        let picture = gradient(100, 80);
        let cut = picture
            .cut(Region { x: -20.0, y: -10.0, width: 60.0, height: 40.0 }, 60, 40, (60, 40))
            .unwrap();
        let pixel = |x: usize, y: usize| &cut.pixels()[(y * 60 + x) * 3..][..3];
        assert_eq!(pixel(19, 20), [0, 0, 0]);
        assert_eq!(pixel(30, 9), [0, 0, 0]);
        assert_eq!(pixel(30, 20), [10, 10, 7]);
        assert_eq!(pixel(59, 39), [39, 29, 7]);
    }

    #[test]
    fn a_reduced_frame_lies_at_the_top_left_of_its_canvas() {
        let picture = gradient(200, 100);
        let cut = picture.cut(picture.frame(), 100, 50, (128, 64)).unwrap();
        assert_eq!((cut.width(), cut.height()), (128, 64));
        let pixel = |x: usize, y: usize| cut.pixels()[(y * 128 + x) * 3];
        assert!(pixel(50, 25).abs_diff(100) <= 1);
        assert_eq!(pixel(110, 25), 0);
    }

    #[test]
    fn regions_that_make_no_sense_give_a_black_canvas() {
        let picture = gradient(10, 10);
        for (x, width) in [
            (1e9, 5.0),
            (-1e9, 5.0),
            (0.0, 0.0),
            (0.0, f32::NAN),
            (f32::NAN, 3.0),
            (0.0, -4.0),
            (0.0, f32::INFINITY),
        ] {
            let cut = picture.cut(Region { x, y: 0.0, width, height: 5.0 }, 8, 8, (8, 8)).unwrap();
            assert!(cut.pixels().iter().all(|&byte| byte == 0), "{x} {width}");
        }
    }

    #[test]
    fn overlap_and_union() {
        let a = Region { x: 0.0, y: 0.0, width: 10.0, height: 10.0 };
        let b = Region { x: 5.0, y: 0.0, width: 10.0, height: 10.0 };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&Region { x: 20.0, ..a }), 0.0);
        assert_eq!(a.square(2.0), Region { x: -5.0, y: -5.0, width: 20.0, height: 20.0 });
    }
}
