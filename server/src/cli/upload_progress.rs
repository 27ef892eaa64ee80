use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::{Mutex, MutexGuard};
use serde::Serialize;

use super::format;
use super::progress::skip_line;
use super::report::{ExitStatus, note, printable};
use crate::client::ClientEvent;

/// Interval between two progress lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A file that was left out.
#[derive(Clone, Debug, Serialize)]
pub struct UnsentFile {
    pub path: String,
    /// Error code of the service; absent for files that could not be read and for skipped entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub reason: String,
}

/// The result of an upload run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UploadSummary {
    pub uploaded: usize,
    /// Photos that the event had already.
    pub existing: usize,
    /// Files whose content equals that of another file of this run.
    pub duplicates: usize,
    /// Files that the service or the client rejected, for instance because they are not photos.
    pub rejected: Vec<UnsentFile>,
    /// Files that could not be read.
    pub failed: Vec<UnsentFile>,
    /// Entries that the walk through the folders left out.
    pub skipped: Vec<UnsentFile>,
    pub bytes_sent: u64,
    /// Bytes of `bytes_sent` that an earlier attempt had already sent, for instance before the connection
    /// broke.
    pub bytes_resent: u64,
    pub elapsed_s: f64,
    pub event: String,
    pub stopped: bool,
}

/// The progress and the result of an upload run. Progress goes to standard error: a bar on a terminal,
/// otherwise a line every [`LINE_INTERVAL`]. Prints the name of each file that was left out. Shared by all
/// connections of the run.
pub struct UploadProgress {
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<UploadProgressState>,
}

struct UploadProgressState {
    outcome: UploadSummary,
    photos: usize,
    bytes: u64,
    bytes_done: u64,
    line_at: Instant,
}

impl UploadProgress {
    /// Starts the progress of an upload to `event`, without files.
    pub fn new(event: &str) -> Self {
        let begun = Instant::now();
        let outcome = UploadSummary { event: event.to_owned(), ..UploadSummary::default() };
        let state =
            UploadProgressState { outcome, photos: 0, bytes: 0, bytes_done: 0, line_at: begun };
        Self { bar: std::io::stderr().is_terminal().then(bar), begun, state: Mutex::new(state) }
    }

    /// Adds `files` to the total.
    pub fn expect(&self, files: &[PathBuf]) {
        let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |file| file.len());
        let bytes: u64 = files.iter().map(size).sum();
        let mut state = self.state();
        state.photos += files.len();
        state.bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_length(state.bytes);
        }
    }

    /// Records a path that the walk skipped, and prints it.
    pub fn skip(&self, path: &Path, reason: &str) {
        self.say(&skip_line(path, reason));
        self.state().outcome.skipped.push(left(path, None, reason));
    }

    /// Counts `event` and updates the display.
    pub fn on_event(&self, event: ClientEvent<'_>) {
        let mut state = self.state();
        let UploadProgressState { outcome, bytes_done, .. } = &mut *state;
        match event {
            ClientEvent::Known { bytes } => {
                (outcome.existing, *bytes_done) = (outcome.existing + 1, *bytes_done + bytes)
            }
            ClientEvent::Duplicate { bytes } => {
                outcome.duplicates += 1;
                *bytes_done += bytes;
            }
            ClientEvent::Sent { bytes, again } => {
                outcome.bytes_sent += bytes;
                outcome.bytes_resent += again;
            }
            ClientEvent::Kept { bytes } => *bytes_done += bytes,
            ClientEvent::Uploaded => outcome.uploaded += 1,
            ClientEvent::Refused { path, code, reason, bytes } => {
                self.say(&skip_line(path, reason));
                outcome.rejected.push(left(path, Some(code), reason));
                *bytes_done += bytes;
            }
            ClientEvent::Failed { path, reason, bytes } => {
                self.say(&skip_line(path, reason));
                outcome.failed.push(left(path, None, reason));
                *bytes_done += bytes;
            }
            ClientEvent::Waiting { reason } => self.say(&format!("waiting to retry: {reason}")),
        }
        self.show(&mut state);
    }

    fn show(&self, state: &mut UploadProgressState) {
        let line = format!("{} of {}", state.outcome.seen(), format::count(state.photos, "photo"));
        match &self.bar {
            Some(bar) => {
                bar.set_position(state.bytes_done);
                bar.set_message(line);
            }
            None if state.line_at.elapsed() >= LINE_INTERVAL => {
                state.line_at = Instant::now();
                let (done, all) = (format::bytes(state.bytes_done), format::bytes(state.bytes));
                note(&format!("{line}, {done} of {all}"));
            }
            None => {}
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable(line)),
            None => note(line),
        }
    }

    /// Returns the result so far.
    pub fn outcome(&self) -> UploadSummary {
        let elapsed_s = self.begun.elapsed().as_secs_f64();
        UploadSummary { elapsed_s, ..self.state().outcome.clone() }
    }

    /// Removes the bar; returns the result.
    pub fn finish(&self, stopped: bool) -> UploadSummary {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        UploadSummary { stopped, ..self.outcome() }
    }

    fn state(&self) -> MutexGuard<'_, UploadProgressState> {
        self.state.lock()
    }
}

impl UploadSummary {
    /// Returns the number of the run's files whose photos the event has now.
    pub fn there(&self) -> usize {
        self.uploaded + self.existing + self.duplicates
    }

    fn seen(&self) -> usize {
        self.there() + self.rejected.len() + self.failed.len()
    }

    /// Returns the exit status of a run that had to send all files.
    pub fn status(&self) -> ExitStatus {
        let left = self.rejected.len() + self.skipped.len();
        match (self.stopped || !self.failed.is_empty(), self.there(), left) {
            (true, ..) => ExitStatus::Failed,
            (_, 0, 0) => ExitStatus::NothingFound,
            (_, 0, _) => ExitStatus::Failed,
            _ => ExitStatus::Done,
        }
    }

    /// Returns the result as text.
    pub fn text(&self) -> String {
        if self.seen() + self.skipped.len() == 0 && !self.stopped {
            return "No photos found: the folders are empty or contain only hidden files; \
                    name others.\n"
                .into();
        }
        let mut text = format!("Sent {}", format::count(self.uploaded, "photo"));
        if self.bytes_sent > 0 {
            let rate = (self.bytes_sent as f64 / self.elapsed_s.max(0.001)) as u64;
            let time = format::duration(Duration::from_secs_f64(self.elapsed_s));
            let (sent, rate) = (format::bytes(self.bytes_sent), format::bytes(rate));
            text += &format!(", {sent} in {time} ({rate}/s)");
        }
        text += ".\n";
        let mut line = |number: usize, one: &str, many: &str| {
            let (number, rest) = (format::thousands(number), if number == 1 { one } else { many });
            if number != "0" {
                text += &format!("{number} {rest}.\n");
            }
        };
        line(self.existing, "photo was in the event already", "photos were in the event already");
        line(self.duplicates, "file is a copy of another file", "files are copies of other files");
        line(
            self.failed.len(),
            "file could not be sent (listed above)",
            "files could not be sent (listed above)",
        );
        let left: Vec<&UnsentFile> = self.rejected.iter().chain(&self.skipped).collect();
        line(left.len(), "file was left out (listed above)", "files were left out (listed above)");
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        left.iter().for_each(|left| *reasons.entry(left.reason.as_str()).or_default() += 1);
        for (reason, files) in reasons {
            text += &format!("{files:>6} × {}\n", printable(reason));
        }
        if self.bytes_resent > 0 {
            let twice = format::bytes(self.bytes_resent);
            text += &format!("{twice} had to be sent again after a connection broke.\n");
        }
        if self.stopped {
            text += "Stopped before the end; run the same command again to continue.\n";
        }
        text
    }
}

fn left(path: &Path, code: Option<&str>, reason: &str) -> UnsentFile {
    UnsentFile {
        path: path.to_string_lossy().into_owned(),
        code: code.map(str::to_owned),
        reason: reason.to_owned(),
    }
}

const TEMPLATE: &str = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {msg}";

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    // The template is a constant that a test parses.
    bar.set_style(
        ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.tick();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_add_up_to_what_was_expected() {
        let transfer = UploadProgress::new("event");
        let path = Path::new("a");
        for event in [
            ClientEvent::Known { bytes: 10 },
            ClientEvent::Duplicate { bytes: 10 },
            ClientEvent::Waiting { reason: "the line is cut" },
            ClientEvent::Sent { bytes: 8, again: 0 },
            ClientEvent::Sent { bytes: 5, again: 3 },
            ClientEvent::Kept { bytes: 10 },
            ClientEvent::Uploaded,
            ClientEvent::Refused { path, code: "not_a_photo", reason: "a GIF", bytes: 7 },
            ClientEvent::Failed { path, reason: "denied", bytes: 3 },
        ] {
            transfer.on_event(event);
        }
        transfer.skip(path, "a link");
        assert_eq!(transfer.state().bytes_done, 40);
        let outcome = transfer.finish(false);
        assert_eq!((outcome.uploaded, outcome.there(), outcome.seen()), (1, 3, 5));
        assert_eq!((outcome.bytes_sent, outcome.bytes_resent), (13, 3));
        let document = serde_json::to_value(&outcome).unwrap_or_default();
        let refused = serde_json::json!([{"path": "a", "code": "not_a_photo", "reason": "a GIF"}]);
        assert_eq!(document.get("rejected"), Some(&refused));
        let text = outcome.text();
        assert!(text.contains("2 files were left out") && text.contains("1 × a GIF"), "{text}");
        assert!(text.contains("1 file could not be sent"), "{text}");
    }

    #[test]
    fn the_exit_status_says_whether_everything_is_there() {
        let of = |uploaded, existing, rejected: usize, failed: usize, stopped| {
            let some = |number| vec![left(Path::new("a"), None, "why"); number];
            let (rejected, failed) = (some(rejected), some(failed));
            UploadSummary {
                uploaded,
                existing,
                rejected,
                failed,
                stopped,
                ..UploadSummary::default()
            }
            .status()
        };
        assert_eq!(of(1, 0, 5, 0, false), ExitStatus::Done);
        assert_eq!(of(0, 1, 0, 0, false), ExitStatus::Done);
        assert_eq!(of(0, 0, 5, 0, false), ExitStatus::Failed);
        assert_eq!(of(0, 0, 0, 0, false), ExitStatus::NothingFound);
        assert_eq!(of(9, 0, 0, 1, false), ExitStatus::Failed);
        assert_eq!(of(9, 0, 0, 0, true), ExitStatus::Failed);
    }

    #[test]
    fn the_template_of_the_bar_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
