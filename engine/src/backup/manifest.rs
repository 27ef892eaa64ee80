//! A backup's manifest lists the rows of a collection at one point in time, and the segments that contain
//! them.
//!
//! The file consists of an unencrypted header and a sealed list of rows. The header allows the removal of
//! expired backups without a key; the list authenticates the header.

use serde::{Deserialize, Serialize};

use prost::Message;

use crate::crypto::Sealer;
use crate::error::{Error, Result};
use crate::ids::CollectionId;

const FORMAT: u32 = 1;

/// The unencrypted header of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestHeader {
    pub(super) format: u32,
    /// Pseudonym of the collection.
    pub(super) collection: String,
    /// Seconds since the Unix epoch.
    pub(super) created_unix_s: u64,
    /// The end of the retention time, seconds since the Unix epoch. An expired backup cannot be restored, and
    /// is removed.
    pub(super) expires_unix_s: u64,
    /// Names of the required segments, in the order of the sealed list.
    pub(super) segments: Vec<String>,
}

/// The sealed list of rows, by segment.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RowList {
    #[prost(message, repeated, tag = "1")]
    pub(super) segments: Vec<SegmentRows>,
}

/// The rows of one segment, in the segment's order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SegmentRows {
    #[prost(message, repeated, tag = "1")]
    pub(super) rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Row {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) key: Vec<u8>,
    /// The last 16 bytes of the sealed value (its authentication tag), which identify the row's version.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) tag: Vec<u8>,
    /// Whether the row belongs to this backup. A segment reused from an older backup may contain other rows.
    #[prost(bool, tag = "3")]
    pub(super) live: bool,
}

impl ManifestHeader {
    pub(super) fn new(
        collection: CollectionId,
        created_unix_s: u64,
        expires_unix_s: u64,
        segments: Vec<String>,
    ) -> Self {
        let collection = collection.to_string();
        Self { format: FORMAT, collection, created_unix_s, expires_unix_s, segments }
    }

    /// Parses the header of a manifest file. Returns `None` for other bytes or another format.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let header: Self = serde_json::from_slice(bytes.get(..end)?).ok()?;
        (header.format == FORMAT).then_some(header)
    }
}

/// Returns the content of a manifest file: header, line end, sealed rows.
pub(super) fn seal(header: &ManifestHeader, rows: &RowList, sealer: &Sealer) -> Result<Vec<u8>> {
    let header = serde_json::to_string(header)
        .map_err(|error| damaged("a backup's header", &error.to_string()))?;
    let sealed = sealer.seal(&context(header.as_bytes()), &rows.encode_to_vec())?;
    Ok([header.as_bytes(), b"\n", &sealed].concat())
}

/// Decrypts and parses a manifest file, which errors name as `what`.
///
/// # Errors
///
/// - `Damaged`: a part cannot be parsed.
/// - `Seal`: the sealer has another key, or the bytes were changed.
pub(super) fn open(bytes: &[u8], sealer: &Sealer, what: &str) -> Result<(ManifestHeader, RowList)> {
    let header =
        ManifestHeader::read(bytes).ok_or_else(|| damaged(what, "its header cannot be parsed"))?;
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (clear, sealed) = bytes.split_at_checked(end).unwrap_or_default();
    let sealed = sealed.get(1..).unwrap_or_default();
    let plain = sealer.open(&context(clear), sealed, || what.to_owned())?;
    let rows =
        RowList::decode(plain.as_slice()).map_err(|error| damaged(what, &error.to_string()))?;
    if rows.segments.len() != header.segments.len() {
        return Err(damaged(what, "its header and its rows differ in their number of segments"));
    }
    Ok((header, rows))
}

fn context(header: &[u8]) -> Vec<u8> {
    [b"picpick backup manifest\n".as_slice(), header].concat()
}

fn damaged(what: &str, reason: &str) -> Error {
    Error::Damaged { what: what.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;

    #[test]
    fn a_manifest_opens_with_its_key_and_whole_only() {
        let sealer = Sealer::new(Secret::random().unwrap());
        let header = ManifestHeader::new(CollectionId([3; 16]), 5, 9, vec!["ab".into()]);
        let row = Row { key: vec![1; 17], tag: vec![2; 16], live: true };
        let rows = RowList { segments: vec![SegmentRows { rows: vec![row] }] };
        let bytes = seal(&header, &rows, &sealer).unwrap();
        assert_eq!(open(&bytes, &sealer, "it").unwrap(), (header.clone(), rows));
        assert_eq!(ManifestHeader::read(&bytes), Some(header));
        for i in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[i] ^= 1;
            assert!(open(&changed, &sealer, "it").is_err(), "byte {i}");
            assert!(open(&bytes[..i], &sealer, "it").is_err(), "cut at {i}");
        }
        let other = Sealer::new(Secret::random().unwrap());
        assert!(matches!(open(&bytes, &other, "it"), Err(Error::Seal { .. })));
    }
}
