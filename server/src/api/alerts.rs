use axum::Json;
use axum::extract::State;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::extract::Query;
use crate::infra::alerts::Pattern;
use crate::infra::db::memberships::SUBJECTS_OF_STUDIO;
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging};

/// A pattern of requests that looks like an attack.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alert {
    pub id: String,
    pub pattern: Pattern,
    /// The subject: `user:ID`, `key:ID`, `visitor:ID`, `address:IP`, `album:ID` or `contact:HASH`.
    pub subject: String,
    /// Number of occurrences within `window_s` seconds when the alert was raised.
    pub count: i64,
    /// Length of the counting window, seconds.
    pub window_s: i64,
    pub created_unix_s: i64,
}

/// Lists the alerts that concern a studio: its events, API keys and members. Alerts are kept for 90 days.
#[utoipa::path(
    get, path = "/studios/{studio}/alerts", operation_id = "alert_list", tag = "audit",
    params(("studio" = String, Path), Paging),
    responses((status = 200, body = Page<Alert>))
)]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Alert>>> {
    let select = format!(
        "SELECT * FROM alerts WHERE (studio_id = $1 OR (studio_id = '' AND subject IN ({SUBJECTS_OF_STUDIO})))"
    );
    let list = PageQuery {
        select: &select,
        values: &[BoundValue::Text(&grant.studio)],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}

fn read(row: &AnyRow) -> Result<Alert> {
    let pattern: String = row.try_get("pattern")?;
    Ok(Alert {
        id: row.try_get("id")?,
        pattern: Pattern::parse(&pattern)
            .ok_or_else(|| ApiError::internal(format!("no pattern '{pattern}'")))?,
        subject: row.try_get("subject")?,
        count: row.try_get("count")?,
        window_s: row.try_get("window_s")?,
        created_unix_s: row.try_get("created_unix_s")?,
    })
}
