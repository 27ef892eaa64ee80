use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Failure, Kind, Result};

/// Greatest time that a request waits for an upload that another request holds, and the polling interval.
const HOLD_WAIT_MAX: Duration = Duration::from_secs(5);
const HOLD_LOOK: Duration = Duration::from_millis(20);

/// The locks of the uploads that are in use: one request at a time writes to an upload. The locks are in
/// memory, for this server only.
#[derive(Clone, Default)]
pub struct Busy(Arc<Mutex<HashSet<String>>>);

/// The lock of one upload, released on drop.
pub struct Held {
    busy: Busy,
    upload: String,
}

impl Busy {
    /// Locks an upload, or returns `None` if it is locked already.
    pub fn try_hold(&self, upload: &str) -> Option<Held> {
        let mut busy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = || Held { busy: self.clone(), upload: upload.to_owned() };
        busy.insert(upload.to_owned()).then(held)
    }

    /// Locks an upload; waits up to 5 s while another request holds it, since the server may not have noticed
    /// yet that the client's previous connection broke.
    ///
    /// # Errors
    /// - `Locked` if the other request still holds it.
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
