//! What programs around the engine may seal: small secrets of their own, and the photos of a collection.
//!
//! A photo's key follows from its collection's data key and goes with it: a purge makes every copy of its
//! photos unreadable, wherever they lie. Knows nothing of files, or of what is sealed.

use zeroize::Zeroizing;

use super::{RowNames, Sealer, Secret, Signer};
use crate::error::Result;
use crate::ids::{CollectionId, hex};

/// Bytes of a blob that are sealed together; the last chunk may have fewer, or none in an empty blob.
pub const BLOB_CHUNK_BYTES: usize = 64 << 10;
/// What sealing adds to a chunk: nonce and tag.
pub const BLOB_CHUNK_EXTRA_BYTES: usize = 12 + 16;

/// Seals small secrets under a key of the keyring that outlives every collection.
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

    /// 128 bits that stand for `plain`, hexadecimal: the same for the same, and nothing to try guesses on
    /// for whoever lacks the key. `context` says what it is; the same text elsewhere has another name.
    pub fn name(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(hex(&self.names.name(&[context.as_bytes(), &[0], plain].concat())?))
    }

    /// Seals `plain`; `context` says what it is and must be the same on opening.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(context.as_bytes(), plain)
    }

    /// Opens what `seal` made. Errors: `Seal`.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.sealer.open(context.as_bytes(), sealed, || context.to_owned())
    }
}

/// Seals a collection's photos, in chunks, so that any part of one is read without the rest.
pub struct BlobSealer {
    sealer: Sealer,
    collection: CollectionId,
}

impl BlobSealer {
    pub(crate) fn of(data_key: &Secret, collection: CollectionId) -> Result<Self> {
        Ok(Self { sealer: Sealer::new(data_key.derive("picpick photos")?), collection })
    }

    /// Seals chunk `index` of the blob called `name`: `BLOB_CHUNK_BYTES`, or fewer where it is the `last`.
    pub fn seal(&self, name: &str, index: u64, last: bool, plain: &[u8]) -> Result<Vec<u8>> {
        self.sealer.seal(&self.context(name, index, last), plain)
    }

    /// Opens what `seal` made of this chunk of this blob and of no other. Errors: `Seal`.
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

    /// That a chunk is the last is authenticated, so that a blob cut short does not open.
    fn context(&self, name: &str, index: u64, last: bool) -> Vec<u8> {
        format!("picpick blob {} {index} {last} {name}", self.collection).into_bytes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_opens_only_in_its_own_place() {
        let key = Secret::random().unwrap();
        let of = |id| BlobSealer::of(&key, CollectionId([id; 16])).unwrap();
        let sealed = of(1).seal("a", 0, true, b"photo").unwrap();
        assert_eq!(sealed.len(), 5 + BLOB_CHUNK_EXTRA_BYTES);
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
