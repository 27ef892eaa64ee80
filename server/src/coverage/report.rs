//! An event's coverage in figures, as a whole and by folder.
//!
//! Made from what the engine has in memory and two counts of the database; reads no photo and no stored face.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use picpick_engine::Coverage;
use serde::Serialize;
use sqlx::Row as _;
use utoipa::ToSchema;

use crate::access::Grant;
use crate::error::Result;
use crate::job::counts;
use crate::state::App;

/// The faces of some photos, by what will be found of them.
#[derive(Serialize, ToSchema)]
pub struct CoverageCounts {
    /// Photos that were searched for faces.
    pub searched: usize,
    /// Of these, photos in which no face was found.
    pub without_face: usize,
    /// Faces in all: good, small, blurred and turned ones.
    pub faces: usize,
    /// Faces that are found reliably.
    pub good: usize,
    /// Faces that will be missed easily because they lack pixels more than anything else.
    pub small: usize,
    /// The same of detail: out of focus, or moved.
    pub blurred: usize,
    /// The same because they are seen too far from the side.
    pub turned: usize,
    /// The share of a guest's photos that will be found, 0 to 1: measured by the quality of faces, averaged over all
    /// of them. It takes a clear selfie for granted, and counts no face that was not seen at all. `null` without a
    /// face.
    pub expected_recall: Option<f64>,
}

/// What will be found of a folder's photos.
#[derive(Serialize, ToSchema)]
pub struct FolderCoverage {
    pub id: String,
    pub name: String,
    #[serde(flatten)]
    pub counted: CoverageCounts,
}

/// What guests will find of an event, and what not.
#[derive(Serialize, ToSchema)]
pub struct EventCoverage {
    /// Photos of the event: searched, unread and waiting ones.
    pub photos: usize,
    /// Photos that could not be read.
    pub unread: usize,
    /// Photos that were not searched yet.
    pub waiting: usize,
    #[serde(flatten)]
    pub counted: CoverageCounts,
    /// Folders with photos that were searched, oldest first.
    pub folders: Vec<FolderCoverage>,
}

impl From<&Coverage> for CoverageCounts {
    fn from(coverage: &Coverage) -> Self {
        Self {
            searched: coverage.photos,
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

/// What guests will find of an event, and what not.
#[utoipa::path(get, path = "/events/{event}/coverage", tag = "coverage",
    params(("event" = String, Path)), responses((status = 200, body = EventCoverage)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<EventCoverage>> {
    let event = grant.event()?.to_owned();
    let size = |number: i64| usize::try_from(number).unwrap_or(0);
    let jobs = counts(app.db(), &event).await?;
    let row = sqlx::query("SELECT COUNT(*) AS n FROM photos WHERE event_id = $1").bind(&event);
    let photos = size(row.fetch_one(app.db().read()).await?.try_get("n")?);
    let (names, folder_of) = folders(&app, &event).await?;
    let (all, mut by_folder) = app
        .faces()
        .run(move |faces| {
            let open = faces.event(&event)?;
            let gallery = open.collection.gallery();
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
        .await?;
    let folder = |(id, name): (String, String)| {
        let counted = CoverageCounts::from(&by_folder.remove(&id)?);
        Some(FolderCoverage { id, name, counted })
    };
    let folders = names.into_iter().filter_map(folder).collect();
    let unread = size(jobs.failed);
    let waiting = photos.saturating_sub(all.photos + unread);
    Ok(Json(EventCoverage {
        photos,
        unread,
        waiting,
        counted: CoverageCounts::from(&all),
        folders,
    }))
}

/// The folders, oldest first, each with its name; and the folder of each photo that lies in one, by the engine's id
/// of it.
async fn folders(
    app: &App,
    event: &str,
) -> Result<(Vec<(String, String)>, HashMap<String, String>)> {
    let names =
        sqlx::query("SELECT id, name FROM folders WHERE event_id = $1 ORDER BY created_unix_s, id")
            .bind(event)
            .fetch_all(app.db().read())
            .await?;
    let names = names.iter().map(|row| Ok((row.try_get("id")?, row.try_get("name")?)));
    let photos = sqlx::query(
        "SELECT content_id, folder_id FROM photos WHERE event_id = $1 AND folder_id IS NOT NULL",
    )
    .bind(event)
    .fetch_all(app.db().read())
    .await?;
    let photos =
        photos.iter().map(|row| Ok((row.try_get("content_id")?, row.try_get("folder_id")?)));
    Ok((names.collect::<Result<_>>()?, photos.collect::<Result<_>>()?))
}
