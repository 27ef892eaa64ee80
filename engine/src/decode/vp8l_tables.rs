//! Computes the memory that the decoder takes for the Huffman tables of a lossless WebP (VP8L).
//!
//! A file may have 65,536 groups of five tables. A group can be coded in 15 bytes, and the decoder takes 4 KB
//! per table, so a file of 1 MB can take hundreds of megabytes. Reads the stream up to the first pixel of the
//! picture.

use crate::error::Result;

use super::{damaged, refused};

/// Alphabet sizes of the five codes of a group: green with lengths, red, blue, alpha, distance.
const ALPHABETS: [usize; 5] = [256 + 24, 256, 256, 256, 40];
/// Order, in the stream, of the word lengths of the code that encodes the word lengths of other codes.
const LENGTHS_ORDER: [usize; 19] =
    [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Bits that the decoder looks up at once; longer codes continue in a tree beside the table.
const TABLE_BITS: usize = 10;
/// The fixed part of a tree in the decoder, bytes.
const TREE_BYTES: u64 = 64;
/// A node of a tree in the decoder, bytes.
const NODE_BYTES: u64 = 16;
/// Limits the memory of all tables of a picture to 96 MiB. The reference encoder makes at most 2,600 groups of
/// about 20 KB each.
const TABLES_BYTES_MAX: u64 = 96 << 20;
/// The pixels for which VP8L has short distance codes: (columns to the left, rows up), nearest first.
#[rustfmt::skip]
const NEAR: [(isize, isize); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2),
    (2, 1), (-2, 1), (2, 2), (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3),
    (3, 1), (-3, 1), (2, 3), (-2, 3), (3, 2), (-3, 2), (0, 4), (4, 0),
    (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3), (2, 4), (-2, 4),
    (4, 2), (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0),
    (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2),
    (4, 4), (-4, 4), (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0),
    (1, 6), (-1, 6), (6, 1), (-6, 1), (2, 6), (-2, 6), (6, 2), (-6, 2),
    (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6), (6, 3), (-6, 3),
    (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1),
    (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2),
    (3, 7), (-3, 7), (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5),
    (8, 0), (4, 7), (-4, 7), (7, 4), (-7, 4), (8, 1), (8, 2), (6, 6),
    (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5), (8, 4), (6, 7),
    (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

/// Returns the memory that the decoder takes for the tables and subsampled images of `content`, bytes.
///
/// # Errors
/// - `Error::Image` if the stream is damaged, or the memory is above 96 MiB.
pub(super) fn memory(content: &[u8]) -> Result<u64> {
    let mut bits = Bits { bytes: content, at: 8, memory: 0 };
    let memory = walk(&mut bits).ok_or_else(|| damaged("its lossless pixel data is invalid"))?;
    if memory > TABLES_BYTES_MAX {
        let expected = TABLES_BYTES_MAX >> 20;
        return Err(refused(format!(
            "the Huffman tables of the lossless WebP need more than {expected} MiB of memory; save it as a JPEG"
        )));
    }
    Ok(memory)
}

fn walk(bits: &mut Bits<'_>) -> Option<u64> {
    let (mut width, height) = (bits.read(14)? + 1, bits.read(14)? + 1);
    bits.read(4)?;
    let mut seen = [false; 4];
    while bits.read(1)? == 1 {
        let kind = bits.read(2)?;
        let seen = seen.get_mut(kind)?;
        if std::mem::replace(seen, true) {
            return None;
        }
        match kind {
            0 | 1 => {
                let side = bits.read(3)? + 2;
                let blocks = (width.div_ceil(1 << side), height.div_ceil(1 << side));
                bits.image(blocks.0, blocks.1)?;
            }
            3 => {
                let colours = bits.read(8)? + 1;
                bits.image(colours, 1)?;
                let packed = match colours {
                    ..=2 => 8,
                    3..=4 => 4,
                    5..=16 => 2,
                    _ => 1,
                };
                width = width.div_ceil(packed);
            }
            _ => {}
        }
    }
    let cache = bits.cache_size()?;
    let mut groups = 1;
    if bits.read(1)? == 1 {
        let side = bits.read(3)? + 2;
        let image = bits.image(width.div_ceil(1 << side), height.div_ceil(1 << side))?;
        groups = image.iter().map(|pixel| (pixel >> 8 & 0xffff) as usize + 1).max()?;
    }
    for _ in 0..groups {
        if bits.memory > TABLES_BYTES_MAX {
            break;
        }
        bits.group(cache)?;
    }
    Some(bits.memory)
}

/// Returns the number of pixels by which the distance code `distance` points back in an image of `width`
/// pixels.
fn away(distance: usize, width: usize) -> usize {
    match NEAR.get(distance - 1) {
        Some((across, up)) => (across + up * width as isize).max(1) as usize,
        None => distance - NEAR.len(),
    }
}

/// A canonical Huffman code.
struct PrefixCode {
    /// The number of words of each length, 0 to 15 bits.
    counts: [usize; 16],
    /// The symbols, sorted by word length, shortest first. A code of one symbol takes no bits.
    symbols: Vec<usize>,
}

impl PrefixCode {
    /// Creates a code of one symbol, or of two in this order.
    fn simple(symbols: Vec<usize>) -> Self {
        let mut counts = [0; 16];
        counts[1] = symbols.len();
        Self { counts, symbols }
    }

    /// Creates the code with words of these lengths; `None` unless it is complete.
    fn new(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; 16];
        for &length in lengths.iter().filter(|&&length| length > 0) {
            *counts.get_mut(length)? += 1;
        }
        let of_length = |wanted: usize| {
            lengths.iter().enumerate().filter(move |&(_, &length)| length == wanted)
        };
        let longest = counts.iter().rposition(|&count| count > 0)?;
        let symbols: Vec<usize> =
            (1..=longest).flat_map(of_length).map(|(symbol, _)| symbol).collect();
        let filled: usize = (1..=longest).map(|length| counts[length] << (longest - length)).sum();
        (symbols.len() == 1 || filled == 1 << longest).then_some(Self { counts, symbols })
    }

    fn memory(&self) -> u64 {
        if self.symbols.len() == 1 {
            return 0;
        }
        let longest = self.counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        let beside: usize = self.counts.iter().skip(TABLE_BITS + 1).sum();
        (4 << longest.min(TABLE_BITS)) + beside as u64 * NODE_BYTES * 4
    }

    fn next(&self, bits: &mut Bits<'_>) -> Option<usize> {
        if let [symbol] = self.symbols.as_slice() {
            return Some(*symbol);
        }
        let (mut word, mut first, mut index) = (0, 0, 0);
        for &count in self.counts.iter().skip(1) {
            word |= bits.read(1)?;
            if word < first + count {
                return self.symbols.get(index + word - first).copied();
            }
            index += count;
            first = (first + count) << 1;
            word <<= 1;
        }
        None
    }
}

/// A bit reader, lowest bit first. `memory` is the sum of the decoder's allocations for the parts read, bytes.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    memory: u64,
}

impl Bits<'_> {
    fn read(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for place in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Some(value)
    }

    /// Reads the number of entries of the colour cache; 0 if there is none.
    fn cache_size(&mut self) -> Option<usize> {
        if self.read(1)? == 0 {
            return Some(0);
        }
        let bits = self.read(4)?;
        (1..=11).contains(&bits).then_some(1 << bits)
    }

    fn group(&mut self, cache: usize) -> Option<[PrefixCode; 5]> {
        let [green, red, blue, alpha, distance] = ALPHABETS;
        self.memory += TREE_BYTES * 5;
        Some([
            self.code(green + cache)?,
            self.code(red)?,
            self.code(blue)?,
            self.code(alpha)?,
            self.code(distance)?,
        ])
    }

    /// Reads one Huffman code.
    fn code(&mut self, alphabet: usize) -> Option<PrefixCode> {
        if self.read(1)? == 1 {
            let two = self.read(1)? == 1;
            let wide = self.read(1)?;
            let first = self.read(1 + 7 * wide)?;
            let second = if two { Some(self.read(8)?) } else { None };
            let symbols: Vec<usize> = [Some(first), second].into_iter().flatten().collect();
            if symbols.iter().any(|&symbol| symbol >= alphabet) {
                return None;
            }
            self.memory += if two { NODE_BYTES * 4 } else { 0 };
            return Some(PrefixCode::simple(symbols));
        }
        let mut of_lengths = [0; 19];
        let count = 4 + self.read(4)?;
        for &place in LENGTHS_ORDER.get(..count)? {
            *of_lengths.get_mut(place)? = self.read(3)?;
        }
        let of_lengths = PrefixCode::new(&of_lengths)?;
        let code = PrefixCode::new(&self.lengths(&of_lengths, alphabet)?)?;
        self.memory += code.memory();
        Some(code)
    }

    /// Reads the word lengths of a code, which are themselves Huffman-coded with `code`.
    fn lengths(&mut self, code: &PrefixCode, alphabet: usize) -> Option<Vec<usize>> {
        let mut left = alphabet;
        if self.read(1)? == 1 {
            let width = 2 + 2 * self.read(3)?;
            left = 2 + self.read(width)?;
            if left > alphabet {
                return None;
            }
        }
        let (mut lengths, mut previous) = (Vec::with_capacity(alphabet), 8);
        while lengths.len() < alphabet && left > 0 {
            left -= 1;
            let symbol = code.next(self)?;
            let (value, times) = match symbol {
                16 => (previous, 3 + self.read(2)?),
                17 => (0, 3 + self.read(3)?),
                18 => (0, 11 + self.read(7)?),
                _ => (symbol, 1),
            };
            if symbol < 16 && symbol != 0 {
                previous = symbol;
            }
            lengths.extend(std::iter::repeat_n(value, times));
        }
        (lengths.len() <= alphabet).then_some(lengths)
    }

    /// Decodes a subsampled image; a pixel has alpha, red, green, blue from the highest byte down.
    fn image(&mut self, width: usize, height: usize) -> Option<Vec<u32>> {
        let size = width * height;
        self.memory += size as u64 * 4;
        let cache_size = self.cache_size()?;
        let mut cache = vec![0; cache_size];
        let [green, red, blue, alpha, distance] = self.group(cache_size)?;
        let mut pixels: Vec<u32> = Vec::with_capacity(size);
        while pixels.len() < size {
            let start = pixels.len();
            match green.next(self)? {
                literal @ 0..256 => {
                    let parts = [red.next(self)?, blue.next(self)?, alpha.next(self)?];
                    let [red, blue, alpha] = parts.map(|part| part as u32);
                    pixels.push(alpha << 24 | red << 16 | (literal as u32) << 8 | blue);
                }
                length @ 256..280 => {
                    let length = self.extended(length - 256)?;
                    let code = distance.next(self)?;
                    let back = away(self.extended(code)?, width);
                    let from = start.checked_sub(back)?;
                    if size - start < length {
                        return None;
                    }
                    for at in from..from + length {
                        pixels.push(*pixels.get(at)?);
                    }
                }
                cached => pixels.push(*cache.get(cached - 280)?),
            }
            for &pixel in pixels.iter().skip(start).take_while(|_| cache_size > 0) {
                let place = pixel.wrapping_mul(0x1e35_a7bd) >> (32 - cache_size.ilog2());
                *cache.get_mut(place as usize)? = pixel;
            }
        }
        Some(pixels)
    }

    /// Reads the extra bits of the prefix code of a length or a distance, and returns its value.
    fn extended(&mut self, code: usize) -> Option<usize> {
        if code < 4 {
            return Some(code + 1);
        }
        let extra = (code - 2) >> 1;
        Some(((2 + (code & 1)) << extra) + self.read(extra)? + 1)
    }
}
