//! The download of a whole album: a ZIP archive that is written while it is sent.
//!
//! At most one photo is in memory. Session and permissions are checked again for each photo, so that a
//! withdrawn link ends a running download.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use tokio::runtime::Handle;

use super::photos::{self, Choice};
use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{Failure, Kind, Result};
use crate::http::auth::AlbumVisit;
use crate::http::extract::Bytes;
use crate::infra::zip_stream::{permit, place, respond};

/// A photo to add to the archive.
struct Wanted {
    id: String,
    folder: Option<String>,
}

/// Downloads all photos of the album that may be downloaded, as a ZIP archive with the album's folders.
/// Responds with `forbidden` if there are none, or if the album limits downloads: then each photo is
/// downloaded on its own.
#[utoipa::path(get, path = "/album/download", operation_id = "album_archive_download", tag = "album",
    responses((status = 200, body = Bytes, content_type = "application/zip")))]
pub async fn everything(State(app): State<App>, visit: AlbumVisit) -> Result<Response> {
    if photos::about(&app, &visit).await?.downloads_max.is_some() {
        let detail = "This album limits downloads; download its photos one at a time.";
        return Err(Failure::new(Kind::Forbidden, detail));
    }
    let all = photos::part(&app, &visit, &Choice::default(), 0, i64::MAX).await?;
    let wanted: Vec<Wanted> = all
        .into_iter()
        .filter(|photo| photo.download != Download::Off)
        .map(|photo| Wanted { id: photo.id, folder: photo.folder })
        .collect();
    if wanted.is_empty() {
        return Err(Failure::new(Kind::Forbidden, "Downloads are off for this album's photos."));
    }
    let permit = permit(&visit.id)?;
    let handle = Handle::current();
    Ok(respond("attachment; filename=\"album.zip\"", move |archive| {
        let _permit = permit;
        let mut names = HashSet::new();
        for photo in &wanted {
            if let Some((name, bytes)) = handle.block_on(taken(&app, &visit, &photo.id))? {
                archive
                    .add(&place(photo.folder.as_deref(), &name, &photo.id, &mut names), &bytes)?;
            }
        }
        Ok(())
    }))
}

/// Returns a photo's name and bytes; `None` if it may no longer be downloaded.
/// Errors: `SignedOut` if the session has ended.
async fn taken(app: &App, visit: &AlbumVisit, photo: &str) -> Result<Option<(String, Vec<u8>)>> {
    visit.must_be_open(app.db()).await?;
    match photos::file(app, visit, photo).await {
        Ok(file) => file.taken(app).await,
        Err(failure) if failure.kind == Kind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
