//! Backups of collections, sealed as they are, in a folder or a bucket that speaks S3.
//!
//! `place.rs` says what a place must do, `folder.rs` and `s3.rs` do it, `access.rs` is what opens a
//! bucket; `run.rs` and `restore.rs` fill and read one, `manifest.rs` and `segment.rs` are what lies
//! there. Knows nothing of models or matching.

mod access;
mod folder;
mod manifest;
mod place;
mod restore;
mod run;
mod s3;
mod segment;
#[cfg(test)]
mod tests;

pub use access::{S3Access, SecretText};
pub use place::{Object, Place, is_s3, open_place};
pub use restore::{Backup, Restored};
pub use run::BackedUp;

/// Whether bytes read as a manifest's clear header, and how many rows they have as a segment.
pub(crate) fn reads_as(bytes: &[u8]) -> (bool, usize) {
    let rows = segment::rows(bytes, &segment::name(bytes)).map_or(0, |rows| rows.len());
    (manifest::Header::read(bytes).is_some(), rows)
}
