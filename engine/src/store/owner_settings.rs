//! Notes: settings and corrections made by a collection's owner. They are source data and part of its
//! backups.
//!
//! Each note is one sealed row, replaced as a whole; its content is defined by the module that writes it.
//! When faces are erased, a note that names them is rewritten without them.

use super::keys::{self, Note};
use super::rocks::Change;
use super::{HEAD_BYTES, Store};
use crate::error::Result;

impl Store {
    /// Stores a note, replacing its previous value. The note is durable when the call returns.
    pub(crate) fn put_note(&self, note: Note, bytes: &[u8]) -> Result<()> {
        self.rocks.write(&[self.note_row(note, bytes)?])
    }

    pub(super) fn note_row(&self, note: Note, bytes: &[u8]) -> Result<Change> {
        let key = keys::note(note);
        let context = keys::context(&self.collection, &key);
        Ok(Change::Put(key, self.records.seal(&context, bytes)?))
    }

    /// Returns the first 1,024 sealed bytes of a note, by which a residue scan finds it.
    pub(crate) fn note_head(&self, note: Note) -> Result<Option<Vec<u8>>> {
        let sealed = self.rocks.get(&keys::note(note))?;
        Ok(sealed.map(|sealed| sealed.get(..HEAD_BYTES).unwrap_or(&sealed).to_vec()))
    }

    /// Returns a note, or `None` if the owner has not set it. Errors: `Seal` if it is damaged.
    pub(crate) fn note(&self, note: Note) -> Result<Option<Vec<u8>>> {
        let key = keys::note(note);
        let Some(sealed) = self.rocks.get(&key)? else { return Ok(None) };
        let what = || format!("a note of collection {}", self.collection);
        self.records
            .open(&keys::context(&self.collection, &key), &sealed, what)
            .map(|plain| Some(plain.to_vec()))
    }
}
