//! The other end of the service: how photos of this computer get there, however bad the line is.
//!
//! Files → `digest` (hash, first bytes) → which does the event have already? → `sender` (resumable, several
//! connections) → an [`Event`] for each step. Never prints, never changes a file, remembers nothing: what has
//! arrived, the service knows.

mod crew;
mod digest;
mod patience;
mod sender;
mod service;

use std::path::Path;

pub use crew::{Order, run};
pub use service::Service;

/// What happened, told while it happens.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The event has this photo already.
    Known {
        bytes: u64,
    },
    /// The same content as another file of this run.
    Duplicate {
        bytes: u64,
    },
    /// Bytes were put on the line; `again` of them not for the first time.
    Sent {
        bytes: u64,
        again: u64,
    },
    /// The service has so many bytes more of a photo.
    Kept {
        bytes: u64,
    },
    Uploaded,
    /// Not a photo for the service; `bytes` of it will not be kept.
    Refused {
        path: &'a Path,
        code: &'a str,
        reason: &'a str,
        bytes: u64,
    },
    /// Not sent for a reason on this side; `bytes` of it will not be kept.
    Failed {
        path: &'a Path,
        reason: &'a str,
        bytes: u64,
    },
    /// The first trouble since things last went well; it is tried again.
    Waiting {
        reason: &'a str,
    },
}
