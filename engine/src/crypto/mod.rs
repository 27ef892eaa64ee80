//! Keys and sealing: AES-256-GCM under HKDF subkeys of one random data key per collection.
//!
//! This folder is the only user of an AEAD crate. Key material is zeroised when dropped and never
//! printed. Knows nothing of what it seals, of RocksDB or of photos.

mod keyring;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

pub(crate) use keyring::{Entry, Keyring};

const NONCE_BYTES: usize = 12;

/// A 256-bit secret; zeroised when dropped, never printed.
pub(crate) struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Draws a secret from the operating system's random source.
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice()).map_err(|_| Error::Random)?;
        Ok(Self(bytes))
    }

    /// Takes 32 bytes; `None` for any other number.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes: [u8; 32]| Self(Zeroizing::new(bytes)))
    }

    fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The subkey for one purpose (HKDF-SHA-256, RFC 5869, `purpose` as info).
    pub(crate) fn derive(&self, purpose: &str) -> Result<Secret> {
        let mut subkey = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.bytes())
            .expand(purpose.as_bytes(), subkey.as_mut_slice())
            .map_err(|_| Error::Random)?;
        Ok(Secret(subkey))
    }
}

/// Seals and opens bytes under one key.
pub(crate) struct Sealer(Aes256Gcm);

impl Sealer {
    pub(crate) fn new(key: &Secret) -> Self {
        Self(Aes256Gcm::new(&(*key.bytes()).into()))
    }

    /// nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes). `context` is authenticated, not stored.
    pub(crate) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| Error::Random)?;
        let sealed = self.0.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad: context });
        let sealed = sealed.map_err(|_| Error::Seal { what: "sealing".into() })?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what `seal` made with the same key and context; `what` names it in `Error::Seal`.
    pub(crate) fn open(
        &self,
        context: &[u8],
        sealed: &[u8],
        what: impl FnOnce() -> String,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let opened = sealed.split_first_chunk::<NONCE_BYTES>().and_then(|(nonce, rest)| {
            self.0.decrypt(&Nonce::from(*nonce), Payload { msg: rest, aad: context }).ok()
        });
        opened.map(Zeroizing::new).ok_or_else(|| Error::Seal { what: what() })
    }
}

/// Names rows of a store by HMAC-SHA-256, so that a row key tells nobody which photo it holds.
pub(crate) struct RowNames(Secret);

impl RowNames {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// 128 bits that only this collection's key relates to `id`.
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_with_its_key_context_and_every_byte() {
        let key = Secret::random().unwrap();
        let sealer = Sealer::new(&key);
        let sealed = sealer.seal(b"row 1", b"face").unwrap();
        let open = |sealer: &Sealer, context: &[u8], sealed: &[u8]| {
            sealer.open(context, sealed, || "it".into())
        };
        assert_eq!(open(&sealer, b"row 1", &sealed).unwrap().as_slice(), b"face");
        assert!(open(&sealer, b"row 2", &sealed).is_err());
        assert!(open(&Sealer::new(&Secret::random().unwrap()), b"row 1", &sealed).is_err());
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
        // HKDF-SHA-256, IKM 32 × 0x07, no salt, info "a": computed with Python's hmac and hashlib.
        let expected = "bfcc2b9c9cc800db9569271bbfa63bdc57092f19b8b863bf17d98fb64c2b5e5d";
        let derived = Secret::from_bytes(&[7; 32]).unwrap().derive("a").unwrap();
        assert_eq!(
            derived.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            expected
        );
    }
}
