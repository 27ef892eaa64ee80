//! The residue scanner: a multi-pattern search for known bytes in the raw files of a folder.
//!
//! Each piece of data to search for is split into patterns of 16 bytes. A write-ahead log splits values over
//! its blocks, so one long pattern would miss split values. A bit array (a Bloom filter with one hash
//! function) rejects nearly all positions before the lookup in the hash table.

use rayon::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::fs::posix_locks;

/// Length of a pattern: 16 bytes, so that no file contains a pattern by chance (2^-128 per position).
const PATTERN_BYTES: usize = 16;
/// Size of a read: 1 MiB.
const BLOCK_BYTES: usize = 1 << 20;
/// Size of the prefilter: 2^22 bits (512 KiB), which fit in a core's cache. Must be a power of two.
const PREFILTER_BITS: usize = 1 << 22;

/// A set of patterns to search for.
pub(crate) struct PatternSet {
    /// Number of the piece to which each pattern belongs.
    patterns: HashMap<[u8; PATTERN_BYTES], u32>,
    prefilter: Vec<u64>,
    pieces: u32,
}

/// The result of a scan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scan {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    /// Number of patterns searched for.
    pub(crate) patterns: u64,
    /// The number of each piece of which a pattern was found, and the file that contains the pattern.
    pub(crate) found: BTreeSet<(u32, PathBuf)>,
    /// Files and folders that could not be read.
    pub(crate) unreadable: Vec<PathBuf>,
}

impl Default for PatternSet {
    fn default() -> Self {
        Self::new()
    }
}

impl PatternSet {
    pub(crate) fn new() -> Self {
        Self { patterns: HashMap::new(), prefilter: vec![0; PREFILTER_BITS / 64], pieces: 0 }
    }

    /// Adds a piece of data and returns its number. Bytes that do not fill a pattern of 16 bytes are not
    /// searched for.
    pub(crate) fn add(&mut self, piece: &[u8]) -> u32 {
        let number = self.pieces;
        self.pieces += 1;
        for window in piece.as_chunks::<PATTERN_BYTES>().0 {
            // A pattern of equal bytes, such as zeros, occurs in every file and proves nothing.
            if window.iter().any(|byte| *byte != window[0]) {
                self.patterns.insert(*window, number);
                let (word, bit) = prefilter_bit(prefilter_key(window));
                if let Some(word) = self.prefilter.get_mut(word) {
                    *word |= bit;
                }
            }
        }
        number
    }

    /// Returns the number of the piece to which the pattern `bytes` belongs.
    fn matching_piece(&self, bytes: &[u8; PATTERN_BYTES]) -> Option<u32> {
        let (word, bit) = prefilter_bit(prefilter_key(bytes));
        let maybe = self.prefilter.get(word).is_some_and(|word| word & bit != 0);
        if maybe { self.patterns.get(bytes).copied() } else { None }
    }

    /// Scans as [`PatternSet::scan`] does, and requires that every file was read: a receipt must not count an
    /// unread file as free of residue.
    ///
    /// # Errors
    /// - `Error::Io`: a file or folder could not be read.
    pub(crate) fn scan_all(&self, folder: &Path) -> Result<Scan> {
        let scan = self.scan(folder);
        match scan.unreadable.first() {
            Some(path) => Err(Error::io("scan", path, std::io::ErrorKind::PermissionDenied.into())),
            None => Ok(scan),
        }
    }

    /// Scans every regular file at and below `folder` on all cores. Does not follow links.
    pub(crate) fn scan(&self, folder: &Path) -> Scan {
        let mut scan = Scan { patterns: self.patterns.len() as u64, ..Scan::default() };
        let mut files = Vec::new();
        list(folder, &mut files, &mut scan.unreadable);
        let results: Vec<_> =
            files.into_par_iter().map(|path| (self.scan_file(&path), path)).collect();
        for (result, path) in results {
            match result {
                Ok((bytes, found)) => {
                    (scan.files, scan.bytes) = (scan.files + 1, scan.bytes + bytes);
                    scan.found.extend(found.into_iter().map(|piece| (piece, path.clone())));
                }
                // Another process removed the file after it was listed.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => scan.unreadable.push(path),
            }
        }
        scan
    }

    /// Scans one file. Returns its size and the numbers of the pieces found.
    fn scan_file(&self, path: &Path) -> std::io::Result<(u64, BTreeSet<u32>)> {
        let (mut total, mut found) = (0, BTreeSet::new());
        // An empty file is not opened: it contains nothing, and it may be the lock file of an open store,
        // whose lock would be released on closing (see `posix_locks.rs`).
        if path.symlink_metadata()?.len() == 0 {
            return Ok((total, found));
        }
        let file = posix_locks::open(path)?;
        let (mut block, mut carried) = (vec![0; BLOCK_BYTES], 0);
        loop {
            let read = file.read_at(block.get_mut(carried..).unwrap_or_default(), total)?;
            if read == 0 {
                return Ok((total, found));
            }
            total += read as u64;
            let length = carried + read;
            let seen = block.get(..length).unwrap_or_default();
            let windows = seen.windows(PATTERN_BYTES).filter_map(|window| window.first_chunk());
            found.extend(windows.filter_map(|window| self.matching_piece(window)));
            // The last 15 bytes are carried over, because a pattern may cross the end of the block.
            carried = length.min(PATTERN_BYTES - 1);
            block.copy_within(length - carried..length, 0);
        }
    }
}

/// Returns the first 8 bytes of a pattern, the prefilter's key.
fn prefilter_key(window: &[u8; PATTERN_BYTES]) -> u64 {
    window.first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}

/// Returns the prefilter's word index and bit for a key.
fn prefilter_bit(head: u64) -> (usize, u64) {
    // The high bits of a product mix all input bits (Knuth's multiplicative hashing).
    let hash = head.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let bit = hash as usize % PREFILTER_BITS;
    (bit / 64, 1 << (bit % 64))
}

/// Collects the regular files at and below `path`.
fn list(path: &Path, files: &mut Vec<PathBuf>, unreadable: &mut Vec<PathBuf>) {
    if let Err(error) = try_list(path, files, unreadable) {
        // Another process may have removed the path after its folder was listed.
        if error.kind() != std::io::ErrorKind::NotFound {
            unreadable.push(path.to_path_buf());
        }
    }
}

fn try_list(
    path: &Path,
    files: &mut Vec<PathBuf>,
    unreadable: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    let found = std::fs::symlink_metadata(path)?;
    if found.is_file() {
        files.push(path.to_path_buf());
    } else if found.is_dir() {
        for entry in std::fs::read_dir(path)? {
            list(&entry?.path(), files, unreadable);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, length: usize) -> Vec<u8> {
        let mut state = seed;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..length).map(byte).collect()
    }

    #[test]
    fn a_pattern_is_found_at_every_offset_and_across_reads() {
        let folder = tempfile::tempdir().unwrap();
        let piece = noise(1, 64);
        let mut patterns = PatternSet::new();
        let number = patterns.add(&piece);
        for at in [0, 1, 7, BLOCK_BYTES - 40, BLOCK_BYTES - 16, BLOCK_BYTES - 1, BLOCK_BYTES] {
            let file = folder.path().join(format!("{at}"));
            let mut bytes = noise(9, at);
            // As in a write-ahead log: the value is split in two parts with a header between them.
            bytes.extend_from_slice(&piece[..23]);
            bytes.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7]);
            bytes.extend_from_slice(&piece[23..]);
            bytes.extend(noise(8, 100));
            std::fs::write(&file, bytes).unwrap();
        }
        let scan = patterns.scan(folder.path());
        assert_eq!((scan.files, scan.found.len(), scan.patterns), (7, 7, 4), "{scan:?}");
        assert!(scan.found.iter().all(|(piece, _)| *piece == number));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_evidence() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), noise(3, 5_000)).unwrap();
        let mut patterns = PatternSet::new();
        patterns.add(&noise(4, 512));
        assert_eq!(patterns.scan_all(folder.path()).unwrap().files, 1);
        // A name that is too long for the file system cannot be examined, also by root.
        let long = folder.path().join("x".repeat(300));
        assert_eq!(patterns.scan(&long).unreadable, std::slice::from_ref(&long));
        assert!(matches!(patterns.scan_all(&long), Err(Error::Io { .. })));
        // A path that another process removes during the scan is no error.
        assert_eq!(patterns.scan_all(&folder.path().join("gone")).unwrap().files, 0);
    }

    #[test]
    fn no_pattern_is_found_in_other_data() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/a"), noise(3, 5_000_000)).unwrap();
        std::fs::write(folder.path().join("zeros"), vec![0; 100_000]).unwrap();
        let mut patterns = PatternSet::new();
        for seed in 0..2000 {
            patterns.add(&noise(1000 + seed, 512));
        }
        patterns.add(&[0; 64]);
        let scan = patterns.scan(folder.path());
        assert!(scan.found.is_empty() && scan.unreadable.is_empty());
        assert_eq!((scan.files, scan.bytes), (2, 5_100_000));
    }
}
