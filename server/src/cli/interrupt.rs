//! Ctrl-C: ends a command at once, or asks a run that can stop cleanly to stop; the second ends it.
//!
//! SIGTERM counts as Ctrl-C. Knows nothing of what is being stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::report::{Status, note};

/// Shared between the watcher and the command.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// Set to ask the run to stop.
    stop: Arc<AtomicBool>,
    /// Whether a run is under way that looks at `stop`.
    heeded: AtomicBool,
}

impl Interrupt {
    /// Carries out `work`, which looks at the flag it is given and stops cleanly when it is set.
    pub fn heeded_by<T>(&self, work: impl FnOnce(Arc<AtomicBool>) -> T) -> T {
        self.heeded.store(true, Ordering::SeqCst);
        let done = work(Arc::clone(&self.stop));
        self.heeded.store(false, Ordering::SeqCst);
        done
    }

    /// Waits for signals until the process ends.
    pub async fn watch(self: Arc<Self>) {
        let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else { return };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let heeded = self.heeded.load(Ordering::SeqCst);
            if !heeded || self.stop.swap(true, Ordering::SeqCst) {
                note("stopped");
                // What was acknowledged is durable; nothing else is worth waiting for.
                std::process::exit(Status::Failed as i32);
            }
            note("stopping: what is done is kept; Ctrl-C again ends at once");
        }
    }
}
