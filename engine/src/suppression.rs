use std::collections::{BTreeMap, BTreeSet};

use crate::embed::cosine;
use crate::face::Face;
use crate::ids::{FaceId, PhotoId, SuppressionId};
use crate::matcher;
use crate::template::Template;

/// A person whose faces a collection does not show: an entry of a suppression list. The template is biometric
/// data, so suppressions are stored only encrypted.
#[derive(Clone)]
pub(crate) struct Suppression {
    pub(crate) id: SuppressionId,
    /// Finds the person's faces in photos that are added later.
    pub(crate) template: Template,
    pub(crate) kind: SuppressionKind,
    /// The hidden faces, each with its photo; empty for an opt-out.
    pub(crate) faces: BTreeMap<FaceId, PhotoId>,
    /// The number of faces in later photos that an opt-out has kept out. A repeated attempt to index a photo
    /// counts again.
    pub(crate) omitted: u64,
}

/// What a suppression does with the person's faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuppressionKind {
    /// The faces stay in the store until they are erased, and no result contains them.
    Hidden,
    /// The faces were erased; faces of later photos are not stored.
    OptOut,
}

/// A suppression without its template and its faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuppressionOverview {
    pub id: SuppressionId,
    pub kind: SuppressionKind,
    /// The number of photos with hidden faces.
    pub photos: usize,
    /// The number of hidden faces.
    pub faces: usize,
    /// The number of faces in later photos that an opt-out has kept out of the store.
    pub omitted: u64,
}

impl Suppression {
    /// Returns whether a face of a new photo is the person's: its own cosine reaches the threshold for its
    /// quality. `threshold` is the one for good faces, -1..1.
    pub(crate) fn matches(&self, face: &Face, threshold: f32) -> bool {
        let own = &self.template.embedding;
        own.len() == face.embedding.len()
            && cosine(own, &face.embedding) >= matcher::threshold_for(threshold, face.quality)
    }

    /// Returns the photos with hidden faces.
    pub(crate) fn photos(&self) -> BTreeSet<PhotoId> {
        self.faces.values().copied().collect()
    }

    /// Makes an opt-out of a hidden person whose faces are erased.
    pub(crate) fn into_opt_out(self) -> Self {
        Self { kind: SuppressionKind::OptOut, faces: BTreeMap::new(), ..self }
    }

    pub(crate) fn overview(&self) -> SuppressionOverview {
        SuppressionOverview {
            id: self.id,
            kind: self.kind,
            photos: self.photos().len(),
            faces: self.faces.len(),
            omitted: self.omitted,
        }
    }
}
