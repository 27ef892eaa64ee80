//! Parses the structure of a JPEG: its frame header, its scans and its EXIF block.
//!
//! Follows the markers as libjpeg does (skips stray bytes, stops at the end marker), so that both see the
//! same scans. Compressed pixels are skipped, not decoded.

use crate::error::Result;

use super::{damaged_jpeg, refused};

/// A colour component of the frame.
struct Component {
    id: u8,
    /// Sampling factors, horizontal and vertical, 1 to 4.
    across: u32,
    down: u32,
}

struct Frame {
    width: u32,
    height: u32,
    progressive: bool,
    components: Vec<Component>,
}

/// The size, decoding cost and EXIF block of a JPEG, as its markers give them.
pub(super) struct Markers<'a> {
    pub width: u32,
    pub height: u32,
    pub scans: u32,
    /// Blocks of 8 x 8 values, each counted once per scan that contains it.
    pub passed_blocks: u64,
    /// Memory for all coefficients of the frame, bytes; 0 if the decoder need not keep them until the last
    /// scan.
    pub coefficient_bytes: u64,
    /// Length of the compressed pixels, bytes.
    pub coded_bytes: u64,
    /// Length of the colour profile, bytes; the decoder copies it.
    pub profile_bytes: u64,
    /// The last EXIF block before the first scan.
    pub exif: Option<&'a [u8]>,
}

/// Follows the markers from the start of `bytes` to the end of the picture.
///
/// # Errors
/// - `Error::Image` if the file is truncated, damaged or of an unsupported kind.
pub(super) fn follow(bytes: &[u8]) -> Result<Markers<'_>> {
    let mut walk = SegmentReader { bytes, at: 2 };
    let mut found = Markers {
        width: 0,
        height: 0,
        scans: 0,
        passed_blocks: 0,
        coefficient_bytes: 0,
        coded_bytes: 0,
        profile_bytes: 0,
        exif: None,
    };
    let (mut frame, mut scan_start): (Option<Frame>, Option<usize>) = (None, None);
    loop {
        let code = walk.marker().ok_or_else(|| cut_off(frame.is_some()))?;
        // These markers have no length and do not change the structure.
        if code < 0xc0 || (0xd0..=0xd7).contains(&code) {
            continue;
        }
        if let Some(start) = scan_start.take() {
            found.coded_bytes += (walk.at - 2 - start) as u64;
        }
        match code {
            0xd8 => return Err(damaged_jpeg("it has two start markers")),
            0xd9 => break,
            _ => {}
        }
        let content = walk.segment().ok_or_else(|| cut_off(frame.is_some()))?;
        match code {
            0xc4 | 0xc8 | 0xcc => {}
            0xc0..=0xcf if frame.is_some() => {
                return Err(damaged_jpeg("it has two frame headers"));
            }
            0xc0..=0xcf => frame = Some(read_frame(code, content)?),
            0xda => {
                let frame = frame
                    .as_ref()
                    .ok_or_else(|| damaged_jpeg("a scan precedes the frame header"))?;
                found.add_scan(frame, content)?;
                scan_start = Some(walk.at);
            }
            0xe1 if found.scans == 0 => {
                found.exif = content.strip_prefix(b"Exif\0\0").or(found.exif);
            }
            0xe2 => found.profile_bytes += content.len() as u64,
            _ => {}
        }
    }
    let frame = frame.filter(|_| found.scans > 0);
    let frame = frame.ok_or_else(|| damaged_jpeg("it has no pixels"))?;
    (found.width, found.height) = (frame.width, frame.height);
    Ok(found)
}

fn cut_off(in_pixels: bool) -> crate::error::Error {
    damaged_jpeg(if in_pixels {
        "the file ends within its pixels"
    } else {
        "the file ends within its header"
    })
}

impl Markers<'_> {
    fn add_scan(&mut self, frame: &Frame, content: &[u8]) -> Result<()> {
        let wrong = || damaged_jpeg("a scan without colour components");
        let (&count, rest) = content.split_first().ok_or_else(wrong)?;
        let ids = rest.chunks(2).take(count.into()).filter_map(|pair| pair.first());
        let parts: Vec<&Component> =
            ids.filter_map(|id| frame.components.iter().find(|part| part.id == *id)).collect();
        let [first, others @ ..] = parts.as_slice() else { return Err(wrong()) };
        self.scans += 1;
        self.passed_blocks += if others.is_empty() {
            frame.blocks(first, false)
        } else {
            parts.iter().map(|part| frame.blocks(part, true)).sum()
        };
        // A scan that has only some of the components or coefficients makes the decoder keep all of them.
        if frame.progressive || parts.len() < frame.components.len() {
            self.coefficient_bytes =
                frame.components.iter().map(|part| frame.blocks(part, true) * 128).sum();
        }
        Ok(())
    }
}

impl Frame {
    /// Returns the number of blocks of `part`; `padded` rounds up to whole MCUs, as in interleaved scans.
    fn blocks(&self, part: &Component, padded: bool) -> u64 {
        let most = |factor: fn(&Component) -> u32| self.components.iter().map(factor).max();
        let count = |side: u32, own: u32, most: Option<u32>| {
            let blocks = (side * own).div_ceil(most.unwrap_or(1) * 8);
            u64::from(if padded { blocks.next_multiple_of(own) } else { blocks })
        };
        let across = count(self.width, part.across, most(|part| part.across));
        across * count(self.height, part.down, most(|part| part.down))
    }
}

fn read_frame(code: u8, content: &[u8]) -> Result<Frame> {
    let kind = match code {
        0xc0..=0xc2 => None,
        0xc3 => Some("a lossless JPEG"),
        0xc9 | 0xca => Some("an arithmetic-coded JPEG"),
        _ => Some("a JPEG of an unsupported kind"),
    };
    if let Some(kind) = kind {
        return Err(refused(format!(
            "{kind} cannot be read; convert it to a baseline or progressive JPEG"
        )));
    }
    let &[depth, h1, h0, w1, w0, count, ref rest @ ..] = content else {
        return Err(cut_off(false));
    };
    if depth != 8 {
        return Err(refused(format!(
            "a JPEG of {depth} bits per colour cannot be read; convert it to 8 bits"
        )));
    }
    let components: Vec<Component> = rest
        .as_chunks::<3>()
        .0
        .iter()
        .take(count.into())
        .map(|[id, factors, _]| Component {
            id: *id,
            across: u32::from(factors >> 4),
            down: u32::from(factors & 15),
        })
        .collect();
    let right = |part: &Component| (1..=4).contains(&part.across) && (1..=4).contains(&part.down);
    if components.len() != usize::from(count) || count == 0 || !components.iter().all(right) {
        return Err(damaged_jpeg("its colour components are invalid"));
    }
    let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
    Ok(Frame { width: width.into(), height: height.into(), progressive: code == 0xc2, components })
}

struct SegmentReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> SegmentReader<'a> {
    /// Returns the next marker's code. Skips 0xff 0x00, which is a stuffed pixel byte, and the padding 0xff
    /// 0xff.
    fn marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let start = self.at + find_ff(rest)?;
            let padding = self.bytes.get(start..)?.iter().position(|&byte| byte != 0xff)?;
            self.at = start + padding + 1;
            let code = *self.bytes.get(self.at - 1)?;
            if code != 0 {
                return Some(code);
            }
        }
    }

    /// Reads the segment that starts here with its length, and returns its content.
    fn segment(&mut self) -> Option<&'a [u8]> {
        let &[high, low] = self.bytes.get(self.at..self.at + 2)? else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let content = self.bytes.get(self.at + 2..self.at + length)?;
        self.at += length;
        Some(content)
    }
}

/// Returns the position of the first 0xff. Compares 64 bytes at a time, because there may be megabytes of
/// pixels between two markers.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<64>();
    let clear =
        |block: &&[u8; 64]| block.iter().fold(0, |all, &byte| all | u8::from(byte == 0xff)) == 0;
    let skipped = blocks.iter().take_while(clear).count() * 64;
    let rest = bytes.get(skipped..)?;
    rest.iter().position(|&byte| byte == 0xff).map(|at| skipped + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG of 1000 x 600 pixels with three components, the first at twice the resolution, and one scan
    /// per entry of `scans`, which lists the components in it.
    fn file(frame: u8, scans: &[&[u8]]) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8, 0xff, 0xe1, 0, 10];
        out.extend(b"Exif\0\0MM");
        out.extend([0xff, frame, 0, 17, 8, 2, 88, 3, 232, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
        for ids in scans {
            out.extend([0xff, 0xda, 0, 6 + 2 * ids.len() as u8, ids.len() as u8]);
            ids.iter().for_each(|id| out.extend([*id, 0]));
            // A stuffed byte, a restart marker and padding do not end the scan.
            out.extend([0, 63, 0, 7, 0xff, 0, 0xff, 0xd0, 9, 9, 0xff]);
        }
        out.extend([0xff, 0xd9, 0xff, 0xda]);
        out
    }

    #[test]
    fn blocks_are_counted_as_libjpeg_lays_them_out() {
        // Padded to whole MCUs: 126 x 76 blocks and twice 63 x 38; the first component alone: 125 x 75.
        let all = 126 * 76 + 2 * 63 * 38;
        let bytes = file(0xc0, &[&[1, 2, 3]]);
        let found = follow(&bytes).unwrap();
        assert_eq!((found.width, found.height, found.scans), (1000, 600, 1));
        assert_eq!((found.passed_blocks, found.coefficient_bytes), (all, 0));
        assert_eq!((found.coded_bytes, found.exif), (8, Some(b"MM".as_slice())));
        let bytes = file(0xc0, &[&[1], &[2], &[3]]);
        let found = follow(&bytes).unwrap();
        assert_eq!(found.passed_blocks, 125 * 75 + 2 * 63 * 38);
        assert_eq!((found.coefficient_bytes, found.scans), (all * 128, 3));
        let bytes = file(0xc2, &[&[1, 2, 3], &[1]]);
        let found = follow(&bytes).unwrap();
        assert_eq!((found.passed_blocks, found.coefficient_bytes), (all + 125 * 75, all * 128));
    }

    #[test]
    fn truncated_and_rare_files_are_refused_with_the_reason() {
        let reason = |bytes: &[u8]| match follow(bytes) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("expected a refusal"),
        };
        let whole = file(0xc0, &[&[1, 2, 3]]);
        for length in 2..whole.len() - 2 {
            assert!(reason(&whole[..length]).contains("the file ends"), "{length}");
        }
        assert!(reason(&file(0xc3, &[&[1]])).contains("a lossless JPEG"));
        assert!(reason(&file(0xca, &[&[1]])).contains("arithmetic"));
        assert!(reason(&file(0xc0, &[])).contains("no pixels"));
        assert!(reason(&file(0xc0, &[&[7]])).contains("without colour components"));
    }
}
