//! The rows of guests: their face templates, and the faces that they confirmed or rejected.
//!
//! A guest's row is sealed under a subkey for guests, has an HMAC as its name, and is not part of backups.

use prost::Message;

use super::Store;
use super::keys::{self, Key, RowKind};
use super::rocks::RowChange;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::ids::{FaceId, GuestId, PhotoId};
use crate::template::Template;

#[derive(Clone, PartialEq, Message)]
struct GuestRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(float, repeated, tag = "2")]
    embedding: Vec<f32>,
    #[prost(float, tag = "3")]
    quality: f32,
    #[prost(uint64, tag = "4")]
    pictures: u64,
    #[prost(string, tag = "5")]
    pack: String,
    #[prost(bytes = "vec", repeated, tag = "6")]
    rejected: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    confirmed: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "8")]
    notified: Vec<Vec<u8>>,
}

impl Store {
    /// Stores a guest, replacing the row with the same id. The row is durable when the call returns.
    pub(crate) fn put_guest(&self, guest: &Guest) -> Result<()> {
        let key = keys::guest_named(self.guest_name(&guest.id)?);
        let context = keys::context(&self.collection, &key);
        let sealed = self.guests.seal(&context, &encode(guest))?;
        self.rocks.write(&[RowChange::Put(key, sealed)])
    }

    /// Returns all guests. Calls `damaged` with the error of every row that cannot be decrypted or decoded.
    pub(crate) fn guests(&self, mut damaged: impl FnMut(Error)) -> Result<Vec<Guest>> {
        let mut guests = Vec::new();
        self.rocks.scan(keys::range(RowKind::Guest), |key, sealed| {
            let what = || format!("a guest's row of collection {}", self.collection);
            let opened = self.guests.open(&keys::context(&self.collection, key), sealed, what);
            let unread = || Error::Damaged { what: what(), reason: "it cannot be decoded".into() };
            match opened.and_then(|plain| decode(&plain).ok_or_else(unread)) {
                Ok(guest) => guests.push(guest),
                Err(error) => damaged(error),
            }
        })?;
        Ok(guests)
    }

    /// Returns the name of a guest's row.
    pub(crate) fn guest_name(&self, id: &GuestId) -> Result<[u8; 16]> {
        self.names.name(&[b"guest ".as_slice(), &id.0].concat())
    }

    /// Returns the key of the guest row with this name.
    pub(crate) fn guest_key(name: [u8; 16]) -> Key {
        keys::guest_named(name)
    }
}

fn encode(guest: &Guest) -> Vec<u8> {
    let row = GuestRow {
        id: guest.id.0.to_vec(),
        embedding: guest.template.embedding.clone(),
        quality: guest.template.quality,
        pictures: guest.template.pictures as u64,
        pack: guest.template.pack.clone(),
        rejected: guest.rejected.iter().map(|face| face.0.to_vec()).collect(),
        confirmed: guest.confirmed.iter().map(|face| face.0.to_vec()).collect(),
        notified: guest.notified.iter().map(|photo| photo.0.to_vec()).collect(),
    };
    row.encode_to_vec()
}

fn decode(bytes: &[u8]) -> Option<Guest> {
    let row = GuestRow::decode(bytes).ok()?;
    let finite = row.embedding.iter().all(|value| value.is_finite()) && !row.embedding.is_empty();
    finite.then_some(())?;
    let faces = |ids: Vec<Vec<u8>>| -> Option<_> {
        ids.into_iter().map(|id| Some(FaceId(id.try_into().ok()?))).collect()
    };
    let notified = row.notified.into_iter().map(|id| Some(PhotoId(id.try_into().ok()?)));
    Some(Guest {
        id: GuestId(row.id.try_into().ok()?),
        template: Template {
            embedding: row.embedding,
            quality: row.quality,
            pictures: usize::try_from(row.pictures).ok()?,
            pack: row.pack,
        },
        rejected: faces(row.rejected)?,
        confirmed: faces(row.confirmed)?,
        notified: notified.collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Guest {
        let template = Template {
            embedding: vec![0.5; 4],
            quality: 0.75,
            pictures: 3,
            pack: "pack".to_owned(),
        };
        let mut guest = Guest::new(GuestId([9; 16]), template);
        guest.rejected.insert(FaceId([1; 16]));
        guest.confirmed.insert(FaceId([2; 16]));
        guest.notified.insert(PhotoId([3; 16]));
        guest
    }

    #[test]
    fn a_guest_comes_back_as_they_were() {
        let guest = guest();
        let back = decode(&encode(&guest)).unwrap();
        assert_eq!(encode(&back), encode(&guest));
        assert_eq!((back.id, back.template.pictures), (guest.id, 3));
        assert_eq!((back.rejected, back.confirmed), (guest.rejected, guest.confirmed));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic() {
        let bytes = encode(&guest());
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
