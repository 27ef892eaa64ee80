//! Album pages at `/a/TOKEN`: entry, gallery and single photo, rendered by the server. They need no script.
//!
//! The pages call the same functions as the API. A submitted form redirects to a page. Before a visitor has
//! entered the album, a page shows only the names of the album and the studio.

pub mod context;
pub mod entry;
pub mod gallery;
pub mod layout;
pub mod photo;

use axum::Router;
use axum::extract::Form;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::api::album::annotations::{self, NewComment};
use crate::api::album::download_quota;
use crate::api::album::photos::{self, PhotoFilter};
use crate::api::album::pin::PinEntry;
use crate::api::album::visits;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{ALBUM_COOKIE, AlbumSession, LocalData, Rule, end_session_headers};
use crate::http::extract::{Path, Query};
use crate::http::middleware::throttle;
use crate::infra::ids::is_id;
use crate::infra::rate_limit::WorkSolution;
use context::PageContext;

/// Limits the photos on a gallery page, 48 photos. A larger page has fewer links to follow, but loads more
/// slowly.
const PER_PAGE: i64 = 48;

/// Returns the routes of the album pages, with the API's rate limits.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/a/{token}", get(show).post(open))
        .route("/a/{token}/annotate", post(annotate))
        .route("/a/{token}/leave", post(leave))
        .route("/a/{token}/photos/{photo}", get(show_photo).post(change_photo))
        .layer(from_fn_with_state((app.clone(), Rule::Open), throttle))
}

/// The query parameters of a page.
#[derive(Debug, Deserialize)]
struct PageQuery {
    folder: Option<String>,
    picked: Option<String>,
    page: Option<String>,
}

impl PageQuery {
    fn choice(&self, visit: &AlbumSession) -> PhotoFilter {
        let picked = self.picked.is_some() && visit.visitor.is_some();
        let folder = self.folder.clone().filter(|folder| is_id(folder)).unwrap_or_default();
        PhotoFilter { folder, picked }
    }

    /// Returns the page number, 1 to 1,000,000; 1 if the parameter is missing or not a number.
    fn page(&self) -> i64 {
        let page = self.page.as_deref().and_then(|page| page.parse().ok());
        page.unwrap_or(1).clamp(1, 1_000_000)
    }
}

#[derive(Deserialize)]
struct PinForm {
    #[serde(default)]
    pin: Zeroizing<String>,
    /// The name of a visitor who enters the second PIN.
    #[serde(default)]
    name: String,
    /// The challenge that the page's script has solved; empty if there was none.
    #[serde(default)]
    challenge: String,
    #[serde(default)]
    nonce: String,
}

impl PinForm {
    fn entry(self) -> PinEntry {
        let PinForm { pin, challenge, nonce, .. } = self;
        PinEntry { pin, work: nonce.parse().ok().map(|nonce| WorkSolution { challenge, nonce }) }
    }
}

/// A form on a photo's page. `do` names the action.
#[derive(Deserialize)]
struct PhotoForm {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    text: String,
    /// The centre of the chosen field, `X,Y`, each from 0 to 1; empty for the whole photo.
    #[serde(default)]
    spot: String,
    /// The point that the visitor clicked, `X,Y`, each from 0 to 1; empty without a click. Replaces `spot`.
    #[serde(default)]
    exact: String,
}

async fn show(here: PageContext, Query(query): Query<PageQuery>) -> Response {
    let Some(visit) = &here.visit else { return show_entry(&here, None).await };
    let shown = async {
        let (app, choice) = (&here.app, query.choice(visit));
        let about = photos::settings(app, visit).await?;
        let count = photos::count(app, visit, &choice).await?;
        let pages = ((count + PER_PAGE - 1) / PER_PAGE).max(1);
        let page = query.page().min(pages);
        let challenge = match (about.annotates, &about.visitor) {
            (true, None) => visits::annotate_challenge(app, visit, &here.client).await?,
            _ => None,
        };
        Ok::<_, ApiError>(gallery::GalleryPage {
            challenge,
            cover: photos::cover(app, visit, &about).await?,
            folders: photos::folders(app, visit).await?,
            all: photos::count(app, visit, &PhotoFilter::default()).await?,
            photos: photos::part(app, visit, &choice, (page - 1) * PER_PAGE, PER_PAGE).await?,
            first: (page - 1) * PER_PAGE + 1,
            about,
            choice,
            page,
            pages,
        })
    };
    match shown.await {
        Ok(shown) => here.page(StatusCode::OK, &gallery::page(&here, &shown)),
        Err(failure) => here.fail(failure),
    }
}

/// Responds with the entry page, which explains `refused`. Begins a visit if the browser has none.
async fn show_entry(here: &PageContext, refused: Option<&ApiError>) -> Response {
    let form = match visits::view_form(&here.app, &here.link, &here.client).await {
        Ok(form) => form,
        Err(failure) => return here.fail(failure),
    };
    let page = entry::page(here, refused, form.challenge.as_ref());
    let response = match refused {
        Some(failure) => here.refuse(failure, &page),
        None => here.page(StatusCode::OK, &page),
    };
    let cookie = form.visit_cookie.map(|cookie| (header::SET_COOKIE, cookie));
    (AppendHeaders(cookie), response).into_response()
}

async fn open(here: PageContext, Form(given): Form<PinForm>) -> Response {
    match visits::enter(&here.app, &here.link, &here.client, given.entry()).await {
        Ok(new) => {
            let cookies = new.cookies(here.client.encrypted);
            (cookies, Redirect::to(&here.path(""))).into_response()
        }
        Err(failure)
            if matches!(
                failure.kind,
                ErrorKind::WrongCredentials
                    | ErrorKind::TooManyRequests
                    | ErrorKind::ProofOfWorkRequired
            ) =>
        {
            show_entry(&here, Some(&failure)).await
        }
        // The link or the PIN changed during the check.
        Err(failure) if failure.kind == ErrorKind::Gone => here.to_door(),
        Err(failure) => here.fail(failure),
    }
}

async fn leave(here: PageContext) -> Response {
    let Some(visit) = &here.visit else { return here.to_door() };
    match visits::leave(&here.app, visit).await {
        Ok(()) => {
            let ended = end_session_headers(ALBUM_COOKIE, here.client.encrypted, LocalData::Cache);
            (ended, Redirect::to(&here.path(""))).into_response()
        }
        Err(failure) => here.fail(failure),
    }
}

async fn annotate(here: PageContext, Form(given): Form<PinForm>) -> Response {
    let Some(visit) = &here.visit else { return here.to_door() };
    let name = given.name.clone();
    match visits::annotate(&here.app, visit, &here.client, given.entry(), &name).await {
        Ok(new) => {
            let cookies = new.cookies(here.client.encrypted);
            (cookies, Redirect::to(&here.path("#annotate"))).into_response()
        }
        Err(failure) => here.fail(failure),
    }
}

async fn show_photo(
    here: PageContext,
    Path((_, photo)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
) -> Response {
    let Some(visit) = &here.visit else { return here.to_door() };
    let shown = async {
        let (app, choice) = (&here.app, query.choice(visit));
        let photo = photos::one(app, visit, &photo).await?;
        let about = photos::settings(app, visit).await?;
        let before = photos::before(app, visit, &choice, &photo).await?;
        let around = photos::part(app, visit, &choice, (before - 1).max(0), 3).await?;
        let place = around.iter().position(|other| other.id == photo.id);
        let neighbour =
            |at: Option<usize>| at.and_then(|at| around.get(at)).map(|it| it.id.clone());
        let comments = match &visit.visitor {
            Some(_) => annotations::comments(app, visit, &photo.id).await?,
            None => Vec::new(),
        };
        Ok::<_, ApiError>(photo::PhotoPage {
            previous: neighbour(place.and_then(|at| at.checked_sub(1))),
            next: neighbour(place.map(|at| at + 1)),
            number: before + 1,
            of: photos::count(app, visit, &choice).await?,
            page: before / PER_PAGE + 1,
            downloads_left: download_quota::downloads_left(app, visit, here.client.from, &about)
                .await?,
            photo,
            about,
            choice,
            comments,
        })
    };
    match shown.await {
        Ok(shown) => here.page(StatusCode::OK, &photo::page(&here, &shown)),
        Err(failure) => here.fail(failure),
    }
}

async fn change_photo(
    here: PageContext,
    Path((_, photo)): Path<(String, String)>,
    Query(query): Query<PageQuery>,
    Form(deed): Form<PhotoForm>,
) -> Response {
    let Some(visit) = &here.visit else { return here.to_door() };
    match apply(&here.app, visit, &photo, &deed).await {
        Ok(anchor) => {
            let query = layout::query(&query.choice(visit), None);
            Redirect::to(&here.path(&format!("/photos/{photo}{query}{anchor}"))).into_response()
        }
        Err(failure) => here.fail(failure),
    }
}

/// Executes a form's action. Returns the anchor of the page's section that the redirect leads to.
async fn apply(
    app: &App,
    visit: &AlbumSession,
    photo: &str,
    deed: &PhotoForm,
) -> Result<&'static str> {
    visit.visitor()?;
    match deed.what.as_str() {
        "pick" | "unimportant" => {
            annotations::pick(app, visit, photo, false).await.map(|()| "#picks")
        }
        "important" => annotations::pick(app, visit, photo, true).await.map(|()| "#picks"),
        "unpick" => annotations::remove_pick(app, visit, photo).await.map(|()| "#picks"),
        "comment" => {
            let spot = spot(if deed.exact.is_empty() { &deed.spot } else { &deed.exact })?;
            let (x, y) = spot.map_or((None, None), |(x, y)| (Some(x), Some(y)));
            let new = NewComment { text: deed.text.clone(), x, y };
            annotations::comment(app, visit, photo, &new).await.map(|_| "#notes")
        }
        "resolve" => annotations::resolve(app, visit, &deed.comment, true).await.map(|()| "#notes"),
        "reopen" => annotations::resolve(app, visit, &deed.comment, false).await.map(|()| "#notes"),
        "delete" => annotations::delete(app, visit, &deed.comment).await.map(|()| "#notes"),
        _ => Err(ApiError::invalid("do: expected the value of one of the page's buttons.")),
    }
}

/// Parses `X,Y`; `None` for an empty text. [`annotations::comment`] checks that both are from 0 to 1.
///
/// # Errors
/// - `Invalid` if `text` is not two numbers with a comma between them.
fn spot(text: &str) -> Result<Option<(f64, f64)>> {
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text.split_once(',').and_then(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?)));
    parts.map(Some).ok_or_else(|| ApiError::invalid("spot: expected X,Y, two numbers from 0 to 1."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_and_a_page_are_read_from_what_a_form_sends() {
        assert_eq!(spot("0.25,0.5").unwrap(), Some((0.25, 0.5)));
        assert_eq!(spot("").unwrap(), None);
        assert!(spot("0.25").is_err() && spot("a,b").is_err());
        let page = |text: &str| {
            PageQuery { folder: None, picked: None, page: Some(text.to_owned()) }.page()
        };
        assert_eq!([page("3"), page("0"), page("-1"), page("x")], [3, 1, 1, 1]);
    }
}
