//! Canaries: rows of known bytes among the sealed rows. A residue scan that finds the canaries of an existing
//! collection is proved to work. After a purge, a scan must find none of the collection's canaries.
//!
//! The name and value of a canary are derived from a key that outlives the collection's data key. Without
//! this key, a canary cannot be distinguished from a sealed row.

use crate::crypto::Secret;
use crate::error::Result;

use super::keys::{self, Key};

/// Length of a canary's value: 512 bytes, the length of a short photo row, so that blocks of the log and of
/// the tables split canaries as they split photos.
const VALUE_BYTES: usize = 512;
/// Number of photos per canary. A process that opens a store and adds photos plants at least one canary.
pub(super) const PHOTOS_A_CANARY: usize = 16;

pub(super) fn key(canary_key: &Secret, number: u64) -> Result<Key> {
    let name = canary_key.stream(format!("picpick canary name {number}").as_bytes(), 16)?;
    Ok(keys::photo_named(name.first_chunk().copied().unwrap_or_default()))
}

/// Returns the value of canary `number`.
pub(crate) fn value(canary_key: &Secret, number: u64) -> Result<Vec<u8>> {
    canary_key.stream(format!("picpick canary {number}").as_bytes(), VALUE_BYTES)
}
