//! Guest pages: `/g/TOKEN` behind the event's QR code, `/g` with the photos, and the targets of e-mail links.
//!
//! The server renders the pages in the guest's language; a script fills `/g` through the API. Unknown, expired
//! and withdrawn guest links lead to one page, so that a visitor cannot distinguish them.

pub mod access_request;
pub mod camera;
pub mod code;
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

use crate::api::event::analysis_time::AnalysisTime;
use crate::api::event::terms::Purpose;
use crate::api::guest::access_requests::{self, NewAccessRequest};
use crate::api::guest::links::{self, OpenGuestLink};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::{GuestSession, Rule, check_same_site};
use crate::http::client_address::ClientAddress;
use crate::http::extract::Path;
use crate::http::locale::Locale;
use crate::http::middleware::throttle;
use crate::i18n::guest::{GuestTexts, texts};
use crate::infra::db::guests;
use crate::web::visitor_layout::{refused, respond};
use entry::{EntryStage, LinkTarget};

/// Returns the routes of the guest pages, with the API's rate limits.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/g", get(own))
        .route("/g/enter", get(enter))
        .route("/g/notify", get(notify))
        .route("/g/undo", get(undo))
        .route("/g/{token}", get(behind))
        .route("/g/{token}/ask", get(ask_page).post(send_request))
        .layer(from_fn_with_state((app.clone(), Rule::Open), throttle))
}

/// The context of a request for a guest page: the guest's session, if there is one, and the language.
struct GuestPageContext {
    app: App,
    wanted: Locale,
    visit: Option<GuestSession>,
}

impl GuestPageContext {
    fn words(&self) -> &'static GuestTexts {
        texts(self.wanted.language)
    }

    /// Responds with the page for `failure`. The page links to `back`, except for `NotFound` and
    /// `Unauthenticated`.
    fn fail(&self, failure: &ApiError, back: Option<&str>) -> Response {
        fail(self.wanted, failure, back)
    }
}

fn fail(wanted: Locale, failure: &ApiError, back: Option<&str>) -> Response {
    let words = texts(wanted.language);
    if failure.kind == ErrorKind::Unauthenticated {
        return refused(wanted, failure, &layout::signed_out(words, wanted.language));
    }
    let (message, back) = match failure.kind {
        ErrorKind::NotFound => ((words.door.closed_title, words.door.closed), None),
        _ => ((words.door.failed_title, words.door.failed), back),
    };
    refused(wanted, failure, &layout::notice(words, wanted.language, message, back))
}

impl FromRequestParts<App> for GuestPageContext {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, Response> {
        let Ok(wanted) = Locale::from_request_parts(parts, app).await;
        let found = match check_same_site(parts) {
            Ok(()) => GuestSession::find(parts, app).await,
            Err(failure) => Err(failure),
        };
        let visit = match found {
            Err(failure) if failure.kind == ErrorKind::Unauthenticated => None,
            Err(failure) => return Err(fail(wanted, &failure, None)),
            Ok(visit) => visit.filter(|visit| visit.node_id == app.node_id),
        };
        Ok(Self { app: app.clone(), wanted, visit })
    }
}

/// Returns the open guest link of `token`.
///
/// # Errors
/// - `NotFound` if the link is unknown, expired or withdrawn.
async fn find(app: &App, token: &str) -> Result<OpenGuestLink> {
    links::open(app, token).await?.ok_or_else(ApiError::not_found)
}

async fn behind(here: GuestPageContext, Path(token): Path<String>) -> Response {
    let open = match find(&here.app, &token).await {
        Ok(open) => open,
        Err(failure) => return here.fail(&failure, None),
    };
    let holds = |visit: &GuestSession| here.app.passed_faces.holds(&visit.session, &visit.guest);
    let stage = match here.visit.as_ref().filter(|visit| visit.event == open.event) {
        None => EntryStage::New,
        Some(visit) if visit.verified => EntryStage::Verified,
        Some(visit) if holds(visit) => EntryStage::Passed,
        Some(_) => EntryStage::Registered,
    };
    let address = format!("/g/{token}");
    let behind = behind_of(&open, &address);
    let page = entry::page(here.words(), here.wanted.language, &behind, stage);
    respond(here.wanted, StatusCode::OK, &page)
}

fn behind_of<'a>(open: &'a OpenGuestLink, address: &'a str) -> LinkTarget<'a> {
    let OpenGuestLink {
        event,
        event_name,
        studio_name,
        ends_unix_s,
        purpose,
        guest_proof,
        analysis,
        ..
    } = open;
    LinkTarget {
        event: event_name,
        studio: studio_name,
        ends_unix_s: *ends_unix_s,
        purpose: *purpose,
        id: event,
        needs_code: guest_proof.needs_code(),
        first_search: *analysis == AnalysisTime::AtFirstSearch,
        address,
    }
}

async fn ask_page(here: GuestPageContext, Path(token): Path<String>) -> Response {
    match find(&here.app, &token).await {
        Ok(open) => {
            let page = ask_again(&here, &token, &open, &access_request::RejectedForm::default());
            respond(here.wanted, StatusCode::OK, &page)
        }
        Err(failure) => here.fail(&failure, None),
    }
}

fn ask_again(
    here: &GuestPageContext,
    token: &str,
    open: &OpenGuestLink,
    refused: &access_request::RejectedForm<'_>,
) -> maud::Markup {
    let address = format!("/g/{token}");
    let behind = behind_of(open, &address);
    access_request::page(here.words(), here.wanted.language, &behind, refused)
}

/// The form that requests access without a camera. Browsers omit `agree` and `adult` if they are not ticked.
#[derive(Deserialize)]
struct AccessRequestForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    version: String,
    ends: Option<i64>,
    purpose: Option<Purpose>,
    agree: Option<String>,
    adult: Option<String>,
}

async fn send_request(
    here: GuestPageContext,
    ClientAddress(from): ClientAddress,
    Path(token): Path<String>,
    Form(given): Form<AccessRequestForm>,
) -> Response {
    let open = match find(&here.app, &token).await {
        Ok(open) => open,
        Err(failure) => return here.fail(&failure, None),
    };
    let words = here.words();
    let agreed = given.agree.is_some() && given.adult.is_some();
    let request = NewAccessRequest {
        token: token.clone(),
        name: given.name.clone(),
        contact: given.contact.clone(),
        message: given.message.clone(),
        consent: if given.agree.is_some() { given.version } else { String::new() },
        consent_ends_unix_s: given.ends,
        consent_purpose: given.purpose,
        adult: given.adult.is_some(),
    };
    let why = match access_requests::place(&here.app, here.wanted.language, from, request).await {
        Ok(()) => {
            let message = (words.ask.sent_title, words.ask.sent);
            let page = layout::notice(words, here.wanted.language, message, None);
            return respond(here.wanted, StatusCode::OK, &page);
        }
        Err(failure) => match failure.kind {
            _ if !agreed => (failure, words.ask.both_needed),
            ErrorKind::Conflict => (failure, words.ask.consent_changed),
            ErrorKind::Invalid => (failure, words.ask.email_wrong),
            _ => return here.fail(&failure, Some(&format!("/g/{token}/ask"))),
        },
    };
    let (failure, why) = why;
    let filled = access_request::RejectedForm {
        name: &given.name,
        contact: &given.contact,
        message: &given.message,
        why,
    };
    refused(here.wanted, &failure, &ask_again(&here, &token, &open, &filled))
}

async fn own(here: GuestPageContext) -> Response {
    let shown = async {
        let none =
            || ApiError::new(ErrorKind::Unauthenticated, "The request has no guest session.");
        let visit = here.visit.as_ref().ok_or_else(none)?;
        let own = guests::overview(&here.app.db, &visit.guest).await?;
        let about = photos::PhotosPage {
            event: &own.event_name,
            studio: &own.studio_name,
            ends_unix_s: own.event_ends_unix_s,
            kept_until_unix_s: own.covered_until_unix_s.min(own.event_ends_unix_s),
        };
        let (words, language) = (here.words(), here.wanted.language);
        Ok::<_, ApiError>(match visit.verified {
            true => photos::page(words, language, &about),
            false => {
                let passed = here.app.passed_faces.holds(&visit.session, &visit.guest);
                photos::unverified(words, language, &about, passed)
            }
        })
    };
    match shown.await {
        Ok(page) => respond(here.wanted, StatusCode::OK, &page),
        Err(failure) => here.fail(&failure, None),
    }
}

async fn enter(here: GuestPageContext) -> Response {
    let page = email_links::enter(here.words(), here.wanted.language);
    respond(here.wanted, StatusCode::OK, &page)
}

async fn notify(here: GuestPageContext) -> Response {
    let page = email_links::notify(here.words(), here.wanted.language);
    respond(here.wanted, StatusCode::OK, &page)
}

async fn undo(here: GuestPageContext) -> Response {
    let page = email_links::undo(here.words(), here.wanted.language);
    respond(here.wanted, StatusCode::OK, &page)
}
