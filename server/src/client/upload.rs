//! Sends one file in pieces, from the offset that the service has reached, until the file is complete or
//! rejected.
//!
//! After every failure the client requests the offset from the service before it sends again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use super::ClientEvent;
use super::api::{ApiClient, ClientError, CreatedUpload, UploadAnnouncement};
use super::backoff::RetryPolicy;
use super::file_hash::HashedFile;

/// Size of the first piece, bytes; small enough for slow connections. The size doubles on fast connections
/// and is halved after a failure. Large pieces lose little, because the service keeps each complete 64 KiB of
/// an interrupted request.
const PIECE_BYTES_FIRST: u64 = 1 << 20;
const PIECE_BYTES_MIN: u64 = 64 << 10;
const PIECE_BYTES_MAX: u64 = 8 << 20;
/// Limits the pieces after which the size doubles to those sent in less than 4 s.
const PIECE_TIME: Duration = Duration::from_secs(4);

/// Sends files to the service; shared by all connections.
pub struct Uploader<'a> {
    pub service: &'a ApiClient,
    pub patience: &'a RetryPolicy,
    pub stop: &'a (dyn Fn() -> bool + Sync),
    pub tell: &'a (dyn Fn(ClientEvent<'_>) + Sync),
    /// Id of the event's folder for the photos.
    pub folder: Option<&'a str>,
}

/// The outcome for one file. `bytes` is the part of the file that the service did not keep.
#[derive(Debug, PartialEq, Eq)]
pub enum UploadOutcome {
    Uploaded,
    Known,
    Refused { code: String, why: String, bytes: u64 },
    Failed { why: String, bytes: u64 },
    Stopped,
}

/// The progress of one file.
struct UploadState {
    location: Option<String>,
    /// Offset that the service has reached; `None` if the client must request it.
    offset: Option<u64>,
    /// The highest offset sent, and the highest that the service has confirmed.
    sent: u64,
    kept: u64,
    piece: u64,
    /// Failures in a row.
    failed: u32,
}

enum UploadStep {
    Ahead,
    End(UploadOutcome),
}

impl Uploader<'_> {
    /// Sends `file`.
    ///
    /// # Errors
    /// The reason, as text, of a failure that stops the whole run: `Lasting`, or no progress within the
    /// limit.
    pub fn upload(&self, file: &HashedFile) -> Result<UploadOutcome, String> {
        let mut way = UploadState {
            location: None,
            offset: None,
            sent: 0,
            kept: 0,
            piece: PIECE_BYTES_FIRST,
            failed: 0,
        };
        loop {
            if (self.stop)() {
                return Ok(UploadOutcome::Stopped);
            }
            let trouble = match self.step(file, &mut way) {
                Ok(UploadStep::Ahead) => continue,
                Ok(UploadStep::End(end)) => {
                    self.patience.record_success();
                    return Ok(end);
                }
                Err(trouble) => trouble,
            };
            let left = file.bytes.saturating_sub(way.kept);
            let (why, wait_s) = match trouble {
                ClientError::Refused { code, why } => {
                    self.patience.record_success();
                    return Ok(UploadOutcome::Refused { code, why, bytes: left });
                }
                ClientError::Lasting(why) => return Err(why),
                ClientError::Gone => {
                    way.location = None;
                    ("the service has removed an upload; starting it again".to_owned(), 0)
                }
                ClientError::Conflict => ("another client is sending the same photo".to_owned(), 0),
                ClientError::Passing { why, wait_s } => (why, wait_s),
            };
            (way.offset, way.piece) = (None, (way.piece / 2).max(PIECE_BYTES_MIN));
            way.failed += 1;
            self.wait_and_retry(&why, way.failed, wait_s)?;
        }
    }

    /// Waits before a retry. Reports the first failure since the last progress.
    ///
    /// # Errors
    /// A text with the last reason, if the limit without progress has passed.
    pub fn wait_and_retry(&self, why: &str, failed: u32, wait_s: u64) -> Result<(), String> {
        if self.patience.record_failure() && !(self.stop)() {
            (self.tell)(ClientEvent::Waiting { reason: why });
        }
        if self.patience.is_over() {
            return Err(format!(
                "no progress within the time of --retry-timeout-s; check the connection, then run the \
                 same command again; the last error: {why}"
            ));
        }
        self.patience.pause(failed, wait_s, self.stop);
        Ok(())
    }

    fn step(&self, file: &HashedFile, way: &mut UploadState) -> Result<UploadStep, ClientError> {
        let Some(location) = &way.location else {
            let name = file.name();
            let (sha256, bytes, folder) = (file.sha256.as_str(), file.bytes, self.folder);
            let begun =
                self.service.begin(&UploadAnnouncement { name: &name, sha256, bytes, folder })?;
            return match begun {
                // If all bytes were sent, the response to the last piece was lost. Otherwise another client
                // has uploaded the photo.
                CreatedUpload::Known if way.sent == file.bytes => {
                    Ok(UploadStep::End(UploadOutcome::Uploaded))
                }
                CreatedUpload::Known => Ok(UploadStep::End(UploadOutcome::Known)),
                CreatedUpload::At { location, offset } => {
                    way.location = Some(location);
                    self.arrive(file, way, offset)
                }
            };
        };
        let Some(offset) = way.offset else {
            let offset = self.service.offset(location)?;
            return self.arrive(file, way, offset);
        };
        self.send(file, way, &location.clone(), offset)
    }

    fn send(
        &self,
        file: &HashedFile,
        way: &mut UploadState,
        location: &str,
        offset: u64,
    ) -> Result<UploadStep, ClientError> {
        let length = way.piece.min(file.bytes - offset);
        let failed = |why: String, kept: u64| {
            Ok(UploadStep::End(UploadOutcome::Failed {
                why,
                bytes: file.bytes.saturating_sub(kept),
            }))
        };
        let mut piece = match FilePart::open(&file.path, offset, length, self.stop) {
            Ok(piece) => piece,
            Err(error) => return failed(error.to_string(), way.kept),
        };
        let begun = Instant::now();
        let sent = self.service.send(location, offset, length, &mut piece);
        let bytes = length - piece.left;
        let again = way.sent.saturating_sub(offset).min(bytes);
        way.sent = way.sent.max(offset + bytes);
        (self.tell)(ClientEvent::Sent { bytes, again });
        if let Some(why) = piece.failure {
            return failed(why, way.kept);
        }
        let taken = match sent {
            // The run was stopped while the piece was sent, so the error is not one of the service.
            Err(_) if (self.stop)() => return Ok(UploadStep::End(UploadOutcome::Stopped)),
            sent => sent?,
        };
        if taken.is_photo {
            self.arrive(file, way, file.bytes)?;
            return Ok(UploadStep::End(UploadOutcome::Uploaded));
        }
        if taken.offset <= offset {
            let why = format!("the service stored nothing of a piece of {length} bytes");
            return Err(ClientError::Passing { why, wait_s: 0 });
        }
        if begun.elapsed() < PIECE_TIME {
            way.piece = (way.piece * 2).min(PIECE_BYTES_MAX);
        }
        self.arrive(file, way, taken.offset)
    }

    /// Records `offset`, which the service has reached. Reports progress if the offset has grown.
    fn arrive(
        &self,
        file: &HashedFile,
        way: &mut UploadState,
        offset: u64,
    ) -> Result<UploadStep, ClientError> {
        if offset > file.bytes {
            way.location = None;
            let why = format!(
                "the service answered with offset {offset} of a file of {} bytes",
                file.bytes
            );
            return Err(ClientError::Passing { why, wait_s: 0 });
        }
        way.offset = Some(offset);
        if offset > way.kept {
            (self.tell)(ClientEvent::Kept { bytes: offset - way.kept });
            (way.kept, way.failed) = (offset, 0);
            self.patience.record_success();
        }
        Ok(UploadStep::Ahead)
    }
}

/// A piece of a file as a request body. Reading fails when the run is stopped.
struct FilePart<'a> {
    file: File,
    left: u64,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// The reason why reading the file failed; `None` without a failure.
    failure: Option<String>,
}

impl<'a> FilePart<'a> {
    fn open(
        path: &Path,
        offset: u64,
        length: u64,
        stop: &'a (dyn Fn() -> bool + Sync),
    ) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file, left: length, stop, failure: None })
    }
}

impl Read for FilePart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() {
            return Err(io::Error::other("stopped"));
        }
        let read = (&mut self.file).take(self.left).read(buffer);
        match &read {
            Ok(0) if self.left > 0 && !buffer.is_empty() => {
                self.failure = Some("the file became shorter while it was being sent".to_owned());
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(read) => self.left -= *read as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.failure = Some(error.to_string()),
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_what_lies_there_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").unwrap();
        let go_on = || false;
        let mut text = String::new();
        let mut piece = FilePart::open(&path, 3, 4, &go_on).unwrap();
        piece.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), piece.left), ("3456", 0));

        let mut short = FilePart::open(&path, 8, 4, &go_on).unwrap();
        assert!(short.read_to_end(&mut Vec::new()).is_err());
        assert!(short.failure.unwrap().contains("shorter"));

        let stop = || true;
        let mut stopped = FilePart::open(&path, 0, 4, &stop).unwrap();
        assert!(stopped.read_to_end(&mut Vec::new()).is_err());
        assert_eq!((stopped.left, stopped.failure), (4, None));
    }
}
