//! What all pages for visitors have in common: head, choice of language, how they are answered.
//!
//! Albums and guests' pages are rendered in their rooms. Knows no page.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use crate::error::Failure;
use crate::words::{Language, Wanted};

/// The frame of a page.
pub struct Frame<'a> {
    pub skip: &'a str,
    /// What the choice of language is called.
    pub choice: &'a str,
    pub language: Language,
    pub title: &'a str,
    /// The page's own address, without its language.
    pub address: &'a str,
    /// For the look of the whole page.
    pub class: &'a str,
    pub script: &'a str,
}

pub fn layout(frame: &Frame<'_>, main: &Markup) -> Markup {
    let Frame { skip, choice, language, title, address, class, script } = frame;
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="robots" content="noindex, nofollow, noarchive";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/gallery.css";
                @if !script.is_empty() { script type="module" src=(script) {} }
            }
            body class=(class) {
                a.skip href="#main" { (skip) }
                main #main tabindex="-1" { (main) }
                footer {
                    nav aria-label=(choice) {
                        @for other in Language::ALL {
                            @let current = (other == *language).then_some("true");
                            a href=(with(address, &format!("lang={}", other.tag()))) lang=(other.tag())
                                hreflang=(other.tag()) aria-current=[current] { (other.own_name()) }
                        }
                    }
                }
            }
        }
    }
}

/// `address` with one more parameter.
pub fn with(address: &str, parameter: &str) -> String {
    let sign = if address.contains('?') { '&' } else { '?' };
    format!("{address}{sign}{parameter}")
}

/// A page as an answer, which remembers the language that was chosen.
pub fn respond(wanted: Wanted, status: StatusCode, markup: &Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    wanted.remember((status, kind, markup.0.clone()).into_response())
}

/// A page that says what `failure` was about.
pub fn refused(wanted: Wanted, failure: &Failure, markup: &Markup) -> Response {
    if let Some(internal) = &failure.internal {
        tracing::error!(code = failure.kind.code(), reason = %internal, "a page failed");
    }
    let mut response = respond(wanted, failure.kind.status(), markup);
    // For whoever looks at how requests end, as with the API.
    response.extensions_mut().insert(failure.kind);
    if let Some(seconds) = failure.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
