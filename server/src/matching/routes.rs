//! The threshold of an event over HTTP.
//!
//! Names photos by the ids that the event's list has. Computes nothing of faces itself.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::{Calibration, Counted, Dropped, FPIR, PAIRS_MIN, PhotoId, Stricter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Grant;
use crate::audit::note_by;
use crate::error::{Failure, Result};
use crate::input::{Body, Query};
use crate::middleware::Place;
use crate::search::routes::names;
use crate::state::App;

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// What the preview is of: so much added to the pack's formula; what is in force when nothing is said.
    #[param(minimum = 0.0, maximum = 0.2)]
    pub stricter: Option<f32>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewMatching {
    /// What is added to the pack's formula, 0 to 0.20; 0 is as usual.
    #[schema(minimum = 0.0, maximum = 0.2)]
    stricter: f32,
}

#[derive(Serialize, ToSchema)]
pub struct EventMatching {
    /// Faces that can be found.
    pub faces: usize,
    /// What a good face must reach, -1 to 1; a poor one up to 0.08 more.
    pub threshold: f32,
    /// What it would be as usual: it follows the number of faces.
    pub formula: f32,
    /// What is added to that.
    pub stricter: f32,
    /// What the event's own photos say; absent where too few people are seen together.
    pub own: Option<OwnThreshold>,
    pub evidence: Evidence,
    pub histogram: ScoreHistogram,
    pub preview: MatchingPreview,
}

/// The threshold at which 3 in 1,000 strangers would be shown anything, going by the event's own photos.
#[derive(Serialize, ToSchema)]
pub struct OwnThreshold {
    pub threshold: f32,
    /// It lies between these with 95 %, as far as chance goes.
    pub low: f32,
    pub high: f32,
    /// What these photos advise to add to the formula: 0 unless even the lower end is above it by more than people who
    /// stand together resemble one another.
    pub advised: f32,
}

/// Two people in one photo are two people: what that gives to go by.
#[derive(Serialize, ToSchema)]
pub struct Evidence {
    /// Pairs of people who are seen together, each counted once.
    pub pairs: usize,
    /// With fewer, chance alone would move the threshold by more than 0.05.
    pub pairs_needed: usize,
    /// Photos that show such pairs.
    pub photos: usize,
}

/// How often scores occur, in bins of equal width.
#[derive(Serialize, ToSchema)]
pub struct ScoreHistogram {
    /// Where the first bin begins.
    pub from: f32,
    pub step: f32,
    /// Of different people who are seen together.
    pub different: Vec<usize>,
    /// Of people with themselves in another photo.
    pub same: Vec<usize>,
}

#[derive(Serialize, ToSchema)]
pub struct MatchingPreview {
    pub stricter: f32,
    /// What a good face would have to reach.
    pub threshold: f32,
    /// Guests who have shown their face.
    pub guests: PhotosFound,
    /// People in at least two photos, each looked for by their other faces.
    pub people: PhotosFound,
    /// Faces that would be missed, those furthest below the bar first; at most 100.
    pub dropped: Vec<DroppedFace>,
    pub dropped_in_all: usize,
}

/// Photos that are found, summed over all who were asked about.
#[derive(Serialize, ToSchema)]
pub struct PhotosFound {
    pub asked: usize,
    /// More than `asked` where there are so many that only some were.
    pub of: usize,
    pub photos_now: usize,
    pub photos_then: usize,
}

#[derive(Serialize, ToSchema)]
pub struct DroppedFace {
    pub photo: String,
    pub face: String,
    /// Left, top, width and height in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
    pub similarity: f32,
    /// What it would have to reach.
    pub bar: f32,
    /// Whether a guest would miss the photo.
    pub guest: bool,
}

fn checked(stricter: f32) -> Result<Stricter> {
    let wrong = || {
        let most = Stricter::MAX.added();
        Failure::invalid(format!("stricter: expected 0 to {most:.2}, received {stricter}."))
    };
    Stricter::new(stricter).ok_or_else(wrong)
}

impl From<Counted> for PhotosFound {
    fn from(counted: Counted) -> Self {
        let Counted { asked, of, photos_now, photos_then } = counted;
        Self { asked, of, photos_now, photos_then }
    }
}

fn shown(dropped: &Dropped, names: &HashMap<String, String>) -> Option<DroppedFace> {
    // A photo that is being removed has no name any more.
    let photo = names.get(&dropped.photo.to_string())?.clone();
    let Dropped { face, bbox, similarity, bar, guest, .. } = *dropped;
    Some(DroppedFace { photo, face: face.to_string(), bbox: bbox.to_vec(), similarity, bar, guest })
}

/// How strictly faces are matched, what the event's own photos say of it, and what another strictness would take
/// away. Changes nothing.
#[utoipa::path(get, path = "/events/{event}/matching", tag = "matching",
    params(("event" = String, Path), Wanted), responses((status = 200, body = EventMatching)))]
pub async fn show(
    State(app): State<App>,
    grant: Grant,
    place: Place,
    Query(wanted): Query<Wanted>,
) -> Result<Json<EventMatching>> {
    let event = grant.event()?.to_owned();
    let wanted = wanted.stricter.map(checked).transpose()?;
    let name = event.clone();
    let (now, found, wanted, preview) = app
        .faces()
        .run_in(place, move |faces| {
            let open = faces.event(&name)?;
            let (now, found) = {
                let gallery = open.collection.gallery();
                let formula = gallery.threshold_with(Stricter::default());
                let now = (gallery.face_count(), gallery.threshold(), formula, gallery.stricter());
                (now, gallery.calibration(FPIR))
            };
            let wanted = wanted.unwrap_or(now.3);
            Ok((now, found, wanted, open.collection.preview(wanted)?))
        })
        .await?;
    let photos: Vec<PhotoId> = preview.dropped.iter().map(|dropped| dropped.photo).collect();
    let names = names(&app, &event, &photos).await?;
    let (faces, threshold, formula, stricter) = now;
    let Calibration { pairs, photos, own, histogram } = found;
    let dropped = preview.dropped.iter().filter_map(|dropped| shown(dropped, &names)).collect();
    Ok(Json(EventMatching {
        faces,
        threshold,
        formula,
        stricter: stricter.added(),
        own: own.map(|own| OwnThreshold {
            threshold: own.threshold,
            low: own.low,
            high: own.high,
            advised: own.advised(formula).added(),
        }),
        evidence: Evidence { pairs, pairs_needed: PAIRS_MIN, photos },
        histogram: ScoreHistogram {
            from: histogram.from,
            step: histogram.step,
            different: histogram.different,
            same: histogram.same,
        },
        preview: MatchingPreview {
            stricter: wanted.added(),
            threshold: preview.threshold,
            guests: preview.guests.into(),
            people: preview.people.into(),
            dropped,
            dropped_in_all: preview.dropped_in_all,
        },
    }))
}

/// Has faces matched more strictly than usual, or as usual, from now on: in searches and for guests at once. Never
/// less strictly.
#[utoipa::path(put, path = "/events/{event}/matching", tag = "matching", params(("event" = String, Path)),
    request_body = NewMatching, responses((status = 204)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewMatching>,
) -> Result<StatusCode> {
    let stricter = checked(given.stricter)?;
    let event = grant.event()?.to_owned();
    let name = event.clone();
    app.faces()
        .run(move |faces| Ok(faces.event(&name)?.collection.set_stricter(stricter)?))
        .await?;
    let mut tx = app.db().write().await?;
    let detail = format!("stricter by {:.2}", stricter.added());
    note_by(&mut tx, &grant, "matching_change", &event, &detail).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
