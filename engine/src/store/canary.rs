//! Canaries: rows of known bytes planted among the sealed ones, so that a scan can prove what it finds.
//!
//! Name and value follow from a key that outlives the collection's data key; without it they look like
//! any sealed row. Knows nothing of RocksDB or of scanning.

use crate::crypto::Secret;
use crate::error::Result;

use super::keys::{self, Key};

/// As long as the row of a small photo: cut by blocks of logs and tables as those are.
const VALUE_BYTES: usize = 512;
/// One canary for so many photos, and one at least for each opening of a store that adds any.
pub(super) const PHOTOS_A_CANARY: usize = 16;

pub(super) fn key(canary_key: &Secret, number: u64) -> Result<Key> {
    let name = canary_key.stream(format!("picpick canary name {number}").as_bytes(), 16)?;
    Ok(keys::photo_named(name.first_chunk().copied().unwrap_or_default()))
}

/// The value of canary `number`.
pub(crate) fn value(canary_key: &Secret, number: u64) -> Result<Vec<u8>> {
    canary_key.stream(format!("picpick canary {number}").as_bytes(), VALUE_BYTES)
}
