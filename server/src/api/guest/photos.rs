//! A guest's photos, the candidate faces that the guest can confirm or reject, and the guest's claims.
//!
//! The engine decides which photos show the guest, by the same rule for lists and for single photos. Photos of
//! other people, hidden photos and missing photos all give `NotFound`. Embeddings and scores are never sent.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::guests::Claim;
use picpick_engine::{DecodeLimits, FaceId, GuestId, PhotoId, Picture, Region};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::{IntoParams, ToSchema};

use super::group::others;
use crate::api::photo::{VisitorPhoto, find_visible};
use crate::api::photo_policy::{self, Download, PhotoPermissions};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::GuestSession;
use crate::http::extract::{self, BinarySchema, Body, Path, Query};
use crate::infra::db::{Page, Paging, photos};
use crate::infra::imaging::derivatives::render;
use crate::infra::photo_store::Rendition as BlobKind;

/// Side length of a face crop, pixels.
const FACE_PX: u32 = 240;
/// JPEG quality of a face crop, 1 to 100.
const FACE_QUALITY: i32 = 82;
/// Margin of a face crop on each side, as a fraction of the face's longer side.
const FACE_AROUND: f32 = 0.35;

/// A photo that shows the guest.
#[derive(Clone, Serialize, ToSchema)]
pub struct GuestPhoto {
    pub id: String,
    /// The ID of the guest's face in the photo. A guest can reject the face by `PUT /guest/faces/{face}`.
    pub face: String,
    /// Width of the stored file in pixels, before the EXIF orientation is applied.
    pub width: i64,
    /// Height of the stored file in pixels, before the EXIF orientation is applied.
    pub height: i64,
    pub created_unix_s: i64,
    /// The version that the guest may download.
    pub download: Download,
}

/// A guest's photos and candidate faces.
#[derive(Default)]
pub struct GuestPhotoList {
    /// Oldest upload first.
    pub photos: Vec<GuestPhoto>,
    /// The engine's IDs of `photos`, in the same order.
    pub contents: Vec<PhotoId>,
    /// Candidate faces, which the guest can confirm or reject, with the IDs of their photos.
    pub asked: Vec<(FaceId, String)>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GroupMember {
    /// Selects only photos that show all members of the guest's group.
    #[serde(default)]
    pub together: bool,
}

#[derive(Serialize, ToSchema)]
pub struct CandidateFaces {
    /// IDs of faces that may be the guest's, most similar first. The guest confirms or rejects each face.
    pub faces: Vec<String>,
}

/// A guest's claim about a face.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaceClaim {
    /// The face is the guest's.
    Confirm,
    /// The face is not the guest's.
    Reject,
    /// Removes an earlier claim.
    Clear,
}

#[derive(Deserialize, ToSchema)]
pub struct ClaimRequest {
    claim: FaceClaim,
}

/// Returns the photos of `event` that show `guest` and all of `others`, and the guest's candidate faces.
pub async fn found(
    app: &App,
    event: &str,
    guest: &str,
    others: &[String],
) -> Result<GuestPhotoList> {
    let id: GuestId = guest.parse()?;
    let others = others.iter().map(|other| other.parse());
    let others: Vec<GuestId> = others.collect::<picpick_engine::Result<_>>()?;
    let name = event.to_owned();
    let matched = app.face_engine.run(move |faces| {
        let collection = &faces.open_collection(&name)?.collection;
        let mut photos = collection.photos_of_guest(&id)?;
        for other in &others {
            let mut all = Vec::with_capacity(photos.matches.len());
            for found in photos.matches {
                // `guest_sees` fails for a member who was erased after the group was read. Such a member is
                // in no photo.
                if collection.guest_sees(other, &found.photo).unwrap_or(false) {
                    all.push(found);
                }
            }
            photos.matches = all;
        }
        Ok(photos)
    });
    let matched = matched.await?;
    let ids = matched.matches.iter().chain(&matched.candidates).map(|found| found.photo).collect();
    let visible = visible(app, event, ids).await?;
    let mut theirs: Vec<(GuestPhoto, PhotoId)> = matched
        .matches
        .iter()
        .filter_map(|found| {
            let photo = visible.get(&found.photo)?;
            Some((GuestPhoto { face: found.face.to_string(), ..photo.clone() }, found.photo))
        })
        .collect();
    theirs.sort_by(|(a, _), (b, _)| (a.created_unix_s, &a.id).cmp(&(b.created_unix_s, &b.id)));
    let asked = matched.candidates.iter();
    let asked = asked.filter_map(|found| Some((found.face, visible.get(&found.photo)?.id.clone())));
    let asked = asked.collect();
    let (photos, contents) = theirs.into_iter().unzip();
    Ok(GuestPhotoList { photos, contents, asked })
}

/// Returns the photos of `photos` that visitors may see, by the engine's IDs.
async fn visible(
    app: &App,
    event: &str,
    photos: Vec<PhotoId>,
) -> Result<HashMap<PhotoId, GuestPhoto>> {
    let select = format!(
        "SELECT p.id, p.content_id, p.width, p.height, p.created_unix_s, {} FROM {} \
         WHERE p.event_id = $1 AND {}",
        photo_policy::COLUMNS,
        photo_policy::TABLES,
        photo_policy::visible()
    );
    let read = |row: &AnyRow| -> Result<(PhotoId, GuestPhoto)> {
        let photo = GuestPhoto {
            id: row.try_get("id")?,
            face: String::new(),
            width: row.try_get("width")?,
            height: row.try_get("height")?,
            created_unix_s: row.try_get("created_unix_s")?,
            download: PhotoPermissions::of_row(row)?.download,
        };
        Ok((row.try_get::<String, _>("content_id")?.parse()?, photo))
    };
    photos::rows_by_content(&app.db, event, &photos, &select).await?.iter().map(read).collect()
}

/// Lists the guest's photos, oldest upload first. No later e-mail announces the photos of the list, whichever
/// page of the list was requested.
#[utoipa::path(get, path = "/guest/photos", operation_id = "guest_photo_list", tag = "guest", params(GroupMember, Paging),
    responses((status = 200, body = Page<GuestPhoto>)))]
pub async fn list(
    State(app): State<App>,
    visit: GuestSession,
    Query(wish): Query<GroupMember>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<GuestPhoto>>> {
    let (limit, after) = (paging.limit()?, paging.after()?);
    let others = if wish.together { others(&app, &visit.guest).await? } else { Vec::new() };
    let found = found(&app, &visit.event, &visit.guest, &others).await?;
    mark_seen(&app, &visit, found.contents).await?;
    let later = |photo: &GuestPhoto| {
        (photo.created_unix_s, photo.id.as_str()) > (after.unix_s, after.id.as_str())
    };
    let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let items = found.photos.into_iter().filter(later).take(most).collect();
    Ok(Json(Page::of(items, limit, |photo: &GuestPhoto| (photo.created_unix_s, &photo.id))))
}

/// Records that a guest has seen `photos`, so that no e-mail announces them.
async fn mark_seen(app: &App, visit: &GuestSession, photos: Vec<PhotoId>) -> Result<()> {
    let (event, id): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let marked = app.face_engine.run(move |faces| {
        Ok(faces.open_collection(&event)?.collection.mark_notified(&id, &photos)?)
    });
    marked.await.map(drop)
}

/// Returns a photo that shows the guest and that visitors may see.
///
/// # Errors
/// - `NotFound` for every other photo.
pub async fn own(app: &App, visit: &GuestSession, photo: &str) -> Result<VisitorPhoto> {
    // A missing photo is looked up by an ID that the engine does not know, so that missing photos and photos of
    // other people take the same path.
    let content = photos::content_of(&app.db, &visit.event, photo).await?;
    let content = content.unwrap_or(PhotoId([0; 16]));
    let (event, id): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let sees = app.face_engine.run(move |faces| {
        Ok(faces.open_collection(&event)?.collection.guest_sees(&id, &content)?)
    });
    if sees.await? {
        find_visible(app, &visit.event, photo).await
    } else {
        Err(ApiError::not_found())
    }
}

/// Returns a photo for an archive; `None` if the guest may no longer see the photo. Checks the
/// guest's access again for each photo, because the access may end while an archive is sent.
///
/// # Errors
/// - `Unauthenticated` if the session has ended.
pub async fn find_still_shown(
    app: &App,
    visit: &GuestSession,
    photo: &str,
) -> Result<Option<VisitorPhoto>> {
    visit.check_open(&app.db).await?;
    match own(app, visit, photo).await {
        Ok(shown) => Ok(Some(shown)),
        Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Returns the thumbnail, a JPEG whose longer side has at most 480 pixels.
#[utoipa::path(get, path = "/guest/photos/{photo}/thumb", operation_id = "guest_photo_thumb_download", tag = "guest",
    params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn thumb(
    State(app): State<App>,
    visit: GuestSession,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    own(&app, &visit, &photo).await?.thumb(&app, &headers).await
}

/// Returns the screen version, a JPEG whose longer side has at most 2,048 pixels, with the event's watermark.
#[utoipa::path(get, path = "/guest/photos/{photo}/web", operation_id = "guest_photo_web_download", tag = "guest",
    params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg"), (status = 304)))]
pub async fn web(
    State(app): State<App>,
    visit: GuestSession,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    own(&app, &visit, &photo).await?.web(&app, &headers).await
}

/// Downloads the original file or the screen version, depending on the event and the folder. Responds with
/// `forbidden` if downloads are off.
#[utoipa::path(get, path = "/guest/photos/{photo}/download", operation_id = "guest_photo_download", tag = "guest",
    params(("photo" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/*"), (status = 206, body = BinarySchema, content_type = "image/*"), (status = 304)))]
pub async fn download(
    State(app): State<App>,
    visit: GuestSession,
    Path(photo): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    own(&app, &visit, &photo).await?.download(&app, &headers).await
}

/// Lists the candidate faces: faces that may be the guest's and that the guest can confirm or reject.
#[utoipa::path(get, path = "/guest/faces", operation_id = "guest_face_list", tag = "guest",
    responses((status = 200, body = CandidateFaces)))]
pub async fn faces(State(app): State<App>, visit: GuestSession) -> Result<Json<CandidateFaces>> {
    let found = found(&app, &visit.event, &visit.guest, &[]).await?;
    let faces = found.asked.iter().map(|(face, _)| face.to_string()).collect();
    Ok(Json(CandidateFaces { faces }))
}

/// Returns a JPEG crop of a candidate face, without the rest of the photo.
#[utoipa::path(get, path = "/guest/faces/{face}",
    operation_id = "guest_face_download", tag = "guest", params(("face" = String, Path)),
    responses((status = 200, body = BinarySchema, content_type = "image/jpeg")))]
pub async fn face(
    State(app): State<App>,
    visit: GuestSession,
    Path(face): Path<String>,
) -> Result<Response> {
    let face = extract::face_of_address(&face)?;
    let asked = found(&app, &visit.event, &visit.guest, &[]).await?.asked;
    let photo = asked.into_iter().find(|(asked, _)| *asked == face).map(|(_, photo)| photo);
    let photo = photo.ok_or_else(ApiError::not_found)?;
    let event = visit.event.clone();
    let jpeg = crop_face(&app, event, photo, face).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ];
    Ok((headers, jpeg).into_response())
}

/// Returns a face of a photo as a square JPEG crop.
///
/// # Errors
/// - `NotFound` if the face or the photo does not exist.
pub async fn crop_face(app: &App, event: String, photo: String, face: FaceId) -> Result<Vec<u8>> {
    let _permit = app.photo_memory.enter().await?;
    let blobs = app.photo_store.clone();
    let cut = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&event)?;
        let (known, width) = open.collection.read_gallery(|gallery| {
            let known = gallery.face(&face).copied().ok_or_else(ApiError::not_found)?;
            let width = gallery.photo(&known.photo).map_or(1, |photo| photo.width).max(1);
            Ok::<_, ApiError>((known, width))
        })?;
        let sealer = faces.sealer(&event)?;
        let limits = DecodeLimits::default();
        let read = |bytes: Vec<u8>| Ok::<_, ApiError>(Picture::decode(&bytes, &limits)?);
        // The screen version is preferred, because its decoding takes about a tenth of the original's time.
        let picture = match blobs.get(&sealer, &event, &photo, BlobKind::Web)? {
            Some(web) => read(web)?,
            None => {
                let bytes = blobs.get(&sealer, &event, &photo, BlobKind::Original)?;
                let picture = read(bytes.ok_or_else(ApiError::not_found)?)?;
                let web = render(BlobKind::Web, &picture)?;
                blobs.put_derivative(&sealer, &event, &photo, BlobKind::Web, &web)?;
                picture
            }
        };
        let scale = picture.width() as f32 / width as f32;
        let [x, y, wide, high] = known.bbox.map(|side| side as f32 * scale);
        let side = wide.max(high) * (1.0 + 2.0 * FACE_AROUND);
        let (middle_x, middle_y) = (x + wide / 2.0, y + high / 2.0);
        let region = Region {
            x: middle_x - side / 2.0,
            y: middle_y - side / 2.0,
            width: side,
            height: side,
        };
        let cut = picture.cut(region, FACE_PX, FACE_PX, (FACE_PX, FACE_PX))?;
        Ok(cut.to_jpeg(FACE_PX, FACE_QUALITY)?)
    });
    cut.await
}

/// Records the guest's claim about a face of their photos or of the candidate faces. The claim is stored
/// until the guest removes it. Responds with `not_found` for any other face.
#[utoipa::path(put, path = "/guest/faces/{face}",
    operation_id = "guest_face_claim", tag = "guest", params(("face" = String, Path)),
    request_body = ClaimRequest, responses((status = 204)))]
pub async fn claim(
    State(app): State<App>,
    visit: GuestSession,
    Path(face): Path<String>,
    Body(given): Body<ClaimRequest>,
) -> Result<StatusCode> {
    let face = extract::face_of_address(&face)?;
    let claim = match given.claim {
        FaceClaim::Confirm => Claim::Confirm,
        FaceClaim::Reject => Claim::Reject,
        FaceClaim::Clear => Claim::Clear,
    };
    let (event, id): (_, GuestId) = (visit.event.clone(), visit.guest.parse()?);
    let claimed = app.face_engine.run(move |faces| {
        Ok(faces.open_collection(&event)?.collection.claim(&id, &face, claim)?)
    });
    claimed.await?;
    app.guest_updates.publish(&visit.event, Some(&visit.guest));
    Ok(StatusCode::NO_CONTENT)
}
