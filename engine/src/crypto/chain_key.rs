use aes_gcm::aead::KeyInit as _;
use hkdf::hmac::{Hmac, Mac};
use sha2::Sha256;

use super::{Secret, Signer};
use crate::error::{Error, Result};

/// The key that authenticates a chain of records outside the engine, such as the service's audit log:
/// HMAC-SHA-256 (RFC 2104) under an HKDF subkey of the signing key. The key outlives every collection and
/// every rotation of the key-encryption key.
pub struct ChainKey {
    key: Secret,
    id: String,
}

impl ChainKey {
    pub(crate) fn of(signer: &Signer) -> Result<Self> {
        let key = signer.chain_key()?;
        let id = hex::encode(key.fingerprint()?);
        Ok(Self { key, id })
    }

    /// Returns the fingerprint of the key, 32 hexadecimal digits, which does not reveal the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the authentication code of `message`, 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// - `Random` if the code cannot be computed.
    pub fn tag(&self, message: &[u8]) -> Result<String> {
        Ok(hex::encode(self.mac(message)?.finalize().into_bytes()))
    }

    /// Returns whether `tag` is the authentication code of `message`. Takes constant time for a tag of the
    /// right length.
    pub fn verifies(&self, message: &[u8], tag: &str) -> bool {
        let tag = hex::decode(tag).ok().filter(|bytes| hex::encode(bytes) == tag);
        tag.zip(self.mac(message).ok()).is_some_and(|(tag, mac)| mac.verify_slice(&tag).is_ok())
    }

    fn mac(&self, message: &[u8]) -> Result<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.bytes()).map_err(|_| Error::Random)?;
        Ok(mac.chain_update(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_holds_for_its_key_and_message_only() {
        let signer = |byte| Signer::new(Secret::from_bytes(&[byte; 32]).unwrap());
        let (key, other) = (ChainKey::of(&signer(7)).unwrap(), ChainKey::of(&signer(8)).unwrap());
        let tag = key.tag(b"entry").unwrap();
        assert!(key.verifies(b"entry", &tag) && ChainKey::of(&signer(7)).unwrap().id() == key.id());
        assert!(!key.verifies(b"entry!", &tag) && !other.verifies(b"entry", &tag));
        for bad in ["", "zz", &tag[2..], &tag.to_uppercase(), &format!("{tag}00")] {
            assert!(!key.verifies(b"entry", bad), "{bad}");
        }
        assert_ne!(key.id(), other.id());
    }

    #[test]
    fn the_tag_agrees_with_an_independent_computation() {
        // HKDF-SHA-256 (IKM 32 × 0x07, info "picpick audit chain"), then HMAC-SHA-256 of "entry": computed
        // with Python's `hmac` and `hashlib`.
        let expected = "e278b325a2bbdf9286897284283cdba8dcfdc39a1b99db8ec685e38167799e15";
        let key = ChainKey::of(&Signer::new(Secret::from_bytes(&[7; 32]).unwrap())).unwrap();
        assert_eq!(key.tag(b"entry").unwrap(), expected);
    }
}
