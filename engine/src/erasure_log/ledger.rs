//! The erasure log: every erasure in order, by pseudonym.
//!
//! The log has one JSON line per erasure. Each line contains the hash of the previous line, and is fsynced
//! before any data is erased (write-ahead). The keyring's folder and the data folder each contain a copy. A
//! reader uses the longer copy, so that restoring an old copy of one folder loses no entry.

use hex::FromHex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

use super::receipt::Requester;
use crate::clock::unix_now_s;
use crate::crypto::ChainHead;
use crate::error::{Error, Result};
use crate::fs::durable;
use crate::ids::CollectionId;

/// One entry of the erasure log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// Sequence number, from 1.
    pub(crate) number: u64,
    /// Seconds since the Unix epoch.
    pub(crate) at_unix_s: u64,
    pub(crate) collection: CollectionId,
    pub(crate) what: ErasedData,
    /// Who requested the erasure; `None` if unknown.
    pub(crate) requester: Option<Requester>,
}

/// The data that an erasure removes from a collection. All names are HMACs under the collection's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ErasedData {
    Collection,
    /// Photos with all their faces, by row name.
    Photos(Vec<[u8; 16]>),
    /// Single faces, or all faces of one person: the row names of their photos, and the names of the faces.
    Faces {
        person: bool,
        rows: Vec<[u8; 16]>,
        faces: Vec<[u8; 16]>,
        /// The row name of the guest whose template is erased with the faces.
        guest: Option<[u8; 16]>,
        /// The suppression that hid the faces, and ends with the erasure.
        suppression: Option<ErasedSuppression>,
    },
}

/// A suppression whose hidden faces are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ErasedSuppression {
    /// Its row name.
    pub(crate) name: [u8; 16],
    /// Whether it stays as an opt-out, which keeps the person's faces in later photos out.
    pub(crate) opt_out: bool,
}

/// The two copies of the erasure log.
pub(super) struct Ledger {
    copies: [PathBuf; 2],
    lock: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LedgerLine {
    number: u64,
    /// SHA-256 of the previous line, hexadecimal; zeros for the first line.
    previous: String,
    at_unix_s: u64,
    collection: String,
    erased: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rows: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faces: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    suppression: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    opt_out: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requester: Option<Requester>,
}

impl Ledger {
    /// Returns the erasure log of a data folder and its keyring.
    pub(crate) fn of(data: &Path, keyring: &Path) -> Self {
        let copies = [keyring.join("ledger"), data.join("ledger")];
        Self { copies, lock: keyring.join("ledger.lock") }
    }

    /// Returns all erasures in order. `checkpoint` is the head that the keyring named before this call.
    ///
    /// # Errors
    ///
    /// - `Io`: a copy cannot be read.
    /// - `Damaged`: the longer copy or both copies have a broken hash chain, or lack the checkpoint's entry.
    pub(super) fn read(&self, checkpoint: &ChainHead) -> Result<Vec<Erasure>> {
        let (book, erasures) = self.newest()?;
        self.check(&book, checkpoint)?;
        Ok(erasures)
    }

    /// Returns the last entry. Does not compare it with a checkpoint.
    ///
    /// # Errors
    ///
    /// - `Io`: a copy cannot be read.
    /// - `Damaged`: the longer copy or both copies have a broken hash chain.
    pub(super) fn head(&self) -> Result<ChainHead> {
        Ok(head_of(&self.newest()?.0))
    }

    /// Appends an erasure and returns its entry, which is durable in both copies when the call returns, and the
    /// head of the log. Idempotent for the purge of a collection: a repeated call returns the existing entry.
    /// `checkpoint` is the head that the keyring named before this call.
    ///
    /// # Errors
    ///
    /// - `Io`: a copy cannot be read or written.
    /// - `Damaged`: as for `read`. An entry must not take the number of a removed one.
    pub(super) fn append(
        &self,
        checkpoint: &ChainHead,
        collection: CollectionId,
        what: ErasedData,
        requester: Option<Requester>,
    ) -> Result<(Erasure, ChainHead)> {
        let _lock: File = durable::lock(&self.lock)?;
        let (mut book, known) = self.newest()?;
        self.check(&book, checkpoint)?;
        let same =
            |old: &&Erasure| old.collection == collection && old.what == ErasedData::Collection;
        if what == ErasedData::Collection
            && let Some(old) = known.iter().find(same)
        {
            self.write(&book)?;
            return Ok((old.clone(), head_of(&book)));
        }
        let number = known.last().map_or(1, |last| last.number + 1);
        let erasure = Erasure { number, at_unix_s: unix_now_s(), collection, what, requester };
        book += &(line(&erasure, book.lines().last())? + "\n");
        self.write(&book)?;
        Ok((erasure, head_of(&book)))
    }

    /// Checks that `book` has the entry of `checkpoint`.
    ///
    /// # Errors
    ///
    /// - `Damaged`: the entry is missing or another.
    fn check(&self, book: &str, checkpoint: &ChainHead) -> Result<()> {
        let number = usize::try_from(checkpoint.number).unwrap_or(usize::MAX);
        let there = number.checked_sub(1).map_or(Some(None), |at| book.lines().nth(at).map(Some));
        if there.is_some_and(|line| chain(line) == checkpoint.hash) {
            return Ok(());
        }
        Err(Error::Damaged {
            what: format!("the erasure log {}", self.copies[0].display()),
            reason: format!(
                "the keyring's checkpoint names {number} entries, and the log has {} or other ones: entries were removed or changed; restore both copies from a backup, or accept the loss with 'picpick receipt accept --yes'",
                book.lines().count()
            ),
        })
    }

    /// Writes the content `book` to both copies. Appends the missing lines if a copy is a prefix of `book`: a
    /// crash then truncates at most the last line, which `read_copy` ignores. Replaces any other copy.
    fn write(&self, book: &str) -> Result<()> {
        for copy in &self.copies {
            let there = std::fs::read_to_string(copy).unwrap_or_default();
            match book.strip_prefix(there.as_str()) {
                Some("") if copy.exists() => {}
                Some(rest) => durable::append(copy, rest.as_bytes(), 0o600)?,
                None => durable::replace(copy, book.as_bytes(), 0o600)?,
            }
        }
        Ok(())
    }

    /// Returns the content of the longer intact copy, and its erasures.
    ///
    /// # Errors
    ///
    /// - `Io`: a copy cannot be read.
    /// - `Damaged`: as for `read`.
    fn newest(&self) -> Result<(String, Vec<Erasure>)> {
        let [a, b] = [read_copy(&self.copies[0])?, read_copy(&self.copies[1])?];
        let mut longest = intact_prefix(&a);
        // Equal copies, the usual case, need only one check.
        if a != b {
            let other = intact_prefix(&b);
            longest = if longest.0.len() >= other.0.len() { longest } else { other };
        }
        if a.len().max(b.len()) > longest.0.len() {
            let line = longest.1.len() + 1;
            return Err(Error::Damaged {
                what: format!("the erasure log {}", self.copies[0].display()),
                reason: format!("line {line} does not follow from the previous line"),
            });
        }
        Ok((longest.0.to_owned(), longest.1))
    }
}

/// Returns the head of a log with the complete lines `book`.
fn head_of(book: &str) -> ChainHead {
    ChainHead { number: book.lines().count() as u64, hash: chain(book.lines().last()) }
}

/// Returns the number of erasures in `book` up to the first line that breaks the hash chain.
pub(crate) fn erasures_in(book: &str) -> usize {
    intact_prefix(book).1.len()
}

/// Returns the time of the last erasure in the data folder's copy of the log, seconds since the Unix epoch; 0
/// without a copy. The time is not earlier than that, whatever the clock says.
pub(crate) fn last_erasure_unix_s(data: &Path) -> u64 {
    let book = read_copy(&data.join("ledger")).unwrap_or_default();
    intact_prefix(&book).1.last().map_or(0, |erasure| erasure.at_unix_s)
}

/// Returns the complete lines of a copy. Ignores a last line without a line end, because the append that
/// wrote it never returned.
fn read_copy(path: &Path) -> Result<String> {
    match std::fs::read(path) {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => {
            let bytes = read.map_err(|source| Error::io("read", path, source))?;
            let mut text = String::from_utf8_lossy(&bytes).into_owned();
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            Ok(text)
        }
    }
}

/// Returns the part of `book` with an unbroken hash chain, and its erasures.
fn intact_prefix(book: &str) -> (&str, Vec<Erasure>) {
    let (mut previous, mut end, mut erasures) = (chain(None), 0, Vec::new());
    for (number, text) in (1..).zip(book.split_inclusive('\n')) {
        let line = serde_json::from_str::<LedgerLine>(text).ok();
        let follows = |line: &LedgerLine| line.previous == previous && line.number == number;
        let Some(erasure) = line.filter(follows).and_then(erasure) else { break };
        erasures.push(erasure);
        previous = chain(Some(text.trim_end_matches('\n')));
        end += text.len();
    }
    (book.get(..end).unwrap_or_default(), erasures)
}

fn chain(line: Option<&str>) -> String {
    line.map_or_else(|| "0".repeat(64), |line| hex::encode(Sha256::digest(line)))
}

fn line(erasure: &Erasure, last: Option<&str>) -> Result<String> {
    let names = |names: &[[u8; 16]]| names.iter().map(hex::encode).collect();
    let none = Vec::new;
    let (mut guest, mut suppression) = (None, None);
    let (erased, rows, faces) = match &erasure.what {
        ErasedData::Collection => ("collection", none(), none()),
        ErasedData::Photos(rows) => ("photos", names(rows), none()),
        ErasedData::Faces { person, rows, faces, guest: of, suppression: by } => {
            guest = of.as_ref().map(hex::encode);
            suppression = by.as_ref();
            (if *person { "person" } else { "faces" }, names(rows), names(faces))
        }
    };
    let line = LedgerLine {
        number: erasure.number,
        previous: chain(last),
        at_unix_s: erasure.at_unix_s,
        collection: erasure.collection.to_string(),
        erased: erased.to_owned(),
        rows,
        faces,
        guest,
        suppression: suppression.map(|of| hex::encode(of.name)),
        opt_out: suppression.is_some_and(|of| of.opt_out),
        requester: erasure.requester,
    };
    serde_json::to_string(&line)
        .map_err(|error| Error::Damaged { what: "an erasure".into(), reason: error.to_string() })
}

fn erasure(line: LedgerLine) -> Option<Erasure> {
    let names = |names: &[String]| -> Option<Vec<[u8; 16]>> {
        names.iter().map(|name| FromHex::from_hex(name).ok()).collect()
    };
    let (rows, faces) = (names(&line.rows)?, names(&line.faces)?);
    let name = |text: &Option<String>| -> Option<Option<[u8; 16]>> {
        text.as_ref().map(FromHex::from_hex).transpose().ok()
    };
    let guest = name(&line.guest)?;
    let opt_out = line.opt_out;
    let suppression = name(&line.suppression)?.map(|name| ErasedSuppression { name, opt_out });
    let what = match line.erased.as_str() {
        "collection" => ErasedData::Collection,
        "photos" => ErasedData::Photos(rows),
        "faces" | "person" => {
            ErasedData::Faces { person: line.erased == "person", rows, faces, guest, suppression }
        }
        _ => return None,
    };
    let collection = line.collection.parse().ok()?;
    let (number, at_unix_s, requester) = (line.number, line.at_unix_s, line.requester);
    Some(Erasure { number, at_unix_s, collection, what, requester })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct LogFolder(tempfile::TempDir);

    impl LogFolder {
        fn new() -> (Self, Ledger) {
            let log = Self(tempfile::tempdir().unwrap());
            for folder in ["data", "keys"] {
                std::fs::create_dir(log.0.path().join(folder)).unwrap();
            }
            let ledger = Ledger::of(&log.path("data"), &log.path("keys"));
            (log, ledger)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    fn append(ledger: &Ledger, collection: CollectionId, what: ErasedData) -> Erasure {
        ledger.append(&ChainHead::default(), collection, what, Some(Requester::Guest)).unwrap().0
    }

    fn read(ledger: &Ledger) -> Result<Vec<Erasure>> {
        ledger.read(&ChainHead::default())
    }

    fn fill(ledger: &Ledger) -> Vec<Erasure> {
        let (a, b) = (CollectionId([1; 16]), CollectionId([2; 16]));
        let faces = |person: bool| ErasedData::Faces {
            person,
            rows: vec![[7; 16]],
            faces: vec![[8; 16]],
            guest: person.then_some([9; 16]),
            suppression: person.then_some(ErasedSuppression { name: [6; 16], opt_out: true }),
        };
        [(a, ErasedData::Photos(vec![[3; 16], [4; 16]])), (b, faces(false)), (b, faces(true))]
            .into_iter()
            .chain([(a, ErasedData::Collection)])
            .map(|(collection, what)| append(ledger, collection, what))
            .collect()
    }

    #[test]
    fn erasures_come_back_in_order_and_a_collection_is_entered_once() {
        let (_place, ledger) = LogFolder::new();
        assert!(read(&ledger).unwrap().is_empty());
        let entered = fill(&ledger);
        assert_eq!(read(&ledger).unwrap(), entered);
        assert_eq!(entered.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let again = append(&ledger, CollectionId([1; 16]), ErasedData::Collection);
        assert_eq!((again.number, read(&ledger).unwrap().len()), (4, 4));
    }

    #[test]
    fn either_copy_alone_and_an_older_one_are_made_good() {
        let (log, ledger) = LogFolder::new();
        let entered = fill(&ledger);
        let whole = std::fs::read_to_string(log.path("keys/ledger")).unwrap();
        let first: String = whole.split_inclusive('\n').take(1).collect();
        for copy in ["keys/ledger", "data/ledger"] {
            std::fs::write(log.path(copy), &first).unwrap();
            assert_eq!(read(&ledger).unwrap(), entered, "an old {copy}");
            std::fs::remove_file(log.path(copy)).unwrap();
            assert_eq!(read(&ledger).unwrap(), entered, "no {copy}");
            append(&ledger, CollectionId([1; 16]), ErasedData::Collection);
            assert_eq!(std::fs::read_to_string(log.path(copy)).unwrap(), whole);
        }
    }

    #[test]
    fn a_torn_line_is_ignored_and_damage_is_an_error() {
        let (log, ledger) = LogFolder::new();
        let entered = fill(&ledger);
        let whole = std::fs::read_to_string(log.path("keys/ledger")).unwrap();
        for copy in ["keys/ledger", "data/ledger"] {
            std::fs::write(log.path(copy), &whole[..whole.len() - 9]).unwrap();
        }
        assert_eq!(read(&ledger).unwrap(), entered[..3]);
        append(&ledger, CollectionId([1; 16]), ErasedData::Collection);
        assert_eq!(read(&ledger).unwrap().len(), 4);
        let damaged = whole.replacen("photos", "phooos", 1);
        std::fs::write(log.path("data/ledger"), &damaged).unwrap();
        assert_eq!(read(&ledger).unwrap().len(), 4, "the other copy is sound");
        std::fs::write(log.path("keys/ledger"), &damaged).unwrap();
        assert!(matches!(read(&ledger), Err(Error::Damaged { .. })));
    }
    #[test]
    fn an_entry_that_the_checkpoint_names_is_missed_and_a_newer_one_is_not() {
        let (log, ledger) = LogFolder::new();
        let entered = fill(&ledger);
        let whole = std::fs::read_to_string(log.path("keys/ledger")).unwrap();
        let write = |text: &str| {
            for copy in ["keys/ledger", "data/ledger"] {
                std::fs::write(log.path(copy), text).unwrap();
            }
        };
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        for named in 0..=4 {
            let checkpoint = head_of(&lines[..named].concat());
            assert_eq!(checkpoint.number, named as u64);
            for kept in 0..=4 {
                write(&lines[..kept].concat());
                let found = ledger.read(&checkpoint);
                assert_eq!(found.is_ok(), kept >= named, "{kept} of {named}");
                if kept < named {
                    let what = ErasedData::Photos(Vec::new());
                    assert!(ledger.append(&checkpoint, CollectionId([3; 16]), what, None).is_err());
                }
            }
        }
        // Another sound log of the same length is not the one that the checkpoint names.
        write("");
        let mut other = entered.clone();
        other.reverse();
        other.into_iter().for_each(|old| drop(append(&ledger, old.collection, old.what)));
        assert!(ledger.read(&head_of(&whole)).is_err() && read(&ledger).is_ok());
    }
}
