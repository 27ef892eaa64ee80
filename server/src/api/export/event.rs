use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use sqlx::Row as _;

use crate::api::album::feedback::{self, Told};
use crate::api::event::routes::{Event, one};
use crate::api::export::guest::{Kept, of_event as guests_of_event};
use crate::app::App;
use crate::error::{Failure, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::note_by;
use crate::http::extract::Bytes;
use crate::infra::photo_store::Kind;
use crate::infra::zip_stream::{Archive, place, respond};

/// An entry of the archive's list of photos.
#[derive(Serialize)]
struct Listed {
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
struct Contents<'a> {
    format: &'static str,
    event: &'a Event,
    photos: &'a [Listed],
    /// The event's albums with the visitors' picks and comments, under the names that the visitors gave.
    albums: &'a [Told],
    /// The guests with their contacts, consents and photos.
    guests: &'a [Kept],
}

/// Exports an event as a streamed ZIP archive: the photos in their folders, and `event.json` about the
/// photos, the albums and the guests. The archive holds no face template and no embedding.
#[utoipa::path(get, path = "/events/{event}/export",
    operation_id = "event_export", tag = "events", params(("event" = String, Path)),
    responses((status = 200, body = Bytes, content_type = "application/zip")))]
pub async fn export(State(app): State<App>, grant: Grant) -> Result<Response> {
    let event = one(&app, grant.event()?).await?;
    let photos = photos(&app, &event.id).await?;
    let albums = feedback::of_event(&app, &event.id).await?;
    let guests = guests_of_event(&app, &event.id).await?;
    let mut tx = app.db().write().await?;
    note_by(&mut tx, &grant, "event_export", &event.id, "").await?;
    tx.commit().await?;
    Ok(respond("attachment; filename=\"event.zip\"", move |archive| {
        write(&app, &event, (&photos, &albums, &guests), archive)
    }))
}

async fn photos(app: &App, event: &str) -> Result<Vec<Listed>> {
    let rows = sqlx::query(
        "SELECT p.*, f.name AS folder_name FROM photos p LEFT JOIN folders f ON f.id = p.folder_id \
         WHERE p.event_id = $1 ORDER BY p.created_unix_s, p.id",
    )
    .bind(event)
    .fetch_all(app.db().read())
    .await?;
    let mut taken = HashSet::new();
    let mut listed = Vec::with_capacity(rows.len());
    for row in &rows {
        let (id, name): (String, String) = (row.try_get("id")?, row.try_get("name")?);
        let folder: Option<String> = row.try_get("folder_name")?;
        let file = place(folder.as_deref(), &name, &id, &mut taken);
        listed.push(Listed {
            file,
            id,
            name,
            folder,
            sha256: row.try_get("sha256")?,
            bytes: row.try_get("bytes")?,
            media_type: row.try_get("media_type")?,
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            created_unix_s: row.try_get("created_unix_s")?,
        });
    }
    Ok(listed)
}

fn write(
    app: &App,
    event: &Event,
    (photos, albums, guests): (&[Listed], &[Told], &[Kept]),
    archive: &mut Archive,
) -> Result<()> {
    let contents = Contents { format: "picpick event 1", event, photos, albums, guests };
    let contents = serde_json::to_vec_pretty(&contents).map_err(Failure::internal)?;
    archive.add("event.json", &contents)?;
    let sealer = app.faces().sealer(&event.id)?;
    for photo in photos {
        let missing = || Failure::internal(format!("photo {} is not in the photo store", photo.id));
        let bytes =
            app.blobs().get(&sealer, &event.id, &photo.id, Kind::Original)?.ok_or_else(missing)?;
        archive.add(&photo.file, &bytes)?;
    }
    Ok(())
}
