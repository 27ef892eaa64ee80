use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use crate::api::account::new_studio;
use crate::api::event::terms::LegalBasis;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::audit::{FieldChanges, record_by};
use crate::http::auth::{Grant, SignedIn};
use crate::http::extract::{self, Body, Query};
use crate::infra::audit_log::{self, AuditEvent};
use crate::infra::db::studios::{self, StudioRecord};
use crate::infra::db::{BY_CREATION, BoundValue, PageQuery};
use crate::infra::db::{Page, Paging, users};

/// Detail of the error for a user who may not create studios.
const EVENTS_ONLY: &str = "You are a member of single events only, and such members create no studios; ask an owner of \
    a studio to invite you to the whole studio, or ask the operator for the permission.";

#[derive(Serialize, ToSchema)]
pub struct Studio {
    pub id: String,
    pub name: String,
    /// The legal basis of new events; absent if each new event must name its own.
    #[schema(inline)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    pub created_unix_s: i64,
}

#[derive(Deserialize, ToSchema)]
pub struct StudioName {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

/// Changes to a studio. Absent fields stay unchanged.
#[derive(Deserialize, ToSchema)]
pub struct StudioChange {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The legal basis of new events that name none. Existing events keep theirs.
    #[schema(inline)]
    legal_basis: Option<LegalBasis>,
}

/// The receipt of an erasure: of an event, of a guest or of an orphaned template. `picpick receipt verify`
/// checks a receipt.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    pub id: String,
    pub event: String,
    pub created_unix_s: i64,
    /// The signed document. The signature covers the bytes of this text.
    pub receipt: String,
}

fn view(studio: StudioRecord) -> Result<Studio> {
    Ok(Studio {
        id: studio.id,
        name: studio.name,
        legal_basis: studio.legal_basis.as_deref().map(LegalBasis::stored).transpose()?,
        created_unix_s: studio.created_unix_s,
    })
}

/// Lists the studios of the signed-in user, oldest first.
#[utoipa::path(get, path = "/studios",
    operation_id = "studio_list", tag = "studios", responses((status = 200, body = Vec<Studio>)))]
pub async fn list(State(app): State<App>, person: SignedIn) -> Result<Json<Vec<Studio>>> {
    let studios = studios::of_user(&app.db, &person.user).await?;
    studios.into_iter().map(view).collect::<Result<_>>().map(Json)
}

/// Creates a studio, owned by the signed-in user. The user must be a member of a whole studio, not only of single
/// events, or have the operator's permission (`picpick account permit-studios`).
#[utoipa::path(post, path = "/studios", operation_id = "studio_create", tag = "studios", request_body = StudioName,
    responses((status = 201, body = Studio)))]
pub async fn create(
    State(app): State<App>,
    person: SignedIn,
    Body(given): Body<StudioName>,
) -> Result<(StatusCode, Json<Studio>)> {
    let name = extract::name("name", &given.name)?;
    let mut tx = app.db.write().await?;
    if !users::may_create_studios(&mut tx, &person.user).await? {
        return Err(ApiError::new(ErrorKind::Forbidden, EVENTS_ONLY));
    }
    let id = new_studio(&mut tx, &person.user, &name).await?;
    let actor = format!("user:{}", person.user);
    audit_log::record(
        &mut tx,
        AuditEvent { studio: &id, actor: &actor, action: "studio_create", target: &id, detail: "" },
    )
    .await?;
    tx.commit().await?;
    one(&app, &id).await.map(|studio| (StatusCode::CREATED, Json(studio)))
}

async fn one(app: &App, id: &str) -> Result<Studio> {
    studios::find(&app.db, id).await.and_then(view)
}

/// Returns a studio.
#[utoipa::path(get, path = "/studios/{studio}",
    operation_id = "studio_show", tag = "studios", params(("studio" = String, Path)),
    responses((status = 200, body = Studio)))]
pub async fn show(State(app): State<App>, grant: Grant) -> Result<Json<Studio>> {
    one(&app, &grant.studio).await.map(Json)
}

/// Renames a studio, or sets the legal basis of its new events.
#[utoipa::path(patch, path = "/studios/{studio}",
    operation_id = "studio_update", tag = "studios", params(("studio" = String, Path)),
    request_body = StudioChange, responses((status = 200, body = Studio)))]
pub async fn change(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<StudioChange>,
) -> Result<Json<Studio>> {
    let mut tx = app.db.write().await?;
    let mut studio = studios::lock(&mut tx, &grant.studio).await?;
    if let Some(name) = given.name {
        studio.name = extract::name("name", &name)?;
        record_by(&mut tx, &grant, "studio_rename", &grant.studio, "").await?;
    }
    if let Some(basis) = given.legal_basis {
        let basis = basis.as_str().to_owned();
        let before = studio.legal_basis.replace(basis.clone());
        let changes = FieldChanges::default().option("legal_basis", before.as_ref(), Some(&basis));
        record_by(&mut tx, &grant, "studio_change", &grant.studio, &changes.detail()).await?;
    }
    studios::update(&mut tx, &studio).await?;
    tx.commit().await?;
    view(studio).map(Json)
}

/// Lists the erasure receipts of a studio, oldest first: of purged events and of erased guests.
#[utoipa::path(get, path = "/studios/{studio}/receipts", operation_id = "receipt_list", tag = "studios",
    params(("studio" = String, Path), Paging), responses((status = 200, body = Page<Receipt>)))]
pub async fn receipts(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Receipt>>> {
    let read = |row: &AnyRow| -> sqlx::Result<Receipt> {
        Ok(Receipt {
            id: row.try_get("id")?,
            event: row.try_get("event_id")?,
            created_unix_s: row.try_get("created_unix_s")?,
            receipt: row.try_get("receipt")?,
        })
    };
    let list = PageQuery {
        select: "SELECT id, event_id, receipt, created_unix_s FROM receipts WHERE studio_id = $1",
        values: &[BoundValue::Text(&grant.studio)],
        order: BY_CREATION,
    };
    app.db.page(&paging, list, read, |it| (it.created_unix_s, &it.id)).await.map(Json)
}
