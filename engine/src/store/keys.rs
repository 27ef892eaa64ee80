//! The key table: which row kinds a collection's store has, and how their keys are built.
//!
//! A key is one kind byte and a 16-byte name. Names of photos come from an HMAC under the
//! collection's key, so no key tells which photo it holds. Knows nothing of values or RocksDB.

use crate::crypto::RowNames;
use crate::error::Result;
use crate::ids::{CollectionId, PhotoId};

use super::version::ROW_FORMAT;

/// | kind | name | value |
/// |---|---|---|
/// | 0x01 | zeros | format number, plain: readable without a key, so that refusal comes first |
/// | 0x02 | zeros | how far planting and erasing have come (`state.rs`), sealed |
/// | 0x10 | HMAC of the photo id | one photo with its faces, sealed |
/// | 0x10 | name of a canary | known bytes for the residue scanner (`canary.rs`) |
/// | 0x11 | note kind | what the owner has said of the collection (`notes.rs`), sealed |
/// | 0x20 | blob kind, chunk number | a piece of derived state (index, people), sealed |
/// | 0x30 | HMAC of the guest id | a guest (`guests.rs`), sealed; in no backup, for guests can show their face again |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Format = 0x01,
    State = 0x02,
    Photo = 0x10,
    Note = 0x11,
    Blob = 0x20,
    Guest = 0x30,
}

/// Derived state kept in the store only to start faster; always rebuildable from photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Blob {
    Index = 1,
    People = 2,
}

/// What the owner of a collection has said of it: truth, which nothing else can rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Note {
    /// Who is one person, who are two, and who is not to be listed.
    People = 1,
    /// How much stricter than usual faces are matched.
    Matching = 2,
}

pub(crate) type Key = [u8; 17];

pub(crate) fn format() -> Key {
    key(Kind::Format, [0; 16])
}

pub(crate) fn state() -> Key {
    key(Kind::State, [0; 16])
}

pub(crate) fn photo(names: &RowNames, id: &PhotoId) -> Result<Key> {
    Ok(photo_named(names.name(&id.0)?))
}

/// The key of the photo row with this name.
pub(crate) fn photo_named(name: [u8; 16]) -> Key {
    key(Kind::Photo, name)
}

/// The key of the guest's row with this name.
pub(crate) fn guest_named(name: [u8; 16]) -> Key {
    key(Kind::Guest, name)
}

pub(crate) fn note(note: Note) -> Key {
    let mut name = [0; 16];
    name[0] = note as u8;
    key(Kind::Note, name)
}

pub(crate) fn blob(blob: Blob, chunk: u32) -> Key {
    let mut name = [0; 16];
    name[0] = blob as u8;
    name[12..].copy_from_slice(&chunk.to_be_bytes());
    key(Kind::Blob, name)
}

/// The range of everything that is not derived and not the format: what a backup holds.
pub(crate) fn truth() -> ([u8; 1], [u8; 1]) {
    ([Kind::State as u8], [Kind::Blob as u8])
}

/// The first and one past the last key of a kind.
pub(crate) fn range(kind: Kind) -> ([u8; 1], [u8; 1]) {
    ([kind as u8], [kind as u8 + 1])
}

/// What a row's seal authenticates besides its value: collection ‖ key ‖ row format.
pub(crate) fn context(collection: &CollectionId, key: &[u8]) -> Vec<u8> {
    [collection.0.as_slice(), key, &ROW_FORMAT.to_be_bytes()].concat()
}

fn key(kind: Kind, name: [u8; 16]) -> Key {
    let mut key = [kind as u8; 17];
    key[1..].copy_from_slice(&name);
    key
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::Secret;

    #[test]
    fn keys_stay_in_their_kind_and_hide_the_id() {
        let names = RowNames::new(Secret::from_bytes(&[1; 32]).unwrap());
        let id = PhotoId([9; 16]);
        let key = photo(&names, &id).unwrap();
        let (from, to) = range(Kind::Photo);
        assert!(key.as_slice() >= from.as_slice() && key.as_slice() < to.as_slice());
        assert_ne!(key[1..], id.0);
        assert_ne!(blob(Blob::Index, 1), blob(Blob::Index, 2));
        assert_ne!(blob(Blob::Index, 1), blob(Blob::People, 1));
        let (from, to) = truth();
        let note = note(Note::People);
        assert!(note.as_slice() >= from.as_slice() && note.as_slice() < to.as_slice());
    }
}
