use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::config::settings::QuotaSettings;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::infra::db::limits::{self, LimitKind, LimitUse};

/// What a limit counts.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedUse {
    /// Registered guests whose consents are stored.
    Guests,
    /// Bytes of the original files of photos.
    StorageBytes,
    /// Unfinished uploads.
    OpenUploads,
    /// Announced bytes of the unfinished uploads.
    UploadBytes,
}

/// What the studio uses, and may use.
#[derive(Serialize, ToSchema)]
pub struct StudioLimit {
    #[schema(inline)]
    pub kind: CountedUse,
    #[schema(minimum = 0)]
    pub used: i64,
    #[schema(minimum = 0)]
    pub max: i64,
}

/// Returns what the studio uses, and may use: storage, unfinished uploads and guests.
#[utoipa::path(get, path = "/studios/{studio}/limits",
    operation_id = "studio_limit_list", tag = "studios", params(("studio" = String, Path)),
    responses((status = 200, body = Vec<StudioLimit>)))]
pub async fn list(State(app): State<App>, grant: Grant) -> Result<Json<Vec<StudioLimit>>> {
    let all = limits::of_studio(&app.db, &grant.studio).await?;
    Ok(Json(all.into_iter().map(|limit| view(limit, &app.settings.quotas)).collect()))
}

fn view(LimitUse { kind, used, max }: LimitUse, default: &QuotaSettings) -> StudioLimit {
    let (kind, default) = match kind {
        LimitKind::Guests => (CountedUse::Guests, default.guests_max),
        LimitKind::StorageBytes => (CountedUse::StorageBytes, default.storage_bytes_max),
        LimitKind::OpenUploads => (CountedUse::OpenUploads, default.open_uploads_max),
        LimitKind::UploadBytes => (CountedUse::UploadBytes, default.upload_bytes_max),
    };
    StudioLimit { kind, used: used.max(0), max: max.unwrap_or(default) }
}
