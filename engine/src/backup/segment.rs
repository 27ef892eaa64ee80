//! A segment of a backup: a sequence of sealed rows, named by the SHA-256 of its bytes.
//!
//! A row is encoded as its key (17 bytes), the length of its value (4 bytes, little endian), and the value.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::store::Key;

/// Size at which a segment is closed: 16 MiB. The object store uploads a segment of this size in a few
/// requests, and 1 GiB of rows needs only 64 segments.
pub(super) const SEGMENT_BYTES: usize = 16 << 20;
const TAG_BYTES: usize = 16;

/// Returns the name of a segment with these bytes.
pub(super) fn name(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Appends a row to a segment.
pub(super) fn push(segment: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    segment.extend_from_slice(key);
    segment.extend_from_slice(&(value.len() as u32).to_le_bytes());
    segment.extend_from_slice(value);
}

/// Decodes the rows of the segment named `expected`.
///
/// # Errors
///
/// - `Damaged`: the SHA-256 of the bytes is not `expected`, or the bytes end within a row.
pub(super) fn rows(bytes: &[u8], expected: &str) -> Result<Vec<(Key, Vec<u8>)>> {
    let damaged = |reason: &str| Error::Damaged {
        what: format!("segment {expected} of the backup"),
        reason: reason.to_owned(),
    };
    if name(bytes) != expected {
        return Err(damaged("its SHA-256 does not match its name"));
    }
    let (mut rest, mut all) = (bytes, Vec::new());
    while !rest.is_empty() {
        let row = take(&mut rest).ok_or_else(|| damaged("it ends within a row"))?;
        all.push(row);
    }
    Ok(all)
}

fn take(rest: &mut &[u8]) -> Option<(Key, Vec<u8>)> {
    let (key, after) = rest.split_first_chunk::<17>()?;
    let (length, after) = after.split_first_chunk::<4>()?;
    let (value, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = after;
    Some((*key, value.to_vec()))
}

/// Returns the authentication tag at the end of a row's sealed value, which identifies the row's version.
pub(super) fn tag(value: &[u8]) -> Vec<u8> {
    value.get(value.len().saturating_sub(TAG_BYTES)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_round_trip_and_damage_is_an_error() {
        let mut segment = Vec::new();
        push(&mut segment, &[1; 17], b"one");
        push(&mut segment, &[2; 17], b"");
        let name = name(&segment);
        let expected = vec![([1; 17], b"one".to_vec()), ([2; 17], Vec::new())];
        assert_eq!(rows(&segment, &name).unwrap(), expected);
        for i in 0..segment.len() {
            let mut changed = segment.clone();
            changed[i] ^= 1;
            assert!(rows(&changed, &name).is_err());
            let cut = &segment[..i];
            assert!(rows(cut, &name).is_err());
            let whole = i == 0 || i == 24;
            assert_eq!(rows(cut, &super::name(cut)).is_ok(), whole, "cut at {i}");
        }
    }
}
