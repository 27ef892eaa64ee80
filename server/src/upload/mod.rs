//! Uploads: tus 1.0 (https://tus.io/protocols/resumable-upload), photos in parts of any size, resumed where
//! the line broke.
//!
//! `routes.rs` speaks the protocol, `staging.rs` keeps what has arrived, sealed, and `finish.rs` turns a whole
//! file into a photo of its event. An acknowledged part is on disk. Knows nothing of faces.

mod finish;
pub mod known;
pub mod routes;
mod staging;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Failure, Kind, Result};

pub use finish::{Upload, forget, sweep};

/// Uploads that are being written to, so that two connections do not write to the same one.
#[derive(Clone, Default)]
pub struct Busy(Arc<Mutex<HashSet<String>>>);

/// An upload that nobody else writes to.
pub struct Held {
    busy: Busy,
    upload: String,
}

impl Busy {
    /// Holds an upload; `locked` where somebody else does.
    pub fn hold(&self, upload: &str) -> Result<Held> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if busy.insert(upload.to_owned()) {
            return Ok(Held { busy: self.clone(), upload: upload.to_owned() });
        }
        let detail = "Another connection is writing to this upload.";
        Err(Failure::new(Kind::Locked, detail).retry_after(1))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.upload);
    }
}
