//! What a studio says of an event's people, over HTTP.
//!
//! Each word is durable when it is answered, and noted without the faces that it is about. Decides nothing:
//! what can be said, the engine knows.

use std::sync::PoisonError;

use axum::extract::State;
use axum::http::StatusCode;
use picpick_engine::{Collection, Error, FaceId};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::access::Grant;
use crate::audit::note_by;
use crate::error::{Failure, Kind, Result};
use crate::input::{self, Body};
use crate::search::routes::names;
use crate::state::App;

/// People that are merged at once, and faces that are split off at once.
const MERGED_MAX: usize = 50;
const SPLIT_MAX: usize = 5000;

#[derive(Deserialize, ToSchema)]
pub struct Merging {
    /// A face of each person, 2 to 50. A face that is nobody's, being too poor, becomes theirs.
    #[schema(min_items = 2, max_items = 50)]
    faces: Vec<String>,
    /// They are one person although a photo shows two of them, as a mirror or a collage does.
    #[serde(default)]
    although_together: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct Splitting {
    /// Faces of one person, 1 to 5,000, but not all.
    #[schema(min_items = 1, max_items = 5000)]
    faces: Vec<String>,
}

#[derive(Deserialize, ToSchema)]
pub struct Hiding {
    /// A face of the person.
    face: String,
    /// Whether the person is left out of the list.
    hidden: bool,
}

/// Says that people are one person. It holds from now on, whatever photos come, and takes back what was said
/// to keep them apart.
#[utoipa::path(post, path = "/events/{event}/people/merge", tag = "people",
    params(("event" = String, Path)), request_body = Merging,
    responses((status = 204, description = "They are one person")))]
pub async fn merge(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<Merging>,
) -> Result<StatusCode> {
    let faces = faces_of(&given.faces, 2, MERGED_MAX)?;
    let work = move |open: &Collection| open.merge_people(&faces, given.although_together);
    say(app, grant, "people_merge", work).await
}

/// Says that faces of a person are somebody else's: one person, and nobody of the rest. It holds from now on,
/// until they are merged.
#[utoipa::path(post, path = "/events/{event}/people/split", tag = "people",
    params(("event" = String, Path)), request_body = Splitting,
    responses((status = 204, description = "They are somebody else")))]
pub async fn split(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<Splitting>,
) -> Result<StatusCode> {
    let faces = faces_of(&given.faces, 1, SPLIT_MAX)?;
    say(app, grant, "people_split", move |open| open.split_person(&faces)).await
}

/// Leaves a person out of the list, or lists them again. Their photos are found as before.
#[utoipa::path(post, path = "/events/{event}/people/hide", tag = "people",
    params(("event" = String, Path)), request_body = Hiding,
    responses((status = 204, description = "It is so")))]
pub async fn hide(
    State(app): State<App>,
    grant: Grant,
    Body(given): Body<Hiding>,
) -> Result<StatusCode> {
    let face = input::face("face", &given.face)?;
    let action = if given.hidden { "people_hide" } else { "people_show" };
    say(app, grant, action, move |open| open.hide_person(&face, given.hidden)).await
}

fn faces_of(given: &[String], least: usize, most: usize) -> Result<Vec<FaceId>> {
    if !(least..=most).contains(&given.len()) {
        let received = given.len();
        return Err(Failure::invalid(format!(
            "faces: expected {least} to {most}, received {received}."
        )));
    }
    given.iter().map(|face| input::face("faces", face)).collect()
}

/// Says it, notes that it was said, and tells guests that their photos may be others now. In a task of its own:
/// a client that hangs up does not leave a word without its note.
async fn say(
    app: App,
    grant: Grant,
    action: &'static str,
    work: impl FnOnce(&Collection) -> picpick_engine::Result<()> + Send + 'static,
) -> Result<StatusCode> {
    let event = grant.event()?.to_owned();
    let said = tokio::spawn(async move {
        let name = event.clone();
        let outcome = app.faces().run(move |faces| {
            let open = faces.event(&name)?;
            let _no_erasure = open.erasing.read().unwrap_or_else(PoisonError::into_inner);
            Ok(work(&open.collection))
        });
        match outcome.await? {
            Err(Error::TogetherInPhoto { photo }) => {
                let known = names(&app, &event, &[photo]).await?;
                let which = known.values().next().map_or("A photo", String::as_str);
                let detail = format!(
                    "Photo {which} shows two of these people together. Say although_together where they are one \
                     all the same."
                );
                return Err(Failure::new(Kind::TogetherInPhoto, detail));
            }
            outcome => outcome?,
        }
        let mut tx = app.db().write().await?;
        note_by(&mut tx, &grant, action, &event, "").await?;
        tx.commit().await?;
        app.news().tell(&event, None);
        Ok::<_, Failure>(StatusCode::NO_CONTENT)
    });
    said.await.map_err(Failure::internal)?
}
