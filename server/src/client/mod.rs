//! The upload client: sends photos of this computer to the service, and resumes after any interruption.
//!
//! Files → `hash_file` (hash, first bytes) → hashes that the event has are skipped → `sender` (resumable,
//! several connections) → an [`ClientEvent`] for each step. It keeps no state of its own, because the service knows
//! what has arrived.

mod api;
mod backoff;
mod file_hash;
mod upload;
mod workers;

use std::path::Path;

pub use api::ApiClient;
pub use workers::{UploadOrder, run};

/// A step of an upload run, reported while the run goes on.
#[derive(Clone, Copy, Debug)]
pub enum ClientEvent<'a> {
    /// The event has this photo already.
    Known {
        bytes: u64,
    },
    /// Another file of this run has the same content.
    Duplicate {
        bytes: u64,
    },
    /// Bytes were sent; `again` of them had been sent before.
    Sent {
        bytes: u64,
        again: u64,
    },
    /// The service has stored `bytes` more of a photo.
    Kept {
        bytes: u64,
    },
    Uploaded,
    /// The file was rejected; `bytes` of it will not be stored.
    Refused {
        path: &'a Path,
        code: &'a str,
        reason: &'a str,
        bytes: u64,
    },
    /// The file could not be read; `bytes` of it will not be stored.
    Failed {
        path: &'a Path,
        reason: &'a str,
        bytes: u64,
    },
    /// The first failure since the last progress; it will be retried.
    Waiting {
        reason: &'a str,
    },
}
