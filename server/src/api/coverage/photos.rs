use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use picpick_engine::{FaceId, KnownFace, PhotoId, Weakness};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::extract::Query;
use crate::infra::db::jobs::{self, FailedIndexing, FailureOrder};
use crate::infra::db::photos::{self, PhotoRecord};
use crate::infra::db::{Page, Paging};

/// A group of photos in the coverage report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "snake_case")]
pub enum WeaknessFilter {
    /// Photos with faces that have too few pixels.
    Small,
    /// Photos with faces that are out of focus or motion-blurred.
    Blurred,
    /// Photos with faces that are turned too far away from the camera.
    Turned,
    /// Photos in which no face was detected.
    WithoutFace,
    /// Photos that could not be read.
    Unreadable,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CoverageQuery {
    /// The group of photos to list.
    #[param(value_type = WeaknessFilter, inline, required = true)]
    pub issue: Option<String>,
}

/// A face that searches often miss.
#[derive(Serialize, ToSchema)]
pub struct WeakFace {
    pub face: String,
    /// Left, top, width and height in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
    /// Quality of the face, 0 to 1.
    pub quality: f32,
}

/// A photo of a coverage report.
#[derive(Serialize, ToSchema)]
pub struct WeakPhoto {
    pub id: String,
    /// The file's name.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    pub created_unix_s: i64,
    /// The photo's faces with the requested weakness, from left to right.
    pub faces: Vec<WeakFace>,
    /// The reason why the photo could not be read, for the studio; present only in the group `unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl CoverageQuery {
    /// Parses the name of the group.
    ///
    /// # Errors
    /// - `Invalid` if `issue` names no group.
    fn what(&self) -> Result<WeaknessFilter> {
        let received = self.issue.as_deref().unwrap_or_default();
        Ok(match received {
            "small" => WeaknessFilter::Small,
            "blurred" => WeaknessFilter::Blurred,
            "turned" => WeaknessFilter::Turned,
            "without_face" => WeaknessFilter::WithoutFace,
            "unreadable" => WeaknessFilter::Unreadable,
            _ => {
                return Err(ApiError::invalid(format!(
                    "issue: expected small, blurred, turned, without_face or unreadable, received '{received}'."
                )));
            }
        })
    }
}

impl WeaknessFilter {
    /// Returns the faces for which a photo with `faces` is listed, or `None` if it does not belong to the
    /// group.
    fn of<'a>(self, faces: impl Iterator<Item = (FaceId, &'a KnownFace)>) -> Option<Vec<WeakFace>> {
        let lacking = match self {
            WeaknessFilter::Small => Weakness::Small,
            WeaknessFilter::Blurred => Weakness::Blurred,
            WeaknessFilter::Turned => Weakness::Turned,
            WeaknessFilter::WithoutFace | WeaknessFilter::Unreadable => {
                return (self == WeaknessFilter::WithoutFace && faces.count() == 0).then(Vec::new);
            }
        };
        let weak = faces.filter(|(_, face)| Weakness::of(&face.parts) == Some(lacking));
        let weak_face = |(id, face): (FaceId, &KnownFace)| WeakFace {
            face: id.to_string(),
            bbox: face.bbox.to_vec(),
            quality: face.quality,
        };
        let mut weak: Vec<WeakFace> = weak.map(weak_face).collect();
        weak.sort_by(|a, b| a.bbox.cmp(&b.bbox).then(a.face.cmp(&b.face)));
        (!weak.is_empty()).then_some(weak)
    }
}

fn view(photo: PhotoRecord, faces: Vec<WeakFace>, reason: Option<String>) -> WeakPhoto {
    WeakPhoto {
        id: photo.id,
        name: photo.name,
        folder: photo.folder,
        created_unix_s: photo.created_unix_s,
        faces,
        reason,
    }
}

/// Lists the photos behind one count of the coverage report, in order of upload. Responds `invalid` if
/// `issue` names none of the five groups.
#[utoipa::path(get, path = "/events/{event}/coverage/photos", operation_id = "coverage_photo_list", tag = "coverage",
    params(("event" = String, Path), CoverageQuery, Paging), responses((status = 200, body = Page<WeakPhoto>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(query): Query<CoverageQuery>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<WeakPhoto>>> {
    let (what, event) = (query.what()?, grant.event()?);
    let place = |it: &WeakPhoto| (it.created_unix_s, it.id.clone());
    if what == WeaknessFilter::Unreadable {
        let page = jobs::failed(&app.db, event, FailureOrder::Upload, &paging).await?;
        let view = |failed: FailedIndexing| Ok(view(failed.photo, Vec::new(), Some(failed.reason)));
        return page.try_map(view).map(Json);
    }
    let (limit, after) = (paging.limit()?, paging.after()?);
    let mut photos = weak(&app, event, what).await?;
    photos.retain(|photo| place(photo) > (after.unix_s, after.id.clone()));
    photos.sort_by_cached_key(place);
    photos.truncate(usize::try_from(limit + 1).unwrap_or(usize::MAX));
    Ok(Json(Page::of(photos, limit, |it| (it.created_unix_s, &it.id))))
}

/// Returns all photos of a group that is computed from the gallery: any group except `Unreadable`.
async fn weak(app: &App, event: &str, what: WeaknessFilter) -> Result<Vec<WeakPhoto>> {
    let name = event.to_owned();
    let found = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&name)?;
        open.collection.read_gallery(|gallery| {
            let of = |(id, faces)| Some((id, what.of(faces)?));
            Ok(gallery.photos_with_faces().filter_map(of).collect::<Vec<(PhotoId, _)>>())
        })
    });
    let (ids, mut faces): (Vec<PhotoId>, HashMap<String, Vec<WeakFace>>) =
        found.await?.into_iter().map(|(id, faces)| (id, (id.to_string(), faces))).unzip();
    let photos = photos::all_by_content(&app.db, event, &ids).await?;
    let one = |photo: PhotoRecord| {
        let faces = faces.remove(&photo.content_id).unwrap_or_default();
        view(photo, faces, None)
    };
    Ok(photos.into_iter().map(one).collect())
}
