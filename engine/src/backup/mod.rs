//! Backups of collections in an object store, as sealed rows. A backup consists of a manifest and segments.

mod manifest;
mod restore;
mod run;
mod segment;

pub use restore::{Backup, RestoreSummary};
pub use run::BackupSummary;

/// Returns whether `bytes` parse as a manifest's header, and the number of rows if they parse as a segment;
/// for fuzzing.
pub(crate) fn reads_as(bytes: &[u8]) -> (bool, usize) {
    let rows = segment::rows(bytes, &segment::name(bytes)).map_or(0, |rows| rows.len());
    (manifest::ManifestHeader::read(bytes).is_some(), rows)
}
