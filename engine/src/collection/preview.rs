//! What a stricter threshold would take away, said before it is chosen: from the guests, and from people as such.
//!
//! Holds the gallery one guest at a time, so that searches go on meanwhile. Changes nothing, and knows nothing of why
//! it is asked.

use std::collections::{HashMap, HashSet};

use super::Collection;
use super::evidence::Others;
use super::gallery::Gallery;
use crate::embed::cosine;
use crate::error::Result;
use crate::guest::Guest;
use crate::ids::{FaceId, PhotoId};
use crate::matcher::{self, Stricter};
use crate::people::Person;
use crate::quality::QUALITY_LOW;

/// Guests who are asked about, in order of their ids, which are random. Cost: two searches each.
const GUESTS_MAX: usize = 500;
/// Faces of the people who are asked about, in order of their first faces' ids, which are as good as random. Range:
/// 10,000 to 1,000,000. Cost: some 1 µs each, while the gallery is held.
const FACES_MAX: usize = 100_000;
/// Faces that are named as dropped.
const DROPPED_MAX: usize = 100;

/// What would change with another threshold.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What a good face would have to reach, -1..1.
    pub threshold: f32,
    /// Guests who have shown their face.
    pub guests: Counted,
    /// People in at least two photos, each asked for by all their other faces.
    pub people: Counted,
    /// The faces that would be missed, those furthest below the bar first; the first hundred.
    pub dropped: Vec<Dropped>,
    pub dropped_in_all: usize,
}

/// Photos that are found now and would be then, summed over all who are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many were asked about.
    pub asked: usize,
    /// Of how many: above it where only a sample was.
    pub of: usize,
    pub photos_now: usize,
    pub photos_then: usize,
}

/// A face by which a photo is found now, and would not be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropped {
    pub photo: PhotoId,
    pub face: FaceId,
    /// Left, top, width, height in pixels of the upright photo.
    pub bbox: [i32; 4],
    /// What it has, -1..1.
    pub similarity: f32,
    /// What it would have to reach.
    pub bar: f32,
    /// Whether a guest would miss the photo; otherwise only a search by the person's other faces.
    pub guest: bool,
}

impl Dropped {
    fn above_bar(&self) -> f32 {
        self.similarity - self.bar
    }
}

/// The dropped faces so far, each once: as the worse of what it is to several.
#[derive(Default)]
struct Gone(HashMap<FaceId, Dropped>);

impl Gone {
    fn add(&mut self, dropped: Dropped) {
        let known = self.0.entry(dropped.face).or_insert(dropped);
        let guest = known.guest || dropped.guest;
        if dropped.above_bar() < known.above_bar() {
            *known = dropped;
        }
        known.guest = guest;
    }

    fn worst_first(self) -> Vec<Dropped> {
        let mut all: Vec<Dropped> = self.0.into_values().collect();
        all.sort_by(|a, b| a.above_bar().total_cmp(&b.above_bar()).then(a.face.cmp(&b.face)));
        all
    }
}

impl Collection {
    /// What would be found with `stricter` in place of what is in force.
    pub fn preview(&self, stricter: Stricter) -> Result<Preview> {
        let mut waiting: Vec<Guest> = self.guests().all().cloned().collect();
        waiting.sort_unstable_by_key(|guest| guest.id);
        let mut guests = Counted { of: waiting.len(), ..Counted::default() };
        let mut gone = Gone::default();
        for guest in waiting.iter().take(GUESTS_MAX) {
            self.gallery().preview_guest(guest, stricter, &mut guests, &mut gone)?;
        }
        let (people, threshold) = {
            let gallery = self.gallery();
            (gallery.preview_people(stricter, &mut gone), gallery.threshold_with(stricter))
        };
        let mut dropped = gone.worst_first();
        let dropped_in_all = dropped.len();
        dropped.truncate(DROPPED_MAX);
        Ok(Preview { threshold, guests, people, dropped, dropped_in_all })
    }
}

impl Gallery {
    fn preview_guest(
        &self,
        guest: &Guest,
        stricter: Stricter,
        counted: &mut Counted,
        gone: &mut Gone,
    ) -> Result<()> {
        let threshold = self.threshold_with(stricter);
        let (now, _) = self.of_guest(guest)?;
        let (then, _) = self.of_guest_at(guest, threshold)?;
        counted.asked += 1;
        counted.photos_now += now.len();
        counted.photos_then += then.len();
        let kept: HashSet<PhotoId> = then.iter().map(|accepted| accepted.photo).collect();
        for accepted in now.iter().filter(|accepted| !kept.contains(&accepted.photo)) {
            let Some(known) = self.face(&accepted.face) else { continue };
            gone.add(Dropped {
                photo: accepted.photo,
                face: accepted.face,
                bbox: known.bbox,
                similarity: accepted.similarity,
                bar: matcher::bar(threshold, accepted.quality),
                guest: true,
            });
        }
        Ok(())
    }

    fn preview_people(&self, stricter: Stricter, gone: &mut Gone) -> Counted {
        let mut several: Vec<&Person> =
            self.people.persons().iter().filter(|person| self.photos_of(person) > 1).collect();
        several.sort_unstable_by_key(|person| person.faces.first());
        let mut counted = Counted { of: several.len(), ..Counted::default() };
        let mut left = FACES_MAX;
        for person in several {
            if person.faces.len() > left {
                break;
            }
            left -= person.faces.len();
            self.preview_person(person, stricter, &mut counted, gone);
        }
        counted
    }

    fn photos_of(&self, person: &Person) -> usize {
        let photos = person.faces.iter().filter_map(|face| Some(self.face(face)?.photo));
        photos.collect::<HashSet<_>>().len()
    }

    /// Asks for each face of a person by all their others.
    fn preview_person(
        &self,
        person: &Person,
        stricter: Stricter,
        counted: &mut Counted,
        gone: &mut Gone,
    ) {
        let (now, then) = (self.threshold(), self.threshold_with(stricter));
        let faces: Vec<_> = person
            .faces
            .iter()
            .filter_map(|id| Some((*id, *self.face(id)?, self.index.embedding(id)?)))
            .collect();
        // Poor faces are found by the others, and are nobody to be asked for by.
        let good = faces.iter().filter(|(_, known, _)| known.quality >= QUALITY_LOW);
        let others = Others::of(good.map(|(.., embedding)| embedding.as_slice()));
        let (mut found, mut kept) = (HashSet::new(), HashSet::new());
        let mut missed = Vec::new();
        for (face, known, embedding) in &faces {
            let template = match known.quality >= QUALITY_LOW {
                true => others.without(embedding),
                false => others.all(),
            };
            let Some(template) = template else { continue };
            let similarity =
                f32::midpoint(cosine(&template, embedding), person.similarity(&template));
            if similarity >= matcher::bar(now, known.quality) {
                found.insert(known.photo);
            }
            let bar = matcher::bar(then, known.quality);
            if similarity >= bar {
                kept.insert(known.photo);
            } else {
                let (photo, bbox) = (known.photo, known.bbox);
                missed.push(Dropped { photo, face: *face, bbox, similarity, bar, guest: false });
            }
        }
        counted.asked += 1;
        counted.photos_now += found.len();
        counted.photos_then += kept.len();
        let lost =
            |dropped: &Dropped| found.contains(&dropped.photo) && !kept.contains(&dropped.photo);
        missed.into_iter().filter(lost).for_each(|dropped| gone.add(dropped));
    }
}
