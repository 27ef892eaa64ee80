//! Keys and sealing: AES-256-GCM under HKDF subkeys of one random data key per collection.
//!
//! This module is the only user of the AEAD and signature crates. Key material is held in locked memory,
//! wiped when dropped, and never printed.

mod chain_key;
mod checkpoint;
mod entry;
mod export;
mod file_provider;
mod keyring;
mod keys_file;
mod migrate;
mod provider;
mod secret;
mod signing;
mod vault;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

pub use chain_key::ChainKey;
pub(crate) use checkpoint::Checkpoint;
pub use checkpoint::{AuditCheckpoint, ChainHead};
pub(crate) use entry::{CollectionMetadata, KeyringEntry, PurgedEntry};
pub use export::{KeyExport, RestoredKeys};
pub(crate) use keyring::Keyring;
pub(crate) use keys_file::{BackupRecord, is_keys_file};
pub(crate) use secret::Secret;
pub(crate) use secret::memory_is_locked;
pub use signing::PublicKey;
pub(crate) use signing::Signer;
pub use vault::{BlobSealer, Vault};

const NONCE_BYTES: usize = 12;

impl Secret {
    /// Derives the subkey for one purpose (HKDF-SHA-256, RFC 5869, `purpose` as info).
    pub(crate) fn derive(&self, purpose: &str) -> Result<Secret> {
        Secret::filled(|subkey| {
            Hkdf::<Sha256>::new(None, self.bytes())
                .expand(purpose.as_bytes(), subkey)
                .map_err(|_| Error::Random)
        })
    }

    /// Returns a fingerprint that identifies this key without revealing it: 16 bytes of a subkey.
    pub(crate) fn fingerprint(&self) -> Result<[u8; 16]> {
        let subkey = self.derive("picpick key fingerprint")?;
        Ok(subkey.bytes().first_chunk().copied().unwrap_or_default())
    }

    /// Derives `length` bytes from this secret and `purpose`.
    ///
    /// # Errors
    /// - `Random` if `length` is above 8,160, HKDF's limit.
    pub(crate) fn stream(&self, purpose: &[u8], length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let expanded = Hkdf::<Sha256>::new(None, self.bytes()).expand(purpose, &mut bytes);
        expanded.map(|()| bytes).map_err(|_| Error::Random)
    }
}

/// An AES-256-GCM sealer with one key.
pub(crate) struct Sealer(Secret);

impl Sealer {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// Returns the cipher with its key schedule. The cipher is created for each call, which takes about 100
    /// ns, and wiped afterwards, so that no key material stays outside locked memory.
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(self.0.bytes().into())
    }

    /// Returns nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes). `context` is authenticated, but not
    /// stored.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| Error::Random)?;
        let sealed =
            self.cipher().encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: context });
        let sealed = sealed.map_err(|_| Error::Seal { what: "sealing".into() })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens bytes that `seal` produced with the same key and context.
    ///
    /// # Errors
    /// - `Seal`, with `what` as the name of the bytes, if they do not open.
    pub(crate) fn open(
        &self,
        context: &[u8],
        sealed: &[u8],
        what: impl FnOnce() -> String,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let opened = sealed.split_first_chunk::<NONCE_BYTES>().and_then(|(nonce, rest)| {
            self.cipher().decrypt(&Nonce::from(*nonce), Payload { msg: rest, aad: context }).ok()
        });
        opened.map(Zeroizing::new).ok_or_else(|| Error::Seal { what: what() })
    }
}

/// A generator of row names for a store: HMAC-SHA-256 of an id, so that a row key does not reveal its photo.
pub(crate) struct RowNames(Secret);

impl RowNames {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// Returns 128 bits that can be related to `id` only with the generator's key.
    pub(crate) fn name(&self, id: &[u8]) -> Result<[u8; 16]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.bytes()).map_err(|_| Error::Random)?;
        mac.update(id);
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_context_and_every_byte() {
        let key = Secret::random().unwrap();
        let sealer = Sealer::new(key);
        let sealed = sealer.seal(b"row 1", b"face").unwrap();
        let open = |sealer: &Sealer, context: &[u8], sealed: &[u8]| {
            sealer.open(context, sealed, || "it".into())
        };
        assert_eq!(open(&sealer, b"row 1", &sealed).unwrap().as_slice(), b"face");
        assert!(open(&sealer, b"row 2", &sealed).is_err());
        assert!(open(&Sealer::new(Secret::random().unwrap()), b"row 1", &sealed).is_err());
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(open(&sealer, b"row 1", &changed).is_err(), "byte {i}");
            assert!(open(&sealer, b"row 1", &sealed[..i]).is_err(), "cut at {i}");
        }
        assert_ne!(sealed, sealer.seal(b"row 1", b"face").unwrap(), "nonces must differ");
    }

    #[test]
    fn subkeys_differ_by_purpose_and_names_by_key() {
        let key = Secret::from_bytes(&[7; 32]).unwrap();
        assert_ne!(key.derive("a").unwrap().bytes(), key.derive("b").unwrap().bytes());
        let names = RowNames::new(key.derive("a").unwrap());
        let others = RowNames::new(key.derive("b").unwrap());
        assert_eq!(names.name(b"x").unwrap(), names.name(b"x").unwrap());
        assert_ne!(names.name(b"x").unwrap(), names.name(b"y").unwrap());
        assert_ne!(names.name(b"x").unwrap(), others.name(b"x").unwrap());
        assert!(Secret::from_bytes(&[7; 31]).is_none());
    }

    #[test]
    fn hkdf_agrees_with_an_independent_computation() {
        // HKDF-SHA-256, IKM 32 × 0x07, no salt, info "a": computed with Python's `hmac` and `hashlib`.
        let expected = "bfcc2b9c9cc800db9569271bbfa63bdc57092f19b8b863bf17d98fb64c2b5e5d";
        let derived = Secret::from_bytes(&[7; 32]).unwrap().derive("a").unwrap();
        assert_eq!(hex::encode(derived.bytes()), expected);
    }
}
