use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{ApiError, ErrorKind, Result};

/// Maximum wait of a request for an upload that another request has locked, 5 s.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
/// Polling interval during this wait, 20 ms.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// The locks of the uploads that are in use: one request at a time writes to an upload. The locks are in
/// memory, for this server only.
#[derive(Clone, Default)]
pub struct UploadLocks(Arc<Mutex<HashSet<String>>>);

/// The lock of one upload, released on drop.
pub struct UploadLock {
    busy: UploadLocks,
    upload: String,
}

impl UploadLocks {
    /// Locks an upload. Returns `None` if the upload is locked already.
    pub fn try_lock(&self, upload: &str) -> Option<UploadLock> {
        let mut busy = self.0.lock();
        let held = || UploadLock { busy: self.clone(), upload: upload.to_owned() };
        busy.insert(upload.to_owned()).then(held)
    }

    /// Locks an upload. Waits up to 5 s while another request holds the lock, because the server may not have
    /// noticed yet that the client's previous connection broke.
    ///
    /// # Errors
    /// - `Locked` if another request still holds the lock after 5 s.
    pub async fn lock(&self, upload: &str) -> Result<UploadLock> {
        let deadline = Instant::now() + LOCK_WAIT_MAX;
        loop {
            if let Some(held) = self.try_lock(upload) {
                return Ok(held);
            }
            if Instant::now() >= deadline {
                let detail = "Another connection is writing to this upload; end it, or try again in 1 second.";
                return Err(ApiError::new(ErrorKind::Locked, detail).retry_after(1));
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }
}

impl Drop for UploadLock {
    fn drop(&mut self) {
        self.busy.0.lock().remove(&self.upload);
    }
}
