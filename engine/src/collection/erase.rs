//! Erasing photos, faces and people inside a living collection, for good and attested.
//!
//! Ledger → rows deleted → index and people made without them → files rewritten → scanned → receipt.
//! The ledger's entry comes first, so what a crash or an old backup leaves is erased at the next
//! opening. Knows nothing of purging whole collections.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::Collection;
use super::people::read_note;
use crate::books::{Books, Erased, Erasure, Receipt, ReceiptBody, Scanned, Subject};
use crate::clock::unix_now_s;
use crate::data::none_left;
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::ids::{CollectionId, FaceId, GuestId, PhotoId, hex};
use crate::people::Corrections;
use crate::residue::Needles;
use crate::store::{Note, Store};

/// The erasures of one collection that its store has not seen through.
pub(super) struct Pending {
    erasures: Vec<Erasure>,
    /// Names of all faces that were ever erased from the collection: none comes back.
    pub(super) erased_faces: HashSet<[u8; 16]>,
}

/// What an erasure did to the store.
#[derive(Default)]
struct Done {
    /// Photos touched and faces erased, where that is known.
    photos: Option<u64>,
    faces: Option<u64>,
    /// What to look for afterwards.
    needles: Needles,
    /// Photos that are there without some faces now.
    thinned: Vec<Photo>,
    /// The faces that are gone, as far as their rows read.
    gone: HashSet<FaceId>,
}

impl Pending {
    /// Carries out, on a store that was just opened, the erasures of the ledger that it does not show.
    pub(super) fn apply(books: &Books, store: &Store, collection: CollectionId) -> Result<Self> {
        let mut erasures = books.ledger.read()?;
        erasures.retain(|erasure| erasure.collection == collection);
        let mut erased_faces = HashSet::new();
        for erasure in &erasures {
            if let Erased::Faces { faces, .. } = &erasure.what {
                erased_faces.extend(faces);
            }
            if erasure.number > store.state().erased {
                carry_out(store, erasure)?;
            }
        }
        erasures.retain(|erasure| erasure.number > store.state().attested);
        Ok(Self { erasures, erased_faces })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.erasures.is_empty()
    }
}

impl Collection {
    /// Deletes photos and their faces for good: nothing of them is found again, nor in any file of the
    /// collection. `Error::NotFound` names the first that is not there, and then nothing is deleted.
    pub fn delete_photos(&self, ids: &[PhotoId]) -> Result<Receipt> {
        let _alone = self.erasing()?;
        let mut gallery = self.gallery();
        if let Some(missing) = ids.iter().find(|id| gallery.photo(id).is_none()) {
            return Err(Error::NotFound { kind: "photo", id: missing.to_string() });
        }
        let names = ids.iter().map(|id| self.row_name(id)).collect::<Result<Vec<_>>>()?;
        let (erasure, done) = self.begin(Erased::Photos(names))?;
        for id in ids {
            gallery.remove(id);
        }
        gallery.people.forget(&done.gone);
        drop(gallery);
        self.complete(&erasure, done)
    }

    /// Deletes faces; their photos stay. As `delete_photos`.
    pub fn delete_faces(&self, ids: &[FaceId]) -> Result<Receipt> {
        self.erase_faces(ids, false, None)
    }

    /// Deletes all these faces of one person, who asked for it. As `delete_faces`.
    pub fn erase_person(&self, ids: &[FaceId]) -> Result<Receipt> {
        self.erase_faces(ids, true, None)
    }

    /// Forgets a guest, and with `faces` also every face of the collection that they are shown as theirs: nobody
    /// finds them by it any more. A face that they only said is theirs stays where its likeness does not even reach
    /// what they would be asked about. As `delete_faces`; `NotFound` for no guest of this collection.
    pub fn erase_guest(&self, id: &GuestId, faces: bool) -> Result<Receipt> {
        self.catch_up()?;
        let guest = self.guest(id)?;
        let theirs = if faces { self.gallery().faces_of_guest(&guest)? } else { Vec::new() };
        self.erase_faces(&theirs, true, Some(id))
    }

    fn erase_faces(
        &self,
        ids: &[FaceId],
        person: bool,
        guest: Option<&GuestId>,
    ) -> Result<Receipt> {
        let _alone = self.erasing()?;
        let mut gallery = self.gallery();
        let mut photos = Vec::with_capacity(ids.len());
        for id in ids {
            let missing = || Error::NotFound { kind: "face", id: id.to_string() };
            photos.push(gallery.face(id).ok_or_else(missing)?.photo);
        }
        photos.sort_unstable();
        photos.dedup();
        let rows = photos.iter().map(|id| self.row_name(id)).collect::<Result<Vec<_>>>()?;
        let names = ids.iter().map(|id| self.store.face_name(id));
        let faces = names.collect::<Result<Vec<_>>>()?;
        let name = guest.map(|id| self.store.guest_name(id)).transpose()?;
        let what = Erased::Faces { person, rows, faces: faces.clone(), guest: name };
        // Nobody writes the guest's row again between its deletion and the forgetting.
        let mut guests = self.guests();
        let (erasure, done) = self.begin(what)?;
        self.erased_faces().extend(faces);
        done.thinned.iter().try_for_each(|photo| gallery.add(photo))?;
        gallery.people.forget(&done.gone);
        guest.inspect(|id| guests.forget(id));
        drop(guests);
        drop(gallery);
        self.complete(&erasure, done)
    }

    fn row_name(&self, id: &PhotoId) -> Result<[u8; 16]> {
        let key = self.store.photo_key(id)?;
        Ok(key.last_chunk().copied().unwrap_or_default())
    }

    fn begin(&self, what: Erased) -> Result<(Erasure, Done)> {
        let enter = || self.books.ledger.enter(self.info.id, what.clone());
        // Even an entry that met an error may be in the ledger.
        self.behind.store(true, Ordering::SeqCst);
        let erasure = self.books.with_room(enter)?;
        let done = carry_out(&self.store, &erasure)?;
        Ok((erasure, done))
    }

    /// Takes what was erased out of the derived state and out of the files, and attests it.
    fn complete(&self, erasure: &Erasure, mut done: Done) -> Result<Receipt> {
        // Whatever anybody else derives is stored before or after, never in between: the scan knows of it.
        let settling = self.settling();
        let old = self.store.sealed_heads()?;
        self.settle_alone()?;
        let kept: HashMap<_, _> = self.store.sealed_heads()?.into_iter().collect();
        // What was derived from the erased faces, or said of them, is as much theirs as their rows.
        for (_, bytes) in old.iter().filter(|(key, bytes)| kept.get(key) != Some(bytes)) {
            done.needles.add(bytes);
        }
        self.store.rewrite()?;
        drop(settling);
        let scanned = none_left(&done.needles, self.store.folder(), self.info.id)?;
        let receipt = self.attest(erasure, &done, scanned)?;
        self.store.attested(erasure.number)?;
        self.behind.store(false, Ordering::SeqCst);
        Ok(receipt)
    }

    /// Sees through what an earlier process, or a restored backup, has left of erasures.
    pub(super) fn complete_all(&self, pending: &Pending) -> Result<()> {
        self.store.rewrite()?;
        for erasure in &pending.erasures {
            let (photos, faces, rows) = match &erasure.what {
                Erased::Collection => continue,
                Erased::Photos(rows) => (Some(rows.len() as u64), None, rows),
                Erased::Faces { rows, faces, .. } => {
                    (Some(rows.len() as u64), Some(faces.len() as u64), rows)
                }
            };
            let mut needles = Needles::new();
            // The rows of thinned photos are still there under their names.
            if matches!(erasure.what, Erased::Photos(_)) {
                for name in self.absent(rows)? {
                    needles.add(&name);
                }
            }
            let scanned = none_left(&needles, self.store.folder(), self.info.id)?;
            let done = Done { photos, faces, needles, ..Done::default() };
            self.attest(erasure, &done, scanned)?;
            self.store.attested(erasure.number)?;
        }
        Ok(())
    }

    /// Those of `rows` that were not added again since.
    fn absent(&self, rows: &[[u8; 16]]) -> Result<Vec<[u8; 16]>> {
        let mut absent = Vec::new();
        for name in rows {
            if self.store.sealed(&Store::key_named(*name))?.is_none() {
                absent.push(*name);
            }
        }
        Ok(absent)
    }

    fn attest(&self, erasure: &Erasure, done: &Done, scanned: Scanned) -> Result<Receipt> {
        let subject = match &erasure.what {
            Erased::Collection => Subject::Collection,
            Erased::Photos(_) => Subject::Photos,
            Erased::Faces { person: false, .. } => Subject::Faces,
            Erased::Faces { person: true, .. } => Subject::Person,
        };
        let backups = self.books.keyring.backups(self.info.id)?;
        self.books.attest(&ReceiptBody {
            format: String::new(),
            number: 0,
            previous: String::new(),
            subject,
            collection: self.info.id.to_string(),
            key_fingerprint: hex(&self.key_fingerprint),
            erasure: erasure.number,
            photos: done.photos,
            faces: done.faces,
            begun_unix_s: erasure.at_unix_s,
            key_destroyed_unix_s: None,
            kek_generation_destroyed: None,
            finished_unix_s: unix_now_s(),
            scanned,
            residue: 0,
            backups_expire_unix_s: backups.iter().map(|note| note.expires_unix_s).max(),
            public_key: String::new(),
        })
    }
}

/// Deletes an erasure's rows, or replaces them by rows without its faces; repeated, it does nothing.
fn carry_out(store: &Store, erasure: &Erasure) -> Result<Done> {
    let mut done = Done { photos: Some(0), faces: Some(0), ..Done::default() };
    let mut gone = Vec::new();
    let (rows, faces) = match &erasure.what {
        Erased::Collection => return Ok(done),
        Erased::Photos(rows) => (rows, None),
        Erased::Faces { rows, faces, .. } => {
            (rows, Some(faces.iter().copied().collect::<HashSet<_>>()))
        }
    };
    if let Erased::Faces { guest: Some(name), .. } = &erasure.what {
        let key = Store::guest_key(*name);
        if let Some(sealed) = store.sealed(&key)? {
            done.needles.add(&sealed);
            done.needles.add(name);
            gone.push(key);
        }
    }
    let count = |total: &mut Option<u64>, more: usize| {
        *total = total.map(|total| total + more as u64);
    };
    for name in rows {
        let key = Store::key_named(*name);
        let Some(sealed) = store.sealed(&key)? else { continue };
        count(&mut done.photos, 1);
        let photo = store.get_by_key(&key);
        match (&faces, photo) {
            (None, photo) => {
                // A damaged row is deleted like any other; its faces cannot be counted.
                let photo = photo.ok().flatten();
                let faces = photo.as_ref().map(|photo| photo.faces.len() as u64);
                done.faces = done.faces.zip(faces).map(|(total, more)| total + more);
                done.gone.extend(photo.iter().flat_map(|photo| &photo.faces).map(|face| face.id));
                done.needles.add(name);
                gone.push(key);
            }
            (Some(faces), photo) => {
                let Some(mut photo) = photo? else { continue };
                let before: HashSet<FaceId> = photo.faces.iter().map(|face| face.id).collect();
                store.without(&mut photo, faces)?;
                count(&mut done.faces, before.len() - photo.faces.len());
                let kept: HashSet<FaceId> = photo.faces.iter().map(|face| face.id).collect();
                done.gone.extend(before.difference(&kept));
                done.thinned.push(photo);
            }
        }
        done.needles.add(&sealed);
    }
    let notes: Vec<(Note, Vec<u8>)> = thinned_note(store, &mut done)?.into_iter().collect();
    store.erase(erasure.number, &gone, &done.thinned, &notes)?;
    Ok(done)
}

/// What was said of people without the faces that are gone, where it names any. A note that does not read
/// says nothing to anybody, and may name them: it is emptied.
fn thinned_note(store: &Store, done: &mut Done) -> Result<Option<(Note, Vec<u8>)>> {
    let Some(head) = store.note_head(Note::People)?.filter(|_| !done.gone.is_empty()) else {
        return Ok(None);
    };
    let thinned = match read_note(store)? {
        Some(mut said) => said.forget(|face| done.gone.contains(face)).then_some(said),
        None => Some(Corrections::default()),
    };
    Ok(thinned.map(|said| {
        done.needles.add(&head);
        (Note::People, said.to_bytes())
    }))
}
