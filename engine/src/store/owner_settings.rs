//! Notes: settings and corrections that a collection's owner makes. Notes are source data and part of the
//! collection's backups.
//!
//! Each note is one sealed row, which each write replaces completely. The module that writes a note defines
//! its content. An erasure of faces removes the erased faces from the notes.

use super::keys::{self, OwnerSetting};
use super::rocks::RowChange;
use super::{HEAD_BYTES, Store};
use crate::error::Result;

impl Store {
    /// Stores a note in place of its previous value. The note is durable when the call returns.
    pub(crate) fn put_setting(&self, note: OwnerSetting, bytes: &[u8]) -> Result<()> {
        self.rocks.write(&[self.setting_row(note, bytes)?])
    }

    pub(super) fn setting_row(&self, note: OwnerSetting, bytes: &[u8]) -> Result<RowChange> {
        let key = keys::setting(note);
        let context = keys::context(&self.collection, &key);
        Ok(RowChange::Put(key, self.records.seal(&context, bytes)?))
    }

    /// Returns the first 1,024 sealed bytes of a note, by which a residue scan finds it.
    pub(crate) fn setting_head(&self, note: OwnerSetting) -> Result<Option<Vec<u8>>> {
        let sealed = self.rocks.get(&keys::setting(note))?;
        Ok(sealed.map(|sealed| sealed.get(..HEAD_BYTES).unwrap_or(&sealed).to_vec()))
    }

    /// Returns a note, or `None` if the owner has not set it.
    ///
    /// # Errors
    ///
    /// - `Seal`: the row is damaged.
    /// - `Store`: the row cannot be read.
    pub(crate) fn setting(&self, note: OwnerSetting) -> Result<Option<Vec<u8>>> {
        let key = keys::setting(note);
        let Some(sealed) = self.rocks.get(&key)? else { return Ok(None) };
        let what = || format!("a note of collection {}", self.collection);
        self.records
            .open(&keys::context(&self.collection, &key), &sealed, what)
            .map(|plain| Some(plain.to_vec()))
    }
}
