use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use hex::FromHex as _;
use std::fmt;
use std::str::FromStr;

use super::Secret;
use crate::error::{Error, Result};

/// The studio's signing key: Ed25519 (RFC 8032), stored in the keyring.
///
/// A signature covers a context and a message, so that one kind of document cannot pass for another.
pub(crate) struct Signer(Secret);

/// The studio's public key, which verifies its signatures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl Signer {
    pub(super) fn new(seed: Secret) -> Self {
        Self(seed)
    }

    /// Returns the 64-byte signature of `context` and `message`.
    pub(crate) fn sign(&self, context: &str, message: &[u8]) -> [u8; 64] {
        use ed25519_dalek::Signer as _;
        // The key is created for each call and wiped afterwards, so that only the seed stays in memory
        // (locked).
        let key = SigningKey::from_bytes(self.0.bytes());
        key.sign(&framed(context, message)).to_bytes()
    }

    /// Derives an independent subkey (HKDF) for the secrets of programs that use the engine.
    pub(super) fn service_key(&self) -> Result<Secret> {
        self.0.derive("picpick service secrets")
    }

    /// Derives an independent subkey (HKDF) for the authentication codes of the service's audit log.
    pub(super) fn chain_key(&self) -> Result<Secret> {
        self.0.derive("picpick audit chain")
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey(SigningKey::from_bytes(self.0.bytes()).verifying_key().to_bytes())
    }
}

impl PublicKey {
    /// Returns whether `signature` is this studio's signature of `context` and `message`. The verification is
    /// strict: it rejects malleable signatures and weak keys.
    pub(crate) fn verifies(&self, context: &str, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(&framed(context, message), &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    /// Writes 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = Error;

    /// Parses the 64 hexadecimal digits that `Display` writes. Rejects weak keys.
    fn from_str(text: &str) -> Result<Self> {
        let bytes = <[u8; 32]>::from_hex(text).ok();
        let is_key =
            |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).is_ok_and(|key| !key.is_weak());
        bytes
            .filter(is_key)
            .map(Self)
            .ok_or_else(|| Error::PublicKey { received: text.chars().take(80).collect() })
    }
}

/// Returns the signed bytes: the context, a zero byte, the message.
fn framed(context: &str, message: &[u8]) -> Vec<u8> {
    [context.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_context_and_message_only() {
        let signer = Signer::new(Secret::random().unwrap());
        let signature = signer.sign("receipt", b"gone");
        let key: PublicKey = signer.public_key().to_string().parse().unwrap();
        assert!(key.verifies("receipt", b"gone", &signature));
        assert!(!key.verifies("receipt", b"gone!", &signature));
        assert!(!key.verifies("invoice", b"gone", &signature));
        let other = Signer::new(Secret::random().unwrap()).public_key();
        assert!(!other.verifies("receipt", b"gone", &signature));
        for i in 0..64 {
            let mut changed = signature;
            changed[i] ^= 1;
            assert!(!key.verifies("receipt", b"gone", &changed), "byte {i}");
        }
    }

    #[test]
    fn the_key_and_signature_are_those_of_rfc_8032() {
        // RFC 8032, section 7.1, test 1: seed and public key.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let signer = Signer::new(Secret::from_bytes(&hex::decode(seed).unwrap()).unwrap());
        assert_eq!(signer.public_key().to_string(), public);
    }

    #[test]
    fn an_invalid_key_is_refused() {
        let bad = "zz".repeat(32);
        let weak = format!("01{}", "00".repeat(31));
        for text in ["", "12", bad.as_str(), &"0".repeat(63), &weak] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
