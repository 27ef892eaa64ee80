//! Searches the memory of a process for bytes, and for vectors that are similar to an embedding: as f32, and as
//! int8 codes. Needs `/proc` and the right to read another process's memory (root, or the same user and a
//! process that allows it).

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Cosine from which a vector counts as the person's. Strangers' vectors seldom reach 0.4.
pub const SIMILAR: f32 = 0.72;
/// Size of a page. Pages of zeros are skipped.
const PAGE_BYTES: usize = 4096;
/// Length of the pieces of a file or picture that are searched for, bytes.
const PIECE_BYTES: usize = 32;

/// A copy of the writable memory of a process.
pub struct MemoryImage(Vec<Vec<u8>>);

/// The number of places that hold vectors similar to an embedding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VectorPlaces {
    pub floats: usize,
    pub codes: usize,
}

/// Named byte strings to search for.
#[derive(Default)]
pub struct Needles {
    all: Vec<(String, Vec<u8>)>,
    /// Whether a needle begins with these two bytes.
    begins: Vec<bool>,
}

impl MemoryImage {
    /// Copies the writable memory of process `id`. Returns `None` if the system does not permit it.
    pub fn of(id: u32) -> Option<Self> {
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
        let memory = File::open(format!("/proc/{id}/mem")).ok()?;
        let mut regions = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, access) = (words.next()?, words.next()?);
            let (from, to) = range.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            let (from, to) = (address(from)?, address(to)?);
            if !access.starts_with("rw") || line.ends_with("[vvar]") {
                continue;
            }
            let mut bytes = vec![0; (to - from) as usize];
            // A region may be unmapped since it was listed.
            if memory.read_exact_at(&mut bytes, from).is_ok() {
                regions.push(bytes);
            }
        }
        (!regions.is_empty()).then_some(Self(regions))
    }

    /// Returns how often each needle occurs, for needles that occur.
    pub fn find(&self, needles: &Needles) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        self.visit(|bytes, at| {
            let Some(next) = bytes.get(at + 1) else { return };
            if !needles.begins[usize::from(bytes[at]) << 8 | usize::from(*next)] {
                return;
            }
            for (name, needle) in &needles.all {
                if bytes[at..].starts_with(needle) {
                    *found.entry(name.clone()).or_insert(0) += 1;
                }
            }
        });
        found
    }

    /// Counts the vectors whose cosine to `embedding` is at least [`SIMILAR`], at any address.
    pub fn vectors(&self, embedding: &[f32]) -> VectorPlaces {
        let mut largest: Vec<usize> = (0..embedding.len()).collect();
        largest.sort_by(|a, b| embedding[*b].abs().total_cmp(&embedding[*a].abs()));
        let [a, b, c, d] = largest[..4].try_into().unwrap();
        let negative = |dim: usize| embedding[dim] < 0.0;
        let (na, nb, nc, nd) = (negative(a), negative(b), negative(c), negative(d));
        let dims = embedding.len();
        let mut places = VectorPlaces::default();
        self.visit(|bytes, at| {
            // The largest numbers of a similar vector have the same signs and are large.
            if at + dims <= bytes.len() {
                let code = |dim: usize| bytes[at + dim] as i8;
                let (first, second) = (code(a), code(b));
                if (first < -40 && na || first > 40 && !na)
                    && (second < -30 && nb || second > 30 && !nb)
                    && (code(c) < 0) == nc
                    && (code(d) < 0) == nd
                {
                    let row = bytes[at..at + dims].iter().map(|byte| f32::from(*byte as i8));
                    places.codes += usize::from(cosine(embedding, row) >= SIMILAR);
                }
            }
            if at + 4 * dims <= bytes.len() {
                // Sign, and exponent between 2^-15 and 2^6, of the numbers.
                let high = |dim: usize| bytes[at + 4 * dim + 3];
                let plausible = |dim| matches!(high(dim) & 0x7f, 0x38..=0x42);
                let signed = |dim| high(dim) & 0x80 != 0;
                if plausible(a)
                    && plausible(b)
                    && plausible(c)
                    && plausible(d)
                    && (signed(a), signed(b), signed(c), signed(d)) == (na, nb, nc, nd)
                {
                    let row = bytes[at..at + 4 * dims].as_chunks().0;
                    let row = row.iter().map(|number| f32::from_le_bytes(*number));
                    places.floats += usize::from(cosine(embedding, row) >= SIMILAR);
                }
            }
        });
        places
    }

    /// Calls `look` with each region and each offset in it, except in pages of zeros.
    fn visit(&self, mut look: impl FnMut(&[u8], usize)) {
        const ZEROS: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
        for region in &self.0 {
            let mut page = 0;
            while page < region.len() {
                let end = (page + PAGE_BYTES).min(region.len());
                if region[page..end] != ZEROS[..end - page] {
                    let mut at = page;
                    while at < end {
                        look(region, at);
                        at += 1;
                    }
                }
                page = end;
            }
        }
    }
}

impl Needles {
    /// Adds a text.
    pub fn text(&mut self, text: &str) {
        self.add(text.to_owned(), text.as_bytes());
    }

    /// Adds pieces of a file or of a picture's pixels, 64 of them if it is large enough. A piece of few different
    /// bytes is left out, because it also occurs elsewhere.
    pub fn pieces(&mut self, name: &str, bytes: &[u8]) {
        let step = (bytes.len() / 64).max(PIECE_BYTES);
        // The first piece of a JPEG is its header, which other files have too.
        for piece in bytes.chunks(step).skip(1).filter_map(|chunk| chunk.get(..PIECE_BYTES)) {
            let mut different = piece.to_vec();
            different.sort_unstable();
            different.dedup();
            if different.len() > PIECE_BYTES / 2 {
                self.add(name.to_owned(), piece);
            }
        }
    }

    fn add(&mut self, name: String, bytes: &[u8]) {
        self.begins.resize(1 << 16, false);
        self.begins[usize::from(bytes[0]) << 8 | usize::from(bytes[1])] = true;
        self.all.push((name, bytes.to_vec()));
    }
}

fn cosine(a: &[f32], b: impl Iterator<Item = f32>) -> f32 {
    let (mut dot, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    dot / (aa * bb).sqrt().max(f32::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_and_bytes_of_a_process_are_found_at_any_address() {
        let embedding: Vec<f32> =
            (0..128).map(|i: u32| ((i * i % 97) as f32 - 48.0) / 400.0).collect();
        let mut file = Vec::new();
        for number in 0..4000_u32 {
            file.extend(number.wrapping_mul(2_654_435_761).to_le_bytes());
        }
        let mut needles = Needles::default();
        needles.pieces("file", &file);
        needles.text("a most unusual name");
        // A process that holds the bytes: this one, in copies of its own.
        let similar: Vec<u8> = embedding
            .iter()
            .zip(0_u8..)
            .flat_map(|(x, i)| (x + f32::from(i % 5) * 0.004).to_le_bytes())
            .collect();
        let held = std::hint::black_box([b"x".as_slice(), &similar].concat());
        let codes: Vec<u8> = embedding.iter().map(|x| (x / 0.12 * 127.0) as i8 as u8).collect();
        let codes = std::hint::black_box([b"yyy".as_slice(), &codes].concat());
        let Some(image) = MemoryImage::of(std::process::id()) else {
            eprintln!("not tested: this system does not show the memory of a process");
            return;
        };
        let places = image.vectors(&embedding);
        assert!(places.floats >= 2 && places.codes >= 1, "{places:?}");
        let found = image.find(&needles);
        assert!(found["file"] >= 64 && found["a most unusual name"] >= 1, "{found:?}");
        drop((held, codes));
    }
}
