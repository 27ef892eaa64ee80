//! The download of a whole album: a ZIP archive that is written while it is sent.
//!
//! A download holds a place of its studio, and a few pieces in memory. The session and the permissions are checked again for each
//! photo, so that the withdrawal of the link ends a running download.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;

use super::photos::{self, PhotoFilter};
use crate::api::photo::VisitorPhoto;
use crate::api::photo_policy::Download;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::AlbumSession;
use crate::http::extract::BinarySchema;
use crate::infra::file_name::FileName;
use crate::infra::places::PlaceKind;
use crate::infra::zip_stream::{entry_path, respond};

/// A photo to add to the archive.
struct DownloadQuery {
    id: String,
    folder: Option<String>,
}

/// Downloads all photos of the album that may be downloaded, as a ZIP archive with the album's folders.
/// Responds with `forbidden` if there are no such photos, or if the album limits downloads. Photos of an album
/// with a limit are downloaded one at a time.
#[utoipa::path(get, path = "/album/download", operation_id = "album_archive_download", tag = "album",
    responses((status = 200, body = BinarySchema, content_type = "application/zip")))]
pub async fn download_all(State(app): State<App>, visit: AlbumSession) -> Result<Response> {
    if photos::settings(&app, &visit).await?.downloads_max.is_some() {
        let detail = "This album limits downloads; download its photos one at a time.";
        return Err(ApiError::new(ErrorKind::Forbidden, detail));
    }
    let all = photos::part(&app, &visit, &PhotoFilter::default(), 0, i64::MAX).await?;
    let wanted: Vec<DownloadQuery> = all
        .into_iter()
        .filter(|photo| photo.download != Download::Off)
        .map(|photo| DownloadQuery { id: photo.id, folder: photo.folder })
        .collect();
    if wanted.is_empty() {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "The studio has turned downloads off for this album's photos; ask the studio to allow them.",
        ));
    }
    let place = app.places.take_for(PlaceKind::Archive, &visit.studio, &visit.id)?;
    Ok(respond("attachment; filename=\"album.zip\"", place, move |mut archive| async move {
        let mut names = HashSet::new();
        for photo in &wanted {
            if let Some(shown) = find_still_shown(&app, &visit, &photo.id).await? {
                let path = |name: &FileName| {
                    entry_path(photo.folder.as_deref(), name, &photo.id, &mut names)
                };
                shown.add_to(&app, &mut archive, path).await?;
            }
        }
        Ok(archive)
    }))
}

/// Returns a photo for the archive; `None` if the visitor may no longer see the photo.
/// Errors: `Unauthenticated` if the session has ended.
async fn find_still_shown(
    app: &App,
    visit: &AlbumSession,
    photo: &str,
) -> Result<Option<VisitorPhoto>> {
    visit.check_open(&app.db).await?;
    match photos::file(app, visit, photo).await {
        Ok(file) => Ok(Some(file)),
        Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
