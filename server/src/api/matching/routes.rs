use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::PhotoId;
use picpick_engine::thresholds::{
    Calibration, Estimate, LostMatch, PreviewCounts, ThresholdOffset,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::extract::{Body, Query};
use crate::infra::admission::Slot;
use crate::infra::db::photos;

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThresholdQuery {
    /// The threshold offset to preview, 0 to 0.20; default: the current offset.
    #[param(minimum = 0.0, maximum = 0.2)]
    pub threshold_offset: Option<f32>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewMatching {
    /// The threshold offset, 0 to 0.20: the number added to the threshold of the model pack's formula. A new
    /// event has 0.
    #[schema(minimum = 0.0, maximum = 0.2)]
    threshold_offset: f32,
}

#[derive(Serialize, ToSchema)]
pub struct EventMatching {
    /// Number of faces in the event's gallery.
    pub faces: usize,
    /// Current threshold, -1 to 1: the minimum similarity of a match with a good face. A low-quality face
    /// needs up to 0.08 more.
    pub threshold: f32,
    /// Threshold of the model pack's formula, which depends on the number of faces.
    pub formula: f32,
    /// Current threshold offset: `threshold` - `formula`.
    pub threshold_offset: f32,
    /// The calibration on the event's own photos; absent if too few people appear together in photos.
    pub calibrated: Option<CalibratedThreshold>,
    pub evidence: CalibrationEvidence,
    pub histogram: ScoreHistogram,
    pub preview: MatchingPreview,
}

/// The threshold calibrated on the event's own photos, for a false positive identification rate (FPIR) of
/// 0.003: 3 in 1,000 strangers would get a match.
#[derive(Serialize, ToSchema)]
pub struct CalibratedThreshold {
    /// The calibrated threshold, -1 to 1.
    pub threshold: f32,
    /// Lower end of the threshold's 95 % confidence interval (sampling error only).
    pub low: f32,
    /// Upper end of the threshold's 95 % confidence interval (sampling error only).
    pub high: f32,
    /// The recommended threshold offset. 0 unless `low` exceeds `formula` by more than 0.1: people who appear
    /// together, such as relatives, are more alike than strangers.
    pub recommended_offset: f32,
}

/// The data behind a calibration. Two people in one photo are different people, so their similarity is a
/// score of a non-mated pair.
#[derive(Serialize, ToSchema)]
pub struct CalibrationEvidence {
    /// Pairs of people who appear together in a photo, each counted once.
    pub pairs: usize,
    /// Minimum number of pairs for a calibration. With fewer pairs, the sampling error of the threshold
    /// exceeds 0.05.
    pub pairs_needed: usize,
    /// Photos that show such pairs.
    pub photos: usize,
}

/// A histogram of similarity scores, in bins of equal width. The outermost bins include the scores outside
/// the range.
#[derive(Serialize, ToSchema)]
pub struct ScoreHistogram {
    /// Lower end of the first bin.
    pub from: f32,
    /// Width of a bin.
    pub step: f32,
    /// Counts per bin of different people who appear together (non-mated scores).
    pub different: Vec<usize>,
    /// Counts per bin of people and their own faces in other photos (mated scores).
    pub same: Vec<usize>,
}

/// The effect of another threshold offset.
#[derive(Serialize, ToSchema)]
pub struct MatchingPreview {
    /// The previewed threshold offset.
    pub threshold_offset: f32,
    /// The threshold for a good face with this offset, -1 to 1.
    pub threshold: f32,
    /// The effect on guests who are enrolled with a face.
    pub guests: PhotosFound,
    /// The effect on people in at least two photos. Each face is searched by the person's other faces.
    pub people: PhotosFound,
    /// Faces that would not match any more, sorted by distance below the threshold, greatest first; at most
    /// 100.
    pub lost_matches: Vec<LostFace>,
    /// Number of faces that would not match any more, including the faces that `lost_matches` omits.
    pub lost_matches_total: usize,
}

/// Numbers of matched photos, summed over the people of a sample.
#[derive(Serialize, ToSchema)]
pub struct PhotosFound {
    /// Size of the sample.
    pub sample: usize,
    /// Size of the population; greater than `sample` if only a sample was searched.
    pub population: usize,
    /// Matched photos with the current threshold.
    pub photos_current: usize,
    /// Matched photos with the previewed threshold.
    pub photos_preview: usize,
}

/// A face that matches now and would not match with the previewed threshold.
#[derive(Serialize, ToSchema)]
pub struct LostFace {
    pub photo: String,
    pub face: String,
    /// Left, top, width and height in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
    /// Similarity of the match, -1 to 1.
    pub similarity: f32,
    /// The similarity that this face would need, -1 to 1.
    pub threshold: f32,
    /// Whether a guest would lose the photo. If false, only a search by the person's other faces would miss
    /// it.
    pub guest: bool,
}

/// Validates a threshold offset.
///
/// # Errors
/// - `Invalid` unless it is 0 to 0.20.
fn checked(stricter: f32) -> Result<ThresholdOffset> {
    let wrong = || {
        let most = ThresholdOffset::MAX.value();
        ApiError::invalid(format!(
            "threshold_offset: expected 0 to {most:.2}, received {stricter}."
        ))
    };
    ThresholdOffset::new(stricter).ok_or_else(wrong)
}

impl From<PreviewCounts> for PhotosFound {
    fn from(counted: PreviewCounts) -> Self {
        let PreviewCounts { sampled, population, photos_current, photos_preview } = counted;
        Self { sample: sampled, population, photos_current, photos_preview }
    }
}

fn shown(dropped: &LostMatch, names: &HashMap<String, String>) -> Option<LostFace> {
    // A photo that is being removed may have no row any more.
    let photo = names.get(&dropped.photo.to_string())?.clone();
    let LostMatch { face, bbox, similarity, threshold: bar, guest, .. } = *dropped;
    let (face, bbox) = (face.to_string(), bbox.to_vec());
    Some(LostFace { photo, face, bbox, similarity, threshold: bar, guest })
}

/// Returns the event's matching threshold, its calibration on the event's own photos, and a preview of
/// another threshold offset. Changes nothing.
#[utoipa::path(get, path = "/events/{event}/matching", operation_id = "matching_show", tag = "matching",
    params(("event" = String, Path), ThresholdQuery), responses((status = 200, body = EventMatching)))]
pub async fn show(
    State(app): State<App>,
    grant: Grant,
    place: Slot,
    Query(wanted): Query<ThresholdQuery>,
) -> Result<Json<EventMatching>> {
    let event = grant.event()?.to_owned();
    let wanted = wanted.threshold_offset.map(checked).transpose()?;
    let name = event.clone();
    let (now, found, wanted, preview) = app
        .face_engine
        .run_with_permit(place, move |faces| {
            let open = faces.open_collection(&name)?;
            let (now, found) = {
                open.collection.read_gallery(|gallery| {
                    let formula = gallery.threshold_with(ThresholdOffset::default());
                    let now = (
                        gallery.face_count(),
                        gallery.threshold(),
                        formula,
                        gallery.threshold_offset(),
                    );
                    (now, gallery.calibration(Estimate::FPIR))
                })
            };
            let wanted = wanted.unwrap_or(now.3);
            Ok((now, found, wanted, open.collection.preview(wanted)?))
        })
        .await?;
    let photos: Vec<PhotoId> = preview.lost_matches.iter().map(|dropped| dropped.photo).collect();
    let names = photos::ids_by_content(&app.db, &event, &photos).await?;
    let (faces, threshold, formula, stricter) = now;
    let Calibration { pairs, photos, own, histogram } = found;
    let dropped =
        preview.lost_matches.iter().filter_map(|dropped| shown(dropped, &names)).collect();
    Ok(Json(EventMatching {
        faces,
        threshold,
        formula,
        threshold_offset: stricter.value(),
        calibrated: own.map(|own| CalibratedThreshold {
            threshold: own.threshold,
            low: own.low,
            high: own.high,
            recommended_offset: own.recommended_offset(formula).value(),
        }),
        evidence: CalibrationEvidence { pairs, pairs_needed: Estimate::PAIRS_MIN, photos },
        histogram: ScoreHistogram {
            from: histogram.from,
            step: histogram.step,
            different: histogram.different,
            same: histogram.same,
        },
        preview: MatchingPreview {
            threshold_offset: wanted.value(),
            threshold: preview.threshold,
            guests: preview.guests.into(),
            people: preview.people.into(),
            lost_matches: dropped,
            lost_matches_total: preview.lost_in_all,
        },
    }))
}

/// Sets the event's threshold offset. The new threshold applies at once to searches and to guests. It cannot
/// be below the threshold of the model pack's formula.
#[utoipa::path(put, path = "/events/{event}/matching",
    operation_id = "matching_update", tag = "matching", params(("event" = String, Path)),
    request_body = NewMatching, responses((status = 204)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewMatching>,
) -> Result<StatusCode> {
    let stricter = checked(given.threshold_offset)?;
    let event = grant.event()?.to_owned();
    let name = event.clone();
    let before = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&name)?;
        let before = open.collection.read_gallery(|gallery| gallery.threshold_offset());
        open.collection.set_threshold_offset(stricter)?;
        Ok(before)
    });
    let offset = |offset: ThresholdOffset| format!("{:.2}", offset.value());
    let changes = FieldChanges::default().value(
        "threshold_offset",
        &offset(before.await?),
        &offset(stricter),
    );
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "matching_change", &event, &changes.detail()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
