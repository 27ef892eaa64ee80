//! A segment of a backup: sealed rows one after the other, named by the hash of its bytes.
//!
//! A row is its key (17 bytes), its value's length (4 bytes, little endian) and the value. Knows nothing
//! of what rows mean.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::ids::hex;
use crate::store::Key;

/// A segment is closed at this size: small enough for one request, large enough to be few.
pub(super) const SEGMENT_BYTES: usize = 16 << 20;
const TAG_BYTES: usize = 16;

/// A segment's name from its bytes.
pub(super) fn name(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(super) fn push(segment: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    segment.extend_from_slice(key);
    segment.extend_from_slice(&(value.len() as u32).to_le_bytes());
    segment.extend_from_slice(value);
}

/// The rows of a segment whose name is `expected`; `Error::Damaged` when its bytes are others.
pub(super) fn rows(bytes: &[u8], expected: &str) -> Result<Vec<(Key, Vec<u8>)>> {
    let damaged = |reason: &str| Error::Damaged {
        what: format!("segment {expected} of the backup"),
        reason: reason.to_owned(),
    };
    if name(bytes) != expected {
        return Err(damaged("its bytes have another hash"));
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

/// What tells versions of a row apart: the authentication tag at the end of its value.
pub(super) fn tag(value: &[u8]) -> Vec<u8> {
    value.get(value.len().saturating_sub(TAG_BYTES)..).unwrap_or_default().to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_and_damage_is_told() {
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
