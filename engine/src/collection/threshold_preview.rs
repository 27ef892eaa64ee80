//! Previews another threshold offset: which photos guests, and searches by a person's faces, would lose.
//!
//! The preview locks the gallery for one guest at a time, so that searches continue.

use std::collections::{HashMap, HashSet};

use super::Collection;
use super::calibration::LeaveOneOutMean;
use super::gallery::Gallery;
use crate::embed::cosine;
use crate::error::Result;
use crate::guest::Guest;
use crate::ids::{FaceId, PhotoId};
use crate::matcher::{self, ThresholdOffset};
use crate::people::Person;
use crate::quality::Quality;

/// Limits the guests sampled to 500, in order of their ids, which are random. Cost: two searches per
/// guest.
const GUESTS_MAX: usize = 500;
/// Limits the faces of the sampled people to 100,000. People are taken in order of their first face's id,
/// which is a hash. Range: 10,000 to 1,000,000. Cost: about 1 µs per face, with the gallery locked.
const FACES_MAX: usize = 100_000;
/// Limits the lost matches listed to 100.
const LOST_MATCHES_MAX: usize = 100;

/// The effect of another threshold offset.
#[derive(Clone, Debug)]
pub struct ThresholdPreview {
    /// The similarity that a good face would have to reach, -1..1.
    pub threshold: f32,
    /// Counts of the photos that each guest's template finds.
    pub guests: PreviewCounts,
    /// Counts for the people in at least two photos: each face is scored in a search by the person's other
    /// faces.
    pub people: PreviewCounts,
    /// The lost matches, furthest below the new threshold first; at most 100.
    pub lost_matches: Vec<LostMatch>,
    /// The number of lost matches before `lost_matches` was cut to 100.
    pub lost_in_all: usize,
}

/// The numbers of photos found with the current and with the previewed threshold, summed over a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreviewCounts {
    /// The size of the sample.
    pub sampled: usize,
    /// The size of the population that the sample was drawn from.
    pub population: usize,
    /// Photos found with the current threshold.
    pub photos_current: usize,
    /// Photos found with the previewed threshold.
    pub photos_preview: usize,
}

/// A lost match: a face by which a search finds a photo with the current threshold but not with the previewed
/// threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LostMatch {
    pub photo: PhotoId,
    pub face: FaceId,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [i32; 4],
    /// The score of the face, -1..1.
    pub similarity: f32,
    /// The score that the face would have to reach, given its quality.
    pub threshold: f32,
    /// Whether a guest would lose the photo. If false, only a search by the person's other faces loses it.
    pub guest: bool,
}

impl LostMatch {
    fn margin(&self) -> f32 {
        self.similarity - self.threshold
    }
}

/// The lost matches found until now. A face that several searches lose is listed once, with its lowest
/// margin.
#[derive(Default)]
struct LostMatches(HashMap<FaceId, LostMatch>);

impl LostMatches {
    fn add(&mut self, dropped: LostMatch) {
        let known = self.0.entry(dropped.face).or_insert(dropped);
        let guest = known.guest || dropped.guest;
        if dropped.margin() < known.margin() {
            *known = dropped;
        }
        known.guest = guest;
    }

    fn worst_first(self) -> Vec<LostMatch> {
        let mut all: Vec<LostMatch> = self.0.into_values().collect();
        all.sort_by(|a, b| a.margin().total_cmp(&b.margin()).then(a.face.cmp(&b.face)));
        all
    }
}

impl Collection {
    /// Compares the photos found with the current threshold offset and with `offset`. Changes nothing.
    ///
    /// # Errors
    /// - `Dimension`, `Damaged`: a guest's template has another length than D, is all zeros, or is not
    ///   finite.
    pub fn preview(&self, offset: ThresholdOffset) -> Result<ThresholdPreview> {
        let mut waiting: Vec<Guest> = self.guests().all().cloned().collect();
        waiting.sort_unstable_by_key(|guest| guest.id);
        let mut guests = PreviewCounts { population: waiting.len(), ..PreviewCounts::default() };
        let mut gone = LostMatches::default();
        for guest in waiting.iter().take(GUESTS_MAX) {
            self.gallery().preview_guest(guest, offset, &mut guests, &mut gone)?;
        }
        let (people, threshold) = {
            let gallery = self.gallery();
            (gallery.preview_people(offset, &mut gone), gallery.threshold_with(offset))
        };
        let mut dropped = gone.worst_first();
        let dropped_in_all = dropped.len();
        dropped.truncate(LOST_MATCHES_MAX);
        Ok(ThresholdPreview {
            threshold,
            guests,
            people,
            lost_matches: dropped,
            lost_in_all: dropped_in_all,
        })
    }
}

impl Gallery {
    fn preview_guest(
        &self,
        guest: &Guest,
        offset: ThresholdOffset,
        counted: &mut PreviewCounts,
        gone: &mut LostMatches,
    ) -> Result<()> {
        let threshold = self.threshold_with(offset);
        let (now, _) = self.guest_photos(guest)?;
        let (then, _) = self.guest_photos_at(guest, threshold)?;
        counted.sampled += 1;
        counted.photos_current += now.len();
        counted.photos_preview += then.len();
        let kept: HashSet<PhotoId> = then.iter().map(|accepted| accepted.photo).collect();
        for accepted in now.iter().filter(|accepted| !kept.contains(&accepted.photo)) {
            let Some(known) = self.face(&accepted.face) else { continue };
            gone.add(LostMatch {
                photo: accepted.photo,
                face: accepted.face,
                bbox: known.bbox,
                similarity: accepted.similarity,
                threshold: matcher::threshold_for(threshold, accepted.quality),
                guest: true,
            });
        }
        Ok(())
    }

    fn preview_people(&self, offset: ThresholdOffset, gone: &mut LostMatches) -> PreviewCounts {
        let mut several: Vec<&Person> =
            self.people.persons().iter().filter(|person| self.photos_of(person) > 1).collect();
        several.sort_unstable_by_key(|person| person.faces.first());
        let mut counted = PreviewCounts { population: several.len(), ..PreviewCounts::default() };
        let mut left = FACES_MAX;
        for person in several {
            if person.faces.len() > left {
                break;
            }
            left -= person.faces.len();
            self.preview_person(person, offset, &mut counted, gone);
        }
        counted
    }

    fn photos_of(&self, person: &Person) -> usize {
        let photos = person.faces.iter().filter_map(|face| Some(self.face(face)?.photo));
        photos.collect::<HashSet<_>>().len()
    }

    /// Searches for each face of a person by the mean of the person's other faces.
    fn preview_person(
        &self,
        person: &Person,
        offset: ThresholdOffset,
        counted: &mut PreviewCounts,
        gone: &mut LostMatches,
    ) {
        let (now, then) = (self.threshold(), self.threshold_with(offset));
        let faces: Vec<_> = person
            .faces
            .iter()
            .filter_map(|id| Some((*id, *self.face(id)?, self.index.embedding(id)?)))
            .collect();
        // Low-quality faces are scored, but the mean that searches for other faces excludes them.
        let good = faces.iter().filter(|(_, known, _)| known.quality >= Quality::LOW);
        let others = LeaveOneOutMean::of(good.map(|(.., embedding)| embedding.as_slice()));
        let (mut found, mut kept) = (HashSet::new(), HashSet::new());
        let mut missed = Vec::new();
        for (face, known, embedding) in &faces {
            let template = match known.quality >= Quality::LOW {
                true => others.without(embedding),
                false => others.all(),
            };
            let Some(template) = template else { continue };
            let similarity =
                f32::midpoint(cosine(&template, embedding), person.similarity(&template));
            if similarity >= matcher::threshold_for(now, known.quality) {
                found.insert(known.photo);
            }
            let bar = matcher::threshold_for(then, known.quality);
            if similarity >= bar {
                kept.insert(known.photo);
            } else {
                let (photo, bbox) = (known.photo, known.bbox);
                missed.push(LostMatch {
                    photo,
                    face: *face,
                    bbox,
                    similarity,
                    threshold: bar,
                    guest: false,
                });
            }
        }
        counted.sampled += 1;
        counted.photos_current += found.len();
        counted.photos_preview += kept.len();
        let lost =
            |dropped: &LostMatch| found.contains(&dropped.photo) && !kept.contains(&dropped.photo);
        missed.into_iter().filter(lost).for_each(|dropped| gone.add(dropped));
    }
}
