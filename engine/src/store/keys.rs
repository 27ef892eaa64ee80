//! The row kinds of a collection's store, and the format of their keys.
//!
//! A key is one kind byte and a 16-byte name. The name of a photo is an HMAC under the collection's key, so
//! that the row's key does not reveal the photo.

use crate::crypto::RowNames;
use crate::error::Result;
use crate::ids::{CollectionId, PhotoId};

use crate::format_version::ROW_FORMAT;

/// The row kinds of a store.
///
/// | kind | name | value |
/// |---|---|---|
/// | 0x01 | zeros | format number, not sealed, so that a newer format is rejected before any key is used |
/// | 0x02 | zeros | progress of canaries and erasures (`recovery_state.rs`), sealed |
/// | 0x10 | HMAC of the photo id | one photo with its faces, sealed |
/// | 0x10 | name of a canary | known bytes for the residue scanner (`canary.rs`) |
/// | 0x11 | note kind | a setting or correction made by the owner (`owner_settings.rs`), sealed |
/// | 0x12 | HMAC of the suppression id | a person whose faces are not shown (`suppressions.rs`), sealed |
/// | 0x20 | blob kind, chunk number | a chunk of derived state (index, people), sealed |
/// | 0x30 | HMAC of the guest id | a guest (`guests.rs`), sealed; not in backups: guests can verify again |
/// | 0x31 | HMAC of a camera frame's digest | time and print of the frame (`frames.rs`), sealed; not in backups |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RowKind {
    Format = 0x01,
    State = 0x02,
    Photo = 0x10,
    Note = 0x11,
    Suppression = 0x12,
    Blob = 0x20,
    Guest = 0x30,
    Frame = 0x31,
}

/// Derived state, stored only to start faster. It can always be rebuilt from the photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum DerivedState {
    Index = 1,
    People = 2,
}

/// Settings and corrections that the owner of a collection makes: source data, which cannot be rebuilt from
/// other rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OwnerSetting {
    /// Corrections of people: must-link and cannot-link constraints, and hidden people.
    People = 1,
    /// The offset added to the matching threshold.
    Matching = 2,
}

pub(crate) type Key = [u8; 17];

pub(crate) fn format() -> Key {
    key(RowKind::Format, [0; 16])
}

pub(crate) fn state() -> Key {
    key(RowKind::State, [0; 16])
}

pub(crate) fn photo(names: &RowNames, id: &PhotoId) -> Result<Key> {
    Ok(photo_named(names.name(&id.0)?))
}

/// Returns the key of the photo row with this name.
pub(crate) fn photo_named(name: [u8; 16]) -> Key {
    key(RowKind::Photo, name)
}

/// Returns the key of the guest row with this name.
pub(crate) fn guest_named(name: [u8; 16]) -> Key {
    key(RowKind::Guest, name)
}

/// Returns the key of the suppression row with this name.
pub(crate) fn suppression_named(name: [u8; 16]) -> Key {
    key(RowKind::Suppression, name)
}

/// Returns the key of the frame row with this name.
pub(crate) fn frame_named(name: [u8; 16]) -> Key {
    key(RowKind::Frame, name)
}

pub(crate) fn setting(note: OwnerSetting) -> Key {
    let mut name = [0; 16];
    name[0] = note as u8;
    key(RowKind::Note, name)
}

pub(crate) fn blob(blob: DerivedState, chunk: u32) -> Key {
    let mut name = [0; 16];
    name[0] = blob as u8;
    name[12..].copy_from_slice(&chunk.to_be_bytes());
    key(RowKind::Blob, name)
}

/// Returns the key range that a backup contains: state, photos, canaries, notes and
/// suppressions. Excludes the format number, derived state and guests.
pub(crate) fn truth() -> ([u8; 1], [u8; 1]) {
    ([RowKind::State as u8], [RowKind::Blob as u8])
}

/// Returns the key range of a kind: the kind byte, and the byte after it as the exclusive end.
pub(crate) fn range(kind: RowKind) -> ([u8; 1], [u8; 1]) {
    ([kind as u8], [kind as u8 + 1])
}

/// Returns the bytes that a row's seal authenticates besides its value: collection ‖ key ‖ row format.
pub(crate) fn context(collection: &CollectionId, key: &[u8]) -> Vec<u8> {
    [collection.0.as_slice(), key, &ROW_FORMAT.to_be_bytes()].concat()
}

fn key(kind: RowKind, name: [u8; 16]) -> Key {
    let mut key = [kind as u8; 17];
    key[1..].copy_from_slice(&name);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;

    #[test]
    fn keys_stay_in_their_kind_and_hide_the_id() {
        let names = RowNames::new(Secret::from_bytes(&[1; 32]).unwrap());
        let id = PhotoId([9; 16]);
        let key = photo(&names, &id).unwrap();
        let (from, to) = range(RowKind::Photo);
        assert!(key.as_slice() >= from.as_slice() && key.as_slice() < to.as_slice());
        assert_ne!(key[1..], id.0);
        assert_ne!(blob(DerivedState::Index, 1), blob(DerivedState::Index, 2));
        assert_ne!(blob(DerivedState::Index, 1), blob(DerivedState::People, 1));
        let (from, to) = truth();
        let note = setting(OwnerSetting::People);
        assert!(note.as_slice() >= from.as_slice() && note.as_slice() < to.as_slice());
    }
}
