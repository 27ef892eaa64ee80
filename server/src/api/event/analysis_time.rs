//! When the faces of an event's photos are embedded.
//!
//! An event with `at_first_search` waits: its photos are decoded for the gallery and for albums, no face is detected,
//! and the jobs stay `deferred` (`api/indexing`). The first verified guest whose consent covers the event ends the
//! wait, in the transaction of the verification; an owner or admin ends it by `at_upload`. It is not resumed: from
//! then on photos are embedded at upload.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::audit_log::record_guest;
use crate::infra::db::{Tx, analysis, events, stored_choice};

/// The time at which the faces of an event's photos are embedded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnalysisTime {
    /// After each upload.
    #[default]
    AtUpload,
    /// After the first search of a guest who has agreed. Until then no face is detected and no template is made.
    AtFirstSearch,
}

impl AnalysisTime {
    pub const ALL: [Self; 2] = [Self::AtUpload, Self::AtFirstSearch];

    /// Returns the name under which the time is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtUpload => "at_upload",
            Self::AtFirstSearch => events::AT_FIRST_SEARCH,
        }
    }

    /// Parses a time that the database stores.
    ///
    /// # Errors
    /// - `Internal` if `text` is no such time.
    pub fn stored(text: &str) -> Result<Self> {
        stored_choice::parse(&Self::ALL, Self::as_str, text, "time of the analysis")
    }
}

/// Checks that the faces of an event are embedded, so that a search has something to search in.
///
/// # Errors
/// - `Conflict` if the event waits for its first search.
pub async fn check_started(app: &App, event: &str) -> Result<()> {
    match events::find(&app.db, event).await?.defers_analysis() {
        false => Ok(()),
        true => Err(ApiError::new(
            ErrorKind::Conflict,
            "No face of this event is analysed until a guest who has agreed searches. To analyse the faces now, an \
             owner or admin sets analysis to at_upload.",
        )),
    }
}

/// Checks that the analysis of an event can still wait for a first search. The caller has locked the event.
///
/// # Errors
/// - `Conflict` if faces were or are being embedded, or if a guest has searched.
pub async fn check_deferrable(app: &App, tx: &mut Tx, event: &str) -> Result<()> {
    let conflict = |reason: &str| {
        let detail =
            format!("analysis: at_first_search is for events without analysed faces; {reason}");
        Err(ApiError::new(ErrorKind::Conflict, detail))
    };
    if analysis::count_searchers(tx, event).await? > 0 {
        return conflict("a guest has searched already.");
    }
    if analysis::count_begun(tx, event).await? > 0 {
        return conflict("photos are being searched for faces now.");
    }
    let name = event.to_owned();
    let indexed = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&name)?;
        Ok(open.collection.read_gallery(|gallery| gallery.photos().len()))
    });
    match indexed.await? {
        0 => Ok(()),
        1 => conflict("1 photo was searched for faces; delete it, or create another event."),
        n => conflict(&format!(
            "{n} photos were searched for faces; delete them, or create another event."
        )),
    }
}

/// Ends the wait of an event whose guest is verified and has agreed, and records that. The caller has locked the
/// event, and wakes the worker after the commit if the event has waited. Returns whether it has.
pub async fn start(
    tx: &mut Tx,
    studio: &str,
    event: &str,
    guest: &str,
    now_unix_s: i64,
) -> Result<bool> {
    let started = analysis::start(tx, event, guest, now_unix_s).await?;
    if started {
        let photos = analysis::release(tx, event, now_unix_s).await?;
        record_guest(tx, studio, guest, "analysis_start", &format!("photos: {photos}")).await?;
    }
    Ok(started)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back_and_are_the_names_of_the_api() {
        for time in AnalysisTime::ALL {
            assert_eq!(AnalysisTime::stored(time.as_str()).ok(), Some(time));
            assert_eq!(serde_json::to_value(time).ok(), Some(time.as_str().into()));
        }
        assert!(AnalysisTime::stored("never").is_err());
        assert_eq!(AnalysisTime::default().as_str(), "at_upload");
    }
}
