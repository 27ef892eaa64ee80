//! Notes: what a collection's owner has said of it, kept as truth, as photos are, and in its backups.
//!
//! One sealed row for each note, replaced as a whole. What is in a note, its own room says. A note that names
//! faces is thinned out when they are erased. Knows nothing of what notes mean.

use super::keys::{self, Note};
use super::rocks::Change;
use super::{HEAD_BYTES, Store};
use crate::error::Result;

impl Store {
    /// Stores a note in place of what it was before; durable when it returns.
    pub(crate) fn put_note(&self, note: Note, bytes: &[u8]) -> Result<()> {
        self.rocks.write(&[self.note_row(note, bytes)?])
    }

    pub(super) fn note_row(&self, note: Note, bytes: &[u8]) -> Result<Change> {
        let key = keys::note(note);
        let context = keys::context(&self.collection, &key);
        Ok(Change::Put(key, self.records.seal(&context, bytes)?))
    }

    /// The first bytes of a note, sealed as they are: enough to find them by.
    pub(crate) fn note_head(&self, note: Note) -> Result<Option<Vec<u8>>> {
        let sealed = self.rocks.get(&keys::note(note))?;
        Ok(sealed.map(|sealed| sealed.get(..HEAD_BYTES).unwrap_or(&sealed).to_vec()))
    }

    /// A note, `None` while nothing was said; `Error::Seal` when it is damaged.
    pub(crate) fn note(&self, note: Note) -> Result<Option<Vec<u8>>> {
        let key = keys::note(note);
        let Some(sealed) = self.rocks.get(&key)? else { return Ok(None) };
        let what = || format!("a note of collection {}", self.collection);
        self.records
            .open(&keys::context(&self.collection, &key), &sealed, what)
            .map(|plain| Some(plain.to_vec()))
    }
}
