//! Canaries: rows of known bytes among the sealed rows. A residue scan that finds them in a live collection
//! proves that it works; after a purge it must find none.
//!
//! Name and value are derived from a key that outlives the collection's data key. Without that key, a canary
//! looks like any sealed row.

use crate::crypto::Secret;
use crate::error::Result;

use super::keys::{self, Key};

/// Length of a canary's value: that of a small photo's row, so that log and table blocks split both alike.
const VALUE_BYTES: usize = 512;
/// Photos per canary. Each opening of a store that adds photos plants at least one canary.
pub(super) const PHOTOS_A_CANARY: usize = 16;

pub(super) fn key(canary_key: &Secret, number: u64) -> Result<Key> {
    let name = canary_key.stream(format!("picpick canary name {number}").as_bytes(), 16)?;
    Ok(keys::photo_named(name.first_chunk().copied().unwrap_or_default()))
}

/// Returns the value of canary `number`.
pub(crate) fn value(canary_key: &Secret, number: u64) -> Result<Vec<u8>> {
    canary_key.stream(format!("picpick canary {number}").as_bytes(), VALUE_BYTES)
}
