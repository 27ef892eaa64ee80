//! A photo's bytes for visitors, as the event and its folders allow (`rules.rs`).
//!
//! Finds visible photos only: what is hidden, and what is somebody else's, is not there. Which of them a visitor
//! has come for, their room decides before it asks here.

use axum::http::HeaderMap;
use axum::response::Response;

use super::rules::{Allowed, COLUMNS, Download, TABLES, VISIBLE, watermark_of};
use super::send::{self, File};
use crate::blob::Kind as BlobKind;
use crate::error::{Failure, Kind, Result};
use crate::state::App;

/// A photo that visitors may see.
pub struct Shown {
    file: File,
    watermark: Option<String>,
    pub allowed: Allowed,
}

/// The photo of `event`, where visitors may see it. Errors: `NotFound` for every other.
pub async fn shown(app: &App, event: &str, photo: &str) -> Result<Shown> {
    let text = format!(
        "SELECT p.*, {COLUMNS} FROM {TABLES} WHERE p.id = $1 AND p.event_id = $2 AND {VISIBLE}"
    );
    let row = sqlx::query(&text).bind(photo).bind(event).fetch_one(app.db().read()).await?;
    let allowed = Allowed::of_row(&row)?;
    if !allowed.visible {
        return Err(Failure::not_found());
    }
    Ok(Shown { file: File::read(&row)?, watermark: watermark_of(&row)?, allowed })
}

impl Shown {
    /// For lists. Too small to be of use elsewhere, it bears no watermark.
    pub async fn thumb(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        send::derivative(app, self.file, headers, BlobKind::Thumb).await
    }

    /// For screens, with the event's watermark.
    pub async fn web(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        match &self.watermark {
            Some(text) => send::marked(app, self.file, headers, text).await,
            None => send::derivative(app, self.file, headers, BlobKind::Web).await,
        }
    }

    /// For keeping: the file, or the picture for screens. Errors: `Forbidden` where downloads are off.
    pub async fn download(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        match self.allowed.download {
            Download::Off => Err(refusal()),
            Download::Web => {
                let file = self.file.clone();
                send::to_be_saved(self.web(app, headers).await?, &file)
            }
            Download::Original => send::original(app, self.file, headers).await,
        }
    }

    /// What `download` gives, with its name, for an archive; `None` where downloads are off.
    pub async fn taken(self, app: &App) -> Result<Option<(String, Vec<u8>)>> {
        let file = self.file;
        Ok(match self.allowed.download {
            Download::Off => None,
            Download::Original => Some((file.name().to_owned(), send::whole(app, &file).await?)),
            Download::Web => {
                let name = file.jpeg_name();
                let bytes = match &self.watermark {
                    Some(text) => send::marked_jpeg(app, file, text).await?,
                    None => send::jpeg(app, file, BlobKind::Web).await?,
                };
                Some((name, bytes))
            }
        })
    }

    /// Errors: `Forbidden` where downloads are off.
    pub fn may_be_taken(&self) -> Result<()> {
        if self.allowed.download == Download::Off { Err(refusal()) } else { Ok(()) }
    }
}

fn refusal() -> Failure {
    Failure::new(Kind::Forbidden, "This photo is for looking at; downloads of it are off.")
}
