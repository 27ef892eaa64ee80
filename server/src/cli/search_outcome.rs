use picpick_engine::{MatchKind, Scoring, SearchOutcome};

use super::query_images::QueryImages;

/// The result of a search, with its selfies.
pub struct QueryOutcome {
    pub selfies: QueryImages,
    pub answer: SearchOutcome,
    pub scoring: Scoring,
    pub provider: String,
    pub search_ms: f64,
}

/// Returns the reason why a photo matched, as text for tables and contact sheets.
pub fn match_reason(kind: MatchKind) -> &'static str {
    match kind {
        MatchKind::Direct => "this face",
        MatchKind::Person => "face and person",
        MatchKind::Expanded => "same person",
    }
}
