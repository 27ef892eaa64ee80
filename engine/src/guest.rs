use std::collections::BTreeSet;

use crate::ids::{FaceId, GuestId, PhotoId};
use crate::matcher::Accepted;
use crate::template::Template;

/// A guest of one collection: a person who passed verification, to see the photos that show them. Biometric
/// data, encrypted wherever it is stored.
#[derive(Clone)]
pub struct Guest {
    pub id: GuestId,
    pub template: Template,
    /// Faces that the guest rejected ("not me"); never shown to this guest again.
    pub refused: BTreeSet<FaceId>,
    /// Faces that the guest confirmed ("me"); shown even if the template does not match.
    pub confirmed: BTreeSet<FaceId>,
    /// The photos that this guest was notified of, by e-mail or on a page.
    pub told: BTreeSet<PhotoId>,
}

/// A guest's statement about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The face is the guest's.
    Me,
    /// The face is another person's.
    NotMe,
    /// Clears an earlier claim.
    Unsaid,
}

/// The classification of a face for a guest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stance {
    /// A match: the score reaches the threshold, or the guest confirmed the face.
    Theirs(Accepted),
    /// A candidate: the score is just below the threshold, and the guest may be asked.
    Perhaps(Accepted),
    /// No match.
    NotTheirs,
}

/// A new match: a photo that was just added and shows a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub guest: GuestId,
    pub photo: PhotoId,
}

impl Guest {
    /// Makes a guest without claims.
    pub fn new(id: GuestId, template: Template) -> Self {
        Self {
            id,
            template,
            refused: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Records the guest's claim about `face`, in place of an earlier one.
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
