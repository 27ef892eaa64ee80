//! How far a store has come in what must be taken up again after a crash.
//!
//! One sealed row, written in the same batch as the change it speaks of. Knows nothing of the ledger's
//! content.

use prost::Message;

/// Numbers only ever rise.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct State {
    /// Canaries planted so far.
    #[prost(uint64, tag = "1")]
    pub(crate) canaries: u64,
    /// The last erasure of the ledger whose rows are deleted here.
    #[prost(uint64, tag = "2")]
    pub(crate) erased: u64,
    /// The last erasure of the ledger whose bytes are out of the files, and attested.
    #[prost(uint64, tag = "3")]
    pub(crate) attested: u64,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Reads what `encode` wrote; `None` for anything else.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }
}
