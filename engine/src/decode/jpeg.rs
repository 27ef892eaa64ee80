//! Decodes JPEG with libjpeg-turbo.
//!
//! The memory is computed from the markers, because libjpeg-turbo has no memory limit. For a file with more
//! than one scan, libjpeg-turbo allocates two bytes per coefficient for the whole picture.

use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use crate::error::Result;

use super::jpeg_markers::{Markers, follow};
use super::{
    Coding, DecodeCost, DecodeLimits, PhotoHeader, check_size, damaged_jpeg, exif_orientation,
    refused, rgb,
};

/// Memory of libjpeg-turbo for row buffers, tables and Huffman lookups, bytes per pixel of width.
const ROW_BYTES: u64 = 256;

pub(super) fn decode_cost(bytes: &[u8], limits: &DecodeLimits) -> Result<DecodeCost> {
    let found = follow(bytes)?;
    let pixels = check_size(found.width, found.height, limits)?;
    if found.scans > limits.jpeg_scans_max {
        let (received, expected) = (found.scans, limits.jpeg_scans_max);
        return Err(refused(format!(
            "the JPEG has {received} scans; save it as a baseline JPEG, because the limit is {expected}"
        )));
    }
    let cmyk = check_header(bytes, &found)?;
    let out = if cmyk { 4 } else { 3 };
    Ok(DecodeCost {
        coding: Coding::Jpeg { cmyk },
        width: found.width,
        height: found.height,
        orientation: exif_orientation(found.exif),
        memory_bytes: pixels * out
            + found.coefficient_bytes
            + found.profile_bytes * 2
            + u64::from(found.width) * ROW_BYTES,
        coded_bytes: found.coded_bytes,
        pixel_passes: found.passed_blocks * 64,
    })
}

/// Returns whether the colours are CMYK. Rejects a file whose size differs between the markers and the header
/// that libjpeg-turbo reads.
fn check_header(bytes: &[u8], found: &Markers<'_>) -> Result<bool> {
    let header = Decompressor::new().and_then(|mut reader| reader.read_header(bytes));
    let header = header.map_err(damaged_jpeg)?;
    if (header.width, header.height) != (found.width as usize, found.height as usize) {
        return Err(damaged_jpeg("its header has two different sizes"));
    }
    Ok(matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK))
}

/// Decodes to RGB pixels as stored, without applying the orientation.
pub(super) fn decode(
    bytes: &[u8],
    header: &PhotoHeader,
    cmyk: bool,
    limits: &DecodeLimits,
) -> Result<Vec<u8>> {
    let (width, height) = (header.width as usize, header.height as usize);
    let (format, colours) = if cmyk { (PixelFormat::CMYK, 4) } else { (PixelFormat::RGB, 3) };
    let mut pixels = vec![0; width * height * colours];
    let mut reader = Decompressor::new().map_err(damaged_jpeg)?;
    reader.set_scan_limit(limits.jpeg_scans_max).map_err(damaged_jpeg)?;
    let target =
        Image { pixels: pixels.as_mut_slice(), width, pitch: width * colours, height, format };
    if let Err(error) = reader.decompress(bytes, target) {
        // Some cameras write stray bytes between segments: libjpeg-turbo warns, and no pixel is lost.
        if !error.to_string().contains("extraneous bytes before marker") {
            return Err(damaged_jpeg(error));
        }
    }
    Ok(if cmyk { rgb::from_cmyk(pixels) } else { pixels })
}
