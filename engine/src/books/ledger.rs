//! The ledger of erasures: what was purged, in order, by pseudonym.
//!
//! One JSON line each, chained by hash, fsynced before anything is erased. Kept twice, beside the
//! keyring and in the data folder, so that restoring an old copy of one does not forget: the longer
//! book counts. Knows nothing of stores or keys.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::clock::unix_now_s;
use crate::error::{Error, Result};
use crate::files;
use crate::ids::{CollectionId, hex, unhex};

/// One erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erasure {
    /// From 1.
    pub(crate) number: u64,
    /// Seconds since 1970.
    pub(crate) at_unix_s: u64,
    pub(crate) collection: CollectionId,
    pub(crate) what: Erased,
}

/// What is erased of a collection. Names come from an HMAC under the collection's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Erased {
    Collection,
    /// Photos with all their faces, by row name.
    Photos(Vec<[u8; 16]>),
    /// Single faces, or all of one person: row names of their photos, and their own names.
    Faces {
        person: bool,
        rows: Vec<[u8; 16]>,
        faces: Vec<[u8; 16]>,
        /// The row name of the guest that the person is.
        guest: Option<[u8; 16]>,
    },
}

/// The book, in both its copies.
pub(crate) struct Ledger {
    copies: [PathBuf; 2],
    lock: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    /// SHA-256 of the line before, hexadecimal; zeros for the first.
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
}

impl Ledger {
    /// The ledger of a data folder and its keyring.
    pub(crate) fn of(data: &Path, keyring: &Path) -> Self {
        let copies = [keyring.join("ledger"), data.join("ledger")];
        Self { copies, lock: keyring.join("ledger.lock") }
    }

    /// All erasures, in order. Errors: `Io`; `Damaged` when a copy's chain is broken and no longer copy
    /// makes up for it.
    pub(crate) fn read(&self) -> Result<Vec<Erasure>> {
        Ok(self.newest()?.1)
    }

    /// Enters an erasure; durable in both copies when it returns. Entering the same collection's
    /// purge again gives the entry that is there.
    pub(crate) fn enter(&self, collection: CollectionId, what: Erased) -> Result<Erasure> {
        let _lock: File = files::lock(&self.lock)?;
        let (book, known) = self.newest()?;
        let same = |old: &&Erasure| old.collection == collection && old.what == Erased::Collection;
        if what == Erased::Collection
            && let Some(old) = known.iter().find(same)
        {
            self.write(&book)?;
            return Ok(old.clone());
        }
        let number = known.last().map_or(1, |last| last.number + 1);
        let erasure = Erasure { number, at_unix_s: unix_now_s(), collection, what };
        let line = line(&erasure, book.lines().last())?;
        self.write(&format!("{book}{line}\n"))?;
        Ok(erasure)
    }

    /// Brings both copies to `book`. Appends where that is enough: a crash then cuts at most the last
    /// line, which reading leaves out.
    fn write(&self, book: &str) -> Result<()> {
        for copy in &self.copies {
            let there = std::fs::read_to_string(copy).unwrap_or_default();
            match book.strip_prefix(there.as_str()) {
                Some("") if copy.exists() => {}
                Some(rest) => files::append(copy, rest.as_bytes(), 0o600)?,
                None => files::replace(copy, book.as_bytes(), 0o600)?,
            }
        }
        Ok(())
    }

    /// The longer of the two copies, whole lines only, and what it says. A broken chain counts as far
    /// as it holds.
    fn newest(&self) -> Result<(String, Vec<Erasure>)> {
        let [a, b] = [read_copy(&self.copies[0])?, read_copy(&self.copies[1])?];
        let mut longest = sound(&a);
        // As a rule they are the same, and checked once.
        if a != b {
            let other = sound(&b);
            longest = if longest.0.len() >= other.0.len() { longest } else { other };
        }
        if a.len().max(b.len()) > longest.0.len() {
            let line = longest.1.len() + 1;
            return Err(Error::Damaged {
                what: format!("the ledger of erasures {}", self.copies[0].display()),
                reason: format!("line {line} does not follow from the one before"),
            });
        }
        Ok((longest.0.to_owned(), longest.1))
    }
}

/// How many erasures of a book hold together.
pub(crate) fn erasures_in(book: &str) -> usize {
    sound(book).1.len()
}

/// A copy's whole lines; a last one without its end was never acknowledged.
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

/// The part of a book whose chain holds, and its erasures.
fn sound(book: &str) -> (&str, Vec<Erasure>) {
    let (mut previous, mut end, mut erasures) = (chain(None), 0, Vec::new());
    for (number, text) in (1..).zip(book.split_inclusive('\n')) {
        let line = serde_json::from_str::<Line>(text).ok();
        let follows = |line: &Line| line.previous == previous && line.number == number;
        let Some(erasure) = line.filter(follows).and_then(erasure) else { break };
        erasures.push(erasure);
        previous = chain(Some(text.trim_end_matches('\n')));
        end += text.len();
    }
    (book.get(..end).unwrap_or_default(), erasures)
}

fn chain(line: Option<&str>) -> String {
    line.map_or_else(|| "0".repeat(64), |line| hex(&Sha256::digest(line)))
}

fn line(erasure: &Erasure, last: Option<&str>) -> Result<String> {
    let names = |names: &[[u8; 16]]| names.iter().map(|name| hex(name)).collect();
    let none = Vec::new;
    let (erased, rows, faces, guest) = match &erasure.what {
        Erased::Collection => ("collection", none(), none(), None),
        Erased::Photos(rows) => ("photos", names(rows), none(), None),
        Erased::Faces { person, rows, faces, guest } => {
            let erased = if *person { "person" } else { "faces" };
            (erased, names(rows), names(faces), guest.as_ref().map(|name| hex(name)))
        }
    };
    let line = Line {
        number: erasure.number,
        previous: chain(last),
        at_unix_s: erasure.at_unix_s,
        collection: erasure.collection.to_string(),
        erased: erased.to_owned(),
        rows,
        faces,
        guest,
    };
    serde_json::to_string(&line)
        .map_err(|error| Error::Damaged { what: "an erasure".into(), reason: error.to_string() })
}

fn erasure(line: Line) -> Option<Erasure> {
    let names = |names: &[String]| -> Option<Vec<[u8; 16]>> {
        names.iter().map(|name| unhex(name)?.try_into().ok()).collect()
    };
    let (rows, faces) = (names(&line.rows)?, names(&line.faces)?);
    let guest = match &line.guest {
        Some(name) => Some(unhex(name)?.try_into().ok()?),
        None => None,
    };
    let what = match line.erased.as_str() {
        "collection" => Erased::Collection,
        "photos" => Erased::Photos(rows),
        "faces" | "person" => Erased::Faces { person: line.erased == "person", rows, faces, guest },
        _ => return None,
    };
    let collection = line.collection.parse().ok()?;
    Some(Erasure { number: line.number, at_unix_s: line.at_unix_s, collection, what })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> (Self, Ledger) {
            let place = Self(tempfile::tempdir().unwrap());
            for folder in ["data", "keys"] {
                std::fs::create_dir(place.0.path().join(folder)).unwrap();
            }
            let ledger = Ledger::of(&place.path("data"), &place.path("keys"));
            (place, ledger)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }
    }

    fn fill(ledger: &Ledger) -> Vec<Erasure> {
        let (a, b) = (CollectionId([1; 16]), CollectionId([2; 16]));
        let faces = |person: bool| Erased::Faces {
            person,
            rows: vec![[7; 16]],
            faces: vec![[8; 16]],
            guest: person.then_some([9; 16]),
        };
        [(a, Erased::Photos(vec![[3; 16], [4; 16]])), (b, faces(false)), (b, faces(true))]
            .into_iter()
            .chain([(a, Erased::Collection)])
            .map(|(collection, what)| ledger.enter(collection, what).unwrap())
            .collect()
    }

    #[test]
    fn erasures_come_back_in_order_and_a_collection_is_entered_once() {
        let (_place, ledger) = Place::new();
        assert!(ledger.read().unwrap().is_empty());
        let entered = fill(&ledger);
        assert_eq!(ledger.read().unwrap(), entered);
        assert_eq!(entered.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let again = ledger.enter(CollectionId([1; 16]), Erased::Collection).unwrap();
        assert_eq!((again.number, ledger.read().unwrap().len()), (4, 4));
    }

    #[test]
    fn either_copy_alone_and_an_older_one_are_made_good() {
        let (place, ledger) = Place::new();
        let entered = fill(&ledger);
        let whole = std::fs::read_to_string(place.path("keys/ledger")).unwrap();
        let first: String = whole.split_inclusive('\n').take(1).collect();
        for copy in ["keys/ledger", "data/ledger"] {
            std::fs::write(place.path(copy), &first).unwrap();
            assert_eq!(ledger.read().unwrap(), entered, "an old {copy}");
            std::fs::remove_file(place.path(copy)).unwrap();
            assert_eq!(ledger.read().unwrap(), entered, "no {copy}");
            ledger.enter(CollectionId([1; 16]), Erased::Collection).unwrap();
            assert_eq!(std::fs::read_to_string(place.path(copy)).unwrap(), whole);
        }
    }

    #[test]
    fn a_torn_line_was_never_entered_and_damage_is_told() {
        let (place, ledger) = Place::new();
        let entered = fill(&ledger);
        let whole = std::fs::read_to_string(place.path("keys/ledger")).unwrap();
        for copy in ["keys/ledger", "data/ledger"] {
            std::fs::write(place.path(copy), &whole[..whole.len() - 9]).unwrap();
        }
        assert_eq!(ledger.read().unwrap(), entered[..3]);
        ledger.enter(CollectionId([1; 16]), Erased::Collection).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 4);
        let damaged = whole.replacen("photos", "phooos", 1);
        std::fs::write(place.path("data/ledger"), &damaged).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 4, "the other copy is sound");
        std::fs::write(place.path("keys/ledger"), &damaged).unwrap();
        assert!(matches!(ledger.read(), Err(Error::Damaged { .. })));
    }
}
