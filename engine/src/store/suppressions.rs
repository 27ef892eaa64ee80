//! The rows of suppressions: the template of a person whose faces are not shown, and the hidden faces.
//!
//! A row is sealed under the subkey of guests, has an HMAC as its name, and is part of backups, so that a
//! restored collection shows none of the hidden faces.

use prost::Message;

use super::Store;
use super::keys::{self, Key, RowKind};
use super::rocks::RowChange;
use crate::error::{Error, Result};
use crate::ids::{FaceId, PhotoId, SuppressionId};
use crate::suppression::{Suppression, SuppressionKind};
use crate::template::Template;

#[derive(Clone, PartialEq, Message)]
struct SuppressionRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bool, tag = "2")]
    opt_out: bool,
    #[prost(float, repeated, tag = "3")]
    embedding: Vec<f32>,
    #[prost(float, tag = "4")]
    quality: f32,
    #[prost(uint64, tag = "5")]
    pictures: u64,
    #[prost(string, tag = "6")]
    pack: String,
    #[prost(message, repeated, tag = "7")]
    faces: Vec<HiddenFace>,
    #[prost(uint64, tag = "8")]
    omitted: u64,
}

#[derive(Clone, PartialEq, Message)]
struct HiddenFace {
    #[prost(bytes = "vec", tag = "1")]
    face: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    photo: Vec<u8>,
}

impl Store {
    /// Stores suppressions in one atomic batch, replacing rows with the same ids. The rows are durable when
    /// the call returns.
    pub(crate) fn put_suppressions<'a>(
        &self,
        all: impl Iterator<Item = &'a Suppression>,
    ) -> Result<()> {
        let rows = all.map(|one| self.suppression_row(one)).collect::<Result<Vec<_>>>()?;
        if rows.is_empty() { Ok(()) } else { self.rocks.write(&rows) }
    }

    /// Deletes a suppression. The deletion is durable when the call returns; the old bytes stay in the files
    /// until `rewrite`.
    pub(crate) fn delete_suppression(&self, id: &SuppressionId) -> Result<()> {
        let key = keys::suppression_named(self.suppression_name(id)?);
        self.rocks.write(&[RowChange::Delete(key)])
    }

    /// Replaces all suppressions by those of another store of the same collection.
    pub(crate) fn copy_suppressions(&self, of: &Store) -> Result<()> {
        for stale in self.suppressions()? {
            self.delete_suppression(&stale.id)?;
        }
        self.put_suppressions(of.suppressions()?.iter())
    }

    /// Returns all suppressions.
    ///
    /// # Errors
    ///
    /// - `Seal`, `Damaged`: a row is damaged. It is not left out, because its faces would be shown.
    /// - `Store`: the rows cannot be read.
    pub(crate) fn suppressions(&self) -> Result<Vec<Suppression>> {
        let (mut all, mut failed) = (Vec::new(), None);
        self.rocks.scan(keys::range(RowKind::Suppression), |key, sealed| {
            match self.open_suppression(key, sealed) {
                Ok(suppression) => all.push(suppression),
                Err(error) => failed = Some(error),
            }
        })?;
        failed.map_or(Ok(all), Err)
    }

    /// Returns the suppression under `key`, or `None` if there is no such row.
    ///
    /// # Errors
    ///
    /// - `Seal`, `Damaged`: the row is damaged.
    /// - `Store`: the row cannot be read.
    pub(crate) fn suppression_by_key(&self, key: &Key) -> Result<Option<Suppression>> {
        self.rocks.get(key)?.map(|sealed| self.open_suppression(key, &sealed)).transpose()
    }

    /// Returns the name of a suppression's row.
    pub(crate) fn suppression_name(&self, id: &SuppressionId) -> Result<[u8; 16]> {
        self.names.name(&[b"suppression ".as_slice(), &id.0].concat())
    }

    /// Returns the key of the suppression row with this name.
    pub(crate) fn suppression_key(name: [u8; 16]) -> Key {
        keys::suppression_named(name)
    }

    pub(super) fn suppression_row(&self, suppression: &Suppression) -> Result<RowChange> {
        let key = keys::suppression_named(self.suppression_name(&suppression.id)?);
        let context = keys::context(&self.collection, &key);
        Ok(RowChange::Put(key, self.guests.seal(&context, &encode(suppression))?))
    }

    fn open_suppression(&self, key: &[u8], sealed: &[u8]) -> Result<Suppression> {
        let what = || {
            format!(
                "a suppression of collection {}; restore a backup, because its faces must stay hidden",
                self.collection
            )
        };
        let plain = self.guests.open(&keys::context(&self.collection, key), sealed, what)?;
        let unread = || Error::Damaged { what: what(), reason: "it cannot be decoded".into() };
        decode(&plain).ok_or_else(unread)
    }
}

fn encode(suppression: &Suppression) -> Vec<u8> {
    let face = |(face, photo): (&FaceId, &PhotoId)| HiddenFace {
        face: face.0.to_vec(),
        photo: photo.0.to_vec(),
    };
    let template = &suppression.template;
    let row = SuppressionRow {
        id: suppression.id.0.to_vec(),
        opt_out: suppression.kind == SuppressionKind::OptOut,
        embedding: template.embedding.clone(),
        quality: template.quality,
        pictures: template.pictures as u64,
        pack: template.pack.clone(),
        faces: suppression.faces.iter().map(face).collect(),
        omitted: suppression.omitted,
    };
    row.encode_to_vec()
}

fn decode(bytes: &[u8]) -> Option<Suppression> {
    let row = SuppressionRow::decode(bytes).ok()?;
    let finite = row.embedding.iter().all(|value| value.is_finite()) && !row.embedding.is_empty();
    finite.then_some(())?;
    let face = |of: HiddenFace| {
        Some((FaceId(of.face.try_into().ok()?), PhotoId(of.photo.try_into().ok()?)))
    };
    let kind = if row.opt_out { SuppressionKind::OptOut } else { SuppressionKind::Hidden };
    Some(Suppression {
        id: SuppressionId(row.id.try_into().ok()?),
        template: Template {
            embedding: row.embedding,
            quality: row.quality,
            pictures: usize::try_from(row.pictures).ok()?,
            pack: row.pack,
        },
        kind,
        faces: row.faces.into_iter().map(face).collect::<Option<_>>()?,
        omitted: row.omitted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suppression() -> Suppression {
        let template = Template {
            embedding: vec![0.5; 4],
            quality: 0.75,
            pictures: 3,
            pack: "pack".to_owned(),
        };
        Suppression {
            id: SuppressionId([9; 16]),
            template,
            kind: SuppressionKind::Hidden,
            faces: [(FaceId([1; 16]), PhotoId([2; 16]))].into(),
            omitted: 7,
        }
    }

    #[test]
    fn a_suppression_comes_back_as_it_was() {
        for one in [suppression(), suppression().into_opt_out()] {
            let back = decode(&encode(&one)).unwrap();
            assert_eq!(encode(&back), encode(&one));
            assert_eq!(back.overview(), one.overview());
        }
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let bytes = encode(&suppression());
        for i in 0..bytes.len() {
            let _ = decode(&bytes[..i]);
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[i] ^= 1 << bit;
                let _ = decode(&changed);
            }
        }
        assert!(decode(b"garbage").is_none() && decode(&[]).is_none());
    }
}
