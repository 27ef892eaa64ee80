//! A guest: somebody who has shown their face in order to see the photos they are in.
//!
//! A template, and what its owner has said of single faces. Knows nothing of how one becomes a guest, of names
//! and contacts, of stores or of thresholds.

use std::collections::BTreeSet;

use crate::ids::{FaceId, GuestId, PhotoId};
use crate::matcher::Accepted;
use crate::query::Template;

/// A guest of one collection. Face data: sealed wherever it is kept.
#[derive(Clone)]
pub struct Guest {
    pub id: GuestId,
    pub template: Template,
    /// "That is not me": shown to this guest never again.
    pub refused: BTreeSet<FaceId>,
    /// "That is me too", where the template alone would not have sufficed.
    pub confirmed: BTreeSet<FaceId>,
    /// The photos that this guest has been told of, by letter or on a page.
    pub told: BTreeSet<PhotoId>,
}

/// What a guest says of a face that was shown to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    Me,
    NotMe,
    /// Takes back what was said before.
    Unsaid,
}

/// What a face is to a guest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stance {
    /// The guest's: reached the bar, or confirmed.
    Theirs(Accepted),
    /// Just below the bar: the guest may be asked.
    Perhaps(Accepted),
    NotTheirs,
}

/// A photo that a waiting guest is in, met while photos are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub guest: GuestId,
    pub photo: PhotoId,
}

impl Guest {
    /// A guest who has said nothing yet.
    pub fn new(id: GuestId, template: Template) -> Self {
        let (refused, confirmed, told) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Self { id, template, refused, confirmed, told }
    }

    /// Takes note of what the guest says of `face`.
    pub(crate) fn claim(&mut self, face: FaceId, claim: Claim) {
        self.refused.remove(&face);
        self.confirmed.remove(&face);
        match claim {
            Claim::Me => drop(self.confirmed.insert(face)),
            Claim::NotMe => drop(self.refused.insert(face)),
            Claim::Unsaid => {}
        }
    }
}
