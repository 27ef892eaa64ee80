use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use picpick_engine::Coverage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::infra::db::folders::{self, NamedFolder};
use crate::infra::db::photos;
use crate::infra::jobs::counts;

/// Counts of faces in a set of photos, by weakness. Each weak face is counted once, under its worst weakness.
#[derive(Serialize, ToSchema)]
pub struct CoverageCounts {
    /// Photos that were indexed.
    pub indexed: usize,
    /// Indexed photos in which no face was detected.
    pub without_face: usize,
    /// All detected faces: good, small, blurred and turned.
    pub faces: usize,
    /// Faces that searches find reliably.
    pub good: usize,
    /// Faces that searches often miss because they have too few pixels.
    pub small: usize,
    /// Faces that searches often miss because they are out of focus or motion-blurred.
    pub blurred: usize,
    /// Faces that searches often miss because they are turned too far away from the camera.
    pub turned: usize,
    /// Expected recall: the share of a guest's photos that searches will find, 0 to 1; `null` if there is no
    /// face. It is the mean, over all detected faces, of the recall measured for faces of equal quality, and
    /// assumes a clear selfie.
    pub expected_recall: Option<f64>,
}

/// The coverage of a folder.
#[derive(Serialize, ToSchema)]
pub struct FolderCoverage {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub counted: CoverageCounts,
}

/// The coverage of an event.
#[derive(Serialize, ToSchema)]
pub struct EventCoverage {
    /// All photos of the event: indexed, unreadable, deferred and pending.
    pub photos: usize,
    /// Photos that could not be read.
    pub unreadable: usize,
    /// Photos that are not indexed yet.
    pub pending: usize,
    /// Photos whose faces are not analysed until a guest searches.
    pub deferred: usize,
    #[serde(flatten)]
    pub counted: CoverageCounts,
    /// Folders with indexed photos, oldest first.
    pub folders: Vec<FolderCoverage>,
}

impl From<&Coverage> for CoverageCounts {
    fn from(coverage: &Coverage) -> Self {
        Self {
            indexed: coverage.photos,
            without_face: coverage.without_face,
            faces: coverage.faces,
            good: coverage.good(),
            small: coverage.small,
            blurred: coverage.blurred,
            turned: coverage.turned,
            expected_recall: coverage.recall(),
        }
    }
}

/// Returns the coverage report of an event, as a whole and by folder: how many faces searches find reliably,
/// and how many they often miss.
#[utoipa::path(get, path = "/events/{event}/coverage", operation_id = "coverage_show", tag = "coverage",
    params(("event" = String, Path)), responses((status = 200, body = EventCoverage)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<EventCoverage>> {
    // Computed from the gallery in memory and from counts in SQL; no photo and no stored face is read.
    let event = grant.event()?.to_owned();
    let size = |number: i64| usize::try_from(number).unwrap_or(0);
    let jobs = counts(&app.db, &event).await?;
    let photos = size(photos::count(&app.db, &event).await?);
    let named = folders::names(&app.db, &event).await?;
    let folder_of = photos::folders_by_content(&app.db, &event).await?;
    let (all, mut by_folder) = app
        .face_engine
        .run(move |faces| {
            let open = faces.open_collection(&event)?;
            open.collection.read_gallery(|gallery| {
                let (mut all, mut by_folder) = (Coverage::default(), HashMap::new());
                for (photo, faces) in gallery.photos_with_faces() {
                    let one = Coverage::of(faces.map(|(_, face)| &face.parts));
                    all.add(&one);
                    if let Some(folder) = folder_of.get(&photo.to_string()) {
                        by_folder.entry(folder.clone()).or_insert_with(Coverage::default).add(&one);
                    }
                }
                Ok((all, by_folder))
            })
        })
        .await?;
    let folder = |NamedFolder { id, name }: NamedFolder| {
        let counted = CoverageCounts::from(&by_folder.remove(&id)?);
        Some(FolderCoverage { id, name, counted })
    };
    let folders = named.into_iter().filter_map(folder).collect();
    let unreadable = size(jobs.failed);
    let deferred = size(jobs.deferred);
    let pending = photos.saturating_sub(all.photos + unreadable + deferred);
    Ok(Json(EventCoverage {
        photos,
        unreadable,
        pending,
        deferred,
        counted: CoverageCounts::from(&all),
        folders,
    }))
}
