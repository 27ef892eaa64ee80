//! Decodes WebP with `image` (the `image-webp` crate); of an animation, the first frame.
//!
//! Builds a file for the decoder that contains only the picture's chunk. Transparency, animation and metadata
//! are left out, because they would take memory and add no pixel.

use image::ImageDecoder;
use image::codecs::webp::WebPDecoder;
use std::borrow::Cow;
use std::io::Cursor;

use crate::error::Result;

use super::{
    Coding, DecodeCost, DecodeLimits, check_size, damaged, exif_orientation, rgb, vp8l_tables,
};

/// Memory for rows of macroblocks and colour caches, bytes.
const SCRATCH_BYTES: u64 = 2 << 20;
/// The flag in the fifth byte of lossless pixel data that announces transparency.
const ALPHA_BIT: u8 = 0x10;

/// The position of the picture's chunk in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Still {
    /// Offset of the first content byte.
    start: usize,
    length: usize,
    lossless: bool,
}

impl Still {
    fn content(self, bytes: &[u8]) -> Result<&[u8]> {
        let content = bytes.get(self.start..).and_then(|rest| rest.get(..self.length));
        content.ok_or_else(|| damaged("the file ends within its pixels"))
    }
}

pub(super) fn decode_cost(bytes: &[u8], limits: &DecodeLimits) -> Result<DecodeCost> {
    let (still, exif) = find(bytes)?;
    let content = still.content(bytes)?;
    let (width, height) =
        size(content, still.lossless).ok_or_else(|| damaged("the WebP has no size"))?;
    let pixels = check_size(width, height, limits)?;
    let coded_bytes = still.length as u64;
    let memory_bytes = if still.lossless {
        pixels * 4 + coded_bytes + vp8l_tables::memory(content)?
    } else {
        // Three planes and the RGB pixels at the same time; the decoder also copies the compressed bytes.
        let blocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
        blocks * 384 + pixels * 3 + coded_bytes * 4
    };
    Ok(DecodeCost {
        coding: Coding::WebP(still),
        width,
        height,
        orientation: exif_orientation(exif),
        memory_bytes: memory_bytes + SCRATCH_BYTES,
        coded_bytes,
        pixel_passes: pixels,
    })
}

/// Decodes to RGB pixels as stored, without applying the orientation.
pub(super) fn decode(bytes: &[u8], still: Still) -> Result<Vec<u8>> {
    let file = alone(bytes, still)?;
    let decoder = WebPDecoder::new(Cursor::new(file.as_ref())).map_err(damaged)?;
    let (colour, size) = (decoder.color_type(), decoder.total_bytes());
    let mut samples = vec![0; usize::try_from(size).map_err(damaged)?];
    decoder.read_image(&mut samples).map_err(damaged)?;
    drop(file);
    Ok(rgb::from_samples(colour, samples))
}

/// Builds a WebP file that contains only this picture. Marks lossless pixels as transparent, because otherwise
/// the decoder makes a second copy to remove the transparency.
fn alone(bytes: &[u8], still: Still) -> Result<Cow<'_, [u8]>> {
    let content = still.content(bytes)?;
    if still.start == 20 && !still.lossless {
        return Ok(Cow::Borrowed(bytes.get(..20 + still.length).unwrap_or_default()));
    }
    let length = |bytes: usize| u32::try_from(bytes).map(u32::to_le_bytes).map_err(damaged);
    let name: &[u8] = if still.lossless { b"WEBPVP8L" } else { b"WEBPVP8 " };
    let mut file = Vec::with_capacity(content.len() + 20);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&length(content.len() + 12)?);
    file.extend_from_slice(name);
    file.extend_from_slice(&length(content.len())?);
    file.extend_from_slice(content);
    if let (true, Some(flags)) = (still.lossless, file.get_mut(24)) {
        *flags |= ALPHA_BIT;
    }
    Ok(Cow::Owned(file))
}

/// Reads a chunk's name, the offset of its content, and its length. The content may extend past the end of
/// the file.
fn chunk(bytes: &[u8], at: usize) -> Option<([u8; 4], usize, usize)> {
    let &[a, b, c, d, w, x, y, z] = bytes.get(at..at.checked_add(8)?)? else { return None };
    Some(([a, b, c, d], at + 8, u32::from_le_bytes([w, x, y, z]) as usize))
}

/// Finds the picture's chunk and the EXIF block.
fn find(bytes: &[u8]) -> Result<(Still, Option<&[u8]>)> {
    let (mut still, mut exif, mut at) = (None, None, 12);
    let first = chunk(bytes, at).ok_or_else(|| damaged("the file ends within its header"))?.0;
    let extended = &first == b"VP8X";
    while let Some((name, start, length)) = chunk(bytes, at) {
        match &name {
            b"VP8 " | b"VP8L" if still.is_none() => {
                still = Some(Still { start, length, lossless: &name == b"VP8L" });
            }
            // Skips the frame's position and duration. The chunks of a frame have the format of the file's
            // chunks.
            b"ANMF" if still.is_none() => {
                at = start + 16;
                continue;
            }
            b"EXIF" if exif.is_none() => exif = bytes.get(start..).and_then(|b| b.get(..length)),
            _ => {}
        }
        if !extended {
            break;
        }
        at = start + length + length % 2;
    }
    let still = still.ok_or_else(|| damaged("the WebP has no pixels"))?;
    Ok((still, exif))
}

fn size(content: &[u8], lossless: bool) -> Option<(u32, u32)> {
    if lossless {
        let &[0x2f, a, b, c, d] = content.get(..5)? else { return None };
        let bits = u32::from_le_bytes([a, b, c, d]);
        return Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
    }
    let &[0x9d, 0x01, 0x2a, w0, w1, h0, h1] = content.get(3..10)? else { return None };
    let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Some((side(w0, w1), side(h0, h1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Picture;

    #[test]
    fn transparency_and_containers_change_no_colour() {
        let colour = |at: u32| (at * 37 % 256) as u8;
        let picture = image::RgbaImage::from_fn(90, 61, |x, y| {
            image::Rgba([colour(x), colour(y), colour(x + y), colour(x * y)])
        });
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, image::ImageFormat::WebP).unwrap();
        let plain = file.into_inner();
        // The picture again in the extended format, after an unknown chunk.
        let mut extended =
            b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\x59\0\0\x3c\0\0ABCD\x01\0\0\0\0\0".to_vec();
        extended.extend_from_slice(&plain[12..]);
        let expected = image::DynamicImage::ImageRgba8(picture).into_rgb8();
        for bytes in [plain, extended] {
            let limits = DecodeLimits::default();
            let header = Picture::probe(&bytes, &limits).unwrap();
            let received = header.decode(&bytes, &limits).unwrap();
            assert_eq!((received.width(), received.height()), (90, 61));
            assert!(received.pixels() == expected.as_raw().as_slice());
        }
    }
}
