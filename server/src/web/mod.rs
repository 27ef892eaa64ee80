//! The studio's pages, the visitors' pages and their assets.
//!
//! A studio page is a static skeleton that the server renders once, when it starts. The page's script fills
//! the skeleton through the public API. The skeleton contains no personal data, so it needs no authorisation:
//! the API routes check the caller. The content security policy allows no inline script or style.

pub mod album;
pub mod guest;
pub mod privacy;
pub mod security_txt;
pub mod studio;
pub mod visitor_layout;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::Markup;

use crate::app::App;

/// Expands to an asset's path, media type and text, which is compiled into the program.
macro_rules! asset {
    ($kind:literal, $name:literal) => {
        (
            concat!("/assets/", $name),
            concat!($kind, "; charset=utf-8"),
            include_str!(concat!("assets/", $name)),
        )
    };
}

/// The assets: path, media type, text. The entries from `visitor.css` to `guest_link_storage.js` are used only
/// by the visitor pages, which `album` and `guest` render.
const ASSETS: &[(&str, &str, &str)] = &[
    asset!("text/css", "style.css"),
    asset!("text/javascript", "api.js"),
    asset!("text/javascript", "forms.js"),
    asset!("text/javascript", "studio.js"),
    asset!("text/javascript", "event.js"),
    asset!("text/javascript", "upload.js"),
    asset!("text/javascript", "dropped_files.js"),
    asset!("text/javascript", "upload_panel.js"),
    asset!("text/javascript", "photo_grid.js"),
    asset!("text/javascript", "folders.js"),
    asset!("text/javascript", "studio_common.js"),
    asset!("text/javascript", "guests.js"),
    asset!("text/javascript", "people.js"),
    asset!("text/javascript", "privacy.js"),
    asset!("text/css", "matching.css"),
    asset!("text/javascript", "matching.js"),
    asset!("text/javascript", "coverage.js"),
    asset!("text/javascript", "albums.js"),
    asset!("text/javascript", "album_edit.js"),
    asset!("text/javascript", "account.js"),
    asset!("text/javascript", "event_settings.js"),
    asset!("text/javascript", "members.js"),
    asset!("text/javascript", "records.js"),
    asset!("text/css", "visitor.css"),
    asset!("text/javascript", "album.js"),
    asset!("text/javascript", "proof_of_work.js"),
    asset!("text/javascript", "proof_of_work_worker.js"),
    asset!("text/javascript", "strings.js"),
    asset!("text/javascript", "guest_entry.js"),
    asset!("text/javascript", "camera.js"),
    asset!("text/javascript", "guest_photos.js"),
    asset!("text/javascript", "viewer.js"),
    asset!("text/javascript", "guest_settings.js"),
    asset!("text/javascript", "email_links.js"),
    asset!("text/javascript", "session_ended.js"),
    asset!("text/javascript", "guest_link_storage.js"),
    ("/robots.txt", "text/plain; charset=utf-8", include_str!("assets/robots.txt")),
    asset!("image/svg+xml", "icon.svg"),
];
/// `Cache-Control` of pages and assets. Browsers revalidate at each load, because a cached script of one
/// release must not run with a page of another release.
const KEPT: HeaderValue = HeaderValue::from_static("no-cache");

/// Returns the routes of the studio's pages and of all assets.
pub fn routes() -> Router<App> {
    let page = |markup: Markup| {
        let text = markup.into_string();
        get(move || async move { asset("text/html; charset=utf-8", text.clone()) })
    };
    let mut router = Router::new()
        .route("/", get(|| async { Redirect::to("/studio") }))
        .route("/setup", page(studio::forms::setup()))
        .route("/sign-in", page(studio::forms::sign_in()))
        .route("/invitation", page(studio::forms::invitation()))
        .route("/reset", page(studio::forms::reset()))
        .route("/email", page(studio::forms::email()))
        .route("/studio", page(studio::home::page()))
        .route("/studio/me", page(studio::account::page()))
        .route("/studio/members", page(studio::members::page()))
        .route("/studio/records", page(studio::records::page()))
        .route("/studio/events/{event}", page(studio::event::page()))
        .route("/studio/events/{event}/guests", page(studio::guests::page()))
        .route("/studio/events/{event}/people", page(studio::people::page()))
        .route("/studio/events/{event}/privacy", page(studio::privacy::page()))
        .route("/studio/events/{event}/matching", page(studio::matching::page()))
        .route("/studio/events/{event}/coverage", page(studio::coverage::page()))
        .route("/studio/events/{event}/albums", page(studio::albums::page()))
        .route("/studio/events/{event}/settings", page(studio::event_settings::page()));
    for &(path, kind, text) in ASSETS {
        router = router.route(path, get(move || async move { asset(kind, text.to_owned()) }));
    }
    router
}

fn asset(kind: &'static str, text: String) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] =
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, KEPT)];
    (headers, Html(text).0).into_response()
}
