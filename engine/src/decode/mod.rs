//! Decodes JPEG, PNG and WebP photos to upright RGB pictures, with the EXIF orientation applied.
//!
//! The format is detected from the bytes, never from a file name. [`Picture::probe`] computes the memory and
//! time that decoding will cost from the file's structure, and checks them against limits before allocating.

mod jpeg;
mod jpeg_markers;
mod orientation;
mod png;
mod rgb;
mod vp8l_tables;
mod webp;

use image::metadata::Orientation;

use crate::error::{Error, Result};
use crate::picture::Picture;

/// Limits on the size and the decoding cost of a photo; a photo over a limit is rejected.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Limits the file size, bytes; default 128 MiB (a 45-megapixel JPEG at best quality has about 30 MiB).
    pub file_bytes_max: u64,
    /// Limits width times height; default 120 million. A pixel takes 3 bytes, and 6 during a quarter turn.
    pub pixels_max: u64,
    /// Limits the longer side, pixels; default 65,500, the maximum of libjpeg-turbo. Decoders have a cost
    /// per row, so a picture one pixel wide and millions of rows high would take seconds.
    pub side_max: u32,
    /// Limits the peak memory of decoding, bytes; default 896 MiB, enough for a progressive JPEG of 100
    /// megapixels without colour subsampling.
    pub decoded_bytes_max: u64,
    /// Limits the scans of a JPEG; default 200. Cameras write 1, web exports 10 to 14.
    pub jpeg_scans_max: u32,
    /// Limits pixels times decoder passes, each colour component counted separately; default 2.5 billion,
    /// a progressive JPEG of 100 megapixels with 20 passes. Bounds the time: a pass without data takes about
    /// half a nanosecond per pixel, independent of the file's size.
    pub pixel_passes_max: u64,
    /// Peak memory of decoding, bytes, that is allowed for a file of any size; default 160 MiB, a JPEG of
    /// 55 megapixels. Above it, `memory_per_byte_max` limits the memory by the file's size.
    pub memory_bytes_free: u64,
    /// Limits the bytes of memory per byte of compressed pixels, where decoding takes more than
    /// `memory_bytes_free`; default 100. Photos take 10 to 60, progressive web exports up to 90. A picture
    /// of a single colour takes hundreds, so a file of a few kilobytes could exhaust the memory.
    pub memory_per_byte_max: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 128 << 20,
            pixels_max: 120_000_000,
            side_max: 65_500,
            decoded_bytes_max: 896 << 20,
            jpeg_scans_max: 200,
            pixel_passes_max: 2_500_000_000,
            memory_bytes_free: 160 << 20,
            memory_per_byte_max: 100,
        }
    }
}

/// The decoder of a file, with the parameters that probing found.
#[derive(Clone, Copy, Debug)]
enum Coding {
    Jpeg { cmyk: bool },
    Png,
    WebP(webp::Still),
}

/// The size, orientation and decoding cost of a file, computed from its structure.
struct DecodeCost {
    coding: Coding,
    /// Width and height as stored.
    width: u32,
    height: u32,
    orientation: Orientation,
    /// Peak memory of decoding to RGB pixels, before rotation, bytes; includes those pixels.
    memory_bytes: u64,
    /// Length of the compressed pixels, bytes.
    coded_bytes: u64,
    /// Pixels times decoder passes.
    pixel_passes: u64,
}

/// The size and decoding cost of a photo, returned by [`Picture::probe`].
#[derive(Clone, Copy, Debug)]
pub struct PhotoHeader {
    coding: Coding,
    /// Width in pixels as stored, before the EXIF orientation is applied.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    orientation: Orientation,
    /// Peak memory that decoding will need, in bytes.
    pub memory_bytes: u64,
    /// Pixels times decoder passes: a measure of the time that decoding will need.
    pub pixel_passes: u64,
}

impl Picture {
    /// Reads a photo's structure and checks it against `limits`, without decoding a pixel.
    ///
    /// # Errors
    /// - `Error::Image`, with a reason to show to users, if `bytes` are not a photo, are damaged or exceed a
    ///   limit.
    pub fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<PhotoHeader> {
        if bytes.is_empty() {
            return Err(refused("the file is empty; copy the photo again"));
        }
        if bytes.len() as u64 > limits.file_bytes_max {
            let (received, expected) = (bytes.len() >> 20, limits.file_bytes_max >> 20);
            return Err(refused(format!(
                "the file has {received} MiB; save a smaller copy, because the limit is {expected} MiB"
            )));
        }
        catch_decoder_panic(|| {
            let survey = match format_of(bytes)? {
                Format::Jpeg => jpeg::decode_cost(bytes, limits)?,
                Format::Png => png::decode_cost(bytes, limits)?,
                Format::WebP => webp::decode_cost(bytes, limits)?,
            };
            check_limits(survey, limits)
        })
    }

    /// Decodes a photo to an upright picture, after [`Picture::probe`] accepted it.
    ///
    /// # Errors
    /// - `Error::Image` as [`Picture::probe`], or if the compressed pixels are damaged.
    pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Picture> {
        Self::probe(bytes, limits)?.decode(bytes, limits)
    }

    /// Returns the media type of a photo, detected from its first bytes.
    ///
    /// # Errors
    /// - `Error::Image` if the bytes are not a JPEG, PNG or WebP file.
    pub fn media_type(bytes: &[u8]) -> Result<&'static str> {
        Ok(match format_of(bytes)? {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::WebP => "image/webp",
        })
    }
}

impl PhotoHeader {
    /// Decodes the photo `bytes`, from which [`Picture::probe`] returned this header, to an upright picture.
    ///
    /// # Errors
    /// - `Error::Image` if the compressed pixels are damaged.
    pub fn decode(&self, bytes: &[u8], limits: &DecodeLimits) -> Result<Picture> {
        catch_decoder_panic(|| {
            let pixels = match self.coding {
                Coding::Jpeg { cmyk } => jpeg::decode(bytes, self, cmyk, limits)?,
                Coding::Png => png::decode(bytes)?,
                Coding::WebP(still) => webp::decode(bytes, still)?,
            };
            orientation::upright(self.width, self.height, pixels, self.orientation)
        })
    }
}

/// Checks the size against the limits and returns the number of pixels. Called before any computation
/// that depends on the size.
fn check_size(width: u32, height: u32, limits: &DecodeLimits) -> Result<u64> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(refused("the picture has a width or height of 0; export the photo again"));
    }
    if pixels > limits.pixels_max {
        let expected = limits.pixels_max / 1_000_000;
        return Err(refused(format!(
            "{width}x{height} pixels are too many; save a smaller copy, because the limit is {expected} megapixels"
        )));
    }
    if width.max(height) > limits.side_max {
        let expected = limits.side_max;
        return Err(refused(format!(
            "{width}x{height} pixels: a side is too long; save a smaller copy, because the limit is {expected} pixels"
        )));
    }
    Ok(pixels)
}

/// Checks the decoding cost against the limits, including the memory of the rotation.
fn check_limits(survey: DecodeCost, limits: &DecodeLimits) -> Result<PhotoHeader> {
    let DecodeCost { coding, width, height, orientation, coded_bytes, pixel_passes, .. } = survey;
    let pixels = check_size(width, height, limits)?;
    let turned = if orientation::is_in_place(orientation) { pixels * 3 } else { pixels * 6 };
    let memory_bytes = survey.memory_bytes.max(turned);
    if memory_bytes > limits.decoded_bytes_max {
        let (received, expected) = (memory_bytes >> 20, limits.decoded_bytes_max >> 20);
        return Err(refused(format!(
            "decoding needs {received} MiB of memory; save a smaller copy, because the limit is {expected} MiB"
        )));
    }
    if pixel_passes > limits.pixel_passes_max {
        let (passes, expected) = (pixel_passes / pixels, limits.pixel_passes_max / pixels);
        return Err(refused(format!(
            "{width}x{height} pixels are coded in {passes} passes; save a baseline JPEG, because the limit at this size is {expected}"
        )));
    }
    let backed = coded_bytes.saturating_mul(limits.memory_per_byte_max);
    if memory_bytes > limits.memory_bytes_free.max(backed) {
        let expected = memory_bytes / limits.memory_per_byte_max;
        return Err(refused(format!(
            "{width}x{height} pixels in {coded_bytes} bytes cannot be a photo; a photo of this size \
             and format has at least {expected} bytes"
        )));
    }
    Ok(PhotoHeader { coding, width, height, orientation, memory_bytes, pixel_passes })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Jpeg,
    Png,
    WebP,
}

fn format_of(bytes: &[u8]) -> Result<Format> {
    let known = |magic: &[u8]| bytes.starts_with(magic);
    let name = if known(&[0xff, 0xd8, 0xff]) {
        return Ok(Format::Jpeg);
    } else if known(b"\x89PNG\r\n\x1a\n") {
        return Ok(Format::Png);
    } else if known(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(Format::WebP);
    } else if known(b"GIF8") {
        "a GIF"
    } else if known(b"II*\0") || known(b"MM\0*") {
        "a TIFF or camera raw file"
    } else if matches!(bytes.get(4..12), Some(b"ftypheic" | b"ftypheix" | b"ftypmif1")) {
        "a HEIC photo"
    } else if bytes.get(4..12) == Some(b"ftypavif") {
        "an AVIF picture"
    } else if known(b"BM") {
        "a BMP"
    } else {
        return Err(refused(
            "not a JPEG, PNG or WebP file; choose a photo in one of these formats",
        ));
    };
    Err(refused(format!("{name} cannot be read; convert it: expected JPEG, PNG or WebP")))
}

/// Returns the orientation in an EXIF block; upright if there is none.
fn exif_orientation(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// Runs a decoder and converts a panic to an error, because a malicious file must not end the program.
fn catch_decoder_panic<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(damaged("the decoder gave up")))
}

fn damaged(reason: impl std::fmt::Display) -> Error {
    damaged_file("picture", reason)
}

fn damaged_jpeg(reason: impl std::fmt::Display) -> Error {
    damaged_file("JPEG", reason)
}

/// Returns the refusal of a damaged file of the format `what`.
fn damaged_file(what: &str, reason: impl std::fmt::Display) -> Error {
    refused(format!("damaged {what}: {reason}; copy or export the photo again"))
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Image { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a file of `megapixels` with `each` bytes of memory per pixel, `passes` decoder passes and
    /// `megabytes` of compressed pixels against the default limits.
    fn verdict(
        megapixels: u32,
        each: u64,
        passes: u64,
        megabytes: f64,
        turned: bool,
    ) -> Result<PhotoHeader> {
        let pixels = u64::from(megapixels) * 1_000_000;
        let orientation = if turned { Orientation::Rotate90 } else { Orientation::NoTransforms };
        let survey = DecodeCost {
            coding: Coding::Png,
            width: megapixels * 100,
            height: 10_000,
            orientation,
            memory_bytes: pixels * each,
            coded_bytes: (megabytes * 1e6) as u64,
            pixel_passes: pixels * passes,
        };
        check_limits(survey, &DecodeLimits::default())
    }

    #[test]
    fn ordinary_photos_are_within_the_limits() {
        for (megapixels, each, passes, megabytes) in [
            (24, 3, 3, 0.1),
            (45, 3, 2, 12.0),
            (61, 3, 3, 10.0),
            (61, 6, 10, 8.0),
            (61, 9, 20, 8.0),
            (102, 3, 3, 12.0),
            (102, 9, 14, 20.0),
            (24, 8, 1, 90.0),
            (33, 4, 1, 0.1),
        ] {
            for turned in [false, true] {
                let found = verdict(megapixels, each, passes, megabytes, turned);
                assert!(found.is_ok() || turned && megabytes < 1.0, "{megapixels} {found:?}");
            }
        }
    }

    #[test]
    fn decompression_bombs_are_refused_with_the_reason() {
        let reason = |found: Result<PhotoHeader>| {
            found.map_or_else(|error| error.to_string(), |_| String::new())
        };
        for (received, expected) in [
            (verdict(118, 3, 1, 3.5, false), "cannot be a photo"),
            (verdict(36, 6, 1, 2.0, false), "cannot be a photo"),
            (verdict(30, 3, 1, 0.1, true), "cannot be a photo"),
            (verdict(130, 3, 1, 50.0, false), "the limit is 120 megapixels"),
            (verdict(110, 9, 1, 50.0, false), "the limit is 896 MiB"),
            (
                verdict(100, 9, 30, 50.0, false),
                "in 30 passes; save a baseline JPEG, because the limit at this size is 25",
            ),
        ] {
            let received = reason(received);
            assert!(received.contains(expected), "{received:?} instead of {expected:?}");
        }
    }
}
