use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use picpick_engine::{FaceId, Gallery, Person, PhotoId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::auth::Grant;
use crate::http::extract::{Path, Query};
use crate::infra::db::photos;

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PeopleQuery {
    /// If true, also lists hidden people, after all others.
    pub hidden: Option<bool>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PersonQuery {
    /// Maximum number of faces to return, 1 to 5,000.
    #[param(minimum = 1, maximum = 5000, default = 1000)]
    pub limit: Option<u32>,
}

/// A person: a cluster of faces. A person has no name and no id; any of their faces identifies them.
#[derive(Serialize, ToSchema)]
pub struct PersonFound {
    /// Faces of this person.
    pub faces: usize,
    /// Photos that show this person.
    pub photos: usize,
    /// The person's face with the highest quality. A search by this face finds the person's photos.
    pub face: String,
    /// The photo that shows this face.
    pub photo: String,
    /// Left, top, width and height of this face, in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
    /// Whether the studio has hidden this person.
    pub hidden: bool,
}

#[derive(Serialize, ToSchema)]
pub struct EventPeople {
    /// The people, sorted by number of faces, greatest first. Includes hidden people only if the query sets
    /// `hidden`.
    pub people: Vec<PersonFound>,
    /// Number of hidden people.
    pub hidden: usize,
    /// Number of faces in the event.
    pub faces: usize,
    /// Number of low-quality faces (quality below 0.25): too small, blurred or turned away.
    pub low_quality_faces: usize,
}

#[derive(Serialize, ToSchema)]
pub struct PersonFaces {
    /// The faces, the least similar to the person first, because these are most likely mistakes.
    pub items: Vec<PersonFace>,
    /// Number of the person's faces, including the faces beyond `limit`.
    pub faces: usize,
    /// Photos that show this person.
    pub photos: usize,
    /// Whether the studio has hidden this person.
    pub hidden: bool,
}

#[derive(Serialize, ToSchema)]
pub struct PersonFace {
    pub face: String,
    pub photo: String,
    /// Left, top, width and height in pixels of the upright photo.
    #[schema(min_items = 4, max_items = 4)]
    pub bbox: Vec<i32>,
    /// Quality of the face, 0 to 1; low below 0.25.
    pub quality: f32,
    /// Cosine similarity to the mean of the person's good faces, -1 to 1.
    pub similarity: f32,
}

struct PersonSummary {
    faces: usize,
    photos: usize,
    face: FaceId,
    photo: PhotoId,
    bbox: [i32; 4],
    hidden: bool,
}

fn seen(gallery: &Gallery, person: &Person) -> Option<PersonSummary> {
    let known = person.faces.iter().filter_map(|id| Some((*id, *gallery.face(id)?)));
    let photos: HashSet<PhotoId> = known.clone().map(|(_, face)| face.photo).collect();
    let (face, best) = known.max_by(|a, b| a.1.quality.total_cmp(&b.1.quality))?;
    let (faces, photos, hidden) = (person.faces.len(), photos.len(), person.hidden);
    Some(PersonSummary { faces, photos, face, photo: best.photo, bbox: best.bbox, hidden })
}

/// Lists the people of an event, as clustered by their faces and corrected by the studio.
#[utoipa::path(get, path = "/events/{event}/people", operation_id = "person_list", tag = "people",
    params(("event" = String, Path), PeopleQuery), responses((status = 200, body = EventPeople)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    Query(which): Query<PeopleQuery>,
) -> Result<Json<EventPeople>> {
    let event = grant.event()?.to_owned();
    let name = event.clone();
    let also_hidden = which.hidden.unwrap_or_default();
    let (seen, hidden, faces, poor_faces) = app
        .face_engine
        .run(move |faces| {
            let open = faces.open_collection(&name)?;
            open.collection.read_gallery(|gallery| {
                let all = gallery.people();
                let (left_out, listed): (Vec<&Person>, Vec<&Person>) =
                    all.into_iter().partition(|person| person.hidden);
                let hidden = left_out.len();
                let chosen = listed.into_iter().chain(left_out.into_iter().filter(|_| also_hidden));
                let people: Vec<PersonSummary> =
                    chosen.filter_map(|person| seen(gallery, person)).collect();
                let photos = gallery.photos();
                let ids = photos.iter().flat_map(|(_, photo)| &photo.faces);
                let poor = ids
                    .filter_map(|id| gallery.face(id))
                    .filter(|face| face.quality < picpick_engine::Quality::LOW)
                    .count();
                Ok((people, hidden, gallery.face_count(), poor))
            })
        })
        .await?;
    let photos: Vec<PhotoId> = seen.iter().map(|person| person.photo).collect();
    let names = photos::ids_by_content(&app.db, &event, &photos).await?;
    let view = |person: PersonSummary| {
        Some(PersonFound {
            faces: person.faces,
            photos: person.photos,
            face: person.face.to_string(),
            photo: names.get(&person.photo.to_string())?.clone(),
            bbox: person.bbox.to_vec(),
            hidden: person.hidden,
        })
    };
    let people = seen.into_iter().filter_map(view).collect();
    Ok(Json(EventPeople { people, hidden, faces, low_quality_faces: poor_faces }))
}

/// Lists the faces of the person to whom a face belongs.
#[utoipa::path(get, path = "/events/{event}/people/{face}", operation_id = "person_show", tag = "people",
    params(("event" = String, Path), ("face" = String, Path), PersonQuery),
    responses((status = 200, body = PersonFaces)))]
pub async fn show(
    State(app): State<App>,
    grant: Grant,
    Path((_event, face)): Path<(String, String)>,
    Query(few): Query<PersonQuery>,
) -> Result<Json<PersonFaces>> {
    let limit = match few.limit.unwrap_or(1000) {
        limit @ 1..=5000 => limit as usize,
        limit => {
            return Err(ApiError::invalid(format!(
                "limit: expected 1 to 5,000, received {limit}."
            )));
        }
    };
    // A malformed face id is part of the path, so the response is `not_found`, not `invalid`.
    let face: FaceId = face.parse().map_err(|_| ApiError::not_found())?;
    let event = grant.event()?.to_owned();
    let name = event.clone();
    let person = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.person(&face)?))
        .await?;
    let faces = person.faces.len();
    let photos: HashSet<PhotoId> = person.faces.iter().map(|of| of.photo).collect();
    let photos: Vec<PhotoId> = photos.into_iter().collect();
    let names = photos::ids_by_content(&app.db, &event, &photos).await?;
    let view = |of: picpick_engine::FaceOfPerson| {
        Some(PersonFace {
            face: of.face.to_string(),
            photo: names.get(&of.photo.to_string())?.clone(),
            bbox: of.bbox.to_vec(),
            quality: of.quality,
            similarity: of.similarity,
        })
    };
    let items = person.faces.into_iter().filter_map(view).take(limit).collect();
    Ok(Json(PersonFaces { items, faces, photos: photos.len(), hidden: person.hidden }))
}
