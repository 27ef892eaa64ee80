use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use picpick_engine::suppressions::{SuppressionKind, SuppressionOverview};
use serde::Serialize;

use super::guest;
use crate::api::album::feedback;
use crate::api::event::routes::{Event, one};
use crate::api::guest::guest_list;
use crate::api::photo::responses::{PhotoFile, append_original};
use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::BinarySchema;
use crate::infra::db::Paging;
use crate::infra::db::photos::{self, FiledPhoto};
use crate::infra::file_name::FileName;
use crate::infra::json_writer::JsonWriter;
use crate::infra::places::PlaceKind;
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

/// Exports an event as a streamed ZIP archive: the photos in their folders, and `event.json` about the
/// photos, the albums and the guests. The archive holds no face template and no embedding.
#[utoipa::path(get, path = "/events/{event}/export",
    operation_id = "event_export", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn export(State(app): State<App>, grant: Grant) -> Result<Response> {
    let holder = format!("{}:{}", grant.caller.name(), grant.event()?);
    let place = app.places.take_for(PlaceKind::Export, &grant.studio, &holder)?;
    let event = one(&app, grant.event()?).await?;
    // Read before the answer begins, so that a collection that does not open gives an error status.
    let suppressed = suppressed(&app, &event.id).await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "event_export", &event.id, "").await?;
    tx.commit().await?;
    Ok(respond("attachment; filename=\"event.zip\"", place, move |mut archive| async move {
        let photos = write_document(&app, &grant, &event, &suppressed, &mut archive).await?;
        for ListedPhoto { id, file: path } in &photos {
            // The caller's access may end while the archive is sent.
            grant.check_held(&app.db).await?;
            let file = photos::find(&app.db, &event.id, id).await.map(PhotoFile::of)?;
            archive.begin(path)?;
            append_original(&app, &mut archive, &file).await?;
        }
        Ok(archive)
    }))
}

/// A photo of the archive's list, of which `event.json` has been written. The list is all that an export keeps of
/// the event's rows: about 150 bytes for each photo.
struct ListedPhoto {
    id: String,
    /// The photo's path in the archive.
    file: String,
}

/// Writes `event.json`, one row at a time. Returns the photos in it.
async fn write_document(
    app: &App,
    grant: &Grant,
    event: &Event,
    suppressed: &[SuppressedPerson],
    archive: &mut ZipStream,
) -> Result<Vec<ListedPhoto>> {
    archive.begin("event.json")?;
    let mut json = JsonWriter::new(archive);
    json.open_object().await?;
    json.field("format", &"picpick event 1").await?;
    json.field("event", event).await?;
    json.open_list("photos").await?;
    let (mut taken, mut photos) = (HashSet::new(), Vec::new());
    let mut next = Some(Paging::of_all());
    while let Some(paging) = next {
        let page = photos::filed(&app.db, &event.id, &paging).await?;
        let page = page.try_map(|photo| Ok(exported(photo, &mut taken)))?;
        let listed = |it: &ExportedPhoto| ListedPhoto { id: it.id.clone(), file: it.file.clone() };
        photos.extend(page.items.iter().map(listed));
        next = json.page(page).await?;
    }
    json.close().await?;
    // The albums with the visitors' picks and comments, under the names that the visitors gave.
    json.open_list("albums").await?;
    feedback::write_of_event(app, &event.id, &mut json).await?;
    json.close().await?;
    // The guests with their contacts, consents and photos.
    json.open_list("guests").await?;
    guest::write_of_event(app, grant, &mut json).await?;
    json.close().await?;
    // People whose faces no result of the event contains, without templates.
    json.open_list("suppressed").await?;
    json.items(suppressed).await?;
    json.close().await?;
    json.open_list("guest_list").await?;
    let mut next = Some(Paging::of_all());
    while let Some(paging) = next {
        grant.check_held(&app.db).await?;
        let page = guest_list::page_of(app, &event.id, &paging).await?;
        next = json.page(page.try_map(|listed| Ok(listed.contact))?).await?;
    }
    json.close().await?;
    json.close().await?;
    Ok(photos)
}

fn exported(filed: FiledPhoto, taken: &mut HashSet<String>) -> ExportedPhoto {
    let FiledPhoto { photo, folder_name: folder } = filed;
    let name = FileName::of(&photo.name, &photo.media_type);
    ExportedPhoto {
        file: entry_path(folder.as_deref(), &name, &photo.id, taken),
        id: photo.id,
        name: photo.name,
        folder,
        sha256: photo.sha256,
        bytes: photo.bytes,
        media_type: photo.media_type,
        width: photo.width,
        height: photo.height,
        created_unix_s: photo.created_unix_s,
    }
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
