use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::error::{ApiError, Result};

/// Returns a new random id of 128 bits, as 32 hexadecimal digits, which clients cannot guess.
pub fn new_id() -> Result<String> {
    Ok(hex::encode(random::<16>()?))
}

/// Returns whether `text` has the form of an id: 32 lower-case hexadecimal digits.
pub fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns a new bearer token of 256 random bits. The `prefix` lets operators and secret scanners recognise the
/// kind of a leaked token.
pub fn new_token(prefix: &str) -> Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(random::<32>()?);
    Ok(Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
}

/// Returns the hash that is stored in place of a token. Plain SHA-256 suffices, because 256 random bits
/// cannot be found by exhaustive search.
pub fn token_hash(token: &str) -> String {
    sha256(token.as_bytes())
}

/// Returns the SHA-256 digest of `bytes` as lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The 32 characters of codes that people read and type: digits and capital letters without 0, O, 1 and I,
/// which readers confuse.
const CODE_ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Returns a new code of `N` characters with 5 random bits each.
pub fn random_code<const N: usize>() -> Result<String> {
    let bytes = random::<N>()?;
    let letter = |byte: &u8| CODE_ALPHABET.get(usize::from(byte % 32)).copied();
    Ok(bytes.iter().filter_map(letter).map(char::from).collect())
}

/// Returns random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| ApiError::internal("the operating system's random number generator failed"))?;
    Ok(bytes)
}

#[cfg(test)]
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
        let (a, b) = (random_code::<8>().unwrap(), random_code::<8>().unwrap());
        assert!(a != b && a.len() == 8, "{a} {b}");
        assert!(!a.contains(['0', 'O', '1', 'I']), "{a}");
        assert_eq!(hex::decode(hex::encode(b"ab")).unwrap(), b"ab");
        assert!(hex::decode("abc").is_err() && hex::decode("zz").is_err());
        // SHA-256 of the empty string, FIPS 180-4.
        assert!(sha256(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
