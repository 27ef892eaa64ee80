use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::report::{ExitStatus, note};

/// Handles Ctrl-C and SIGTERM. A signal ends the process at once, unless a run that can stop cleanly is in
/// progress: the first signal requests that run to stop, and the second one ends the process. Shared between
/// the signal watcher and the command.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// Set by the first signal; the run must stop.
    stop: Arc<AtomicBool>,
    /// Whether a run that checks `stop` is in progress.
    heeded: AtomicBool,
}

impl Interrupt {
    /// Runs `work`, which must check the flag in its argument and stop cleanly after a signal has set the
    /// flag.
    pub fn heeded_by<T>(&self, work: impl FnOnce(Arc<AtomicBool>) -> T) -> T {
        self.heeded.store(true, Ordering::SeqCst);
        let done = work(Arc::clone(&self.stop));
        self.heeded.store(false, Ordering::SeqCst);
        done
    }

    /// Handles each Ctrl-C and SIGTERM as [`Interrupt`] describes, until the process ends. Returns at once if
    /// the signal handlers cannot be installed.
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
                // Acknowledged work is durable, so the process can end without a wait.
                std::process::exit(ExitStatus::Failed as i32);
            }
            note("stopping; finished work is kept; press Ctrl-C again to end at once");
        }
    }
}
