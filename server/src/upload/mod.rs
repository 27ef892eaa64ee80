//! Uploads: tus 1.0 (<https://tus.io/protocols/resumable-upload>), photos in parts of any size, resumed where
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
use std::time::{Duration, Instant};

use crate::error::{Failure, Kind, Result};

pub use finish::{Upload, forget, sweep};

/// How long an upload that somebody else writes to is waited for, and how often it is looked at.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(5);
const HOLD_LOOK: Duration = Duration::from_millis(20);

/// Uploads that are being written to, so that two connections do not write to the same one.
#[derive(Clone, Default)]
pub struct Busy(Arc<Mutex<HashSet<String>>>);

/// An upload that nobody else writes to.
pub struct Held {
    busy: Busy,
    upload: String,
}

impl Busy {
    /// Holds an upload, unless somebody else does.
    pub fn try_hold(&self, upload: &str) -> Option<Held> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = || Held { busy: self.clone(), upload: upload.to_owned() };
        busy.insert(upload.to_owned()).then(held)
    }

    /// The same, after waiting for a moment: a connection that broke may not have noticed it yet. `locked`
    /// where somebody else goes on writing.
    pub async fn hold(&self, upload: &str) -> Result<Held> {
        let deadline = Instant::now() + HOLD_WAIT_MAX;
        loop {
            if let Some(held) = self.try_hold(upload) {
                return Ok(held);
            }
            if Instant::now() >= deadline {
                let detail = "Another connection is writing to this upload.";
                return Err(Failure::new(Kind::Locked, detail).retry_after(1));
            }
            tokio::time::sleep(HOLD_LOOK).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.busy.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.upload);
    }
}
