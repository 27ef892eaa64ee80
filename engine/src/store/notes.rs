//! Notes: what a collection's owner has said of it, kept as truth, as photos are, and in its backups.
//!
//! One sealed row for each note, replaced as a whole. What is in a note, its own room says. A note that names
//! faces is thinned out when they are erased. Knows nothing of what notes mean.

use super::Store;
use super::keys::{self, Note};
use super::rocks::Change;
use crate::error::Result;

impl Store {
    /// Stores a note in place of what it was before; durable when it returns.
    pub(crate) fn put_note(&self, note: Note, bytes: &[u8]) -> Result<()> {
        let key = keys::note(note);
        let context = keys::context(&self.collection, &key);
        self.rocks.write(&[Change::Put(key, self.records.seal(&context, bytes)?)])
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
