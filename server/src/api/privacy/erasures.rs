//! The studio's side: erases the faces of a person in its photos, lists erasures, and undoes those that wait.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::receipts::Requester;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::removal::answer;
use crate::api::erasure::requests::ErasureRequest;
use crate::api::erasure::{letters, machine};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body, Path, Query};
use crate::infra::db::erasures::{self, ErasureKind, ErasureRecord, ErasureState};
use crate::infra::db::privacy_requests;
use crate::infra::db::{Page, Paging};
use crate::infra::ids::is_id;
use crate::infra::mail::RemovalAnswer;

/// The erasure of a guest or of a person's faces.
#[derive(Serialize, ToSchema)]
pub struct Erasure {
    pub id: String,
    /// `guest` or `person`.
    pub kind: String,
    /// Who requested it: `guest`, `person` (in a photo, through the studio), `studio` or `retention`.
    pub requested_by: String,
    /// `requested`, `hidden` (waits, and can be undone), `due`, `erased`, `lifting` or `undone`.
    pub state: String,
    /// Photos with hidden or erased faces.
    pub photos: i64,
    pub faces: i64,
    /// Whether the person's template stays in the event, to keep their faces in later photos out.
    pub opt_out: bool,
    pub requested_unix_s: i64,
    /// The time after which the hidden faces are erased.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_unix_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_unix_s: Option<i64>,
}

#[derive(Deserialize, ToSchema)]
pub struct NewErasure {
    /// The ID of a face in one of the event's photos. All faces of its person are erased.
    pub face: String,
    /// Whether the person's template stays in the event, sealed, to keep their faces in later photos out. It is
    /// used for nothing else and ends with the event.
    #[serde(default)]
    pub opt_out: bool,
    /// The request of a person in the photos that this erasure answers. The request is closed.
    pub privacy_request: Option<String>,
}

/// A completed erasure of a person's faces.
#[derive(Serialize, ToSchema)]
pub struct PersonErased {
    pub erasure: Erasure,
    /// The signed receipt as text.
    pub receipt: String,
}

pub fn view(erasure: ErasureRecord) -> Erasure {
    Erasure {
        id: erasure.id,
        kind: erasure.kind.as_str().to_owned(),
        requested_by: erasure.requester.as_str().to_owned(),
        state: erasure.state.as_str().to_owned(),
        photos: erasure.photos,
        faces: erasure.faces,
        opt_out: erasure.opt_out,
        requested_unix_s: erasure.requested_unix_s,
        due_unix_s: erasure.due_unix_s.filter(|_| erasure.hides_faces),
        closed_unix_s: erasure.closed_unix_s,
    }
}

/// Lists the erasures of an event's guests and of faces in its photos, oldest first.
#[utoipa::path(get, path = "/events/{event}/erasures", operation_id = "erasure_list", tag = "privacy",
    params(("event" = String, Path), Paging), responses((status = 200, body = Page<Erasure>)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Erasure>>> {
    let page = erasures::page(&app.db, grant.event()?, &paging).await?;
    page.try_map(|erasure| Ok(view(erasure))).map(Json)
}

/// Erases all faces of a person in the event's photos, permanently and at once. The photos stay.
#[utoipa::path(post, path = "/events/{event}/erasures", operation_id = "erasure_create", tag = "privacy",
    params(("event" = String, Path)), request_body = NewErasure,
    responses((status = 200, body = PersonErased)))]
pub async fn create(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<NewErasure>,
) -> Result<Json<PersonErased>> {
    let (event, face) = (grant.event()?.to_owned(), extract::face("face", &given.face)?);
    let mut tx = app.db.write().await?;
    if let Some(request) = &given.privacy_request {
        if !is_id(request) {
            return Err(ApiError::not_found());
        }
        privacy_requests::find_open(&mut tx, &event, request).await?;
    }
    drop(tx);
    let name = event.clone();
    app.face_engine
        .run(move |faces| {
            let open = faces.open_collection(&name)?;
            let known = open.collection.read_gallery(|gallery| gallery.face(&face).is_some());
            if known { Ok(()) } else { Err(ApiError::not_found()) }
        })
        .await?;
    let actor = grant.caller.name();
    let requester =
        if given.privacy_request.is_some() { Requester::Person } else { Requester::Studio };
    let request = ErasureRequest { studio: &grant.studio, event: &event, requester, actor: &actor };
    let mut tx = app.db.write().await?;
    let erasure = request.person(&mut tx, &face.to_string(), given.opt_out).await?;
    if let Some(request) = &given.privacy_request {
        let (at, by) = ((event.as_str(), request.as_str()), Some(erasure.as_str()));
        answer(&app, &mut tx, at, RemovalAnswer::Erased, by).await?;
    }
    let detail = if given.opt_out { "with opt-out" } else { "" };
    record_by(&mut tx, &grant, "faces_erase", &erasure, detail).await?;
    tx.commit().await?;
    app.mailer.wake();
    let done = machine::run(&app, &erasure).await?;
    Ok(Json(PersonErased { erasure: view(done.erasure), receipt: done.receipt }))
}

/// Undoes an erasure that waits: its hidden faces are shown again. A guest with a proved contact is told.
#[utoipa::path(delete, path = "/events/{event}/erasures/{erasure}",
    operation_id = "erasure_undo", tag = "privacy",
    params(("event" = String, Path), ("erasure" = String, Path)), responses((status = 204)))]
pub async fn undo(
    State(app): State<App>,
    grant: Grant,
    Path((_, erasure)): Path<(String, String)>,
) -> Result<StatusCode> {
    if !is_id(&erasure) {
        return Err(ApiError::not_found());
    }
    let mut tx = app.db.write().await?;
    let found = erasures::of_event(&mut tx, grant.event()?, &erasure).await?;
    let undoable = matches!(found.kind, ErasureKind::Guest | ErasureKind::Person);
    let lifts = undoable
        && erasures::advance(&mut tx, &erasure, ErasureState::Hidden, ErasureState::Lifting)
            .await?;
    if !lifts {
        let detail =
            "The erasure does not wait any more: its faces are erased, or are shown again already.";
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    letters::announce_undone(&app, &mut tx, &found).await?;
    record_by(&mut tx, &grant, "erasure_undo", &erasure, "").await?;
    tx.commit().await?;
    app.mailer.wake();
    machine::run(&app, &erasure).await?;
    Ok(StatusCode::NO_CONTENT)
}
