//! The studio's pages: first account, sign-in, events, one event. Rendered here, filled by small scripts that
//! speak to the same API as everybody else.
//!
//! A page holds nothing of anybody, so it is the same for all and needs no rule: what it shows comes through
//! routes that have one. No script or style stands inside a page. Touches no database.

mod event;
mod forms;
mod layout;
mod studio;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::Markup;

use crate::state::App;

/// Scripts and styles, compiled in; `gallery.*` are of visitors' pages, which their rooms render.
const ASSETS: [(&str, &str, &str); 10] = [
    ("/assets/style.css", "text/css", include_str!("assets/style.css")),
    ("/assets/api.js", "text/javascript", include_str!("assets/api.js")),
    ("/assets/forms.js", "text/javascript", include_str!("assets/forms.js")),
    ("/assets/studio.js", "text/javascript", include_str!("assets/studio.js")),
    ("/assets/event.js", "text/javascript", include_str!("assets/event.js")),
    ("/assets/upload.js", "text/javascript", include_str!("assets/upload.js")),
    ("/assets/gallery.css", "text/css", include_str!("assets/gallery.css")),
    ("/assets/gallery.js", "text/javascript", include_str!("assets/gallery.js")),
    ("/robots.txt", "text/plain", include_str!("assets/robots.txt")),
    ("/assets/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];
/// Pages and assets change with the program only; an old one beside a new one is worse than a question.
const KEPT: HeaderValue = HeaderValue::from_static("no-cache");

/// All pages and what they load.
pub fn routes() -> Router<App> {
    let page = |markup: Markup| {
        let text = markup.into_string();
        get(move || async move { kept("text/html; charset=utf-8", text.clone()) })
    };
    let mut router = Router::new()
        .route("/", get(|| async { Redirect::to("/studio") }))
        .route("/setup", page(forms::setup()))
        .route("/sign-in", page(forms::sign_in()))
        .route("/invitation", page(forms::invitation()))
        .route("/reset", page(forms::reset()))
        .route("/email", page(forms::email()))
        .route("/studio", page(studio::page()))
        .route("/studio/events/{event}", page(event::page()));
    for (path, kind, text) in ASSETS {
        router = router.route(path, get(move || async move { kept(kind, text.to_owned()) }));
    }
    router
}

fn kept(kind: &'static str, text: String) -> Response {
    let headers: [(HeaderName, HeaderValue); 2] =
        [(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, KEPT)];
    (headers, Html(text).0).into_response()
}
