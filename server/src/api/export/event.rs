use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use picpick_engine::suppressions::{SuppressionKind, SuppressionOverview};
use serde::Serialize;

use crate::api::album::feedback::{self, AlbumFeedback};
use crate::api::event::routes::{Event, one};
use crate::api::export::guest::{GuestExport, of_event as guests_of_event};
use crate::api::guest::guest_list;
use crate::api::photo::responses::{PhotoFile, append_original};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::BinarySchema;
use crate::infra::db::photos::{self, FiledPhoto};
use crate::infra::file_name::FileName;
use crate::infra::places::PlaceKind;
use crate::infra::zip_stream::{entry_path, respond};

/// An entry of the archive's list of photos.
#[derive(Serialize)]
struct ExportedPhoto {
    /// The photo's path in the archive.
    file: String,
    id: String,
    name: String,
    folder: Option<String>,
    sha256: String,
    bytes: i64,
    media_type: String,
    width: i64,
    height: i64,
    created_unix_s: i64,
}

/// A person whose faces are hidden until they are erased, or are kept out of the event.
#[derive(Serialize)]
pub struct SuppressedPerson {
    /// The erasure that hides or has erased the faces.
    erasure: String,
    /// `hidden` or `opt_out`.
    kind: &'static str,
    /// Photos with hidden faces.
    photos: usize,
    faces: usize,
    /// Faces in later photos that were not stored.
    omitted_faces: u64,
}

/// The contents of `event.json`.
#[derive(Serialize)]
struct EventExport<'a> {
    format: &'static str,
    event: &'a Event,
    photos: &'a [ExportedPhoto],
    /// The event's albums with the visitors' picks and comments, under the names that the visitors gave.
    albums: &'a [AlbumFeedback],
    /// The guests with their contacts, consents and photos.
    guests: &'a [GuestExport],
    /// People whose faces no result of the event contains, without templates.
    suppressed: &'a [SuppressedPerson],
    /// The contacts on the guest list.
    guest_list: &'a [String],
}

/// Exports an event as a streamed ZIP archive: the photos in their folders, and `event.json` about the
/// photos, the albums and the guests. The archive holds no face template and no embedding.
#[utoipa::path(get, path = "/events/{event}/export",
    operation_id = "event_export", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn export(State(app): State<App>, grant: Grant) -> Result<Response> {
    let holder = format!("{}:{}", grant.caller.name(), grant.event()?);
    let place = app.places.take_for(PlaceKind::Export, &grant.studio, &holder)?;
    let event = one(&app, grant.event()?).await?;
    let photos = listed(&app, &event.id).await?;
    let albums = feedback::of_event(&app, &event.id).await?;
    let guests = guests_of_event(&app, &event.id).await?;
    let suppressed = suppressed(&app, &event.id).await?;
    let listed_contacts = guest_list::of_event(&app, &event.id).await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "event_export", &event.id, "").await?;
    tx.commit().await?;
    let contents = EventExport {
        format: "picpick event 1",
        event: &event,
        photos: &photos,
        albums: &albums,
        guests: &guests,
        suppressed: &suppressed,
        guest_list: &listed_contacts,
    };
    let contents = serde_json::to_vec_pretty(&contents).map_err(ApiError::internal)?;
    drop((albums, guests, suppressed, listed_contacts));
    Ok(respond("attachment; filename=\"event.zip\"", place, move |mut archive| async move {
        archive.add("event.json", &contents).await?;
        drop(contents);
        for photo in &photos {
            // The caller's access may end while the archive is sent.
            grant.check_held(&app.db).await?;
            let file = photos::find(&app.db, &event.id, &photo.id).await.map(PhotoFile::of)?;
            archive.begin(&photo.file)?;
            append_original(&app, &mut archive, &file).await?;
        }
        Ok(archive)
    }))
}

async fn listed(app: &App, event: &str) -> Result<Vec<ExportedPhoto>> {
    let mut taken = HashSet::new();
    let entry = |FiledPhoto { photo, folder_name: folder }| ExportedPhoto {
        file: entry_path(
            folder.as_deref(),
            &FileName::of(&photo.name, &photo.media_type),
            &photo.id,
            &mut taken,
        ),
        id: photo.id,
        name: photo.name,
        folder,
        sha256: photo.sha256,
        bytes: photo.bytes,
        media_type: photo.media_type,
        width: photo.width,
        height: photo.height,
        created_unix_s: photo.created_unix_s,
    };
    Ok(photos::all_filed(&app.db, event).await?.into_iter().map(entry).collect())
}

async fn suppressed(app: &App, event: &str) -> Result<Vec<SuppressedPerson>> {
    let name = event.to_owned();
    let all = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.suppression_overviews()))
        .await?;
    let person = |of: SuppressionOverview| SuppressedPerson {
        erasure: of.id.to_string(),
        kind: match of.kind {
            SuppressionKind::Hidden => "hidden",
            SuppressionKind::OptOut => "opt_out",
        },
        photos: of.photos,
        faces: of.faces,
        omitted_faces: of.omitted,
    };
    Ok(all.into_iter().map(person).collect())
}
