use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};
use clap::Args;

use super::context::Context;
use super::report::{ExitStatus, Report, note};
use super::upload::UploadDestination;
use super::upload_progress::{UploadProgress, UploadSummary};
use super::{file_walk, format};
use crate::client::{self, ApiClient};

const AFTER: &str = "\
For tethered shooting, or for a folder to which a camera sends photos. Without a
connection, the command retries until the service responds. The API key comes
from PICPICK_API_KEY or a file. Ctrl-C ends the command; start the command again
to continue.

Example:
  picpick watch https://photos.example.com EVENT ~/Pictures/incoming

With --json: as 'picpick upload', at the end.";

/// Interval between two scans of the folder. Polling works on every kind of disk and network share.
const EVERY: Duration = Duration::from_secs(1);
/// Limits the files that are sent between two scans, so that a new photo does not wait for an old backlog.
const PASS_FILES_MAX: usize = 200;
/// Delay before a retry of a file that could not be read.
const AGAIN: Duration = Duration::from_secs(60);
/// Limits the time between Ctrl-C and the end of a pause.
const SLICE: Duration = Duration::from_millis(50);

/// Sends the photos that arrive in a folder to an event of the service, until Ctrl-C. Never changes a
/// photo.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct WatchArguments {
    #[command(flatten)]
    to: UploadDestination,
    /// Folder to watch, with everything below it
    #[arg(value_name = "FOLDER")]
    watched: PathBuf,
    /// Send a file after its size and modification time have not changed for this time
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    settle: u32,
}

pub fn run(context: &Context, arguments: &WatchArguments) -> Result<Report> {
    let service = arguments.to.service()?;
    let folder = &arguments.watched;
    std::fs::read_dir(folder).map_err(|error| {
        anyhow!("reading the folder to watch, {}: {error}", format::path(folder))
    })?;
    note(&format!("Watching {}; press Ctrl-C to end.", format::path(folder)));
    let transfer = UploadProgress::new(arguments.to.event());
    let done = context.interrupt.heeded_by(|stop| watch(arguments, &service, &transfer, &stop));
    // Ctrl-C is the normal end of a watch, not an interruption: the next watch finds all unsent files again.
    let outcome = transfer.finish(false);
    done.map_err(|why| anyhow!(why))?;
    let text = if outcome.there() == 0 { "Nothing was sent.\n".into() } else { outcome.text() };
    let failed = !outcome.failed.is_empty() && outcome.there() == 0;
    let status = if failed { ExitStatus::Failed } else { ExitStatus::Done };
    Ok(Report::new(&outcome, text)?.with(status))
}

fn watch(
    arguments: &WatchArguments,
    service: &ApiClient,
    transfer: &UploadProgress,
    stop: &AtomicBool,
) -> std::result::Result<(), String> {
    let mut seen = SeenFile::new(Duration::from_secs(arguments.settle.into()));
    while !stop.load(Ordering::SeqCst) {
        // Entries that the walk skips are not reported: the message would repeat every second, and many are
        // temporary files.
        let found = file_walk::walk(std::slice::from_ref(&arguments.watched)).files;
        let ready = seen.look(found.into_iter().filter_map(looks), Instant::now());
        if ready.is_empty() {
            pause(stop);
            continue;
        }
        let before = transfer.outcome();
        transfer.expect(&ready);
        let order = arguments.to.order(service, ready, None);
        client::run(order, stop, &|event| transfer.on_event(event))?;
        let after = transfer.outcome();
        let unread = after.failed.get(before.failed.len()..).unwrap_or_default();
        unread.iter().for_each(|left| seen.try_again(&left.path, Instant::now()));
        tell(&before, &after);
    }
    Ok(())
}

fn tell(before: &UploadSummary, after: &UploadSummary) {
    let sent = after.uploaded - before.uploaded;
    if sent > 0 {
        let all = format::count(after.uploaded, "photo");
        note(&format!("{} sent, {all} since the start", format::count(sent, "photo")));
    }
}

fn pause(stop: &AtomicBool) {
    let end = Instant::now() + EVERY;
    while Instant::now() < end && !stop.load(Ordering::SeqCst) {
        std::thread::sleep(SLICE);
    }
}

/// Size and modification time of a file.
type FileStamp = (u64, SystemTime);

fn looks(path: PathBuf) -> Option<(PathBuf, FileStamp)> {
    let file = std::fs::metadata(&path).ok()?;
    Some((path, (file.len(), file.modified().ok()?)))
}

/// The state of each file at the last scan of the folder. Kept in memory only.
struct SeenFile {
    settle: Duration,
    files: HashMap<PathBuf, WatchState>,
}

struct WatchState {
    looks: FileStamp,
    /// Time at which the file is sent unless it changes before; `None` if it was sent.
    due: Option<Instant>,
}

impl SeenFile {
    fn new(settle: Duration) -> Self {
        Self { settle, files: HashMap::new() }
    }

    /// Records `found`, the files that exist now. Returns the files to send, newest first, at most
    /// [`PASS_FILES_MAX`].
    fn look(
        &mut self,
        found: impl Iterator<Item = (PathBuf, FileStamp)>,
        now: Instant,
    ) -> Vec<PathBuf> {
        let mut before = std::mem::take(&mut self.files);
        for (path, looks) in found {
            let state = match before.remove(&path) {
                Some(state) if state.looks == looks => state,
                _ => WatchState { looks, due: Some(now + self.settle) },
            };
            self.files.insert(path, state);
        }
        let is_due = |state: &WatchState| state.due.is_some_and(|due| due <= now);
        let mut ready: Vec<(SystemTime, PathBuf)> = self
            .files
            .iter()
            .filter(|(_, state)| is_due(state))
            .map(|(path, state)| (state.looks.1, path.clone()))
            .collect();
        ready.sort_by(|a, b| b.cmp(a));
        ready.truncate(PASS_FILES_MAX);
        let ready: Vec<PathBuf> = ready.into_iter().map(|(_, path)| path).collect();
        for path in &ready {
            if let Some(state) = self.files.get_mut(path) {
                state.due = None;
            }
        }
        ready
    }

    /// Schedules a retry of a file that could not be sent.
    fn try_again(&mut self, path: &str, now: Instant) {
        // Reports contain paths as text. A path that is not UTF-8 does not match here, so its file is sent
        // again only after the file has changed.
        if let Some(state) = self.files.get_mut(std::path::Path::new(path)) {
            state.due = Some(now + AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn file(name: &str, bytes: u64, age_s: u64) -> (PathBuf, FileStamp) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - age_s);
        (name.into(), (bytes, time))
    }

    #[test]
    fn a_file_goes_out_once_it_stands_still_and_again_when_it_changes() {
        let (mut seen, begun) = (SeenFile::new(3 * SECOND), Instant::now());
        let mut at = |second: u32, file: Option<&(PathBuf, FileStamp)>| {
            seen.look(file.into_iter().cloned(), begun + second * SECOND)
        };
        let (small, large) = (file("a", 5, 0), file("a", 9, 0));
        assert_eq!(at(0, Some(&small)), [""; 0].map(PathBuf::from));
        assert!(at(2, Some(&small)).is_empty());
        assert!(at(3, Some(&large)).is_empty(), "it has grown");
        assert!(at(5, Some(&large)).is_empty());
        assert_eq!(at(6, Some(&large)), ["a"].map(PathBuf::from));
        assert!(at(9, Some(&large)).is_empty(), "it was sent");
        assert!(at(10, None).is_empty());
        assert!(at(11, Some(&large)).is_empty(), "it came back and must be unchanged for 3 s");
        assert_eq!(at(14, Some(&large)), ["a"].map(PathBuf::from));
    }

    #[test]
    fn the_newest_goes_first_and_a_backlog_in_parts() {
        let (mut seen, now) = (SeenFile::new(Duration::ZERO), Instant::now());
        let files: Vec<_> = (0..250).map(|age| file(&age.to_string(), 1, age)).collect();
        let first = seen.look(files.iter().cloned(), now);
        assert_eq!(first.len(), PASS_FILES_MAX);
        assert_eq!(first.first(), Some(&PathBuf::from("0")));
        assert_eq!(seen.look(files.iter().cloned(), now).len(), 50);
        assert!(seen.look(files.iter().cloned(), now).is_empty());
        seen.try_again("7", now);
        assert!(seen.look(files.iter().cloned(), now).is_empty());
        let later = seen.look(files.iter().cloned(), now + AGAIN);
        assert_eq!(later, ["7"].map(PathBuf::from));
    }
}
