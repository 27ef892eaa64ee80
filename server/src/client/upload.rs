//! Sends one file in pieces, from the offset that the service has reached, until it is complete or rejected.
//!
//! After every failure it asks the service for the offset before it sends again.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use super::Event;
use super::api::{Announced, Begun, Service, Trouble};
use super::backoff::Patience;
use super::file_hash::Digested;

/// Bytes of the first request: small for slow connections. It doubles on fast ones and is halved after a
/// failure. The service keeps whole steps of 64 KiB of an interrupted request, so a piece may be as large as
/// it accepts (8 MiB).
const PIECE_BYTES_FIRST: u64 = 1 << 20;
const PIECE_BYTES_MIN: u64 = 64 << 10;
const PIECE_BYTES_MAX: u64 = 8 << 20;
/// Time below which a piece is followed by one of twice the size.
const PIECE_TIME: Duration = Duration::from_secs(4);

/// Sends files to the service; shared by all connections.
pub struct Sender<'a> {
    pub service: &'a Service,
    pub patience: &'a Patience,
    pub stop: &'a (dyn Fn() -> bool + Sync),
    pub tell: &'a (dyn Fn(Event<'_>) + Sync),
    /// A folder's id.
    pub folder: Option<&'a str>,
}

/// The outcome for one file. `bytes` is the part of the file that the service did not keep.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Uploaded,
    Known,
    Refused { code: String, why: String, bytes: u64 },
    Failed { why: String, bytes: u64 },
    Stopped,
}

/// The progress of one file.
struct Way {
    location: Option<String>,
    /// The service's offset; `None` if it must be asked for.
    offset: Option<u64>,
    /// The highest offset sent, and the highest that the service has confirmed.
    sent: u64,
    kept: u64,
    piece: u64,
    /// Failures in a row.
    failed: u32,
}

enum Step {
    Ahead,
    End(End),
}

impl Sender<'_> {
    /// Sends `file`. Errors: the reason, if it stops all other files too.
    pub fn upload(&self, file: &Digested) -> Result<End, String> {
        let mut way = Way {
            location: None,
            offset: None,
            sent: 0,
            kept: 0,
            piece: PIECE_BYTES_FIRST,
            failed: 0,
        };
        loop {
            if (self.stop)() {
                return Ok(End::Stopped);
            }
            let trouble = match self.step(file, &mut way) {
                Ok(Step::Ahead) => continue,
                Ok(Step::End(end)) => {
                    self.patience.progressed();
                    return Ok(end);
                }
                Err(trouble) => trouble,
            };
            let left = file.bytes.saturating_sub(way.kept);
            let (why, wait_s) = match trouble {
                Trouble::Refused { code, why } => {
                    self.patience.progressed();
                    return Ok(End::Refused { code, why, bytes: left });
                }
                Trouble::Lasting(why) => return Err(why),
                Trouble::Gone => {
                    way.location = None;
                    ("the service has removed an upload; starting it again".to_owned(), 0)
                }
                Trouble::Conflict => ("another client is sending the same photo".to_owned(), 0),
                Trouble::Passing { why, wait_s } => (why, wait_s),
            };
            (way.offset, way.piece) = (None, (way.piece / 2).max(PIECE_BYTES_MIN));
            way.failed += 1;
            self.bear(&why, way.failed, wait_s)?;
        }
    }

    /// Waits before a retry. Reports the first failure since the last progress. Errors: the limit without
    /// progress has passed.
    pub fn bear(&self, why: &str, failed: u32, wait_s: u64) -> Result<(), String> {
        if self.patience.troubled() && !(self.stop)() {
            (self.tell)(Event::Waiting { reason: why });
        }
        if self.patience.is_over() {
            return Err(format!("no progress for too long; the last error was: {why}"));
        }
        self.patience.pause(failed, wait_s, self.stop);
        Ok(())
    }

    fn step(&self, file: &Digested, way: &mut Way) -> Result<Step, Trouble> {
        let Some(location) = &way.location else {
            let name = file.name();
            let (sha256, bytes, folder) = (file.sha256.as_str(), file.bytes, self.folder);
            let begun = self.service.begin(&Announced { name: &name, sha256, bytes, folder })?;
            return match begun {
                // All bytes were sent: the response to the last piece was lost. Otherwise another client
                // has uploaded the photo.
                Begun::Known if way.sent == file.bytes => Ok(Step::End(End::Uploaded)),
                Begun::Known => Ok(Step::End(End::Known)),
                Begun::At { location, offset } => {
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
        file: &Digested,
        way: &mut Way,
        location: &str,
        offset: u64,
    ) -> Result<Step, Trouble> {
        let length = way.piece.min(file.bytes - offset);
        let failed = |why: String, kept: u64| {
            Ok(Step::End(End::Failed { why, bytes: file.bytes.saturating_sub(kept) }))
        };
        let mut piece = match Piece::open(&file.path, offset, length, self.stop) {
            Ok(piece) => piece,
            Err(error) => return failed(error.to_string(), way.kept),
        };
        let begun = Instant::now();
        let sent = self.service.send(location, offset, length, &mut piece);
        let bytes = length - piece.left;
        let again = way.sent.saturating_sub(offset).min(bytes);
        way.sent = way.sent.max(offset + bytes);
        (self.tell)(Event::Sent { bytes, again });
        if let Some(why) = piece.failure {
            return failed(why, way.kept);
        }
        let taken = match sent {
            // This run stopped in the middle of a piece.
            Err(_) if (self.stop)() => return Ok(Step::End(End::Stopped)),
            sent => sent?,
        };
        if taken.is_photo {
            self.arrive(file, way, file.bytes)?;
            return Ok(Step::End(End::Uploaded));
        }
        if taken.offset <= offset {
            let why = format!("the service stored nothing of a piece of {length} bytes");
            return Err(Trouble::Passing { why, wait_s: 0 });
        }
        if begun.elapsed() < PIECE_TIME {
            way.piece = (way.piece * 2).min(PIECE_BYTES_MAX);
        }
        self.arrive(file, way, taken.offset)
    }

    /// Records the service's offset, and the progress that it means.
    fn arrive(&self, file: &Digested, way: &mut Way, offset: u64) -> Result<Step, Trouble> {
        if offset > file.bytes {
            way.location = None;
            let why = format!(
                "the service answered with offset {offset} of a file of {} bytes",
                file.bytes
            );
            return Err(Trouble::Passing { why, wait_s: 0 });
        }
        way.offset = Some(offset);
        if offset > way.kept {
            (self.tell)(Event::Kept { bytes: offset - way.kept });
            (way.kept, way.failed) = (offset, 0);
            self.patience.progressed();
        }
        Ok(Step::Ahead)
    }
}

/// A piece of a file as a request body. Reading fails when the run is stopped.
struct Piece<'a> {
    file: File,
    left: u64,
    stop: &'a (dyn Fn() -> bool + Sync),
    /// Why reading the file failed.
    failure: Option<String>,
}

impl<'a> Piece<'a> {
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

impl Read for Piece<'_> {
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
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_what_lies_there_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"0123456789").unwrap();
        let go_on = || false;
        let mut text = String::new();
        let mut piece = Piece::open(&path, 3, 4, &go_on).unwrap();
        piece.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), piece.left), ("3456", 0));

        let mut short = Piece::open(&path, 8, 4, &go_on).unwrap();
        assert!(short.read_to_end(&mut Vec::new()).is_err());
        assert!(short.failure.unwrap().contains("shorter"));

        let stop = || true;
        let mut stopped = Piece::open(&path, 0, 4, &stop).unwrap();
        assert!(stopped.read_to_end(&mut Vec::new()).is_err());
        assert_eq!((stopped.left, stopped.failure), (4, None));
    }
}
