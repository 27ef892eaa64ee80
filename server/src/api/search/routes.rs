use std::time::Instant;

use axum::Json;
use axum::extract::State;
use picpick_engine::{MatchKind, PhotoId, Scoring, SearchOutcome, SearchQuery, Subject};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::event::analysis_time::check_started;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::{count_by, record_by};
use crate::http::auth::{Action, Grant};
use crate::http::extract::{self, BinarySchema, Body, Query, RawBody};
use crate::infra::admission::Slot;
use crate::infra::db::photos;
use crate::infra::face_engine::OpenCollection;
use crate::infra::telemetry::metrics;

/// The method by which a face is scored against the probe.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoringMode {
    /// By the mean of the cosine similarities to the face and to the centroid of its person. A face without a
    /// person is scored as in `direct`.
    #[default]
    People,
    /// By the cosine similarity to the face alone.
    Direct,
    /// As `people`; also returns all other faces of each accepted person.
    Expand,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// The method by which a face is scored against the probe; default: `people`.
    #[param(inline)]
    pub scoring: Option<ScoringMode>,
    /// Threshold for a good face, 0 to 1; default: the event's threshold. A value below the event's
    /// threshold is applied for owners and admins only; for all other callers the event's threshold
    /// applies.
    #[param(minimum = 0.0, maximum = 1.0)]
    pub similarity_min: Option<f32>,
    /// Maximum number of photos to return, 1 to 5,000.
    #[param(minimum = 1, maximum = 5000, default = 1000)]
    pub limit: Option<u32>,
    /// The face to search by if the selfie shows several: its number from left to right, from 1.
    #[param(minimum = 1, maximum = 1000)]
    pub face: Option<u32>,
}

#[derive(Deserialize, ToSchema)]
pub struct FaceQuery {
    /// Id of a face of this event.
    face: String,
}

#[derive(Deserialize, ToSchema)]
pub struct FacePair {
    /// Id of a face of this event.
    a: String,
    /// Id of another face of this event.
    b: String,
}

#[derive(Serialize, ToSchema)]
pub struct SearchResult {
    /// The threshold for a good face that was applied.
    pub threshold: f32,
    /// The matches, best first, at most one per photo.
    pub matches: Vec<FoundPhoto>,
    /// Number of faces detected in the selfie.
    pub faces_detected: usize,
    /// Quality of the probe's face, 0 to 1. Below 0.25, a better picture would find more photos.
    pub quality: f32,
    /// Time that the server took for the search, milliseconds.
    pub elapsed_ms: f64,
}

#[derive(Serialize, ToSchema)]
pub struct FoundPhoto {
    pub photo: String,
    pub face: String,
    /// The score that was compared with the threshold, -1 to 1.
    pub similarity: f32,
    /// The reason why the photo matches. `direct`: the face itself; `person`: the face together with its
    /// person; `expanded`: another face of an accepted person.
    pub kind: String,
    /// Quality of the face in the photo, 0 to 1. A low-quality face has a higher threshold.
    pub quality: f32,
    /// Left, top, width and height in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
}

#[derive(Serialize, ToSchema)]
pub struct FaceComparison {
    /// Cosine similarity of the two faces, -1 to 1.
    pub similarity: f32,
    /// The event's threshold.
    pub threshold: f32,
    /// Whether `similarity` reaches `threshold`.
    pub same_person: bool,
}

impl From<ScoringMode> for Scoring {
    fn from(how: ScoringMode) -> Self {
        match how {
            ScoringMode::People => Scoring::People,
            ScoringMode::Direct => Scoring::Direct,
            ScoringMode::Expand => Scoring::Expand,
        }
    }
}

impl SearchParams {
    fn limit(&self) -> Result<usize> {
        match self.limit.unwrap_or(1000) {
            limit @ 1..=5000 => Ok(limit as usize),
            limit => {
                Err(ApiError::invalid(format!("limit: expected 1 to 5,000, received {limit}.")))
            }
        }
    }

    fn similarity_min(&self) -> Result<Option<f32>> {
        match self.similarity_min {
            Some(least) if !(0.0..=1.0).contains(&least) => Err(ApiError::invalid(format!(
                "similarity_min: expected 0 to 1, received {least}."
            ))),
            least => Ok(least),
        }
    }
}

/// A search with a threshold below the event's threshold.
struct LoweredThreshold {
    applied: f32,
    event: f32,
}

/// Returns the threshold of a search for which the caller gave `least`, and whether it is below the event's
/// threshold. Without `may_lower`, the caller can only raise the event's threshold.
fn similarity_min(
    open: &OpenCollection,
    least: Option<f32>,
    may_lower: bool,
) -> (Option<f32>, Option<LoweredThreshold>) {
    let Some(least) = least else { return (None, None) };
    let event = open.collection.read_gallery(|gallery| gallery.threshold());
    match least < event {
        true if may_lower => (Some(least), Some(LoweredThreshold { applied: least, event })),
        true => (Some(event), None),
        false => (Some(least), None),
    }
}

/// Records a search below the event's threshold in the audit log, before its matches are sent.
async fn record_lowered(app: &App, grant: &Grant, lowered: Option<LoweredThreshold>) -> Result<()> {
    let Some(LoweredThreshold { applied, event }) = lowered else { return Ok(()) };
    let detail = format!("similarity_min: {event:.3} to {applied:.3}");
    let mut tx = app.db.write().await?;
    record_by(&mut tx, grant, "search_below_threshold", grant.event()?, &detail).await?;
    Ok(tx.commit().await?)
}

/// Searches for the photos of the person on a selfie. The body is the picture: JPEG, PNG or WebP, at most 32
/// MiB. The server neither stores nor logs the picture. Responds with `conflict` if the event's faces are not embedded
/// until a guest searches: a search by a member of the studio does not start that.
#[utoipa::path(post, path = "/events/{event}/search", operation_id = "photo_search_by_selfie", tag = "search",
    params(("event" = String, Path), SearchParams),
    request_body(content = BinarySchema, content_type = "image/jpeg"),
    responses((status = 200, body = SearchResult)))]
pub async fn by_selfie(
    State(app): State<App>,
    grant: Grant,
    place: Slot,
    Query(wish): Query<SearchParams>,
    RawBody(picture): RawBody,
) -> Result<Json<SearchResult>> {
    let begun = Instant::now();
    let (event, limit, least) = (grant.event()?.to_owned(), wish.limit()?, wish.similarity_min()?);
    check_started(&app, &event).await?;
    let name = event.clone();
    let may_lower = grant.may(Action::SearchBelowThreshold);
    let (answer, lowered, faces_seen, quality) = app
        .face_engine
        .run_with_permit(place, move |faces| {
            let open = faces.open_collection(&name)?;
            let nth = wish.face.and_then(|face| usize::try_from(face).ok());
            let choice = nth.map_or(Subject::Clear, Subject::Nth);
            let probe = faces.pipeline()?.template(&[("the picture", &picture)], choice)?;
            let (timings, faces_seen) = (probe.timings(), probe.faces());
            let quality = probe.template.quality;
            let scoring = wish.scoring.unwrap_or_default().into();
            let matching = Instant::now();
            let (least, lowered) = similarity_min(&open, least, may_lower);
            let answer = open.search(SearchQuery {
                template: probe.template,
                scoring,
                similarity_min: least,
                top: Some(limit),
            })?;
            for (stage, elapsed) in [
                ("decode", timings.decode),
                ("detect", timings.detect),
                ("embed", timings.embed),
                ("match", matching.elapsed()),
            ] {
                metrics::time_search(stage, elapsed);
            }
            Ok((answer, lowered, faces_seen, quality))
        })
        .await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "search_selfie", &event, "").await?;
    tx.commit().await?;
    record_lowered(&app, &grant, lowered).await?;
    search(&app, &event, answer, faces_seen, quality, begun).await.map(Json)
}

/// Searches for the photos of the person to whom a face of this event belongs.
#[utoipa::path(post, path = "/events/{event}/search/face", operation_id = "photo_search_by_face", tag = "search",
    params(("event" = String, Path), SearchParams), request_body = FaceQuery,
    responses((status = 200, body = SearchResult)))]
pub async fn by_face(
    State(app): State<App>,
    grant: Grant,
    place: Slot,
    Query(wish): Query<SearchParams>,
    Body(given): Body<FaceQuery>,
) -> Result<Json<SearchResult>> {
    let begun = Instant::now();
    let (event, limit, least) = (grant.event()?.to_owned(), wish.limit()?, wish.similarity_min()?);
    let face = extract::face("face", &given.face)?;
    check_started(&app, &event).await?;
    let name = event.clone();
    let may_lower = grant.may(Action::SearchBelowThreshold);
    let (answer, lowered, quality) = app
        .face_engine
        .run_with_permit(place, move |faces| {
            let open = faces.open_collection(&name)?;
            let template = open.collection.template_of(&face)?;
            let (quality, scoring) = (template.quality, wish.scoring.unwrap_or_default().into());
            let (least, lowered) = similarity_min(&open, least, may_lower);
            let search = SearchQuery { template, scoring, similarity_min: least, top: Some(limit) };
            Ok((open.search(search)?, lowered, quality))
        })
        .await?;
    record_lowered(&app, &grant, lowered).await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "search_face", &event, "").await?;
    tx.commit().await?;
    search(&app, &event, answer, 1, quality, begun).await.map(Json)
}

/// Converts the engine's answer to a response, in which photos have the server's ids.
async fn search(
    app: &App,
    event: &str,
    answer: SearchOutcome,
    faces_seen: usize,
    quality: f32,
    begun: Instant,
) -> Result<SearchResult> {
    let photos: Vec<PhotoId> = answer.matches.iter().map(|found| found.photo).collect();
    let names = photos::ids_by_content(&app.db, event, &photos).await?;
    let kind = |kind| match kind {
        MatchKind::Direct => "direct",
        MatchKind::Person => "person",
        MatchKind::Expanded => "expanded",
    };
    let view = |found: picpick_engine::Match| {
        // A photo that is being removed may have no row any more.
        let photo = names.get(&found.photo.to_string())?.clone();
        Some(FoundPhoto {
            photo,
            face: found.face.to_string(),
            similarity: found.similarity,
            kind: kind(found.kind).to_owned(),
            quality: found.quality,
            bbox: found.bbox.to_vec(),
        })
    };
    Ok(SearchResult {
        threshold: answer.threshold,
        matches: answer.matches.into_iter().filter_map(view).collect(),
        faces_detected: faces_seen,
        quality,
        elapsed_ms: begun.elapsed().as_secs_f64() * 1000.0,
    })
}

/// Compares two faces of an event: returns their similarity and whether it reaches the event's threshold.
#[utoipa::path(post, path = "/events/{event}/compare",
    operation_id = "face_compare", tag = "search", params(("event" = String, Path)),
    request_body = FacePair, responses((status = 200, body = FaceComparison)))]
pub async fn compare(
    State(app): State<App>,
    grant: Grant,
    place: Slot,
    Body(given): Body<FacePair>,
) -> Result<Json<FaceComparison>> {
    let (a, b) = (extract::face("a", &given.a)?, extract::face("b", &given.b)?);
    let event = grant.event()?.to_owned();
    check_started(&app, &event).await?;
    count_by(&app.db, &grant, "face_compare", &event).await?;
    app.face_engine
        .run_with_permit(place, move |faces| {
            let open = faces.open_collection(&event)?;
            let template = open.collection.template_of(&a)?;
            let missing = || {
                ApiError::new(
                    ErrorKind::NotFound,
                    "b: the event has no such face; send the id of a face of this event.",
                )
            };
            let similarity =
                open.collection.score(&template, &b, Scoring::Direct).ok_or_else(missing)?;
            let threshold = open.collection.read_gallery(|gallery| gallery.threshold());
            Ok(Json(FaceComparison { similarity, threshold, same_person: similarity >= threshold }))
        })
        .await
}
