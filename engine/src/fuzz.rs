//! Exposes private parsers to the fuzz targets in `tests/fuzz`. Not part of the public interface.

use crate::face::Photo;
use crate::people::Corrections;
use crate::store::record;

pub use crate::index::{HnswIndex, Index};
pub use crate::people::{People, PersonFace};

/// Decodes the decrypted bytes of a photo's row; `None` if they are malformed.
pub fn read_row(bytes: &[u8]) -> Option<Photo> {
    record::decode(bytes)
}

/// Encodes a photo as the bytes of its row, not encrypted.
pub fn write_row(photo: &Photo) -> Vec<u8> {
    record::encode(photo)
}

/// Decodes the corrections to people and encodes them again; `None` if the bytes are malformed.
pub fn read_corrections(bytes: &[u8]) -> Option<Vec<u8>> {
    Corrections::from_bytes(bytes).map(|corrections| corrections.to_bytes())
}

/// Returns the number of erasures in a ledger's text that form an intact hash chain, counted from the start.
pub fn read_ledger(text: &str) -> usize {
    crate::erasure_log::erasures_in(text)
}

/// Returns whether `text` is a valid `keys.toml` of a keyring, in the current format or an older one.
pub fn read_keys(text: &str) -> bool {
    crate::crypto::is_keys_file(text)
}

/// Returns whether `bytes` are a valid clear header of a backup's manifest, and the number of their rows if
/// they are parsed as a segment.
pub fn read_backup(bytes: &[u8]) -> (bool, usize) {
    crate::backup::reads_as(bytes)
}
