//! The rows of remembered camera frames (`collection/frames.rs`): the name of a row is an HMAC of the frame's
//! digest, and its value the sealed time and print. Not in backups, as the guests are not.

use super::Store;
use super::keys::{self, RowKind};
use super::rocks::RowChange;
use crate::error::Result;
use crate::liveness::{PRINT_WORDS, PrintBits};

/// A remembered frame.
#[derive(Clone, Copy)]
pub(crate) struct FrameRow {
    /// The HMAC of the frame's digest.
    pub(crate) name: [u8; 16],
    /// The time of the challenge, seconds since the Unix epoch.
    pub(crate) at_unix_s: u64,
    /// The perceptual print.
    pub(crate) bits: PrintBits,
}

impl Store {
    /// Returns the name of a frame's row.
    pub(crate) fn frame_name(&self, digest: &[u8; 32]) -> Result<[u8; 16]> {
        self.names.name(&[b"frame ".as_slice(), digest].concat())
    }

    /// Writes and deletes rows of frames in one write, which is durable when the call returns.
    pub(crate) fn change_frames(&self, put: &[FrameRow], gone: &[[u8; 16]]) -> Result<()> {
        let mut changes = Vec::with_capacity(put.len() + gone.len());
        for row in put {
            let key = keys::frame_named(row.name);
            let words = std::iter::once(row.at_unix_s).chain(row.bits);
            let plain: Vec<u8> = words.flat_map(u64::to_be_bytes).collect();
            let sealed = self.frames.seal(&keys::context(&self.collection, &key), &plain)?;
            changes.push(RowChange::Put(key, sealed));
        }
        changes.extend(gone.iter().map(|name| RowChange::Delete(keys::frame_named(*name))));
        self.rocks.write(&changes)
    }

    /// Returns all remembered frames. Leaves out rows that cannot be read: a lost frame can be used once more.
    pub(crate) fn frame_rows(&self) -> Result<Vec<FrameRow>> {
        let mut rows = Vec::new();
        self.rocks.scan(keys::range(RowKind::Frame), |key, sealed| {
            let what = || format!("a frame's row of collection {}", self.collection);
            let opened = self.frames.open(&keys::context(&self.collection, key), sealed, what);
            rows.extend(opened.ok().and_then(|plain| decode(key, &plain)));
        })?;
        Ok(rows)
    }
}

fn decode(key: &[u8], plain: &[u8]) -> Option<FrameRow> {
    let (words, []) = plain.as_chunks::<8>() else { return None };
    let (at, bits) = words.split_first()?;
    let bits: [[u8; 8]; PRINT_WORDS] = bits.try_into().ok()?;
    Some(FrameRow {
        name: key.get(1..)?.try_into().ok()?,
        at_unix_s: u64::from_be_bytes(*at),
        bits: bits.map(u64::from_be_bytes),
    })
}
