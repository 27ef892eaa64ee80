//! Opaque names and secret tokens, drawn at random; what is stored of a token is its hash.
//!
//! Knows nothing of what they name or open.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{Failure, Result};

/// A new name of 128 bits, 32 hexadecimal digits: says nothing of what it names, cannot be guessed.
pub fn new_id() -> Result<String> {
    Ok(hex(&random::<16>()?))
}

/// Whether `text` has the form of a name; others are not looked for.
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A secret of 256 bits that its holder shows; `prefix` tells people and scanners what leaked.
pub fn new_token(prefix: &str) -> Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
}

/// What is stored of a token. A plain hash does: 256 random bits cannot be searched.
pub fn token_hash(token: &str) -> String {
    sha256(token.as_bytes())
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits; `None` for what is none.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let read = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    if rest.is_empty() { pairs.iter().map(read).collect() } else { None }
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| Failure::internal("the system gives no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tokens_differ_and_have_their_form() {
        let (a, b) = (new_id().unwrap(), new_id().unwrap());
        assert!(is_id(&a) && a != b);
        for bad in ["", "0", &a.to_uppercase(), &format!("{a}0"), &format!("{}g", &a[1..])] {
            assert!(!is_id(bad) || bad == a, "{bad}");
        }
        let (a, b) = (new_token("ppk_").unwrap(), new_token("ppk_").unwrap());
        assert!(a.starts_with("ppk_") && a.len() == 4 + 43 && *a != *b);
        assert_ne!(token_hash(&a), token_hash(&b));
        assert_eq!(unhex(&hex(b"ab")).unwrap(), b"ab");
        assert!(unhex("abc").is_none() && unhex("zz").is_none());
        // SHA-256 of the empty string, FIPS 180-4.
        assert!(sha256(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
