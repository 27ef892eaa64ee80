use std::collections::BTreeSet;

use crate::ids::{FaceId, GuestId, PhotoId};
use crate::matcher::Accepted;
use crate::template::Template;

/// A guest of one collection: a person who passed verification to see the photos that show them. The template
/// is biometric data, so guests are stored only encrypted.
#[derive(Clone)]
pub struct Guest {
    pub id: GuestId,
    pub template: Template,
    /// Faces that the guest rejected ("not me"); never shown to this guest again.
    pub rejected: BTreeSet<FaceId>,
    /// Faces that the guest confirmed ("me"); shown even if the template does not match.
    pub confirmed: BTreeSet<FaceId>,
    /// The photos about which this guest was notified, by e-mail or on a page.
    pub notified: BTreeSet<PhotoId>,
}

/// A guest's statement about a face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The face is the guest's.
    Confirm,
    /// The face is another person's.
    Reject,
    /// Clears an earlier claim.
    Clear,
}

/// The classification of a face for a guest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum GuestMatch {
    /// A match: the score reaches the threshold, or the guest confirmed the face.
    Match(Accepted),
    /// A candidate: the score is just below the threshold, and the guest may confirm or reject the face.
    Candidate(Accepted),
    /// No match.
    NoMatch,
}

/// A new match: a photo that was just added and shows a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMatch {
    pub guest: GuestId,
    pub photo: PhotoId,
}

impl Guest {
    /// Creates a guest without claims and notifications.
    pub fn new(id: GuestId, template: Template) -> Self {
        Self {
            id,
            template,
            rejected: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            notified: BTreeSet::new(),
        }
    }

    /// Records the guest's claim about `face`, which replaces an earlier claim about that face.
    pub(crate) fn claim(&mut self, face: FaceId, claim: Claim) {
        self.rejected.remove(&face);
        self.confirmed.remove(&face);
        match claim {
            Claim::Confirm => drop(self.confirmed.insert(face)),
            Claim::Reject => drop(self.rejected.insert(face)),
            Claim::Clear => {}
        }
    }
}
