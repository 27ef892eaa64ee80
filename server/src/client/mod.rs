//! The upload client: sends photos of this computer to the service, and resumes after any interruption.
//!
//! Files → `hash_file` (hash, first bytes) → `find_existing` (skips photos that the event has) → `Uploader`
//! (resumable, several connections). Reports a [`ClientEvent`] for each step. The client stores no state,
//! because the service knows which bytes it has stored.

mod api;
mod backoff;
mod file_hash;
mod upload;
mod workers;

use std::path::Path;

pub use api::ApiClient;
pub use workers::{UploadOrder, run};

/// A step of an upload run, reported during the run.
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
    /// `bytes` were sent, `again` of these for the second time.
    Sent {
        bytes: u64,
        again: u64,
    },
    /// The service has stored `bytes` more of a photo.
    Kept {
        bytes: u64,
    },
    Uploaded,
    /// The file was rejected; `bytes` of the file will not be stored.
    Refused {
        path: &'a Path,
        code: &'a str,
        reason: &'a str,
        bytes: u64,
    },
    /// The file could not be read; `bytes` of the file will not be stored.
    Failed {
        path: &'a Path,
        reason: &'a str,
        bytes: u64,
    },
    /// The first failure since the last progress; the client will retry.
    Waiting {
        reason: &'a str,
    },
}
