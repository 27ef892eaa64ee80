//! Backups of collections, sealed as they are, in a place for objects.
//!
//! `run.rs` and `restore.rs` fill and read one, `manifest.rs` and `segment.rs` are what lies there. Knows
//! nothing of models or matching, and not what a place is made of.

mod manifest;
mod restore;
mod run;
mod segment;

pub use restore::{Backup, Restored};
pub use run::BackedUp;

/// Whether bytes read as a manifest's clear header, and how many rows they have as a segment.
pub(crate) fn reads_as(bytes: &[u8]) -> (bool, usize) {
    let rows = segment::rows(bytes, &segment::name(bytes)).map_or(0, |rows| rows.len());
    (manifest::Header::read(bytes).is_some(), rows)
}
