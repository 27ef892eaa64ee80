use picpick_engine::{Answer, MatchKind, Scoring};

use super::query_images::Selfies;

/// The result of a search, with the selfies it was made with.
pub struct Found {
    pub selfies: Selfies,
    pub answer: Answer,
    pub scoring: Scoring,
    pub provider: String,
    pub search_ms: f64,
}

/// Returns in a few words why a photo matched.
pub fn why(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Direct => "this face",
        MatchKind::Person => "face and person",
        MatchKind::Expanded => "same person",
    }
}
