use prost::Message;

use super::{KeyExport, Sealer, Secret};
use crate::error::{Error, Result};
use crate::ids::CollectionId;

/// The keyring's entry of a collection that has not been purged.
pub(crate) struct KeyringEntry {
    pub(crate) id: CollectionId,
    pub(crate) metadata: CollectionMetadata,
    pub(crate) data_key: Secret,
    /// The key from which the residue scanner's canaries are derived. It outlives the data key.
    pub(crate) canary_key: Secret,
}

/// A collection's metadata, sealed under the collection's data key and therefore unreadable once that key is
/// destroyed.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct CollectionMetadata {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    /// Id of the model pack that produced the collection's embeddings.
    #[prost(string, tag = "2")]
    pub(crate) pack: String,
    /// Creation of the collection, seconds since the Unix epoch.
    #[prost(uint64, tag = "3")]
    pub(crate) created_unix_s: u64,
    /// Purpose of the processing of the faces.
    #[prost(string, tag = "4")]
    pub(crate) purpose: String,
    /// Legal basis of that processing, for instance "consent".
    #[prost(string, tag = "5")]
    pub(crate) legal_basis: String,
    /// End of the retention period, seconds since the Unix epoch; 0 if no end is set.
    #[prost(uint64, tag = "6")]
    pub(crate) ends_unix_s: u64,
}

/// The keyring's entry of a collection whose data key has been destroyed.
pub(crate) struct PurgedEntry {
    pub(crate) id: CollectionId,
    /// The canary key; `None` if its wrapped form is damaged. The scan then has no canaries to search for.
    pub(crate) canary_key: Option<Secret>,
    /// Number of canaries in the collection's store; `None` if the store could not be read.
    pub(crate) canaries: Option<u64>,
    /// Number of photos in the store before the purge; `None` if the store could not be read.
    pub(crate) photos: Option<u64>,
    /// Number of faces in the store before the purge; `None` if the store could not be read.
    pub(crate) faces: Option<u64>,
    /// Fingerprint of the data key, hexadecimal; empty if the keyring entry was damaged.
    pub(crate) key_fingerprint: String,
    /// Generation of the key-encryption key that was destroyed with the data key.
    pub(crate) kek_generation: u32,
    /// Start of the purge, seconds since the Unix epoch.
    pub(crate) begun_unix_s: u64,
    /// Destruction of the data key, seconds since the Unix epoch.
    pub(crate) key_destroyed_unix_s: u64,
    /// The exports of the keyring that hold the data key and had not expired when it was destroyed.
    pub(crate) key_exports: Vec<KeyExport>,
    /// True until the receipt is written.
    pub(crate) pending: bool,
}

impl CollectionMetadata {
    pub(super) fn seal(&self, id: CollectionId, data_key: &Secret) -> Result<Vec<u8>> {
        sealer(data_key)?.seal(&context(id), &self.encode_to_vec())
    }

    pub(super) fn open(id: CollectionId, data_key: &Secret, sealed: &[u8]) -> Result<Self> {
        let what = || format!("the metadata of collection {id}");
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
