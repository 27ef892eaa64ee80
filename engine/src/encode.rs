use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use crate::error::{Error, Result};
use crate::picture::Picture;

impl Picture {
    /// Encodes the picture as a JPEG whose longer side is at most `side_px_max`; never enlarges the picture.
    /// `quality` is 1..=100. The JPEG has no metadata (place, camera, name), because only pixels are encoded.
    ///
    /// # Errors
    /// - `Error::Image` if the encoder rejects the picture or `quality`.
    pub fn to_jpeg(&self, side_px_max: u32, quality: i32) -> Result<Vec<u8>> {
        let longer = self.width().max(self.height()).max(1);
        let scale = (f64::from(side_px_max) / f64::from(longer)).min(1.0);
        let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        let (width, height) = (side(self.width()), side(self.height()));
        let reduced = if scale < 1.0 {
            Some(self.cut(self.frame(), width, height, (width, height))?)
        } else {
            None
        };
        let source = reduced.as_ref().unwrap_or(self);
        let failed =
            |error: turbojpeg::Error| Error::Image { reason: format!("encoding: {error}") };
        let mut compressor = Compressor::new().map_err(failed)?;
        compressor.set_quality(quality).map_err(failed)?;
        // Half the colour resolution in both directions, as usual for photos on the web.
        compressor.set_subsamp(Subsamp::Sub2x2).map_err(failed)?;
        let image = Image {
            pixels: source.pixels(),
            width: width as usize,
            pitch: width as usize * 3,
            height: height as usize,
            format: PixelFormat::RGB,
        };
        compressor.compress_to_vec(image).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::DecodeLimits;

    #[test]
    fn a_derivative_keeps_proportions_and_is_never_enlarged() {
        let limits = DecodeLimits::default();
        for (size, expected) in
            [((600, 300), (200, 100)), ((100, 50), (100, 50)), ((3, 900), (1, 200))]
        {
            let picture =
                Picture::new(size.0, size.1, vec![90; (size.0 * size.1 * 3) as usize]).unwrap();
            let jpeg = picture.to_jpeg(200, 80).unwrap();
            let back = Picture::decode(&jpeg, &limits).unwrap();
            assert_eq!((back.width(), back.height()), expected);
            assert!(back.pixels().iter().all(|value| value.abs_diff(90) < 3));
        }
    }
}
