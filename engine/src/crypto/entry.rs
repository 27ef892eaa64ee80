//! What the keyring keeps of a collection, living or purged, and the bytes of its description.
//!
//! The description is sealed under the collection's own data key: it goes when the key goes. Knows
//! nothing of files or of wrapping.

use prost::Message;

use super::{Sealer, Secret};
use crate::error::{Error, Result};
use crate::ids::CollectionId;

/// A living collection.
pub(crate) struct Entry {
    pub(crate) id: CollectionId,
    pub(crate) about: About,
    pub(crate) data_key: Secret,
    /// What the residue scanner's canaries follow from; outlives the data key.
    pub(crate) canary_key: Secret,
}

/// A collection's description.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct About {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// Id of the model pack whose embeddings the collection holds.
    #[prost(string, tag = "2")]
    pub(crate) pack: String,
    /// Seconds since 1970.
    #[prost(uint64, tag = "3")]
    pub(crate) created_unix_s: u64,
    /// What the faces are kept for, and on which legal basis.
    #[prost(string, tag = "4")]
    pub(crate) purpose: String,
    #[prost(string, tag = "5")]
    pub(crate) legal_basis: String,
    /// When the collection is to be purged, seconds since 1970; 0: no end was set.
    #[prost(uint64, tag = "6")]
    pub(crate) ends_unix_s: u64,
}

/// A collection whose key is destroyed.
pub(crate) struct Purged {
    pub(crate) id: CollectionId,
    /// `None` when its wrapped form is damaged: then there is nothing to look for.
    pub(crate) canary_key: Option<Secret>,
    /// Canaries planted in its store; `None` when the store could not be asked.
    pub(crate) canaries: Option<u64>,
    /// What the store held; `None` when it could not be asked.
    pub(crate) photos: Option<u64>,
    pub(crate) faces: Option<u64>,
    /// Hexadecimal.
    pub(crate) key_fingerprint: String,
    /// Generation of the key-encryption key destroyed with it.
    pub(crate) kek_generation: u32,
    /// Seconds since 1970.
    pub(crate) begun_unix_s: u64,
    pub(crate) key_destroyed_unix_s: u64,
    /// Until the receipt is written.
    pub(crate) pending: bool,
}

impl About {
    pub(super) fn seal(&self, id: CollectionId, data_key: &Secret) -> Result<Vec<u8>> {
        sealer(data_key)?.seal(&context(id), &self.encode_to_vec())
    }

    pub(super) fn open(id: CollectionId, data_key: &Secret, sealed: &[u8]) -> Result<Self> {
        let what = || format!("the description of collection {id}");
        let plain = sealer(data_key)?.open(&context(id), sealed, what)?;
        Self::decode(plain.as_slice())
            .map_err(|error| Error::Damaged { what: what(), reason: error.to_string() })
    }
}

fn sealer(data_key: &Secret) -> Result<Sealer> {
    Ok(Sealer::new(data_key.derive("picpick about")?))
}

fn context(id: CollectionId) -> Vec<u8> {
    format!("picpick about {id}").into_bytes()
}
