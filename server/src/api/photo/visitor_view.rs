use axum::http::HeaderMap;
use axum::response::Response;

use super::responses::{self, PhotoFile};
use crate::api::photo_policy::{
    COLUMNS, Download, PhotoPermissions, TABLES, visible, watermark_of,
};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::db::photos;
use crate::infra::file_name::FileName;
use crate::infra::photo_store::Rendition as BlobKind;
use crate::infra::zip_stream::ZipStream;

/// A photo that visitors may see under the photo policy (`api/photo_policy.rs`).
pub struct VisitorPhoto {
    file: PhotoFile,
    watermark: Option<String>,
    pub allowed: PhotoPermissions,
}

/// Finds a photo of `event` that visitors may see. The caller checks whether this visitor may get the photo.
///
/// # Errors
/// - `NotFound` if visitors may not see the photo, or the event has no such photo.
pub async fn find_visible(app: &App, event: &str, photo: &str) -> Result<VisitorPhoto> {
    let text = format!(
        "SELECT p.*, {COLUMNS} FROM {TABLES} WHERE p.id = $1 AND p.event_id = $2 AND {}",
        visible()
    );
    let row = sqlx::query(&text).bind(photo).bind(event).fetch_one(app.db.read()).await?;
    let allowed = PhotoPermissions::of_row(&row)?;
    if !allowed.visible {
        return Err(ApiError::not_found());
    }
    let file = PhotoFile::of(photos::read(&row)?);
    Ok(VisitorPhoto { file, watermark: watermark_of(&row)?, allowed })
}

impl VisitorPhoto {
    /// Responds with the thumbnail for lists. The thumbnail has no watermark, because it is too small for
    /// other uses.
    pub async fn thumb(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        responses::derivative(app, self.file, headers, BlobKind::Thumb).await
    }

    /// Responds with the derivative for screens, with the event's watermark if the event has one.
    pub async fn web(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        match &self.watermark {
            Some(text) => responses::watermarked(app, self.file, headers, text).await,
            None => responses::derivative(app, self.file, headers, BlobKind::Web).await,
        }
    }

    /// Responds with the download: the original file or the JPEG for screens, as the policy allows.
    ///
    /// # Errors
    /// - `Forbidden` if downloads are off.
    /// - `RangeNotSatisfiable` if the policy allows the original and the requested range is outside the file.
    pub async fn download(self, app: &App, headers: &HeaderMap) -> Result<Response> {
        match self.allowed.download {
            Download::Off => Err(refusal()),
            Download::Web => {
                let file = self.file.clone();
                responses::as_attachment(self.web(app, headers).await?, &file)
            }
            Download::Original => responses::original(app, self.file, headers).await,
        }
    }

    /// Adds the download to an archive, under the path that `path` returns for its file name. Adds nothing if
    /// downloads are off.
    pub async fn add_to(
        self,
        app: &App,
        archive: &mut ZipStream,
        path: impl FnOnce(&FileName) -> String,
    ) -> Result<()> {
        let file = self.file;
        match self.allowed.download {
            Download::Off => Ok(()),
            Download::Original => {
                archive.begin(&path(&file.name()))?;
                responses::append_original(app, archive, &file).await
            }
            Download::Web => {
                let path = path(&file.jpeg_name());
                let bytes = match &self.watermark {
                    Some(text) => responses::watermarked_jpeg(app, file, text).await?,
                    None => responses::jpeg(app, file, BlobKind::Web).await?,
                };
                archive.add(&path, &bytes).await
            }
        }
    }

    /// Checks that the photo may be downloaded.
    ///
    /// # Errors
    /// - `Forbidden` if downloads are off.
    pub fn check_download(&self) -> Result<()> {
        if self.allowed.download == Download::Off { Err(refusal()) } else { Ok(()) }
    }
}

fn refusal() -> ApiError {
    ApiError::new(
        ErrorKind::Forbidden,
        "Downloads of this photo are off; ask the studio to allow them.",
    )
}
