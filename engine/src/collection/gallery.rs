use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::Match;
use crate::error::Result;
use crate::face::{Face, Photo};
use crate::guest::{Guest, GuestMatch};
use crate::ids::{FaceId, PhotoId};
use crate::index::{ExactIndex, Hit, Index};
use crate::matcher::{self, Accepted, Candidate, MatchKind, ThresholdOffset};
use crate::models::manifest::Matching;
use crate::people::{People, Person, PersonFace};
use crate::quality::Quality;

/// Limits the candidate faces that a guest may confirm or reject at once to 6.
const GUEST_CANDIDATES_MAX: usize = 6;

/// Limits the faces of a merged person that a guest is shown to those whose own cosine is at least 2/3 of the
/// threshold. A wrong merge by the owner then does not show a stranger's photos, because strangers' cosines
/// seldom reach two thirds of a threshold. Range: 0 (the owner's merges are trusted completely) to 1 (a face
/// of a merged person must match by itself).
const OWNER_MERGE_SHARE_MIN: f32 = 2.0 / 3.0;

/// The way in which a search scores faces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// The mean of the cosines with the face and with its person's centroid, if it belongs to a person.
    #[default]
    People,
    /// The cosine with the face alone.
    Direct,
    /// The score of `People`. A search adds all faces of every accepted person to its result.
    Expand,
}

/// A face of the gallery, without its embedding.
#[derive(Clone, Copy, Debug)]
pub struct KnownFace {
    pub photo: PhotoId,
    pub bbox: [i32; 4],
    /// 0..1.
    pub quality: f32,
    /// The components of `quality`.
    pub parts: Quality,
}

/// A photo of the gallery.
#[derive(Clone, Debug)]
pub struct KnownPhoto {
    /// The path that the photo was indexed under.
    pub path: PathBuf,
    pub width: u32,
    pub height: u32,
    pub faces: Vec<FaceId>,
}

/// All faces of a collection in memory, with their index and people. Derived from the stored photos.
pub struct Gallery {
    pub(super) index: Box<dyn Index>,
    pub(super) people: People,
    pub(super) faces: HashMap<FaceId, KnownFace>,
    pub(super) photos: HashMap<PhotoId, KnownPhoto>,
    matching: Matching,
    /// The owner's threshold offset.
    pub(super) threshold_offset: ThresholdOffset,
}

impl Gallery {
    /// Makes an empty gallery for embeddings of `dim` numbers.
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
            threshold_offset: ThresholdOffset::default(),
        }
    }

    /// Adds a photo with its faces, replacing a photo with the same id. Searches find its faces at once.
    ///
    /// # Errors
    /// - `Dimension`: an embedding does not have the gallery's length.
    /// - `Damaged`: an embedding is all zeros, or not finite.
    pub fn add(&mut self, photo: &Photo) -> Result<()> {
        self.remove(&photo.id);
        for face in &photo.faces {
            self.index.insert(face.id, &face.embedding)?;
        }
        self.register_photo(photo);
        Ok(())
    }

    /// Registers a photo whose faces are already in the index.
    pub(super) fn register_photo(&mut self, photo: &Photo) {
        for face in &photo.faces {
            let Face { bbox, quality, .. } = *face;
            let parts = Quality::reconstruct(quality, &face.landmarks);
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

    /// Removes a photo and its faces. Returns whether the photo was in the gallery.
    pub fn remove(&mut self, photo: &PhotoId) -> bool {
        let Some(known) = self.photos.remove(photo) else { return false };
        for face in known.faces {
            self.index.remove(&face);
            self.faces.remove(&face);
        }
        true
    }

    /// Removes faces; their photos stay.
    pub(super) fn remove_faces(&mut self, faces: &HashSet<FaceId>) {
        for id in faces {
            let Some(known) = self.faces.remove(id) else { continue };
            self.index.remove(id);
            if let Some(photo) = self.photos.get_mut(&known.photo) {
                photo.faces.retain(|face| face != id);
            }
        }
    }

    /// Clusters the faces of `photos`, all photos of the gallery, into people. Returns whether the people
    /// changed.
    pub fn update_people<'a>(&mut self, photos: impl Iterator<Item = &'a Photo>) -> bool {
        let faces: Vec<PersonFace<'a>> = person_faces(photos);
        self.people.update(&faces, self.matching.cluster_cut)
    }

    /// Returns the score that a good face must reach in this gallery, -1..1, for every kind of scoring.
    pub fn threshold(&self) -> f32 {
        self.threshold_with(self.threshold_offset)
    }

    /// Returns the threshold that this gallery would have with the threshold offset `offset`.
    pub fn threshold_with(&self, offset: ThresholdOffset) -> f32 {
        self.matching.threshold(self.index.len()) + offset.value()
    }

    /// Returns the owner's threshold offset, which is added to the pack's formula.
    pub fn threshold_offset(&self) -> ThresholdOffset {
        self.threshold_offset
    }

    /// Returns the faces of the template's person whose score reaches `similarity_min`, -1..1 (`None`: the
    /// collection's threshold): the best face of each photo, best first.
    ///
    /// # Errors
    /// - `Dimension`: the template does not have the gallery's embedding length D.
    /// - `Damaged`: the template is all zeros, or not finite.
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

    /// Runs `search` for each (template \[D\], scoring, `similarity_min`) and returns the results in order.
    /// An exact index reads its faces once for all searches.
    pub fn search_each(
        &self,
        queries: &[(&[f32], Scoring, Option<f32>)],
    ) -> Vec<Result<Vec<Accepted>>> {
        let threshold = |least: Option<f32>| least.unwrap_or_else(|| self.threshold());
        let near: Vec<(&[f32], f32)> =
            queries.iter().map(|(template, _, least)| (*template, threshold(*least))).collect();
        let near = self.index.search_above_each(&near);
        let accepted = |(near, (template, scoring, least)): (Result<_>, &(&[f32], Scoring, _))| {
            Ok(self.accepted(near?, template, *scoring, threshold(*least)))
        };
        near.into_iter().zip(queries).map(accepted).collect()
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

    /// Returns every face whose score can reach `threshold`. `near` are the faces whose own cosine reaches
    /// it. A score is the mean of two cosines, and can reach the threshold only if one of the cosines does.
    /// So the candidates are `near` and all faces of the persons whose centroid's cosine reaches the
    /// threshold.
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

    /// Returns the score of `face` that a search compares with the threshold, -1..1; `None` if the gallery
    /// does not have the face.
    pub fn score(&self, face: &FaceId, template: &[f32], scoring: Scoring) -> Option<f32> {
        let direct = self.index.similarity(face, template)?;
        let candidate = self.candidate(*face, direct, template)?;
        Some(matcher::score(&candidate, scoring == Scoring::Direct))
    }

    /// Classifies `face` for a guest. Every list, count and picture that a guest gets follows this rule.
    ///
    /// A face is scored by its own cosine alone in two cases: the guest rejected a face of its person, or the
    /// owner merged its person and its own cosine is below `OWNER_MERGE_SHARE_MIN` of the threshold.
    pub(super) fn classify(&self, guest: &Guest, face: FaceId) -> GuestMatch {
        self.classify_at(guest, face, self.threshold())
    }

    fn classify_at(&self, guest: &Guest, face: FaceId, threshold: f32) -> GuestMatch {
        if guest.rejected.contains(&face) {
            return GuestMatch::NoMatch;
        }
        let own = &guest.template.embedding;
        let direct = self.index.similarity(&face, own);
        let Some(candidate) = direct.and_then(|direct| self.candidate(face, direct, own)) else {
            return GuestMatch::NoMatch;
        };
        let person = self.people.person_of(&face);
        let doubted = person.is_some_and(|person| {
            !guest.rejected.is_empty() && person.faces.iter().any(|of| guest.rejected.contains(of))
        });
        let bar = matcher::threshold_for(threshold, candidate.quality);
        let far = candidate.direct < bar * OWNER_MERGE_SHARE_MIN
            && person.is_some_and(|person| person.owner_merged);
        let similarity = matcher::score(&candidate, doubted || far);
        let kind = if candidate.direct >= bar { MatchKind::Direct } else { MatchKind::Person };
        let Candidate { photo, quality, .. } = candidate;
        let accepted = Accepted { face, photo, similarity, kind, quality };
        let confirmed = guest.confirmed.contains(&face);
        match similarity {
            _ if confirmed => GuestMatch::Match(accepted),
            similarity if similarity >= bar => GuestMatch::Match(accepted),
            similarity if similarity >= bar - self.candidate_margin() => {
                GuestMatch::Candidate(accepted)
            }
            _ => GuestMatch::NoMatch,
        }
    }

    /// Returns the guest's matches, and the candidates that the guest may confirm or reject. Each list has
    /// the best face of each photo, best first.
    pub(super) fn guest_photos(&self, guest: &Guest) -> Result<(Vec<Accepted>, Vec<Accepted>)> {
        self.guest_photos_at(guest, self.threshold())
    }

    /// Returns the result of `guest_photos` at another threshold.
    pub(super) fn guest_photos_at(
        &self,
        guest: &Guest,
        threshold: f32,
    ) -> Result<(Vec<Accepted>, Vec<Accepted>)> {
        let lowest = threshold - self.candidate_margin();
        let own = &guest.template.embedding;
        let candidates = self.candidates(self.index.search_above(own, lowest)?, own, lowest, false);
        let near = candidates.into_iter().map(|candidate| candidate.face);
        let (mut theirs, mut perhaps) = (Vec::new(), Vec::new());
        for face in near.chain(guest.confirmed.iter().copied()) {
            match self.classify_at(guest, face, threshold) {
                GuestMatch::Match(accepted) => theirs.push(accepted),
                GuestMatch::Candidate(accepted) => perhaps.push(accepted),
                GuestMatch::NoMatch => {}
            }
        }
        let theirs = matcher::best_per_photo(theirs.into_iter());
        let known: HashSet<PhotoId> = theirs.iter().map(|accepted| accepted.photo).collect();
        perhaps.retain(|accepted| !known.contains(&accepted.photo));
        let mut perhaps = matcher::best_per_photo(perhaps.into_iter());
        perhaps.truncate(GUEST_CANDIDATES_MAX);
        Ok((theirs, perhaps))
    }

    /// Returns the faces that a guest's erasure request concerns: all matching faces of the guest's photos,
    /// also several of one photo. A face that matches only because the guest confirmed it is included only if
    /// its score is high enough for a candidate, so that no guest can erase another person's faces by
    /// claiming them.
    pub(super) fn faces_of_guest(&self, guest: &Guest) -> Result<Vec<FaceId>> {
        let theirs = self.guest_photos(guest)?.0.into_iter();
        let photos = theirs.filter_map(|accepted| self.photos.get(&accepted.photo));
        let faces = photos.flat_map(|photo| &photo.faces).copied();
        let threshold = self.threshold();
        let goes = |face: &FaceId| match self.classify(guest, *face) {
            GuestMatch::Match(accepted) => {
                let bar =
                    matcher::threshold_for(threshold, accepted.quality) - self.candidate_margin();
                accepted.similarity >= bar
            }
            GuestMatch::Candidate(_) | GuestMatch::NoMatch => false,
        };
        Ok(faces.filter(goes).collect())
    }

    /// Returns the maximum difference between the threshold and a candidate's score. The candidates are
    /// faces that would match if the FPIR were about three times as high: half a decade in the threshold's
    /// formula.
    fn candidate_margin(&self) -> f32 {
        self.matching.threshold_per_decade / 2.0
    }

    /// Converts an accepted face to the result that callers get; `None` if the gallery no longer has the
    /// face.
    pub(super) fn to_match(&self, accepted: Accepted) -> Option<Match> {
        let Accepted { face, photo, similarity, kind, quality } = accepted;
        let path = self.photo(&photo)?.path.clone();
        let bbox = self.face(&face)?.bbox;
        Some(Match { photo, face, path, similarity, kind, quality, bbox })
    }

    /// Returns the number of faces that a search compares.
    pub fn face_count(&self) -> usize {
        self.index.len()
    }

    /// Returns a face by id.
    pub fn face(&self, id: &FaceId) -> Option<&KnownFace> {
        self.faces.get(id)
    }

    /// Returns a photo by id.
    pub fn photo(&self, id: &PhotoId) -> Option<&KnownPhoto> {
        self.photos.get(id)
    }

    /// Returns all photos, sorted by path.
    pub fn photos(&self) -> Vec<(PhotoId, &KnownPhoto)> {
        let mut all: Vec<_> = self.photos.iter().map(|(id, photo)| (*id, photo)).collect();
        all.sort_by(|a, b| a.1.path.cmp(&b.1.path).then(a.0.cmp(&b.0)));
        all
    }

    /// Iterates over all photos with their faces, in no particular order.
    pub fn photos_with_faces(
        &self,
    ) -> impl Iterator<Item = (PhotoId, impl Iterator<Item = (FaceId, &KnownFace)>)> {
        let face = |id: &FaceId| Some((*id, self.faces.get(id)?));
        self.photos.iter().map(move |(id, photo)| (*id, photo.faces.iter().filter_map(face)))
    }

    /// Returns the people, in descending order of their number of faces.
    pub fn people(&self) -> Vec<&Person> {
        let mut all: Vec<&Person> = self.people.persons().iter().collect();
        all.sort_by_key(|person| {
            (std::cmp::Reverse(person.faces.len()), person.faces.first().copied())
        });
        all
    }

    /// Returns the kind of index in use: "exact" or "hnsw".
    pub fn index_kind(&self) -> &'static str {
        self.index.kind()
    }
}

/// Converts the faces of `photos` to the input of clustering.
pub(super) fn person_faces<'a>(photos: impl Iterator<Item = &'a Photo>) -> Vec<PersonFace<'a>> {
    let face = |photo: &'a Photo, face: &'a Face| PersonFace {
        id: face.id,
        photo: photo.id,
        quality: face.quality,
        embedding: &face.embedding,
    };
    photos.flat_map(|photo| photo.faces.iter().map(move |of| face(photo, of))).collect()
}
