//! The scan of a data folder's raw files for face data in places where none is allowed.
//!
//! Canaries of a living collection must be found in its own folder (which proves that the scan works) and
//! only there. Canaries of a purged collection, and embeddings that are not sealed, must not be found in any
//! file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::DataFolder;
use super::purge::CANARIES_UNKNOWN;
use crate::crypto::{Entry, Secret};
use crate::error::Result;
use crate::fs::residue_scan::Needles;
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
    pub needles: u64,
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
    /// Canaries planted; `None` if its store could not be read.
    pub canaries: Option<u64>,
    /// Canaries found in its own folder. For a purged collection: canaries found in any file.
    pub found: u64,
    /// Files outside its own folder that contain its canaries. For a purged collection: all files that do.
    pub elsewhere: Vec<PathBuf>,
    /// Files that contain an unsealed embedding of the collection.
    pub unsealed: Vec<PathBuf>,
    /// Reason why its store, or a guest row in it, could not be read; then some of its unsealed embeddings
    /// were not searched for.
    pub closed: Option<String>,
}

impl Residue {
    /// Returns the number of findings: files with canaries or unsealed embeddings where none are allowed.
    pub fn found(&self) -> usize {
        let of = |one: &CollectionResidue| one.elsewhere.len() + one.unsealed.len();
        self.collections.iter().map(of).sum()
    }
}

/// The origin of a searched piece of data.
struct Piece {
    /// Index in `Residue::collections`.
    collection: usize,
    sealed: bool,
}

impl DataFolder {
    /// Scans the data folder, the keyring, and the folders in `also`, for instance folders with old backups.
    ///
    /// # Errors
    ///
    /// - `Keyring`, `Io`: the keyring cannot be read.
    /// - `Store`: the guests of an opened store cannot be listed.
    pub fn scan(&self, also: &[PathBuf]) -> Result<Residue> {
        let (mut patterns, mut pieces) = (Needles::new(), Vec::new());
        let mut collections = Vec::new();
        for entry in self.books.keyring.entries()? {
            let collection = collections.len();
            collections.push(self.living(&entry, &mut patterns, collection, &mut pieces)?);
        }
        for purged in self.books.keyring.purged()? {
            let collection = collections.len();
            let mut one = CollectionResidue::of(purged.id, None);
            one.canaries = purged.canaries;
            let number = purged.canaries.unwrap_or(CANARIES_UNKNOWN);
            if let Some(canary_key) = &purged.canary_key {
                plant(&mut patterns, canary_key, number, collection, &mut pieces)?;
            }
            collections.push(one);
        }
        let mut residue =
            Residue { files: 0, bytes: 0, needles: 0, unreadable: Vec::new(), collections };
        let mut folders = vec![self.folder.as_path()];
        let keyring = self.books.keyring.folder();
        folders.extend((!keyring.starts_with(&self.folder)).then_some(keyring));
        folders.extend(also.iter().map(PathBuf::as_path));
        let mut own = vec![BTreeSet::new(); residue.collections.len()];
        for folder in folders {
            self.look(folder, &patterns, &pieces, &mut residue, &mut own);
        }
        for (one, own) in residue.collections.iter_mut().zip(own) {
            one.found = own.len() as u64;
        }
        Ok(residue)
    }

    fn look(
        &self,
        folder: &Path,
        patterns: &Needles,
        pieces: &[Piece],
        residue: &mut Residue,
        own: &mut [BTreeSet<u32>],
    ) {
        let scan = patterns.scan(folder);
        residue.files += scan.files;
        residue.bytes += scan.bytes;
        residue.needles = scan.needles;
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

    fn living(
        &self,
        entry: &Entry,
        patterns: &mut Needles,
        collection: usize,
        pieces: &mut Vec<Piece>,
    ) -> Result<CollectionResidue> {
        let mut one = CollectionResidue::of(entry.id, Some(entry.about.name.clone()));
        let store = Store::open(&self.path(entry.id), entry.id, super::keys(entry));
        let mut embeddings = Vec::new();
        match store {
            Ok(store) => {
                one.canaries = Some(store.state().canaries);
                let faces = |photo: crate::face::Photo| {
                    embeddings.extend(photo.faces.iter().map(|face| spots(&face.embedding)));
                };
                if let Err(error) = store.scan(faces, |_| ()) {
                    one.closed = Some(error.to_string());
                }
                let damaged = |error: crate::error::Error| one.closed = Some(error.to_string());
                let guests = store.guests(damaged)?;
                embeddings.extend(guests.iter().map(|guest| spots(&guest.template.embedding)));
            }
            Err(error) => one.closed = Some(error.to_string()),
        }
        let number = one.canaries.unwrap_or(CANARIES_UNKNOWN);
        plant(patterns, &entry.canary_key, number, collection, pieces)?;
        for spots in embeddings {
            patterns.add(&spots);
            pieces.push(Piece { collection, sealed: false });
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
            closed: None,
        }
    }
}

fn plant(
    patterns: &mut Needles,
    canary_key: &Secret,
    canaries: u64,
    collection: usize,
    pieces: &mut Vec<Piece>,
) -> Result<()> {
    for number in 0..canaries {
        patterns.add(&canary::value(canary_key, number)?);
        pieces.push(Piece { collection, sealed: true });
    }
    Ok(())
}

/// Returns four windows of an embedding in its file encoding (32-bit floats, little endian). They suffice to
/// find the embedding, with about a tenth of the windows of the whole.
fn spots(embedding: &[f32]) -> Vec<u8> {
    let quarter = (embedding.len() / 4).max(4);
    let windows = embedding.chunks(quarter).filter_map(|part| part.get(..4));
    windows.flatten().flat_map(|value| value.to_le_bytes()).collect()
}
