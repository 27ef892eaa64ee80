//! Seals data for programs that use the engine: small secrets (`Vault`) and a collection's photos
//! (`BlobSealer`).
//!
//! The key of the photos is derived from the collection's data key, so after a purge this keyring opens no copy of
//! the photos, wherever the copy is stored.

use zeroize::Zeroizing;

use super::{RowNames, Sealer, Secret, Signer};
use crate::error::Result;
use crate::ids::CollectionId;

/// A sealer of small secrets. Its key is derived from the keyring's signing key and outlives every
/// collection.
pub struct Vault {
    sealer: Sealer,
    names: RowNames,
}

impl Vault {
    pub(crate) fn of(signer: &Signer) -> Result<Self> {
        let key = signer.service_key()?;
        let names = RowNames::new(key.derive("picpick service names")?);
        Ok(Self { sealer: Sealer::new(key), names })
    }

    /// Returns a pseudonym for `plain`: 128 bits of an HMAC, hexadecimal. Equal input gives an equal
    /// pseudonym, and guesses cannot be tested without the key. `context` separates uses: in another context,
    /// equal input gives another pseudonym.
    pub fn name(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(hex::encode(self.names.name(&[context.as_bytes(), &[0], plain].concat())?))
    }

    /// Seals `plain`. `context` names the use of the secret and must be passed unchanged to `open`.
    ///
    /// # Errors
    ///
    /// - `Random` if the random source is not available.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(context.as_bytes(), plain)
    }

    /// Opens a secret that `seal` produced with the same context.
    ///
    /// # Errors
    ///
    /// - `Seal` if the key or the context is another, or the bytes are damaged.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.sealer.open(context.as_bytes(), sealed, || context.to_owned())
    }
}

/// A sealer of a collection's photos. It seals chunks of a photo, so that a part of a photo can be read alone.
pub struct BlobSealer {
    sealer: Sealer,
    collection: CollectionId,
}

impl BlobSealer {
    /// Plaintext bytes per sealed chunk of a blob. The last chunk may be shorter, and is empty for an empty
    /// blob.
    pub const CHUNK_BYTES: usize = 64 << 10;
    /// Bytes that sealing adds to a chunk: a nonce of 12 and a tag of 16.
    pub const CHUNK_EXTRA_BYTES: usize = 12 + 16;

    pub(crate) fn of(data_key: &Secret, collection: CollectionId) -> Result<Self> {
        Ok(Self { sealer: Sealer::new(data_key.derive("picpick photos")?), collection })
    }

    /// Seals chunk `index` of the blob called `name`. `plain` has [`BlobSealer::CHUNK_BYTES`] bytes, or fewer
    /// if the chunk is the `last`.
    ///
    /// # Errors
    ///
    /// - `Random` if the random source is not available.
    pub fn seal(&self, name: &str, index: u64, last: bool, plain: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(&self.context(name, index, last), plain)
    }

    /// Opens a chunk that `seal` produced with the same `name`, `index` and `last`.
    ///
    /// # Errors
    ///
    /// - `Seal` if the collection, blob or position is another, or the bytes are damaged.
    pub fn open(
        &self,
        name: &str,
        index: u64,
        last: bool,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let what = || format!("chunk {index} of {name}");
        self.sealer.open(&self.context(name, index, last), sealed, what)
    }

    /// Returns the authenticated context of a chunk. It includes `last`, so that a truncated blob does not
    /// open.
    fn context(&self, name: &str, index: u64, last: bool) -> Vec<u8> {
        format!("picpick blob {} {index} {last} {name}", self.collection).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_only_in_its_own_place() {
        let key = Secret::random().unwrap();
        let of = |id| BlobSealer::of(&key, CollectionId([id; 16])).unwrap();
        let sealed = of(1).seal("a", 0, true, b"photo").unwrap();
        assert_eq!(sealed.len(), 5 + BlobSealer::CHUNK_EXTRA_BYTES);
        assert_eq!(of(1).open("a", 0, true, &sealed).unwrap().as_slice(), b"photo");
        assert!(of(2).open("a", 0, true, &sealed).is_err(), "another collection");
        assert!(of(1).open("b", 0, true, &sealed).is_err(), "another blob");
        assert!(of(1).open("a", 1, true, &sealed).is_err(), "another place");
        assert!(of(1).open("a", 0, false, &sealed).is_err(), "cut short");
    }

    #[test]
    fn the_vault_is_not_the_signing_key_and_keeps_contexts_apart() {
        let signer = Signer::new(Secret::from_bytes(&[7; 32]).unwrap());
        let (vault, again) = (Vault::of(&signer).unwrap(), Vault::of(&signer).unwrap());
        let sealed = vault.seal("totp a", b"secret").unwrap();
        assert_eq!(again.open("totp a", &sealed).unwrap().as_slice(), b"secret");
        assert!(again.open("totp b", &sealed).is_err());
        let name = vault.name("contact", b"a@b.c").unwrap();
        assert_eq!(again.name("contact", b"a@b.c").unwrap(), name);
        assert_ne!(vault.name("contac", b"ta@b.c").unwrap(), name);
        let other = Vault::of(&Signer::new(Secret::from_bytes(&[8; 32]).unwrap())).unwrap();
        assert_ne!(other.name("contact", b"a@b.c").unwrap(), name);
        assert_ne!(signer.service_key().unwrap().bytes(), &[7; 32]);
    }
}
