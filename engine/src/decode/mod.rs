//! Photo bytes to an upright RGB picture: JPEG, PNG and WebP, EXIF orientation applied.
//!
//! The format is taken from the bytes, never from a file name. [`probe`] surveys the whole structure of
//! a file, so that what decoding will cost in memory and in time is known, and refused where it is too
//! much, before anything is allocated. Knows nothing of files, faces or models.

mod jpeg;
mod markers;
mod png;
mod rgb;
mod turn;
mod vp8l;
mod webp;

use image::metadata::Orientation;

use crate::error::{Error, Result};
use crate::picture::Picture;

/// What a photo may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// File size in bytes; default 128 MiB (a 45-megapixel JPEG at best quality has about 30 MiB).
    pub file_bytes_max: u64,
    /// Width times height; default 120 million. Each pixel costs 3 bytes, 6 while it is turned.
    pub pixels_max: u64,
    /// The longer side in pixels; default 65,500, the most that libjpeg-turbo reads. Decoders have a
    /// cost for each row, so that a picture one pixel wide would take seconds.
    pub side_max: u32,
    /// Peak memory of decoding in bytes; default 896 MiB, enough for a progressive JPEG of 100
    /// megapixels in full colour.
    pub decoded_bytes_max: u64,
    /// Scans of a JPEG; default 200. Cameras write 1, web exports 10 to 14.
    pub jpeg_scans_max: u32,
    /// Pixels times the passes that a decoder makes over them, colours counted apart; default 2.5
    /// billion, a progressive JPEG of 100 megapixels with 20 passes. Bounds time: an empty pass costs
    /// about half a nanosecond a pixel, whatever the file's size.
    pub passed_pixels_max: u64,
    /// Peak memory in bytes that a file gets whatever it holds; default 160 MiB, a JPEG of 55
    /// megapixels. What takes more must come in a file to match, see `memory_per_byte_max`.
    pub unbacked_bytes_max: u64,
    /// Bytes of memory for each byte of compressed pixels, where decoding takes more than
    /// `unbacked_bytes_max`; default 100. Photos take 10 to 60, a progressive web export 90 at most. A
    /// picture of one colour takes hundreds: a few kilobytes that would fill the memory.
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
            passed_pixels_max: 2_500_000_000,
            unbacked_bytes_max: 160 << 20,
            memory_per_byte_max: 100,
        }
    }
}

/// How a file's pixels are to be read.
#[derive(Clone, Copy, Debug)]
enum Coding {
    Jpeg { inks: bool },
    Png,
    WebP(webp::Still),
}

/// What the structure of a file says about its pixels and their cost.
struct Survey {
    coding: Coding,
    /// Width and height as stored.
    width: u32,
    height: u32,
    orientation: Orientation,
    /// Peak memory until there are upright or lying RGB pixels, those included.
    memory_bytes: u64,
    /// Length of the compressed pixels.
    coded_bytes: u64,
    passed_pixels: u64,
}

/// What a photo's header says; made by [`probe`], spent by [`decode`].
#[derive(Clone, Copy, Debug)]
pub struct Header {
    coding: Coding,
    /// Width in pixels as stored, before EXIF turns it.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    orientation: Orientation,
    /// Peak memory that decoding will need, in bytes.
    pub memory_bytes: u64,
    /// Pixels times passes over them: the measure of the time that decoding will need.
    pub passed_pixels: u64,
}

/// Reads a photo's structure and holds it against `limits`; decodes no pixel.
///
/// `Error::Image` with a reason fit for a person: not a photo, damaged, over a limit.
pub fn probe(bytes: &[u8], limits: &DecodeLimits) -> Result<Header> {
    if bytes.is_empty() {
        return Err(refused("the file is empty"));
    }
    if bytes.len() as u64 > limits.file_bytes_max {
        let (received, expected) = (bytes.len() >> 20, limits.file_bytes_max >> 20);
        return Err(refused(format!(
            "the file has {received} MiB, at most {expected} MiB are read"
        )));
    }
    guarded(|| {
        let survey = match format_of(bytes)? {
            Format::Jpeg => jpeg::survey(bytes, limits)?,
            Format::Png => png::survey(bytes, limits)?,
            Format::WebP => webp::survey(bytes, limits)?,
        };
        held(survey, limits)
    })
}

/// Decodes a photo that [`probe`] accepted to an upright picture.
pub fn decode(bytes: &[u8], header: &Header, limits: &DecodeLimits) -> Result<Picture> {
    guarded(|| {
        let pixels = match header.coding {
            Coding::Jpeg { inks } => jpeg::decode(bytes, header, inks, limits)?,
            Coding::Png => png::decode(bytes)?,
            Coding::WebP(still) => webp::decode(bytes, still)?,
        };
        turn::upright(header.width, header.height, pixels, header.orientation)
    })
}

/// Holds the size against the limits, before a survey goes on to what depends on it.
fn held_size(width: u32, height: u32, limits: &DecodeLimits) -> Result<u64> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(refused("the picture has no pixels"));
    }
    if pixels > limits.pixels_max {
        let expected = limits.pixels_max / 1_000_000;
        return Err(refused(format!(
            "{width}x{height} pixels are too many, at most {expected} megapixels are read"
        )));
    }
    if width.max(height) > limits.side_max {
        let expected = limits.side_max;
        return Err(refused(format!(
            "{width}x{height} pixels are too long a strip, at most {expected} pixels a side are read"
        )));
    }
    Ok(pixels)
}

/// Holds a survey against the limits.
fn held(survey: Survey, limits: &DecodeLimits) -> Result<Header> {
    let Survey { coding, width, height, orientation, coded_bytes, passed_pixels, .. } = survey;
    let pixels = held_size(width, height, limits)?;
    let turned = if turn::is_in_place(orientation) { pixels * 3 } else { pixels * 6 };
    let memory_bytes = survey.memory_bytes.max(turned);
    if memory_bytes > limits.decoded_bytes_max {
        let (received, expected) = (memory_bytes >> 20, limits.decoded_bytes_max >> 20);
        return Err(refused(format!(
            "decoding would take {received} MiB, at most {expected} MiB are given"
        )));
    }
    if passed_pixels > limits.passed_pixels_max {
        let (passes, expected) = (passed_pixels / pixels, limits.passed_pixels_max / pixels);
        return Err(refused(format!(
            "{width}x{height} pixels are coded in {passes} passes, at most {expected} are read at this size"
        )));
    }
    let backed = coded_bytes.saturating_mul(limits.memory_per_byte_max);
    if memory_bytes > limits.unbacked_bytes_max.max(backed) {
        let expected = memory_bytes / limits.memory_per_byte_max;
        return Err(refused(format!(
            "{width}x{height} pixels in {coded_bytes} bytes cannot be a photo, a picture of this kind \
             has {expected} bytes or more"
        )));
    }
    Ok(Header { coding, width, height, orientation, memory_bytes, passed_pixels })
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Jpeg,
    Png,
    WebP,
}

/// The media type of a photo's bytes, from the bytes themselves. `Error::Image` for what is none.
pub fn media_type(bytes: &[u8]) -> Result<&'static str> {
    Ok(match format_of(bytes)? {
        Format::Jpeg => "image/jpeg",
        Format::Png => "image/png",
        Format::WebP => "image/webp",
    })
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
        return Err(refused("not a JPEG, PNG or WebP file"));
    };
    Err(refused(format!("{name}; expected JPEG, PNG or WebP")))
}

/// The orientation that an EXIF block names; upright where it names none.
fn orientation(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(Orientation::from_exif_chunk).unwrap_or(Orientation::NoTransforms)
}

/// A decoder that panics on a hostile file must not take the program with it.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    outcome.unwrap_or_else(|_| Err(refused("damaged picture: the decoder gave up")))
}

fn damaged(error: impl std::fmt::Display) -> Error {
    refused(format!("damaged picture: {error}"))
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Image { reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this many megapixels, bytes a pixel in memory, passes and megabytes of pixels.
    fn verdict(
        megapixels: u32,
        each: u64,
        passes: u64,
        megabytes: f64,
        turned: bool,
    ) -> Result<Header> {
        let pixels = u64::from(megapixels) * 1_000_000;
        let orientation = if turned { Orientation::Rotate90 } else { Orientation::NoTransforms };
        let survey = Survey {
            coding: Coding::Png,
            width: megapixels * 100,
            height: 10_000,
            orientation,
            memory_bytes: pixels * each,
            coded_bytes: (megabytes * 1e6) as u64,
            passed_pixels: pixels * passes,
        };
        held(survey, &DecodeLimits::default())
    }

    #[test]
    fn photos_pass() {
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
    fn bombs_do_not_and_the_reason_says_why() {
        let reason =
            |found: Result<Header>| found.map_or_else(|error| error.to_string(), |_| String::new());
        for (received, expected) in [
            (verdict(118, 3, 1, 3.5, false), "cannot be a photo"),
            (verdict(36, 6, 1, 2.0, false), "cannot be a photo"),
            (verdict(30, 3, 1, 0.1, true), "cannot be a photo"),
            (verdict(130, 3, 1, 50.0, false), "at most 120 megapixels"),
            (verdict(110, 9, 1, 50.0, false), "at most 896 MiB"),
            (verdict(100, 9, 30, 50.0, false), "in 30 passes, at most 25"),
        ] {
            let received = reason(received);
            assert!(received.contains(expected), "{received:?} instead of {expected:?}");
        }
    }
}
