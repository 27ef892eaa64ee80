//! Doors for the fuzz targets in `tests/fuzz` to what parses bytes and is not public otherwise.
//!
//! Never called by a program, and no part of the interface.

use crate::face::Photo;
use crate::people::Corrections;
use crate::store::record;

/// A photo's row as the store holds it, opened; `None` when it does not read.
pub fn read_row(bytes: &[u8]) -> Option<Photo> {
    record::decode(bytes)
}

/// The bytes of a photo's row, before they are sealed.
pub fn write_row(photo: &Photo) -> Vec<u8> {
    record::encode(photo)
}

/// What bytes say of people, as bytes again; `None` when they do not read.
pub fn read_said(bytes: &[u8]) -> Option<Vec<u8>> {
    Corrections::from_bytes(bytes).map(|said| said.to_bytes())
}

/// How many erasures of a ledger's text hold together; the rest of it does not follow.
pub fn read_ledger(text: &str) -> usize {
    crate::books::erasures_in(text)
}

/// Whether a text reads as a keyring's `keys.toml`, of this format or an older one.
pub fn read_keys(text: &str) -> bool {
    crate::crypto::reads_as_keys(text)
}

/// Whether bytes read as a backup's manifest (its clear part), and how many rows they have as a segment
/// of the name that they must have.
pub fn read_backup(bytes: &[u8]) -> (bool, usize) {
    crate::backup::reads_as(bytes)
}
