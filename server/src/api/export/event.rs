use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::api::album::feedback::{self, AlbumFeedback};
use crate::api::event::routes::{Event, one};
use crate::api::export::guest::{GuestExport, of_event as guests_of_event};
use crate::api::guest::guest_list;
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::BinarySchema;
use crate::infra::db::photos::{self, FiledPhoto};
use crate::infra::file_name::FileName;
use crate::infra::photo_store::Rendition;
use crate::infra::zip_stream::{ZipStream, entry_path, respond};

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
    /// The contacts on the guest list.
    guest_list: &'a [String],
}

/// Exports an event as a streamed ZIP archive: the photos in their folders, and `event.json` about the
/// photos, the albums and the guests. The archive holds no face template and no embedding.
#[utoipa::path(get, path = "/events/{event}/export",
    operation_id = "event_export", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn export(State(app): State<App>, grant: Grant) -> Result<Response> {
    let event = one(&app, grant.event()?).await?;
    let photos = listed(&app, &event.id).await?;
    let albums = feedback::of_event(&app, &event.id).await?;
    let guests = guests_of_event(&app, &event.id).await?;
    let listed_contacts = guest_list::of_event(&app, &event.id).await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "event_export", &event.id, "").await?;
    tx.commit().await?;
    let here = tokio::runtime::Handle::current();
    Ok(respond("attachment; filename=\"event.zip\"", move |archive| {
        // The caller's access may end while the archive is sent.
        let check = || here.block_on(grant.check_held(&app.db));
        let contents = EventExport {
            format: "picpick event 1",
            event: &event,
            photos: &photos,
            albums: &albums,
            guests: &guests,
            guest_list: &listed_contacts,
        };
        write(&app, &contents, check, archive)
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

/// Writes the archive; calls `check` before each photo and stops with its error.
fn write(
    app: &App,
    contents: &EventExport<'_>,
    check: impl Fn() -> Result<()>,
    archive: &mut ZipStream,
) -> Result<()> {
    let event = contents.event;
    let text = serde_json::to_vec_pretty(contents).map_err(ApiError::internal)?;
    archive.add("event.json", &text)?;
    let sealer = app.face_engine.sealer(&event.id)?;
    for photo in contents.photos {
        check()?;
        let missing =
            || ApiError::internal(format!("photo {} is not in the photo store", photo.id));
        let bytes = app
            .photo_store
            .get(&sealer, &event.id, &photo.id, Rendition::Original)?
            .ok_or_else(missing)?;
        archive.add(&photo.file, &bytes)?;
    }
    Ok(())
}
