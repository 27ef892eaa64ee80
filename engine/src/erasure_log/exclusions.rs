use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::fs::swap::swap_bytes;

static FREED_MEMORY_OVERWRITTEN: AtomicBool = AtomicBool::new(false);

/// A place that an erasure neither cleared nor examined, and that may therefore still hold erased data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exclusion {
    /// Memory that the process has freed and not reused yet: this program does not overwrite it.
    FreedMemory,
    /// Buffers that the inference runtime, the image decoders and the operating system still hold.
    LibraryBuffers,
    /// The machine swaps, so memory with the data may have been written to disk.
    Swap,
    /// Snapshots and copies of disks, folders and databases that other programs have made.
    ForeignCopies,
}

/// Records that this process overwrites memory before it frees it. The program must call this once it has
/// made sure of it.
pub fn declare_freed_memory_overwritten() {
    FREED_MEMORY_OVERWRITTEN.store(true, Ordering::Relaxed);
}

impl Exclusion {
    /// Returns what the erasures of this process do not cover, in the order of declaration.
    pub(crate) fn current() -> Vec<Self> {
        let mut found = vec![Self::LibraryBuffers, Self::ForeignCopies];
        if !FREED_MEMORY_OVERWRITTEN.load(Ordering::Relaxed) {
            found.push(Self::FreedMemory);
        }
        // A system that does not list its swap areas may have some.
        if swap_bytes() != Some(0) {
            found.push(Self::Swap);
        }
        found.sort_unstable();
        found
    }
}
