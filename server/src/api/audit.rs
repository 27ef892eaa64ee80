use axum::Json;
use axum::extract::State;

use crate::app::App;
use crate::error::Result;
use crate::http::auth::Grant;
use crate::http::extract::Query;
use crate::infra::audit_log::AuditEntry;
use crate::infra::db::{Page, Paging};

/// Lists the audit log of a studio, oldest entry first. A client can export the whole log page by page.
#[utoipa::path(
    get, path = "/studios/{studio}/audit", operation_id = "audit_entry_list", tag = "audit",
    params(("studio" = String, Path), Paging),
    responses((status = 200, body = Page<AuditEntry>))
)]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<AuditEntry>>> {
    let limit = paging.limit()?;
    let rows = sqlx::query(
        "SELECT * FROM audit WHERE studio_id = $1 AND number > $2 ORDER BY number LIMIT $3",
    )
    .bind(&grant.studio)
    .bind(paging.after()?.unix_s)
    .bind(limit + 1)
    .fetch_all(app.db.read())
    .await?;
    let entries = rows.iter().map(AuditEntry::read).collect::<sqlx::Result<Vec<_>>>()?;
    Ok(Json(Page::of(entries, limit, |entry| (entry.number, "-"))))
}
