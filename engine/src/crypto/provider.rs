//! Who holds the key-encryption keys: a trait that a local folder fulfils and a key service can.
//!
//! A provider wraps and unwraps 32-byte keys by generation and can destroy a generation for good. It
//! need never hand out the key-encryption key itself. Knows nothing of what the wrapped keys open.

use super::Secret;
use crate::error::Result;

/// Holds key-encryption keys, numbered by generation from 1.
pub(crate) trait KeyProvider: Send + Sync {
    /// The generations that exist, ascending.
    fn generations(&self) -> Result<Vec<u32>>;

    /// Makes the key of `generation`, durable when it returns; one that is there is replaced.
    fn create(&self, generation: u32) -> Result<()>;

    /// Wraps `key`; `context` is authenticated with it and must be given again to unwrap.
    fn wrap(&self, generation: u32, context: &[u8], key: &Secret) -> Result<Vec<u8>>;

    /// Unwraps what `wrap` made with the same generation and context. Errors: `Keyring` for another
    /// key, another context, or damage; `Io` or `Keyring` when the generation is not there.
    fn unwrap(&self, generation: u32, context: &[u8], wrapped: &[u8]) -> Result<Secret>;

    /// Destroys `generation`: what only it wrapped is unreadable when this returns. One that is not
    /// there is fine, so that an interrupted destruction can be repeated.
    fn destroy(&self, generation: u32) -> Result<()>;
}
