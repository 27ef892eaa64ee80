//! The searchable state of a collection in memory: index, people, and which face is in which photo.
//!
//! Derived: made from photos, never the other way round. Knows nothing of sealing, RocksDB or models.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::Match;
use crate::error::Result;
use crate::face::{Face, Photo};
use crate::guest::{Guest, Stance};
use crate::ids::{FaceId, PhotoId};
use crate::index::{ExactIndex, Hit, Index};
use crate::manifest::Matching;
use crate::matcher::{self, Accepted, Candidate, MatchKind, Stricter};
use crate::people::{People, Person, PersonFace};
use crate::quality::Quality;

/// Faces that a guest is asked about at once.
const ASKED_MAX: usize = 6;

/// A person who is one because the owner said so vouches to guests only for faces that reach this share of the
/// bar by themselves: a mistake of the owner's shows nobody a stranger's photos. Range 0 to 1: 0 believes the
/// owner in everything, 1 lets nobody vouch. Strangers' cosines seldom reach two thirds of a threshold.
const VOUCHED_SHARE: f32 = 2.0 / 3.0;

/// How faces are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// Through the person a face belongs to, where it has one.
    #[default]
    People,
    /// By the face alone.
    Direct,
    /// Through people, and then all faces of every accepted person.
    Expand,
}

/// A face of the gallery, without its embedding.
#[derive(Clone, Copy, Debug)]
pub struct KnownFace {
    pub photo: PhotoId,
    pub bbox: [i32; 4],
    /// 0..1.
    pub quality: f32,
    /// What its quality is made of.
    pub parts: Quality,
}

/// A photo of the gallery.
#[derive(Clone, Debug)]
pub struct KnownPhoto {
    /// As it was given to `index`.
    pub path: PathBuf,
    pub width: u32,
    pub height: u32,
    pub faces: Vec<FaceId>,
}

/// All faces of a collection, ready to be searched.
pub struct Gallery {
    pub(super) index: Box<dyn Index>,
    pub(super) people: People,
    pub(super) faces: HashMap<FaceId, KnownFace>,
    pub(super) photos: HashMap<PhotoId, KnownPhoto>,
    matching: Matching,
    /// What the owner adds to the pack's threshold.
    pub(super) stricter: Stricter,
}

impl Gallery {
    /// An empty gallery for embeddings of `dim` numbers.
    pub fn new(dim: usize, matching: Matching) -> Self {
        Self::with(Box::new(ExactIndex::new(dim)), matching)
    }

    pub(super) fn with(index: Box<dyn Index>, matching: Matching) -> Self {
        Self {
            index,
            people: People::default(),
            faces: HashMap::new(),
            photos: HashMap::new(),
            matching,
            stricter: Stricter::default(),
        }
    }

    /// Adds a photo with its faces, in place of the one with the same id; found at once.
    pub fn add(&mut self, photo: &Photo) -> Result<()> {
        self.remove(&photo.id);
        for face in &photo.faces {
            self.index.insert(face.id, &face.embedding)?;
        }
        self.note(photo);
        Ok(())
    }

    /// Takes note of a photo whose faces the index has already.
    pub(super) fn note(&mut self, photo: &Photo) {
        for face in &photo.faces {
            let Face { bbox, quality, .. } = *face;
            let parts = Quality::behind(quality, &face.landmarks);
            self.faces.insert(face.id, KnownFace { photo: photo.id, bbox, quality, parts });
        }
        let faces = photo.faces.iter().map(|face| face.id).collect();
        let known = KnownPhoto {
            path: photo.path.clone(),
            width: photo.width,
            height: photo.height,
            faces,
        };
        self.photos.insert(photo.id, known);
    }

    /// Removes a photo and its faces; false when it is not there.
    pub fn remove(&mut self, photo: &PhotoId) -> bool {
        let Some(known) = self.photos.remove(photo) else { return false };
        for face in known.faces {
            self.index.remove(&face);
            self.faces.remove(&face);
        }
        true
    }

    /// Brings people up to date; `photos` are all photos of the gallery. Whether anything changed.
    pub fn update_people<'a>(&mut self, photos: impl Iterator<Item = &'a Photo>) -> bool {
        let faces: Vec<PersonFace<'a>> = person_faces(photos);
        self.people.update(&faces, self.matching.cluster_cut)
    }

    /// The similarity a good face must reach here, however it is scored.
    pub fn threshold(&self) -> f32 {
        self.threshold_with(self.stricter)
    }

    /// What `threshold` would be with something else added to the pack's formula.
    pub fn threshold_with(&self, stricter: Stricter) -> f32 {
        matcher::threshold(self.index.len(), &self.matching) + stricter.added()
    }

    /// What is added to the pack's formula here.
    pub fn stricter(&self) -> Stricter {
        self.stricter
    }

    /// The faces of the template's person: at least `similarity_min` (or the collection's threshold),
    /// one best face per photo, best first.
    pub fn search(
        &self,
        template: &[f32],
        scoring: Scoring,
        similarity_min: Option<f32>,
    ) -> Result<Vec<Accepted>> {
        let threshold = similarity_min.unwrap_or_else(|| self.threshold());
        let near = self.index.search_above(template, threshold)?;
        Ok(self.accepted(near, template, scoring, threshold))
    }

    /// The same for each template \[D\] with its scoring and its `similarity_min`, in order and from one pass
    /// over the faces where the index can.
    pub fn search_each(
        &self,
        asked: &[(&[f32], Scoring, Option<f32>)],
    ) -> Vec<Result<Vec<Accepted>>> {
        let threshold = |least: Option<f32>| least.unwrap_or_else(|| self.threshold());
        let near: Vec<(&[f32], f32)> =
            asked.iter().map(|(template, _, least)| (*template, threshold(*least))).collect();
        let near = self.index.search_above_each(&near);
        let accepted = |(near, (template, scoring, least)): (Result<_>, &(&[f32], Scoring, _))| {
            Ok(self.accepted(near?, template, *scoring, threshold(*least)))
        };
        near.into_iter().zip(asked).map(accepted).collect()
    }

    fn accepted(
        &self,
        near: Vec<Hit>,
        template: &[f32],
        scoring: Scoring,
        threshold: f32,
    ) -> Vec<Accepted> {
        let direct = scoring == Scoring::Direct;
        let candidates = self.candidates(near, template, threshold, direct);
        let accepted = matcher::decide(&candidates, threshold, direct);
        if scoring == Scoring::Expand { self.expand(template, accepted) } else { accepted }
    }

    /// Every face whose score can reach `threshold`; `near` are those that do by themselves. A mean of two
    /// cosines reaches it only when one of them does, so: these, and all faces of persons that do.
    fn candidates(
        &self,
        near: Vec<Hit>,
        template: &[f32],
        threshold: f32,
        direct: bool,
    ) -> Vec<Candidate> {
        let mut scores: HashMap<FaceId, f32> =
            near.into_iter().map(|Hit { face, similarity }| (face, similarity)).collect();
        if !direct {
            let near = self
                .people
                .persons()
                .iter()
                .filter(|person| person.similarity(template) >= threshold);
            for face in near
                .flat_map(|person| &person.faces)
                .filter(|face| !scores.contains_key(face))
                .collect::<Vec<_>>()
            {
                scores.extend(
                    self.index.similarity(face, template).map(|similarity| (*face, similarity)),
                );
            }
        }
        scores
            .into_iter()
            .filter_map(|(face, score)| self.candidate(face, score, template))
            .collect()
    }

    fn candidate(&self, face: FaceId, direct: f32, template: &[f32]) -> Option<Candidate> {
        let known = self.faces.get(&face)?;
        let person = self.people.person_of(&face).map(|person| person.similarity(template));
        Some(Candidate { face, photo: known.photo, quality: known.quality, direct, person })
    }

    fn expand(&self, template: &[f32], accepted: Vec<Accepted>) -> Vec<Accepted> {
        let mut all = accepted.clone();
        for person in accepted.iter().filter_map(|accepted| self.people.person_of(&accepted.face)) {
            for face in &person.faces {
                let similarity = self.index.similarity(face, template).unwrap_or(-1.0);
                let candidate = self.candidate(*face, similarity, template);
                all.extend(candidate.map(|candidate| Accepted {
                    face: *face,
                    photo: candidate.photo,
                    similarity: matcher::score(&candidate, false),
                    kind: MatchKind::Expanded,
                    quality: candidate.quality,
                }));
            }
        }
        matcher::best_per_photo(all.into_iter())
    }

    /// What a search holds against the threshold for this one face; `None` when it is not there.
    pub fn score(&self, face: &FaceId, template: &[f32], scoring: Scoring) -> Option<f32> {
        let direct = self.index.similarity(face, template)?;
        let candidate = self.candidate(*face, direct, template)?;
        Some(matcher::score(&candidate, scoring == Scoring::Direct))
    }

    /// What `face` is to a guest: the one rule behind every list, count and picture that a guest gets.
    ///
    /// A person of whom the guest refused a face vouches for none of their others, and one whom the owner has
    /// put together only for faces that are near by themselves.
    pub(super) fn stance(&self, guest: &Guest, face: FaceId) -> Stance {
        self.stance_at(guest, face, self.threshold())
    }

    fn stance_at(&self, guest: &Guest, face: FaceId, threshold: f32) -> Stance {
        if guest.refused.contains(&face) {
            return Stance::NotTheirs;
        }
        let own = &guest.template.embedding;
        let direct = self.index.similarity(&face, own);
        let Some(candidate) = direct.and_then(|direct| self.candidate(face, direct, own)) else {
            return Stance::NotTheirs;
        };
        let person = self.people.person_of(&face);
        let doubted = person.is_some_and(|person| {
            !guest.refused.is_empty() && person.faces.iter().any(|of| guest.refused.contains(of))
        });
        let bar = matcher::bar(threshold, candidate.quality);
        let far =
            candidate.direct < bar * VOUCHED_SHARE && person.is_some_and(|person| person.said);
        let similarity = matcher::score(&candidate, doubted || far);
        let kind = if candidate.direct >= bar { MatchKind::Direct } else { MatchKind::Person };
        let Candidate { photo, quality, .. } = candidate;
        let accepted = Accepted { face, photo, similarity, kind, quality };
        let confirmed = guest.confirmed.contains(&face);
        match similarity {
            _ if confirmed => Stance::Theirs(accepted),
            similarity if similarity >= bar => Stance::Theirs(accepted),
            similarity if similarity >= bar - self.asking_margin() => Stance::Perhaps(accepted),
            _ => Stance::NotTheirs,
        }
    }

    /// The photos of a guest, and those of which they may be asked; each one best face per photo, best first.
    pub(super) fn of_guest(&self, guest: &Guest) -> Result<(Vec<Accepted>, Vec<Accepted>)> {
        self.of_guest_at(guest, self.threshold())
    }

    /// What `of_guest` would give at another threshold.
    pub(super) fn of_guest_at(
        &self,
        guest: &Guest,
        threshold: f32,
    ) -> Result<(Vec<Accepted>, Vec<Accepted>)> {
        let lowest = threshold - self.asking_margin();
        let own = &guest.template.embedding;
        let candidates = self.candidates(self.index.search_above(own, lowest)?, own, lowest, false);
        let near = candidates.into_iter().map(|candidate| candidate.face);
        let (mut theirs, mut perhaps) = (Vec::new(), Vec::new());
        for face in near.chain(guest.confirmed.iter().copied()) {
            match self.stance_at(guest, face, threshold) {
                Stance::Theirs(accepted) => theirs.push(accepted),
                Stance::Perhaps(accepted) => perhaps.push(accepted),
                Stance::NotTheirs => {}
            }
        }
        let theirs = matcher::best_per_photo(theirs.into_iter());
        let known: HashSet<PhotoId> = theirs.iter().map(|accepted| accepted.photo).collect();
        perhaps.retain(|accepted| !known.contains(&accepted.photo));
        let mut perhaps = matcher::best_per_photo(perhaps.into_iter());
        perhaps.truncate(ASKED_MAX);
        Ok((theirs, perhaps))
    }

    /// Every face that may be erased because a guest asks for it: those of the photos that are shown as theirs, several
    /// of one photo too, by the same rule. A face that is theirs only because they said so goes where it is at least
    /// as like them as one that they would be asked about now: nobody erases somebody else by their word.
    pub(super) fn faces_of_guest(&self, guest: &Guest) -> Result<Vec<FaceId>> {
        let theirs = self.of_guest(guest)?.0.into_iter();
        let photos = theirs.filter_map(|accepted| self.photos.get(&accepted.photo));
        let faces = photos.flat_map(|photo| &photo.faces).copied();
        let threshold = self.threshold();
        let goes = |face: &FaceId| match self.stance(guest, *face) {
            Stance::Theirs(accepted) => {
                let bar = matcher::bar(threshold, accepted.quality) - self.asking_margin();
                accepted.similarity >= bar
            }
            Stance::Perhaps(_) | Stance::NotTheirs => false,
        };
        Ok(faces.filter(goes).collect())
    }

    /// A guest is asked about faces that would be shown if false positives were allowed three times as often:
    /// by the threshold's formula, half a decade below it.
    fn asking_margin(&self) -> f32 {
        self.matching.threshold_per_decade / 2.0
    }

    /// An accepted face as callers get it; `None` when it is not there any more.
    pub(super) fn shown(&self, accepted: Accepted) -> Option<Match> {
        let Accepted { face, photo, similarity, kind, quality } = accepted;
        let path = self.photo(&photo)?.path.clone();
        let bbox = self.face(&face)?.bbox;
        Some(Match { photo, face, path, similarity, kind, quality, bbox })
    }

    /// Faces that can be found.
    pub fn face_count(&self) -> usize {
        self.index.len()
    }

    /// A face by id.
    pub fn face(&self, id: &FaceId) -> Option<&KnownFace> {
        self.faces.get(id)
    }

    /// A photo by id.
    pub fn photo(&self, id: &PhotoId) -> Option<&KnownPhoto> {
        self.photos.get(id)
    }

    /// All photos, in order of path.
    pub fn photos(&self) -> Vec<(PhotoId, &KnownPhoto)> {
        let mut all: Vec<_> = self.photos.iter().map(|(id, photo)| (*id, photo)).collect();
        all.sort_by(|a, b| a.1.path.cmp(&b.1.path).then(a.0.cmp(&b.0)));
        all
    }

    /// Each photo with its faces, in no order.
    pub fn photos_with_faces(
        &self,
    ) -> impl Iterator<Item = (PhotoId, impl Iterator<Item = (FaceId, &KnownFace)>)> {
        let face = |id: &FaceId| Some((*id, self.faces.get(id)?));
        self.photos.iter().map(move |(id, photo)| (*id, photo.faces.iter().filter_map(face)))
    }

    /// The people, most faces first.
    pub fn people(&self) -> Vec<&Person> {
        let mut all: Vec<&Person> = self.people.persons().iter().collect();
        all.sort_by_key(|person| {
            (std::cmp::Reverse(person.faces.len()), person.faces.first().copied())
        });
        all
    }

    /// "exact" or "hnsw".
    pub fn index_kind(&self) -> &'static str {
        self.index.kind()
    }
}

/// The faces of `photos` as clustering sees them.
pub(super) fn person_faces<'a>(photos: impl Iterator<Item = &'a Photo>) -> Vec<PersonFace<'a>> {
    let face = |photo: &'a Photo, face: &'a Face| PersonFace {
        id: face.id,
        photo: photo.id,
        quality: face.quality,
        embedding: &face.embedding,
    };
    photos.flat_map(|photo| photo.faces.iter().map(move |of| face(photo, of))).collect()
}
