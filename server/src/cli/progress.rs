use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::{Mutex, MutexGuard};
use picpick_engine::indexing::ProgressEvent;

use super::format;
use super::report::{note, printable};

/// Interval between two progress lines if standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of an indexing run, on standard error: a bar on a terminal, otherwise a line every
/// [`LINE_INTERVAL`]. Prints the name of each skipped file. Shared by all workers of the run.
pub struct IndexProgress {
    total: usize,
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<IndexProgressState>,
}

struct IndexProgressState {
    counts: IndexCounts,
    line_at: Instant,
}

/// The counts of a run so far.
#[derive(Clone, Debug, Default)]
pub struct IndexCounts {
    /// Number of photos that this run has added durably.
    pub stored: usize,
    pub faces: usize,
    /// Photos that the collection had before this run, and further files with the content of another file.
    pub known: usize,
    pub skipped: Vec<(PathBuf, String)>,
}

impl IndexProgress {
    /// Starts the progress of a run over `total` files.
    pub fn new(total: usize) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total));
        let begun = Instant::now();
        Self {
            total,
            bar,
            begun,
            state: Mutex::new(IndexProgressState {
                counts: IndexCounts::default(),
                line_at: begun,
            }),
        }
    }

    /// Counts `event` and updates the display.
    pub fn on_event(&self, event: ProgressEvent<'_>) {
        let mut state = self.state();
        match event {
            ProgressEvent::Decoded(..) => {}
            ProgressEvent::Known(_) => state.counts.known += 1,
            ProgressEvent::Skipped(path, reason) => {
                self.say(&skip_line(path, &reason));
                state.counts.skipped.push((path.to_path_buf(), reason));
            }
            ProgressEvent::Stored { photos, faces } => {
                state.counts.stored += photos;
                state.counts.faces += faces;
            }
        }
        let line = self.line(&state.counts);
        match &self.bar {
            Some(bar) => {
                bar.set_position(state.counts.seen() as u64);
                bar.set_message(line);
            }
            None if state.line_at.elapsed() >= LINE_INTERVAL => {
                state.line_at = Instant::now();
                note(&format!("{} of {} photos, {line}", state.counts.seen(), self.total));
            }
            None => {}
        }
    }

    /// Removes the bar; returns the counts.
    pub fn finish(&self) -> IndexCounts {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.state().counts.clone()
    }

    /// Returns the time since the start of the run.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(printable(line)),
            None => note(line),
        }
    }

    fn line(&self, counts: &IndexCounts) -> String {
        let elapsed = self.elapsed().as_secs_f64();
        let mut parts = Vec::new();
        if counts.stored > 0 && elapsed > 0.0 {
            parts.push(format!("{:.1} photos/s", counts.stored as f64 / elapsed));
        }
        parts.push(format::count(counts.faces, "face"));
        if !counts.skipped.is_empty() {
            parts.push(format!("{} skipped", counts.skipped.len()));
        }
        let left = self.total.saturating_sub(counts.seen());
        if counts.seen() > 0 && left > 0 {
            let seconds = elapsed * left as f64 / counts.seen() as f64;
            parts.push(format!("{} left", format::duration(Duration::from_secs_f64(seconds))));
        }
        parts.join(", ")
    }

    fn state(&self) -> MutexGuard<'_, IndexProgressState> {
        self.state.lock()
    }
}

impl IndexCounts {
    fn seen(&self) -> usize {
        self.stored + self.known + self.skipped.len()
    }
}

/// Returns the line that names a skipped file.
pub fn skip_line(path: &Path, reason: &str) -> String {
    let path = format::path(path);
    // The text of an I/O error names its file already.
    if reason.contains(&path) {
        format!("skipped: {reason}")
    } else {
        format!("skipped: {path}: {reason}")
    }
}

fn bar(total: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} photos, {msg}");
    let bar = ProgressBar::with_draw_target(Some(total as u64), ProgressDrawTarget::stderr());
    // The template is a constant that a test parses.
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message("loading models");
    bar.tick();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_add_up_and_skipped_files_are_kept_by_name() {
        let progress = IndexProgress::new(5);
        progress.on_event(ProgressEvent::Stored { photos: 2, faces: 7 });
        progress.on_event(ProgressEvent::Known(Path::new("a")));
        progress.on_event(ProgressEvent::Skipped(Path::new("b"), "not a photo".into()));
        let line = progress.line(&progress.state().counts.clone());
        assert!(line.contains("7 faces, 1 skipped") && line.ends_with(" left"), "{line}");
        let counts = progress.finish();
        assert_eq!((counts.stored, counts.faces, counts.known, counts.seen()), (2, 7, 1, 4));
        assert_eq!(counts.skipped, [(PathBuf::from("b"), "not a photo".to_owned())]);
    }

    #[test]
    fn a_skipped_file_is_named_once() {
        assert_eq!(skip_line(Path::new("a.jpg"), "damaged"), "skipped: a.jpg: damaged");
        assert_eq!(
            skip_line(Path::new("a.jpg"), "read a.jpg: denied"),
            "skipped: read a.jpg: denied"
        );
    }

    #[test]
    fn the_template_of_the_bar_parses() {
        assert!(ProgressStyle::with_template("{wide_bar} {pos} of {len} photos, {msg}").is_ok());
    }
}
