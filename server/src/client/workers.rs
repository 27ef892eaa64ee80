//! The threads of an upload: several threads hash files, one thread requests the existing photos from the
//! service, and several threads send files.
//!
//! Bounded queues connect the threads, so that memory does not grow with the number of files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;

use super::ClientEvent;
use super::api::{ApiClient, ClientError};
use super::backoff::RetryPolicy;
use super::file_hash::{HashedFile, RejectedFile, hash_file};
use super::upload::{UploadOutcome, Uploader};

/// Limits the hashes in one request; the service accepts no more.
const ASKED_MAX: usize = 1000;
/// Limits the wait for each further hash of a request.
const ASK_WAIT: Duration = Duration::from_millis(200);
/// Limits the threads that hash files. With more threads, the disk is the bottleneck, not the processor.
const HASHERS_MAX: usize = 8;

/// A request to upload files, and its limits.
pub struct UploadOrder<'a> {
    pub service: &'a ApiClient,
    pub files: Vec<PathBuf>,
    /// Name of the event's folder for the photos.
    pub folder: Option<&'a str>,
    pub connections: usize,
    /// Limits the time without progress, after which the run gives up; `None` never gives up.
    pub give_up_after: Option<Duration>,
}

/// Sends the files. Calls `tell` for each step, from several threads. Returns early when `stop` is set.
///
/// # Errors
/// The reason, as text, of a failure that stops all files, for instance a wrong API key.
pub fn run(
    order: UploadOrder<'_>,
    stop: &AtomicBool,
    tell: &(dyn Fn(ClientEvent<'_>) + Sync),
) -> Result<(), String> {
    let ended = Progress { stop, halted: AtomicBool::new(false), why: Mutex::new(None) };
    let patience = RetryPolicy::new(order.give_up_after);
    let stopping = || ended.is_stopping();
    let (service, patience) = (order.service, &patience);
    let sender = Uploader { service, patience, stop: &stopping, tell, folder: None };
    let folder = match order.folder {
        Some(name) => with_retries(&sender, || service.folder(name))?,
        None => None,
    };
    if order.folder.is_some() && folder.is_none() {
        return Ok(());
    }
    let sender = Uploader { folder: folder.as_deref(), ..sender };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hashers = cores.min(HASHERS_MAX).min(order.files.len());
    let files = Mutex::new(order.files.into_iter());
    let (hashed, to_ask) = sync_channel(ASKED_MAX);
    let (missing, to_send) = sync_channel(order.connections);
    // Only the sending threads own the receiver. After these threads have ended, `find_existing` fails to
    // send instead of blocking forever.
    let to_send = Arc::new(Mutex::new(to_send));
    std::thread::scope(|scope| {
        for _ in 0..hashers {
            let (files, sender, hashed) = (&files, &sender, hashed.clone());
            scope.spawn(move || hash(files, sender, &hashed));
        }
        drop(hashed);
        for _ in 0..order.connections {
            let (sender, ended, to_send) = (&sender, &ended, Arc::clone(&to_send));
            scope.spawn(move || send(sender, ended, &to_send));
        }
        drop(to_send);
        let (sender, ended) = (&sender, &ended);
        scope.spawn(move || {
            if let Err(why) = find_existing(sender, &to_ask, &missing) {
                ended.halt(why);
            }
        });
    });
    ended.why.into_inner().map_or(Ok(()), Err)
}

/// The stop flags of a run, and the reason for which the run ended itself.
struct Progress<'a> {
    stop: &'a AtomicBool,
    halted: AtomicBool,
    why: Mutex<Option<String>>,
}

impl Progress<'_> {
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::SeqCst) || self.halted.load(Ordering::SeqCst)
    }

    /// Ends the run. Keeps the first reason only, because later failures follow from it.
    fn halt(&self, why: String) {
        self.why.lock().get_or_insert(why);
        self.halted.store(true, Ordering::SeqCst);
    }
}

fn hash(
    files: &Mutex<std::vec::IntoIter<PathBuf>>,
    sender: &Uploader<'_>,
    hashed: &SyncSender<HashedFile>,
) {
    while !(sender.stop)() {
        let Some(path) = files.lock().next() else {
            return;
        };
        // This size is for the progress only; `hash_file` counts the bytes that it reads.
        let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
        match hash_file(&path, sender.stop) {
            Ok(digested) => {
                if hashed.send(digested).is_err() {
                    return;
                }
            }
            Err(RejectedFile::NotAPhoto(reason)) => {
                let (path, reason) = (path.as_path(), reason.as_str());
                (sender.tell)(ClientEvent::Refused { path, code: "not_a_photo", reason, bytes });
            }
            Err(RejectedFile::Unreadable(reason)) => {
                (sender.tell)(ClientEvent::Failed { path: &path, reason: &reason, bytes });
            }
            Err(RejectedFile::Stopped) => return,
        }
    }
}

/// Requests the existing photos from the service, and passes the files of other photos to the sending
/// threads.
///
/// # Errors
/// The reason, as text, of a failure that stops the run.
fn find_existing(
    sender: &Uploader<'_>,
    to_ask: &Receiver<HashedFile>,
    missing: &SyncSender<HashedFile>,
) -> Result<(), String> {
    let mut seen = HashSet::new();
    while let Some(batch) = collect_batch(to_ask) {
        let (batch, again): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|file| seen.insert(file.sha256.clone()));
        again.iter().for_each(|file| (sender.tell)(ClientEvent::Duplicate { bytes: file.bytes }));
        let hashes: Vec<&str> = batch.iter().map(|file| file.sha256.as_str()).collect();
        if hashes.is_empty() {
            continue;
        }
        let Some(known) = with_retries(sender, || sender.service.existing(&hashes))? else {
            return Ok(());
        };
        for file in batch {
            if known.contains(&file.sha256) {
                (sender.tell)(ClientEvent::Known { bytes: file.bytes });
            } else if missing.send(file).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits for one file, then collects up to [`ASKED_MAX`] files until none arrives for [`ASK_WAIT`]. Returns
/// `None` after the last file.
fn collect_batch(to_ask: &Receiver<HashedFile>) -> Option<Vec<HashedFile>> {
    let mut batch = vec![to_ask.recv().ok()?];
    while batch.len() < ASKED_MAX {
        match to_ask.recv_timeout(ASK_WAIT) {
            Ok(file) => batch.push(file),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}

/// Retries `call` until it succeeds. Returns `None` if the run is stopped first.
///
/// # Errors
/// The reason, as text, if a retry cannot succeed or the limit without progress has passed.
fn with_retries<T>(
    sender: &Uploader<'_>,
    call: impl Fn() -> Result<T, ClientError>,
) -> Result<Option<T>, String> {
    let mut failed = 0;
    while !(sender.stop)() {
        let (why, wait_s) = match call() {
            Ok(value) => {
                sender.patience.record_success();
                return Ok(Some(value));
            }
            Err(ClientError::Passing { why, wait_s }) => (why, wait_s),
            Err(ClientError::Lasting(why) | ClientError::Refused { why, .. }) => return Err(why),
            Err(ClientError::Gone | ClientError::Conflict) => {
                return Err(
                    "the service does not know this request; update the service or this program"
                        .into(),
                );
            }
        };
        failed += 1;
        sender.wait_and_retry(&why, failed, wait_s)?;
    }
    Ok(None)
}

fn send(sender: &Uploader<'_>, ended: &Progress<'_>, to_send: &Mutex<Receiver<HashedFile>>) {
    loop {
        let next = to_send.lock().recv();
        let Ok(file) = next else { return };
        if (sender.stop)() {
            return;
        }
        let path = file.path.as_path();
        match sender.upload(&file) {
            Ok(UploadOutcome::Uploaded) => (sender.tell)(ClientEvent::Uploaded),
            Ok(UploadOutcome::Known) => (sender.tell)(ClientEvent::Known { bytes: file.bytes }),
            Ok(UploadOutcome::Refused { code, why, bytes }) => {
                let (code, reason) = (code.as_str(), why.as_str());
                (sender.tell)(ClientEvent::Refused { path, code, reason, bytes });
            }
            Ok(UploadOutcome::Failed { why, bytes }) => {
                (sender.tell)(ClientEvent::Failed { path, reason: &why, bytes });
            }
            Ok(UploadOutcome::Stopped) => return,
            Err(why) => return ended.halt(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn order<'a>(service: &'a ApiClient, files: Vec<PathBuf>, limit_s: u64) -> UploadOrder<'a> {
        let give_up_after = Some(Duration::from_secs(limit_s));
        UploadOrder { service, files, folder: None, connections: 2, give_up_after }
    }

    fn unreachable_service() -> ApiClient {
        // The listener is dropped at once, so the port refuses connections.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = Zeroizing::new("key".to_owned());
        ApiClient::new(&format!("http://127.0.0.1:{port}"), &"0a".repeat(16), &key, 2).unwrap()
    }

    #[test]
    fn a_run_ends_if_the_service_is_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let photo = |number: u32| {
            let path = folder.path().join(number.to_string());
            let mut bytes = vec![0xff, 0xd8, 0xff];
            bytes.extend(number.to_le_bytes());
            std::fs::write(&path, bytes).unwrap();
            path
        };
        // More files than the queues hold, so that all queues are full when the run ends.
        let files: Vec<_> = (0..2500).map(photo).collect();
        let (service, waits) = (unreachable_service(), Mutex::new(0));
        let tell = |event: ClientEvent<'_>| {
            if let ClientEvent::Waiting { .. } = event {
                *waits.lock() += 1;
            }
        };
        let why = run(order(&service, files.clone(), 1), &AtomicBool::new(false), &tell);
        assert!(why.unwrap_err().contains("no progress"), "it gives up");
        assert_eq!(waits.into_inner(), 1, "trouble is reported once");
        let stop = AtomicBool::new(true);
        assert_eq!(run(order(&service, files, 600), &stop, &|_| ()), Ok(()));
    }

    #[test]
    fn what_is_no_photo_never_reaches_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "no photo").unwrap();
        let events = Mutex::new(Vec::new());
        let tell = |event: ClientEvent<'_>| events.lock().push(format!("{event:?}"));
        let service = unreachable_service();
        let files = vec![path, folder.path().join("missing")];
        assert_eq!(run(order(&service, files, 1), &AtomicBool::new(false), &tell), Ok(()));
        let events = events.into_inner();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events.iter().any(|event| event.starts_with("Refused")), "{events:?}");
        assert!(events.iter().any(|event| event.starts_with("Failed")), "{events:?}");
    }
}
