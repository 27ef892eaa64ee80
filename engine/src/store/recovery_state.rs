use prost::Message;

/// A store's progress in planting canaries and applying erasures, from which work continues after a crash.
///
/// The store writes it as one sealed row, in one batch with the change that it records. The numbers only
/// increase.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct RecoveryState {
    /// Number of canaries planted.
    #[prost(uint64, tag = "1")]
    pub(crate) canaries: u64,
    /// Number of the last erasure (in the erasure log) whose rows are deleted from this store.
    #[prost(uint64, tag = "2")]
    pub(crate) applied: u64,
    /// Number of the last erasure (in the erasure log) whose data is no longer in the files and whose receipt
    /// is written.
    #[prost(uint64, tag = "3")]
    pub(crate) completed: u64,
}

impl RecoveryState {
    pub(super) fn encode(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Decodes bytes that `encode` wrote. Returns `None` for other bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Self::decode(bytes).ok()
    }
}
