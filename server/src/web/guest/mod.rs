//! Guest pages: `/g/TOKEN` behind the event's QR code, `/g` with the photos, and the targets of e-mail links.
//!
//! The server renders them in the guest's language; scripts fill `/g` through the API. Unknown, expired and
//! withdrawn links all lead to the same page.

pub mod access_request;
pub mod camera;
pub mod email_links;
pub mod entry;
pub mod layout;
pub mod photos;

use axum::Router;
use axum::extract::{Form, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use sqlx::Row as _;

use crate::api::guest::access_requests::{self, NewRequest};
use crate::api::guest::links::{self, Open};
use crate::app::App;
use crate::error::{Failure, Kind, Result};
use crate::http::auth::{GuestVisit, Rule, changes_from_elsewhere};
use crate::http::client_address::ClientAddress;
use crate::http::extract::Path;
use crate::http::locale::Wanted;
use crate::http::middleware::protect;
use crate::i18n::guest::{Guest, words};
use crate::web::visitor_layout::{refused, respond};
use entry::{Behind, Stage};

/// Returns the routes of the pages, with the rate limits of the API.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/g", get(own))
        .route("/g/enter", get(enter))
        .route("/g/notify", get(notify))
        .route("/g/{token}", get(behind))
        .route("/g/{token}/ask", get(ask_page).post(send_request))
        .layer(from_fn_with_state((app.clone(), Rule::Open), protect))
}

/// The context of a request for a page: the guest session, if any, and the language.
struct Here {
    app: App,
    wanted: Wanted,
    visit: Option<GuestVisit>,
}

impl Here {
    fn words(&self) -> &'static Guest {
        words(self.wanted.language)
    }

    /// Responds with the page for `failure`. Unknown, expired and withdrawn links are all "not found".
    fn fail(&self, failure: &Failure, back: Option<&str>) -> Response {
        fail(self.wanted, failure, back)
    }
}

fn fail(wanted: Wanted, failure: &Failure, back: Option<&str>) -> Response {
    let words = words(wanted.language);
    if failure.kind == Kind::SignedOut {
        return refused(wanted, failure, &layout::signed_out(words, wanted.language));
    }
    let (said, back) = match failure.kind {
        Kind::NotFound => ((words.door.closed_title, words.door.closed), None),
        _ => ((words.door.failed_title, words.door.failed), back),
    };
    refused(wanted, failure, &layout::notice(words, wanted.language, said, back))
}

impl FromRequestParts<App> for Here {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, Response> {
        let Ok(wanted) = Wanted::from_request_parts(parts, app).await;
        let found = match changes_from_elsewhere(parts) {
            Ok(()) => GuestVisit::find(parts, app).await,
            Err(failure) => Err(failure),
        };
        let visit = match found {
            Err(failure) if failure.kind == Kind::SignedOut => None,
            Err(failure) => return Err(fail(wanted, &failure, None)),
            Ok(visit) => visit.filter(|visit| visit.home == app.home()),
        };
        Ok(Self { app: app.clone(), wanted, visit })
    }
}

/// Returns the open link that has this token. Errors: `NotFound`.
async fn find(app: &App, token: &str) -> Result<Open> {
    links::open(app, token).await?.ok_or_else(Failure::not_found)
}

async fn behind(here: Here, Path(token): Path<String>) -> Response {
    let open = match find(&here.app, &token).await {
        Ok(open) => open,
        Err(failure) => return here.fail(&failure, None),
    };
    let stage = match here.visit.as_ref().filter(|visit| visit.event == open.event) {
        None => Stage::New,
        Some(visit) if visit.verified => Stage::Verified,
        Some(_) => Stage::Registered,
    };
    let address = format!("/g/{token}");
    let behind = behind_of(&open, &address);
    let page = entry::page(here.words(), here.wanted.language, &behind, stage);
    respond(here.wanted, StatusCode::OK, &page)
}

fn behind_of<'a>(open: &'a Open, address: &'a str) -> Behind<'a> {
    let Open { event_name, studio_name, ends_unix_s, .. } = open;
    Behind { event: event_name, studio: studio_name, ends_unix_s: *ends_unix_s, address }
}

async fn ask_page(here: Here, Path(token): Path<String>) -> Response {
    match find(&here.app, &token).await {
        Ok(open) => {
            let page = ask_again(&here, &token, &open, &access_request::Refused::default());
            respond(here.wanted, StatusCode::OK, &page)
        }
        Err(failure) => here.fail(&failure, None),
    }
}

fn ask_again(
    here: &Here,
    token: &str,
    open: &Open,
    refused: &access_request::Refused<'_>,
) -> maud::Markup {
    let address = format!("/g/{token}");
    let behind = behind_of(open, &address);
    access_request::page(here.words(), here.wanted.language, &behind, refused)
}

/// The submitted form. A browser omits a box that is not ticked.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    name: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    version: String,
    ends: Option<i64>,
    agree: Option<String>,
    adult: Option<String>,
}

async fn send_request(
    here: Here,
    ClientAddress(from): ClientAddress,
    Path(token): Path<String>,
    Form(given): Form<Asked>,
) -> Response {
    let open = match find(&here.app, &token).await {
        Ok(open) => open,
        Err(failure) => return here.fail(&failure, None),
    };
    let words = here.words();
    let agreed = given.agree.is_some() && given.adult.is_some();
    let request = NewRequest {
        token: token.clone(),
        name: given.name.clone(),
        contact: given.contact.clone(),
        message: given.message.clone(),
        consent: if given.agree.is_some() { given.version } else { String::new() },
        consent_ends_unix_s: given.ends,
        adult: given.adult.is_some(),
    };
    let why = match access_requests::place(&here.app, here.wanted.language, from, request).await {
        Ok(()) => {
            let said = (words.ask.sent_title, words.ask.sent);
            let page = layout::notice(words, here.wanted.language, said, None);
            return respond(here.wanted, StatusCode::OK, &page);
        }
        Err(failure) => match failure.kind {
            _ if !agreed => (failure, words.ask.both_needed),
            Kind::Conflict => (failure, words.ask.consent_changed),
            Kind::Invalid => (failure, words.ask.email_wrong),
            _ => return here.fail(&failure, Some(&format!("/g/{token}/ask"))),
        },
    };
    let (failure, why) = why;
    let filled = access_request::Refused {
        name: &given.name,
        contact: &given.contact,
        message: &given.message,
        why,
    };
    refused(here.wanted, &failure, &ask_again(&here, &token, &open, &filled))
}

async fn own(here: Here) -> Response {
    let shown = async {
        let none = || Failure::new(Kind::SignedOut, "The request has no guest session.");
        let visit = here.visit.as_ref().ok_or_else(none)?;
        let row = sqlx::query(
            "SELECT e.name, e.ends_unix_s, s.name AS studio FROM events e \
             JOIN studios s ON s.id = e.studio_id WHERE e.id = $1",
        )
        .bind(&visit.event)
        .fetch_one(here.app.db().read())
        .await?;
        let (event, studio): (String, String) = (row.try_get("name")?, row.try_get("studio")?);
        let about = photos::About {
            event: &event,
            studio: &studio,
            ends_unix_s: row.try_get("ends_unix_s")?,
        };
        let (words, language) = (here.words(), here.wanted.language);
        Ok::<_, Failure>(match visit.verified {
            true => photos::page(words, language, &about),
            false => photos::unverified(words, language, &about),
        })
    };
    match shown.await {
        Ok(page) => respond(here.wanted, StatusCode::OK, &page),
        Err(failure) => here.fail(&failure, None),
    }
}

async fn enter(here: Here) -> Response {
    let page = email_links::enter(here.words(), here.wanted.language);
    respond(here.wanted, StatusCode::OK, &page)
}

async fn notify(here: Here) -> Response {
    let page = email_links::notify(here.words(), here.wanted.language);
    respond(here.wanted, StatusCode::OK, &page)
}
