//! The export of a guest's data: details, consents, claims, and the photos that may be downloaded. The guest
//! can request the export, and the studio can request it on the guest's behalf.
//!
//! The export leaves out the template: only this engine can use a template, so the guest has no use for it,
//! and it could do harm in other hands. The export contains no details of other people.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use picpick_engine::GuestId;
use serde::Serialize;

use crate::api::guest::admin::Notifications;
use crate::api::guest::contact::open;
use crate::api::guest::photos::{find_still_shown, found};
use crate::api::photo::find_visible;
use crate::api::privacy::log::note_access;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::record_by;
use crate::http::auth::{Grant, GuestSession};
use crate::http::extract::{BinarySchema, Path};
use crate::infra::db::{Paging, consents, guests};
use crate::infra::file_name::FileName;
use crate::infra::ids::is_id;
use crate::infra::json_writer::JsonWriter;
use crate::infra::piece_stream::ByteSink;
use crate::infra::places::PlaceKind;
use crate::infra::zip_stream::{entry_path, respond};

/// The stored data of a guest, without the face template.
#[derive(Serialize)]
pub struct GuestExport {
    pub id: String,
    pub name: String,
    pub contact: String,
    pub language: String,
    pub created_unix_s: i64,
    pub verified_unix_s: Option<i64>,
    pub contact_proved_unix_s: Option<i64>,
    pub notifications: Notifications,
    pub consents: Vec<ExportedConsent>,
    /// IDs of the photos that show the guest.
    pub photos: Vec<String>,
    /// Faces that the guest claimed as theirs.
    pub faces_confirmed: Vec<String>,
    /// Faces that the guest claimed not to be theirs.
    pub faces_rejected: Vec<String>,
    /// Number of images from which the template was computed; the server keeps none of them.
    pub template_images: Option<usize>,
}

/// A consent in the export.
#[derive(Serialize)]
pub struct ExportedConsent {
    version: String,
    event_ends_unix_s: i64,
    purpose: String,
    valid_until_unix_s: i64,
    language: String,
    given_unix_s: i64,
    withdrawn_unix_s: Option<i64>,
}

/// Returns the stored data of `guest` of `event`.
///
/// # Errors
/// - `NotFound` if the event has no such guest.
pub async fn collect(app: &App, event: &str, guest: &str) -> Result<GuestExport> {
    let record = guests::find(&app.db, event, guest).await?;
    let consents = consents::of_guest(&app.db, guest).await?;
    let consents = consents.into_iter().map(|given| ExportedConsent {
        version: given.version,
        event_ends_unix_s: given.event_ends_unix_s,
        purpose: given.purpose,
        valid_until_unix_s: given.valid_until_unix_s,
        language: given.language,
        given_unix_s: given.given_unix_s,
        withdrawn_unix_s: given.withdrawn_unix_s,
    });
    let (mut photos, mut enrolled) = (Vec::new(), None);
    if record.verified_unix_s.is_some() {
        let (name, id): (_, GuestId) = (event.to_owned(), guest.parse()?);
        let known = app
            .face_engine
            .run(move |faces| Ok(faces.open_collection(&name)?.collection.guest(&id)?));
        enrolled = found_or_none(known.await)?;
        // A guest without a template has no photos.
        let theirs = found_or_none(found(app, event, guest, &[]).await)?;
        photos = theirs.map_or(Vec::new(), |theirs| theirs.photos);
    }
    let listed = |faces: Option<&std::collections::BTreeSet<picpick_engine::FaceId>>| {
        faces.into_iter().flatten().map(ToString::to_string).collect()
    };
    Ok(GuestExport {
        id: guest.to_owned(),
        name: open(app, guest, "name", &record.name)?.to_string(),
        contact: open(app, guest, "contact", &record.contact)?.to_string(),
        language: record.language,
        created_unix_s: record.created_unix_s,
        verified_unix_s: record.verified_unix_s,
        contact_proved_unix_s: record.contact_proved_unix_s,
        notifications: Notifications::of(record.notify),
        consents: consents.collect(),
        photos: photos.into_iter().map(|photo| photo.id).collect(),
        faces_confirmed: listed(enrolled.as_ref().map(|guest| &guest.confirmed)),
        faces_rejected: listed(enrolled.as_ref().map(|guest| &guest.rejected)),
        template_images: enrolled.as_ref().map(|guest| guest.template.pictures),
    })
}

/// Converts the error `NotFound` into `None`.
fn found_or_none<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Writes the stored data of all guests of an event, oldest first, as values of the open list. A guest whose data
/// cannot be read is skipped and logged. The access of the caller, `grant`, is checked before each guest.
pub async fn write_of_event<S: ByteSink>(
    app: &App,
    grant: &Grant,
    json: &mut JsonWriter<'_, S>,
) -> Result<()> {
    let event = grant.event()?;
    let mut next = Some(Paging::of_all());
    while let Some(paging) = next {
        let page = guests::active_ids(&app.db, event, &paging).await?;
        for guest in &page.items {
            grant.check_held(&app.db).await?;
            match collect(app, event, guest).await {
                Ok(exported) => json.items(&[exported]).await?,
                // A concurrent request has erased the guest.
                Err(failure) if failure.kind == ErrorKind::NotFound => {}
                Err(failure) => {
                    tracing::error!(guest, reason = failure.reason(), "guest export failed");
                }
            }
        }
        next = page.following();
    }
    Ok(())
}

/// Exports the guest's data as a ZIP archive: `guest.json` and the photos that may be downloaded.
#[utoipa::path(get, path = "/guest/export", operation_id = "guest_account_export", tag = "guest",
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn own(State(app): State<App>, visit: GuestSession) -> Result<Response> {
    let (event, guest, studio) = (visit.event.clone(), visit.guest.clone(), visit.studio.clone());
    let answer = archive(&app, event.clone(), guest, Recipient::Guest(visit)).await?;
    let mut tx = app.db.write().await?;
    note_access(&mut tx, &studio, &event, "guest").await?;
    tx.commit().await?;
    Ok(answer)
}

/// Exports a guest's data as a ZIP archive, on request of a guest to the studio: `guest.json` and the photos
/// that may be downloaded.
#[utoipa::path(get, path = "/events/{event}/guests/{guest}/export",
    operation_id = "guest_export", tag = "guests of an event",
    params(("event" = String, Path), ("guest" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn of_guest(
    State(app): State<App>,
    grant: Grant,
    Path((_, guest)): Path<(String, String)>,
) -> Result<Response> {
    if !is_id(&guest) {
        return Err(ApiError::not_found());
    }
    let recipient = Recipient::Studio(grant.clone());
    let answer = archive(&app, grant.event()?.to_owned(), guest.clone(), recipient).await?;
    let mut tx = app.db.write().await?;
    record_by(&mut tx, &grant, "guest_export", &guest, grant.event()?).await?;
    note_access(&mut tx, &grant.studio, grant.event()?, "studio").await?;
    tx.commit().await?;
    Ok(answer)
}

/// The recipient of a guest's archive, whose access is checked again for each photo.
enum Recipient {
    Guest(GuestSession),
    Studio(Grant),
}

/// Returns the response with the archive.
async fn archive(
    app: &App,
    event: String,
    guest: String,
    recipient: Recipient,
) -> Result<Response> {
    let place = match &recipient {
        Recipient::Guest(visit) => {
            app.places.take_for(PlaceKind::Archive, &visit.studio, &visit.session)?
        }
        Recipient::Studio(grant) => {
            app.places.take_for(PlaceKind::Export, &grant.studio, &guest)?
        }
    };
    let exported = collect(app, &event, &guest).await?;
    let app = app.clone();
    Ok(respond("attachment; filename=\"guest.zip\"", place, move |mut archive| async move {
        let details = serde_json::to_vec_pretty(&exported).map_err(ApiError::internal)?;
        archive.add("guest.json", &details).await?;
        let mut names = HashSet::new();
        for photo in &exported.photos {
            let shown = match &recipient {
                Recipient::Guest(visit) => find_still_shown(&app, visit, photo).await?,
                Recipient::Studio(grant) => {
                    grant.check_held(&app.db).await?;
                    Some(find_visible(&app, &event, photo).await?)
                }
            };
            if let Some(shown) = shown {
                let path = |name: &FileName| entry_path(None, name, photo, &mut names);
                shown.add_to(&app, &mut archive, path).await?;
            }
        }
        Ok(archive)
    }))
}
