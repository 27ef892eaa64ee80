use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use crate::error::ApiError;
use crate::http::locale::Locale;
use crate::i18n::Language;

/// The layout parameters of a visitor page (album or guest page).
pub struct Frame<'a> {
    /// Text of the link to the page's content, for keyboard users.
    pub skip: &'a str,
    /// Label of the language links, for screen readers.
    pub choice: &'a str,
    pub language: Language,
    pub title: &'a str,
    /// The page's address without the parameter `lang`, which the language links add.
    pub address: &'a str,
    /// CSS class of `body`.
    pub class: &'a str,
    /// Address of the page's script; empty if the page has none.
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
                link rel="stylesheet" href="/assets/visitor.css";
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

/// Appends a query parameter to `address`.
pub fn with(address: &str, parameter: &str) -> String {
    let sign = if address.contains('?') { '&' } else { '?' };
    format!("{address}{sign}{parameter}")
}

/// Builds the response of a page. Sets the language cookie if the request chose a language.
pub fn respond(wanted: Locale, status: StatusCode, markup: &Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    wanted.remember((status, kind, markup.0.clone()).into_response())
}

/// Builds the response of an error page, with the status and `Retry-After` of `failure`. Logs `failure` if it
/// is an internal error.
pub fn refused(wanted: Locale, failure: &ApiError, markup: &Markup) -> Response {
    if let Some(internal) = &failure.internal {
        tracing::error!(code = failure.kind.code(), reason = %internal, "page failed");
    }
    let mut response = respond(wanted, failure.kind.status(), markup);
    // `throttle` reads the kind and reports it to the alerts, as for API responses.
    response.extensions_mut().insert(failure.kind);
    if let Some(seconds) = failure.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
