use super::Secret;
use crate::error::Result;

/// A store of key-encryption keys (KEKs), numbered by generation from 1.
///
/// A provider wraps and unwraps 32-byte keys and can destroy a generation permanently. It need not reveal the
/// KEK itself, so a key management service can implement it as well as a local folder.
pub(crate) trait KeyProvider: Send + Sync {
    /// Returns the existing generations in ascending order.
    fn generations(&self) -> Result<Vec<u32>>;

    /// Creates the key of `generation`, or replaces an existing one. The key is durable when the call
    /// returns.
    fn create(&self, generation: u32) -> Result<()>;

    /// Wraps `key`. `context` is authenticated with it and must be passed again to `unwrap`.
    fn wrap(&self, generation: u32, context: &[u8], key: &Secret) -> Result<Vec<u8>>;

    /// Unwraps a key that `wrap` produced with the same generation and context.
    ///
    /// # Errors
    ///
    /// - `Keyring`: another key, another context, damaged bytes, or a missing generation.
    /// - `Io`: the generation is missing or cannot be read.
    fn unwrap(&self, generation: u32, context: &[u8], wrapped: &[u8]) -> Result<Secret>;

    /// Destroys `generation`: keys wrapped only by it are unreadable when the call returns. Succeeds if the
    /// generation does not exist, so that an interrupted destruction can be repeated.
    fn destroy(&self, generation: u32) -> Result<()>;
}
