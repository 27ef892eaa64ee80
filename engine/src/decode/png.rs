//! Decodes PNG with `image` (the `png` crate); of an animation, the default image.
//!
//! Parses the chunk headers first, to count the compressed pixels and the metadata that the decoder would
//! keep or decompress.

use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{ImageDecoder, ImageError, Limits};
use std::io::Cursor;

use crate::error::{Error, Result};

use super::{Coding, DecodeCost, DecodeLimits, check_size, damaged, refused, rgb};

/// Limits the texts and the colour profile of a file to 32 MiB together. The decoder holds the texts and the
/// decompressed profile in memory.
const METADATA_BYTES_MAX: u64 = 32 << 20;
/// Limits a file to 1,000,000 chunks. A chunk costs the decoder about as much time as 100 pixels.
const CHUNKS_MAX: u64 = 1_000_000;
/// The highest compression ratio of deflate, bytes out per byte in.
const DEFLATE_RATIO: u64 = 1032;
/// Memory for zlib's window and the decoder's row buffers, bytes.
const SCRATCH_BYTES: u64 = 4 << 20;

pub(super) fn decode_cost(bytes: &[u8], limits: &DecodeLimits) -> Result<DecodeCost> {
    let found = walk(bytes)?;
    let pixels = check_size(found.width, found.height, limits)?;
    let mut decoder = open(bytes)?;
    let colour = decoder.color_type();
    let each = rgb::bytes_per_pixel(colour).ok_or_else(|| {
        refused(format!("the PNG colour type {colour:?} is not supported; save it as RGB"))
    })?;
    let profile = (found.profile_bytes * DEFLATE_RATIO).min(METADATA_BYTES_MAX);
    Ok(DecodeCost {
        coding: Coding::Png,
        width: found.width,
        height: found.height,
        orientation: decoder.orientation().unwrap_or(Orientation::NoTransforms),
        memory_bytes: pixels * each + found.other_bytes * 2 + profile + SCRATCH_BYTES,
        coded_bytes: found.pixel_bytes,
        pixel_passes: if found.interlaced { pixels * 2 } else { pixels },
    })
}

/// Decodes to RGB pixels as stored, without applying the orientation.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>> {
    let decoder = open(bytes)?;
    let (colour, size) = (decoder.color_type(), decoder.total_bytes());
    let mut samples = vec![0; usize::try_from(size).map_err(damaged)?];
    decoder.read_image(&mut samples).map_err(reason)?;
    Ok(rgb::from_samples(colour, samples))
}

fn open(bytes: &[u8]) -> Result<PngDecoder<Cursor<&[u8]>>> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(METADATA_BYTES_MAX);
    PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(reason)
}

fn reason(error: ImageError) -> Error {
    let text = error.to_string();
    match error {
        ImageError::Limits(_) => {
            let expected = METADATA_BYTES_MAX >> 20;
            refused(format!(
                "the PNG has more than {expected} MiB of texts and colour profiles; remove its metadata"
            ))
        }
        _ if text.contains("CRC error") => damaged("its checksums do not match"),
        _ => damaged(text),
    }
}

#[derive(Default)]
struct Chunks {
    width: u32,
    height: u32,
    interlaced: bool,
    pixel_bytes: u64,
    profile_bytes: u64,
    /// Length of the chunks before the pixels, without the profile, bytes.
    other_bytes: u64,
}

fn walk(bytes: &[u8]) -> Result<Chunks> {
    let (mut found, mut rest, mut count) = (Chunks::default(), bytes.get(8..), 0);
    while let Some((head, after)) = rest.and_then(|rest| rest.split_first_chunk::<8>()) {
        let [a, b, c, d, name @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let content = after.get(..length);
        match &name {
            b"IHDR" => {
                let Some(&[w0, w1, w2, w3, h0, h1, h2, h3, _, _, _, _, interlace]) = content else {
                    return Err(damaged("the header of the PNG has the wrong length"));
                };
                found.width = u32::from_be_bytes([w0, w1, w2, w3]);
                found.height = u32::from_be_bytes([h0, h1, h2, h3]);
                found.interlaced = interlace == 1;
            }
            b"IDAT" if content.is_none() => {
                return Err(damaged("the file ends within its pixels"));
            }
            b"IDAT" => found.pixel_bytes += length as u64,
            b"iCCP" => found.profile_bytes += length as u64,
            b"IEND" => break,
            _ if found.pixel_bytes == 0 => found.other_bytes += length.min(after.len()) as u64,
            _ => {}
        }
        count += 1;
        if count > CHUNKS_MAX {
            return Err(refused(format!(
                "the PNG has more than {CHUNKS_MAX} chunks; save it again"
            )));
        }
        // Skips the checksum too: the decoder verifies it.
        rest = after.get(length + 4..);
    }
    if found.pixel_bytes == 0 {
        return Err(damaged("the PNG has no pixels"));
    }
    Ok(found)
}
