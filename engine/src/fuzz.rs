//! Doors for the fuzz targets in `tests/fuzz` to what parses bytes and is not public otherwise.
//!
//! Never called by a program, and no part of the interface.

use crate::face::Photo;
use crate::store::record;

/// A photo's row as the store holds it, opened; `None` when it does not read.
pub fn read_row(bytes: &[u8]) -> Option<Photo> {
    record::decode(bytes)
}

/// The bytes of a photo's row, before they are sealed.
pub fn write_row(photo: &Photo) -> Vec<u8> {
    record::encode(photo)
}
