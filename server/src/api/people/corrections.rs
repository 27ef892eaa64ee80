use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::{Collection, Error, FaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::Grant;
use crate::http::auth::audit::record_by;
use crate::http::extract::{self, Body};
use crate::infra::admission::spawn_held;
use crate::infra::db::photos;

/// Limits the faces of a merge request.
const MERGE_MAX: usize = 50;
/// Limits the faces of a split request.
const SPLIT_MAX: usize = 5000;

#[derive(Deserialize, ToSchema)]
pub struct MergeRequest {
    /// A face of each person to merge, 2 to 50. A low-quality face that belongs to no person joins the merged
    /// person.
    #[schema(min_items = 2, max_items = 50)]
    faces: Vec<String>,
    /// Allows the merge of people whom one photo shows together, as photos with mirrors and collages do.
    #[serde(default)]
    allow_same_photo: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct SplitRequest {
    /// Faces of one person, 1 to 5,000, but not all of the person's faces.
    #[schema(min_items = 1, max_items = 5000)]
    faces: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct HideRequest {
    /// A face of the person.
    face: String,
    /// Whether to hide the person from the list.
    hidden: bool,
}

/// Merges people into one person (must-link constraint, Wagstaff et al. 2001). The merge also holds for
/// photos added later, and retracts earlier splits between these people.
#[utoipa::path(post, path = "/events/{event}/people/merge", operation_id = "person_merge", tag = "people",
    params(("event" = String, Path)), request_body = MergeRequest,
    responses((status = 204, description = "The people are merged")))]
pub async fn merge(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<MergeRequest>,
) -> Result<StatusCode> {
    let faces = faces_of(&given.faces, 2, MERGE_MAX)?;
    let work = move |open: &Collection| open.merge_people(&faces, given.allow_same_photo);
    apply(app, grant, "people_merge", work).await
}

/// Splits faces off a person (cannot-link constraint): the given faces become one person, separate from the
/// other faces. The split holds until the studio merges the two people again.
#[utoipa::path(post, path = "/events/{event}/people/split", operation_id = "person_split", tag = "people",
    params(("event" = String, Path)), request_body = SplitRequest,
    responses((status = 204, description = "The faces are split off")))]
pub async fn split(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<SplitRequest>,
) -> Result<StatusCode> {
    let faces = faces_of(&given.faces, 1, SPLIT_MAX)?;
    apply(app, grant, "people_split", move |open| open.split_person(&faces)).await
}

/// Hides a person from the list, or lists the person again. Searches still find the person's photos.
#[utoipa::path(post, path = "/events/{event}/people/hide", operation_id = "person_hide", tag = "people",
    params(("event" = String, Path)), request_body = HideRequest,
    responses((status = 204, description = "The person is hidden or listed")))]
pub async fn hide(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<HideRequest>,
) -> Result<StatusCode> {
    let face = extract::face("face", &given.face)?;
    let action = if given.hidden { "people_hide" } else { "people_show" };
    apply(app, grant, action, move |open| open.hide_person(&face, given.hidden)).await
}

fn faces_of(given: &[String], least: usize, most: usize) -> Result<Vec<FaceId>> {
    if !(least..=most).contains(&given.len()) {
        let received = given.len();
        return Err(ApiError::invalid(format!(
            "faces: expected {least} to {most}, received {received}."
        )));
    }
    given.iter().map(|face| extract::face("faces", face)).collect()
}

/// Applies a correction, records it in the audit log, and notifies the guests' streams, because the guests'
/// photos may have changed. The correction is durable before the response. The audit entry names the event,
/// not the faces. Runs in a spawned task, so that a disconnected client does not leave a correction without
/// an audit entry.
async fn apply(
    app: App,
    grant: Grant,
    action: &'static str,
    work: impl FnOnce(&Collection) -> picpick_engine::Result<()> + Send + 'static,
) -> Result<StatusCode> {
    let event = grant.event()?.to_owned();
    let applied = spawn_held(async move {
        let name = event.clone();
        let outcome = app.face_engine.run(move |faces| {
            let open = faces.open_collection(&name)?;
            Ok(open.collection.hold_erasures(|| work(&open.collection)).flatten())
        });
        match outcome.await? {
            Err(Error::SharedPhoto { photo }) => {
                let known = photos::ids_by_content(&app.db, &event, &[photo.parse()?]).await?;
                let which = known
                    .values()
                    .next()
                    .map_or_else(|| "A photo".to_owned(), |id| format!("Photo {id}"));
                let detail = format!(
                    "{which} shows two of these people together. If they are one person, set \
                     allow_same_photo."
                );
                return Err(ApiError::new(ErrorKind::SharedPhoto, detail));
            }
            outcome => outcome?,
        }
        let mut tx = app.db.write().await?;
        record_by(&mut tx, &grant, action, &event, "").await?;
        tx.commit().await?;
        app.guest_updates.publish(&event, None);
        Ok::<_, ApiError>(StatusCode::NO_CONTENT)
    });
    applied.await.map_err(ApiError::internal)?
}
