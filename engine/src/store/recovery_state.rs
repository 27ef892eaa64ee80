use prost::Message;

/// A store's progress in planting canaries and applying erasures, from which work continues after a crash.
///
/// Stored as one sealed row, in the same batch as the change that it records. The numbers only increase.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct State {
    /// Number of canaries planted.
    #[prost(uint64, tag = "1")]
    pub(crate) canaries: u64,
    /// Number of the last erasure (in the erasure log) whose rows are deleted from this store.
    #[prost(uint64, tag = "2")]
    pub(crate) erased: u64,
    /// Number of the last erasure whose bytes are out of the files and whose receipt is written.
    #[prost(uint64, tag = "3")]
    pub(crate) attested: u64,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Decodes bytes that `encode` wrote. Returns `None` for other bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }
}
