//! The scan of a data folder's raw files for face data in places where no face data is allowed.
//!
//! The scan must find the canaries of a collection in the collection's own folder, which proves that the scan
//! works, and nowhere else. It must find canaries of a purged collection, and embeddings that are not sealed,
//! in no file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::DataDir;
use super::purge::CANARIES_UNKNOWN;
use crate::crypto::{KeyringEntry, Secret};
use crate::error::Result;
use crate::fs::residue_scan::PatternSet;
use crate::ids::CollectionId;
use crate::store::{Store, canary};

/// The result of a scan.
#[derive(Clone, Debug)]
pub struct Residue {
    /// Files read completely.
    pub files: u64,
    /// Total size of these files.
    pub bytes: u64,
    /// Windows of 16 bytes searched for at every offset.
    pub patterns: u64,
    /// Files and folders that could not be read.
    pub unreadable: Vec<PathBuf>,
    pub collections: Vec<CollectionResidue>,
}

/// The result of a scan for one collection.
#[derive(Clone, Debug)]
pub struct CollectionResidue {
    pub id: CollectionId,
    /// `None` for a purged collection: its name was sealed with the destroyed key.
    pub name: Option<String>,
    /// Number of canaries planted; `None` if the number is unknown because the store could not be read.
    pub canaries: Option<u64>,
    /// Number of canaries found in the collection's own folder; for a purged collection, in any file.
    pub found: u64,
    /// Files that contain a canary of the collection outside its own folder; for a purged collection,
    /// anywhere.
    pub elsewhere: Vec<PathBuf>,
    /// Files that contain an unsealed embedding of the collection.
    pub unsealed: Vec<PathBuf>,
    /// The reason why the store, or a guest row in it, could not be read. The scan then did not search for
    /// every embedding of the collection.
    pub store_error: Option<String>,
}

impl Residue {
    /// Returns the number of findings: files with canaries or unsealed embeddings where none are allowed.
    pub fn found(&self) -> usize {
        let of = |one: &CollectionResidue| one.elsewhere.len() + one.unsealed.len();
        self.collections.iter().map(of).sum()
    }
}

/// The origin of a searched piece of data.
struct SearchedPiece {
    /// Index in `Residue::collections`.
    collection: usize,
    sealed: bool,
}

impl DataDir {
    /// Scans the data folder, the keyring, and the folders in `also`, for instance folders with old backups.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`: the keyring cannot be read.
    /// - `Store`: the guests of an opened store cannot be listed.
    pub fn scan(&self, also: &[PathBuf]) -> Result<Residue> {
        let (mut patterns, mut pieces) = (PatternSet::new(), Vec::new());
        let mut collections = Vec::new();
        for entry in self.erasure_log.keyring.entries()? {
            let collection = collections.len();
            collections.push(self.add_collection(
                &entry,
                &mut patterns,
                collection,
                &mut pieces,
            )?);
        }
        for purged in self.erasure_log.keyring.purged()? {
            let collection = collections.len();
            let mut one = CollectionResidue::of(purged.id, None);
            one.canaries = purged.canaries;
            let number = purged.canaries.unwrap_or(CANARIES_UNKNOWN);
            if let Some(canary_key) = &purged.canary_key {
                add_canaries(&mut patterns, canary_key, number, collection, &mut pieces)?;
            }
            collections.push(one);
        }
        let mut residue =
            Residue { files: 0, bytes: 0, patterns: 0, unreadable: Vec::new(), collections };
        let mut folders = vec![self.folder.as_path()];
        let keyring = self.erasure_log.keyring.folder();
        folders.extend((!keyring.starts_with(&self.folder)).then_some(keyring));
        folders.extend(also.iter().map(PathBuf::as_path));
        let mut own = vec![BTreeSet::new(); residue.collections.len()];
        for folder in folders {
            self.scan_folder(folder, &patterns, &pieces, &mut residue, &mut own);
        }
        for (one, own) in residue.collections.iter_mut().zip(own) {
            one.found = own.len() as u64;
        }
        Ok(residue)
    }

    fn scan_folder(
        &self,
        folder: &Path,
        patterns: &PatternSet,
        pieces: &[SearchedPiece],
        residue: &mut Residue,
        own: &mut [BTreeSet<u32>],
    ) {
        let scan = patterns.scan(folder);
        residue.files += scan.files;
        residue.bytes += scan.bytes;
        residue.patterns = scan.patterns;
        residue.unreadable.extend(scan.unreadable);
        for (number, path) in scan.found {
            let Some(piece) = pieces.get(number as usize) else { continue };
            let one = residue.collections.get_mut(piece.collection);
            let (Some(one), Some(own)) = (one, own.get_mut(piece.collection)) else { continue };
            let purged = one.name.is_none();
            let home = !purged && path.starts_with(self.path(one.id));
            if piece.sealed && (home || purged) {
                own.insert(number);
            }
            match (piece.sealed, home) {
                (true, true) => {}
                (true, false) => one.elsewhere.push(path),
                (false, _) => one.unsealed.push(path),
            }
        }
        for one in &mut residue.collections {
            for paths in [&mut one.elsewhere, &mut one.unsealed] {
                paths.sort();
                paths.dedup();
            }
        }
    }

    fn add_collection(
        &self,
        entry: &KeyringEntry,
        patterns: &mut PatternSet,
        collection: usize,
        pieces: &mut Vec<SearchedPiece>,
    ) -> Result<CollectionResidue> {
        let mut one = CollectionResidue::of(entry.id, Some(entry.metadata.name.clone()));
        let store = Store::open(&self.path(entry.id), entry.id, super::keys(entry));
        let mut embeddings = Vec::new();
        match store {
            Ok(store) => {
                one.canaries = Some(store.state().canaries);
                let faces = |photo: crate::face::Photo| {
                    embeddings
                        .extend(photo.faces.iter().map(|face| sample_windows(&face.embedding)));
                };
                if let Err(error) = store.scan(faces, |_| ()) {
                    one.store_error = Some(error.to_string());
                }
                let damaged =
                    |error: crate::error::Error| one.store_error = Some(error.to_string());
                let guests = store.guests(damaged)?;
                embeddings
                    .extend(guests.iter().map(|guest| sample_windows(&guest.template.embedding)));
                let hidden = store.suppressions()?;
                embeddings
                    .extend(hidden.iter().map(|person| sample_windows(&person.template.embedding)));
            }
            Err(error) => one.store_error = Some(error.to_string()),
        }
        let number = one.canaries.unwrap_or(CANARIES_UNKNOWN);
        add_canaries(patterns, &entry.canary_key, number, collection, pieces)?;
        for spots in embeddings {
            patterns.add(&spots);
            pieces.push(SearchedPiece { collection, sealed: false });
        }
        Ok(one)
    }
}

impl CollectionResidue {
    fn of(id: CollectionId, name: Option<String>) -> Self {
        Self {
            id,
            name,
            canaries: None,
            found: 0,
            elsewhere: Vec::new(),
            unsealed: Vec::new(),
            store_error: None,
        }
    }
}

fn add_canaries(
    patterns: &mut PatternSet,
    canary_key: &Secret,
    canaries: u64,
    collection: usize,
    pieces: &mut Vec<SearchedPiece>,
) -> Result<()> {
    for number in 0..canaries {
        patterns.add(&canary::value(canary_key, number)?);
        pieces.push(SearchedPiece { collection, sealed: true });
    }
    Ok(())
}

/// Returns four windows of 16 bytes of an embedding in its file encoding (32-bit floats, little endian).
/// These windows suffice to find the embedding, and a whole embedding would have about ten times as many.
fn sample_windows(embedding: &[f32]) -> Vec<u8> {
    let quarter = (embedding.len() / 4).max(4);
    let windows = embedding.chunks(quarter).filter_map(|part| part.get(..4));
    windows.flatten().flat_map(|value| value.to_le_bytes()).collect()
}
