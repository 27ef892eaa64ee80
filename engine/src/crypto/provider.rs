use super::Secret;
use crate::error::Result;

/// A store of key-encryption keys (KEKs), numbered by generation from 1.
///
/// A provider wraps and unwraps 32-byte keys and can destroy a generation permanently. No method returns a
/// KEK, so a key management service can implement the trait as well as a local folder.
pub(crate) trait KeyProvider: Send + Sync {
    /// Returns the existing generations in ascending order.
    fn generations(&self) -> Result<Vec<u32>>;

    /// Creates the key of `generation`, or replaces an existing one. The key is durable when the call
    /// returns.
    fn create(&self, generation: u32) -> Result<()>;

    /// Wraps `key`. `context` is authenticated with the key and must be passed unchanged to `unwrap`.
    fn wrap(&self, generation: u32, context: &[u8], key: &Secret) -> Result<Vec<u8>>;

    /// Unwraps a key that `wrap` produced with the same generation and context.
    ///
    /// # Errors
    ///
    /// - `Keyring` if the key or the context is another, or if the bytes or the key file are damaged.
    /// - `Io` if the generation is missing or cannot be read.
    fn unwrap(&self, generation: u32, context: &[u8], wrapped: &[u8]) -> Result<Secret>;

    /// Destroys `generation`: keys wrapped only by it are unreadable when the call returns. Succeeds if the
    /// generation does not exist, so that an interrupted destruction can be repeated.
    fn destroy(&self, generation: u32) -> Result<()>;
}
