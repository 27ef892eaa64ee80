//! An album's photos all at once, as far as each may be taken: a ZIP that is made while it is sent.
//!
//! Visit and rules are looked at anew for each photo, so that a withdrawn link ends a download that is under way.
//! Never holds more than one photo in memory.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::Response;
use tokio::runtime::Handle;

use super::photos::{self, Choice};
use crate::access::AlbumVisit;
use crate::archive::{permit, place, respond};
use crate::error::{Failure, Kind, Result};
use crate::input::Bytes;
use crate::photo::rules::Download;
use crate::state::App;

/// A photo to be put into an archive.
struct Wanted {
    id: String,
    folder: Option<String>,
}

/// All photos of the album that may be taken, in their folders. Errors: `forbidden` where there are none, or where
/// the album counts what a visitor takes: there photos are taken one by one.
#[utoipa::path(get, path = "/album/download", tag = "album",
    responses((status = 200, body = Bytes, content_type = "application/zip")))]
pub async fn everything(State(app): State<App>, visit: AlbumVisit) -> Result<Response> {
    if photos::about(&app, &visit).await?.downloads_max.is_some() {
        let detail = "This album counts what is taken; take its photos one by one.";
        return Err(Failure::new(Kind::Forbidden, detail));
    }
    let all = photos::part(&app, &visit, &Choice::default(), 0, i64::MAX).await?;
    let wanted: Vec<Wanted> = all
        .into_iter()
        .filter(|photo| photo.download != Download::Off)
        .map(|photo| Wanted { id: photo.id, folder: photo.folder })
        .collect();
    if wanted.is_empty() {
        return Err(Failure::new(Kind::Forbidden, "Downloads of this album's photos are off."));
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

/// A photo's name and bytes; `None` where it may not be taken any more. Errors: `SignedOut` when the visit is over.
async fn taken(app: &App, visit: &AlbumVisit, photo: &str) -> Result<Option<(String, Vec<u8>)>> {
    visit.must_be_open(app.db()).await?;
    match photos::file(app, visit, photo).await {
        Ok(file) => file.taken(app).await,
        Err(failure) if failure.kind == Kind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
