//! Photo bytes to an upright RGB picture: JPEG, PNG and WebP, EXIF orientation applied.
//!
//! The format is taken from the bytes, never from a file name; caps on bytes, pixels, decoded memory
//! and JPEG scans hold before anything is allocated. Knows nothing of files, faces or models.

use image::codecs::{jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, Limits, RgbImage};
use std::io::Cursor;

use crate::error::{Error, Result};
use crate::picture::Picture;

/// What a photo may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// File size in bytes; default 128 MiB (a 45-megapixel JPEG at best quality has about 30 MiB).
    pub file_bytes_max: u64,
    /// Width times height; default 120 million. Each pixel costs 3 bytes, 6 while it is turned.
    pub pixels_max: u64,
    /// Decoded bytes as the file stores them (a 16-bit RGBA PNG has 8 a pixel); default 512 MiB.
    pub decoded_bytes_max: u64,
    /// Passes of a progressive JPEG; default 200. Each pass costs about one decode: this bounds time.
    pub jpeg_scans_max: u32,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            file_bytes_max: 128 << 20,
            pixels_max: 120_000_000,
            decoded_bytes_max: 512 << 20,
            jpeg_scans_max: 200,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Format {
    Jpeg,
    Png,
    WebP,
}

/// What a photo's header says; made by [`probe`], spent by [`decode`].
#[derive(Clone, Copy, Debug)]
pub struct Header {
    format: Format,
    /// Width in pixels as stored, before EXIF turns it.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
    orientation: Orientation,
    turbo: bool,
    /// Peak memory that decoding will need, in bytes.
    pub memory_bytes: u64,
}

/// Reads a photo's header and holds it against `limits`; decodes no pixel.
///
/// `Error::Image` with a reason fit for a person: not a photo, damaged header, over a limit.
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
    let format = format_of(bytes)?;
    let header = match format {
        Format::Jpeg => probe_jpeg(bytes)?,
        Format::Png => probe_with(png(bytes)?, format)?,
        Format::WebP => probe_with(webp(bytes)?, format)?,
    };
    let pixels = u64::from(header.width) * u64::from(header.height);
    if pixels == 0 {
        return Err(refused("the picture has no pixels"));
    }
    if pixels > limits.pixels_max {
        let (width, height, expected) =
            (header.width, header.height, limits.pixels_max / 1_000_000);
        return Err(refused(format!(
            "{width}x{height} pixels are too many, at most {expected} megapixels are read"
        )));
    }
    if header.memory_bytes > limits.decoded_bytes_max + pixels * 3 {
        let (received, expected) = (header.memory_bytes >> 20, limits.decoded_bytes_max >> 20);
        return Err(refused(format!(
            "decoding would take {received} MiB, at most {expected} MiB are given"
        )));
    }
    Ok(header)
}

/// Decodes a photo that [`probe`] accepted to an upright picture.
pub fn decode(bytes: &[u8], header: &Header, limits: &DecodeLimits) -> Result<Picture> {
    let mut image = match header.format {
        Format::Jpeg if header.turbo => decode_turbo(bytes, header, limits)?,
        Format::Jpeg => decode_with(jpeg(bytes)?)?,
        Format::Png => decode_with(png(bytes)?)?,
        Format::WebP => decode_with(webp(bytes)?)?,
    };
    image.apply_orientation(header.orientation);
    let rgb = image.into_rgb8();
    Picture::new(rgb.width(), rgb.height(), rgb.into_raw())
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

fn probe_jpeg(bytes: &[u8]) -> Result<Header> {
    let mut reader = turbojpeg::Decompressor::new().map_err(|error| refused(error.to_string()))?;
    let found = reader.read_header(bytes).map_err(|error| match error {
        // The size is missing when the file ends before it.
        turbojpeg::Error::IntegerOverflow(_) => {
            refused("damaged JPEG: the file ends within its header")
        }
        error => refused(format!("damaged JPEG: {error}")),
    })?;
    let side =
        |value: usize| u32::try_from(value).map_err(|_| refused("damaged JPEG: absurd size"));
    // libjpeg-turbo gives CMYK as ink; `image` turns it to RGB.
    let turbo =
        !matches!(found.colorspace, turbojpeg::Colorspace::CMYK | turbojpeg::Colorspace::YCCK);
    let orientation = jpeg(bytes).and_then(|mut decoder| decoder.orientation().map_err(damaged));
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let (width, height) = (side(found.width)?, side(found.height)?);
    let copies = if orientation == Orientation::NoTransforms && turbo { 3 } else { 7 };
    let memory_bytes = u64::from(width) * u64::from(height) * copies;
    Ok(Header { format: Format::Jpeg, width, height, orientation, turbo, memory_bytes })
}

fn probe_with(mut decoder: impl ImageDecoder, format: Format) -> Result<Header> {
    let (width, height) = decoder.dimensions();
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let memory_bytes =
        decoder.total_bytes().saturating_add(u64::from(width) * u64::from(height) * 3);
    Ok(Header { format, width, height, orientation, turbo: false, memory_bytes })
}

fn decode_turbo(bytes: &[u8], header: &Header, limits: &DecodeLimits) -> Result<DynamicImage> {
    let (width, height) = (header.width as usize, header.height as usize);
    let mut pixels = vec![0; width * height * 3];
    let mut reader = turbojpeg::Decompressor::new().map_err(|error| refused(error.to_string()))?;
    reader.set_scan_limit(limits.jpeg_scans_max).map_err(|error| refused(error.to_string()))?;
    let target = turbojpeg::Image {
        pixels: pixels.as_mut_slice(),
        width,
        pitch: width * 3,
        height,
        format: turbojpeg::PixelFormat::RGB,
    };
    if let Err(error) = reader.decompress(bytes, target) {
        // Cameras leave stray bytes between segments; libjpeg-turbo warns and loses no pixel.
        let text = error.to_string();
        if !text.contains("extraneous bytes before marker") {
            return Err(refused(format!("damaged JPEG: {text}")));
        }
    }
    RgbImage::from_raw(header.width, header.height, pixels)
        .map(DynamicImage::ImageRgb8)
        .ok_or_else(|| refused("damaged JPEG"))
}

fn decode_with(mut decoder: impl ImageDecoder) -> Result<DynamicImage> {
    let mut limits = Limits::no_limits();
    // The probe has held the output against the caller's limit; this bounds the decoder's scratch.
    limits.max_alloc = Some(decoder.total_bytes().saturating_mul(2).saturating_add(64 << 20));
    decoder.set_limits(limits).map_err(damaged)?;
    DynamicImage::from_decoder(decoder).map_err(damaged)
}

fn jpeg(bytes: &[u8]) -> Result<JpegDecoder<Cursor<&[u8]>>> {
    JpegDecoder::new(Cursor::new(bytes)).map_err(damaged)
}

fn png(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(1 << 30);
    PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)
}

fn webp(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>> {
    WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)
}

fn damaged(error: image::ImageError) -> Error {
    refused(format!("damaged picture: {error}"))
}

fn refused(reason: impl Into<String>) -> Error {
    Error::Image { reason: reason.into() }
}
