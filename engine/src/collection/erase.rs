//! Erases photos, faces, people and guests of an open collection, and issues a signed receipt.
//!
//! Order: log entry → delete rows → refresh index and people → rewrite files → scan for residue → receipt.
//! The log entry is write-ahead: when the collection is opened next, it carries out every erasure that a
//! crash interrupted or that a restored backup lacks.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::Collection;
use super::people::try_read_corrections;
use super::suppressions::SuppressionList;
use crate::clock::unix_now_s;
use crate::data_dir::check_no_residue;
use crate::erasure_log::{
    ErasedData, ErasedSuppression, Erasure, ErasureDetails, ErasureLog, Exclusion, PurgeSubject,
    Receipt, ReceiptBody, Requester, ScanExtent,
};
use crate::error::{Error, Result};
use crate::face::Photo;
use crate::fs::residue_scan::PatternSet;
use crate::ids::{CollectionId, FaceId, GuestId, PhotoId, SuppressionId};
use crate::people::Corrections;
use crate::store::{Key, OwnerSetting, Store};
use crate::suppression::{Suppression, SuppressionKind};

/// The erasures of one collection that have no receipt yet.
pub(super) struct PendingErasures {
    erasures: Vec<Erasure>,
    /// Keyed names of all faces ever erased from the collection, which must not be added again.
    pub(super) erased_faces: HashSet<[u8; 16]>,
}

/// The changes that an erasure made to the store.
#[derive(Default)]
struct ErasureOutcome {
    /// The number of photos changed or deleted; `None` if unknown.
    photos: Option<u64>,
    /// The number of faces erased; `None` if unknown.
    faces: Option<u64>,
    /// The byte patterns that the residue scan must not find.
    patterns: PatternSet,
    /// Photos that stay, without the erased faces.
    thinned: Vec<Photo>,
    /// The erased faces whose rows could be read.
    gone: HashSet<FaceId>,
}

/// The person of an erasure of faces, and what ends with their faces.
#[derive(Clone, Copy)]
struct FacesSubject<'a> {
    /// Whether the faces are all faces of one person.
    person: bool,
    guest: Option<&'a GuestId>,
    suppression: Option<ErasedSuppression>,
}

impl PendingErasures {
    /// Carries out the erasures of the erasure log that the store has not applied yet. Returns the erasures
    /// that have no receipt yet.
    ///
    /// # Errors
    /// - `Io`, `Damaged`: the erasure log cannot be read.
    /// - `Store`, `Seal`, `Damaged`: the store cannot be changed, or a row with faces to erase is damaged.
    pub(super) fn apply(
        erasure_log: &ErasureLog,
        store: &Store,
        collection: CollectionId,
    ) -> Result<Self> {
        let mut erasures = erasure_log.erasures()?;
        erasures.retain(|erasure| erasure.collection == collection);
        let mut erased_faces = HashSet::new();
        for erasure in &erasures {
            if let ErasedData::Faces { faces, .. } = &erasure.what {
                erased_faces.extend(faces);
            }
            if erasure.number > store.state().applied {
                apply_erasure(store, erasure)?;
            }
        }
        erasures.retain(|erasure| erasure.number > store.state().completed);
        Ok(Self { erasures, erased_faces })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.erasures.is_empty()
    }
}

impl Collection {
    /// Erases photos and their faces, also from the files on disk, scans the files for residue, and returns
    /// the receipt.
    ///
    /// # Errors
    /// - `NotFound`: the collection does not have one of the photos; nothing was erased.
    /// - `Residue`: the scan found erased data; the erasure stays pending and has no receipt.
    /// - `Io`, `Store`, `Keyring`, `Damaged`: a step could not be completed; the erasure may stay pending.
    pub fn delete_photos(&self, ids: &[PhotoId]) -> Result<Receipt> {
        let _alone = self.lock_erasures()?;
        self.delete_photos_locked(ids, Requester::Operator)
    }

    /// Erases photos as [`Collection::delete_photos`] does, ignoring ids of photos that the collection does
    /// not have, for `requester`, and then calls `then` before a face can be added again. The receipt is `None` if the
    /// collection has none of the photos. After an error, `then` was not called.
    ///
    /// # Errors
    /// - `Residue`, `Io`, `Store`, `Keyring`, `Damaged`: as for [`Collection::delete_photos`].
    pub fn delete_photos_then<T>(
        &self,
        ids: &[PhotoId],
        requester: Requester,
        then: impl FnOnce() -> T,
    ) -> Result<(Option<Receipt>, T)> {
        let _alone = self.lock_erasures()?;
        let known: Vec<PhotoId> = {
            let gallery = self.gallery();
            ids.iter().copied().filter(|id| gallery.photo(id).is_some()).collect()
        };
        let receipt = match known.is_empty() {
            true => None,
            false => Some(self.delete_photos_locked(&known, requester)?),
        };
        Ok((receipt, then()))
    }

    /// Erases photos as `delete_photos` does. The caller holds `erasure_lock` exclusively.
    fn delete_photos_locked(&self, ids: &[PhotoId], requester: Requester) -> Result<Receipt> {
        let mut gallery = self.gallery_mut();
        if let Some(missing) = ids.iter().find(|id| gallery.photo(id).is_none()) {
            return Err(Error::NotFound { kind: "photo", id: missing.to_string() });
        }
        let names = ids.iter().map(|id| self.row_name(id)).collect::<Result<Vec<_>>>()?;
        let (erasure, done) = self.begin(ErasedData::Photos(names), requester)?;
        for id in ids {
            gallery.remove(id);
        }
        gallery.people.forget(&done.gone);
        drop(gallery);
        self.complete(&erasure, done)
    }

    /// Erases faces as `delete_photos` erases photos; their photos stay.
    ///
    /// # Errors
    /// - `NotFound`: the collection does not have one of the faces; nothing was erased.
    /// - `Residue`, `Io`, `Store`, `Keyring`: as for `delete_photos`.
    /// - `Seal`, `Damaged`: the row of one of the photos is damaged.
    pub fn delete_faces(&self, ids: &[FaceId]) -> Result<Receipt> {
        let _alone = self.lock_erasures()?;
        self.erase_known_faces(ids, false, None, Requester::Operator)
    }

    /// Erases faces of one person, at the person's request, as `delete_faces` does. The receipt's subject is
    /// `PurgeSubject::Person`.
    ///
    /// # Errors
    /// - `NotFound`, `Residue`, `Io`, `Store`, `Keyring`, `Seal`, `Damaged`: as for `delete_faces`.
    pub fn erase_person(&self, ids: &[FaceId]) -> Result<Receipt> {
        let _alone = self.lock_erasures()?;
        self.erase_known_faces(ids, true, None, Requester::Operator)
    }

    /// Erases a guest's template. If `faces` is true, also erases all faces that match the guest, so that no
    /// search finds the guest any more. A face that matches only because the guest confirmed it stays if its
    /// score is too low for a candidate.
    ///
    /// # Errors
    /// - `NotFound`: the collection has no such guest.
    /// - `Residue`, `Io`, `Store`, `Keyring`, `Seal`, `Damaged`: as for `delete_faces`.
    pub fn erase_guest(&self, id: &GuestId, faces: bool, requester: Requester) -> Result<Receipt> {
        let _alone = self.lock_erasures()?;
        let guest = self.guest(id)?;
        let theirs = if faces { self.gallery().faces_of_guest(&guest)? } else { Vec::new() };
        self.erase_known_faces(&theirs, true, Some(id), requester)
    }

    /// Erases the faces that a suppression hides, also those of photos that were added since, and ends the
    /// suppression. With `opt_out`, the suppression stays as an opt-out instead.
    ///
    /// # Errors
    /// - `NotFound`: no suppression with this id hides faces: it was lifted, or its faces are erased.
    /// - `Residue`, `Io`, `Store`, `Keyring`, `Seal`, `Damaged`: as for `delete_faces`.
    pub fn erase_suppressed(
        &self,
        id: &SuppressionId,
        opt_out: bool,
        requester: Requester,
    ) -> Result<Receipt> {
        let _alone = self.lock_erasures()?;
        let missing = || Error::NotFound { kind: "suppression", id: id.to_string() };
        let hidden = self.suppressions().find(id).filter(|of| of.kind == SuppressionKind::Hidden);
        let hidden = hidden.ok_or_else(missing)?;
        let ended = ErasedSuppression { name: self.store.suppression_name(id)?, opt_out };
        let faces: Vec<FaceId> = hidden.faces.keys().copied().collect();
        let subject = FacesSubject { person: true, guest: None, suppression: Some(ended) };
        self.erase_faces(&hidden.photos(), &faces, subject, requester)
    }

    /// Erases faces of the gallery, and the guest `guest`, if given. The caller holds `erasure_lock`
    /// exclusively.
    fn erase_known_faces(
        &self,
        ids: &[FaceId],
        person: bool,
        guest: Option<&GuestId>,
        requester: Requester,
    ) -> Result<Receipt> {
        let mut photos = BTreeSet::new();
        for id in ids {
            let missing = || Error::NotFound { kind: "face", id: id.to_string() };
            photos.insert(self.gallery().face(id).ok_or_else(missing)?.photo);
        }
        let subject = FacesSubject { person, guest, suppression: None };
        self.erase_faces(&photos, ids, subject, requester)
    }

    /// Erases the faces `ids` of the photos `photos`. The caller holds `erasure_lock` exclusively.
    fn erase_faces(
        &self,
        photos: &BTreeSet<PhotoId>,
        ids: &[FaceId],
        subject: FacesSubject<'_>,
        requester: Requester,
    ) -> Result<Receipt> {
        let FacesSubject { person, guest, suppression } = subject;
        let mut gallery = self.gallery_mut();
        let rows = photos.iter().map(|id| self.row_name(id)).collect::<Result<Vec<_>>>()?;
        let names = ids.iter().map(|id| self.store.face_name(id));
        let faces = names.collect::<Result<Vec<_>>>()?;
        let name = guest.map(|id| self.store.guest_name(id)).transpose()?;
        let what =
            ErasedData::Faces { person, rows, faces: faces.clone(), guest: name, suppression };
        // The lock is held so that no other thread writes the guest's row again after its deletion.
        let mut guests = self.guests();
        let (erasure, mut done) = self.begin(what, requester)?;
        self.erased_faces().extend(faces);
        let mut suppressions = self.suppressions();
        if suppression.is_some() {
            *suppressions = SuppressionList::of(self.store.suppressions()?);
        }
        for photo in &mut done.thinned {
            suppressions.remove_hidden(photo);
            gallery.add(photo)?;
        }
        drop(suppressions);
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

    /// Writes the log entry and deletes the rows. The caller holds `erasure_lock` exclusively.
    fn begin(&self, what: ErasedData, requester: Requester) -> Result<(Erasure, ErasureOutcome)> {
        let enter = || self.erasure_log.append(self.info.id, what.clone(), Some(requester));
        // The flag is set first: an entry may be in the erasure log even if its write returned an error.
        self.erasure_pending.store(true, Ordering::SeqCst);
        let erasure = self.erasure_log.retry_with_reserved_space(enter)?;
        let done = apply_erasure(&self.store, &erasure)?;
        Ok((erasure, done))
    }

    /// Removes the erased data from the derived state and from the files, and issues the receipt.
    fn complete(&self, erasure: &Erasure, mut done: ErasureOutcome) -> Result<Receipt> {
        // The lock keeps other threads from storing derived state until the rewrite, so that the patterns
        // below are complete.
        let settling = self.lock_refresh();
        let old = self.store.sealed_heads()?;
        self.refresh_locked()?;
        let kept: HashMap<_, _> = self.store.sealed_heads()?.into_iter().collect();
        // Replaced derived state and corrections may contain the erased faces, so the scan searches for them
        // too.
        for (_, bytes) in old.iter().filter(|(key, bytes)| kept.get(key) != Some(bytes)) {
            done.patterns.add(bytes);
        }
        self.store.rewrite()?;
        drop(settling);
        let scanned = check_no_residue(&done.patterns, self.store.folder(), self.info.id)?;
        let receipt = self.issue_receipt(erasure, &done, scanned)?;
        self.store.mark_completed(erasure.number)?;
        self.erasure_pending.store(false, Ordering::SeqCst);
        Ok(receipt)
    }

    /// Completes erasures that an earlier process left pending, or that a restored backup has undone.
    pub(super) fn complete_all(&self, pending: &PendingErasures) -> Result<()> {
        self.store.rewrite()?;
        for erasure in &pending.erasures {
            let (photos, faces, rows) = match &erasure.what {
                ErasedData::Collection => continue,
                ErasedData::Photos(rows) => (Some(rows.len() as u64), None, rows),
                ErasedData::Faces { rows, faces, .. } => {
                    (Some(rows.len() as u64), Some(faces.len() as u64), rows)
                }
            };
            let mut patterns = PatternSet::new();
            // A photo that only lost faces keeps its row name, so the name is no residue.
            if matches!(erasure.what, ErasedData::Photos(_)) {
                for name in self.absent(rows)? {
                    patterns.add(&name);
                }
            }
            let scanned = check_no_residue(&patterns, self.store.folder(), self.info.id)?;
            let done = ErasureOutcome { photos, faces, patterns, ..ErasureOutcome::default() };
            self.issue_receipt(erasure, &done, scanned)?;
            self.store.mark_completed(erasure.number)?;
        }
        Ok(())
    }

    /// Returns the row names in `rows` that the store does not have. The others were added again after their
    /// erasure.
    fn absent(&self, rows: &[[u8; 16]]) -> Result<Vec<[u8; 16]>> {
        let mut absent = Vec::new();
        for name in rows {
            if self.store.sealed(&Store::key_named(*name))?.is_none() {
                absent.push(*name);
            }
        }
        Ok(absent)
    }

    /// Issues the signed receipt of an erasure.
    fn issue_receipt(
        &self,
        erasure: &Erasure,
        done: &ErasureOutcome,
        scanned: ScanExtent,
    ) -> Result<Receipt> {
        let subject = match &erasure.what {
            ErasedData::Collection => PurgeSubject::Collection,
            ErasedData::Photos(_) => PurgeSubject::Photos,
            ErasedData::Faces { person: false, .. } => PurgeSubject::Faces,
            ErasedData::Faces { person: true, .. } => PurgeSubject::Person,
        };
        let backups = self.erasure_log.keyring.backups(self.info.id)?;
        self.erasure_log.issue_receipt(&ReceiptBody {
            format: String::new(),
            number: 0,
            previous: String::new(),
            subject,
            collection: self.info.id.to_string(),
            key_fingerprint: hex::encode(self.key_fingerprint),
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
            audit: None,
            key_exports: Some(self.erasure_log.keyring.exports_of(self.info.id)?),
            not_covered: Some(Exclusion::current()),
            details: Some(details_of(erasure)),
        })
    }
}

/// Returns who requested an erasure inside a collection, and what it erases besides photos and faces.
fn details_of(erasure: &Erasure) -> ErasureDetails {
    let (templates, opt_out) = match &erasure.what {
        ErasedData::Faces { guest, suppression, .. } => {
            (u64::from(guest.is_some()), suppression.is_some_and(|of| of.opt_out))
        }
        ErasedData::Photos(_) | ErasedData::Collection => (0, false),
    };
    ErasureDetails { requested_by: erasure.requester, templates: Some(templates), opt_out }
}

/// Deletes an erasure's rows, or replaces them by rows without the erased faces. Idempotent.
fn apply_erasure(store: &Store, erasure: &Erasure) -> Result<ErasureOutcome> {
    let mut done = ErasureOutcome { photos: Some(0), faces: Some(0), ..ErasureOutcome::default() };
    let mut gone = Vec::new();
    let (rows, faces) = match &erasure.what {
        ErasedData::Collection => return Ok(done),
        ErasedData::Photos(rows) => (rows, None),
        ErasedData::Faces { rows, faces, .. } => {
            (rows, Some(faces.iter().copied().collect::<HashSet<_>>()))
        }
    };
    let mut opted_out = None;
    if let ErasedData::Faces { suppression: Some(ended), .. } = &erasure.what {
        opted_out = end_suppression(store, ended, &mut done, &mut gone)?;
    }
    if let ErasedData::Faces { guest: Some(name), .. } = &erasure.what {
        let key = Store::guest_key(*name);
        if let Some(sealed) = store.sealed(&key)? {
            done.patterns.add(&sealed);
            done.patterns.add(name);
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
                done.patterns.add(name);
                gone.push(key);
            }
            (Some(faces), photo) => {
                let Some(mut photo) = photo? else { continue };
                let before: HashSet<FaceId> = photo.faces.iter().map(|face| face.id).collect();
                store.remove_faces(&mut photo, faces)?;
                count(&mut done.faces, before.len() - photo.faces.len());
                let kept: HashSet<FaceId> = photo.faces.iter().map(|face| face.id).collect();
                done.gone.extend(before.difference(&kept));
                done.thinned.push(photo);
            }
        }
        done.patterns.add(&sealed);
    }
    let notes: Vec<(OwnerSetting, Vec<u8>)> =
        corrections_without(store, &mut done)?.into_iter().collect();
    store.erase(erasure.number, &gone, &done.thinned, &notes, opted_out.as_ref())?;
    Ok(done)
}

/// Adds the row of an ended suppression to `gone`, or returns the opt-out that replaces the row.
fn end_suppression(
    store: &Store,
    ended: &ErasedSuppression,
    done: &mut ErasureOutcome,
    gone: &mut Vec<Key>,
) -> Result<Option<Suppression>> {
    let key = Store::suppression_key(ended.name);
    let Some(sealed) = store.sealed(&key)? else { return Ok(None) };
    if !ended.opt_out {
        done.patterns.add(&sealed);
        done.patterns.add(&ended.name);
        gone.push(key);
        return Ok(None);
    }
    let hidden = store.suppression_by_key(&key)?;
    // An opt-out was made of it before.
    let hidden = hidden.filter(|of| of.kind == SuppressionKind::Hidden);
    if hidden.is_some() {
        done.patterns.add(&sealed);
    }
    Ok(hidden.map(Suppression::into_opt_out))
}

/// Returns the corrections without the erased faces; `None` if no correction names an erased face. Replaces
/// an unreadable note with empty corrections, because the note may name erased faces.
fn corrections_without(
    store: &Store,
    done: &mut ErasureOutcome,
) -> Result<Option<(OwnerSetting, Vec<u8>)>> {
    let Some(head) = store.setting_head(OwnerSetting::People)?.filter(|_| !done.gone.is_empty())
    else {
        return Ok(None);
    };
    let thinned = match try_read_corrections(store)? {
        Some(mut corrections) => {
            corrections.forget(|face| done.gone.contains(face)).then_some(corrections)
        }
        None => Some(Corrections::default()),
    };
    Ok(thinned.map(|corrections| {
        done.patterns.add(&head);
        (OwnerSetting::People, corrections.to_bytes())
    }))
}
