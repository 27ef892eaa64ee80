use picpick_engine::{MatchKind, Scoring, SearchOutcome};

use super::query_images::QueryImages;

/// The result of a search, with the selfies it was made with.
pub struct QueryOutcome {
    pub selfies: QueryImages,
    pub answer: SearchOutcome,
    pub scoring: Scoring,
    pub provider: String,
    pub search_ms: f64,
}

/// Returns in a few words why a photo matched.
pub fn match_reason(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Direct => "this face",
        MatchKind::Person => "face and person",
        MatchKind::Expanded => "same person",
    }
}
