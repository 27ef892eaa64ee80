//! The public privacy page of an event, `/privacy/EVENT`, and its form `/privacy/EVENT/request`. Both work without a
//! script and without a session, and can be printed.

use axum::Router;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use crate::api::event::analysis_time::AnalysisTime;
use crate::api::event::terms::LegalBasis;
use crate::api::guest::consent::purpose_text;
use crate::api::privacy::notice::{PublicEvent, find_public, page_path};
use crate::api::privacy::removal::{self, NewRemovalRequest};
use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::http::auth::Rule;
use crate::http::client_address::ClientAddress;
use crate::http::extract::Path;
use crate::http::locale::Locale;
use crate::http::middleware::throttle;
use crate::i18n::Language;
use crate::i18n::privacy::{PrivacyTexts, texts};
use crate::web::visitor_layout::{self, Frame, refused, respond};

/// Returns the routes of the privacy pages, with the API's rate limits.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/privacy/{event}", get(show))
        .route("/privacy/{event}/request", get(form).post(send))
        .layer(from_fn_with_state((app.clone(), Rule::Open), throttle))
}

/// The fields of the form.
#[derive(Default, Deserialize)]
struct RemovalForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    contact: String,
    #[serde(default)]
    message: String,
}

async fn show(State(app): State<App>, wanted: Locale, Path(event): Path<String>) -> Response {
    match find_public(&app, &event).await {
        Ok(event) => respond(wanted, StatusCode::OK, &page(wanted.language, &event)),
        Err(failure) => fail(wanted, &failure),
    }
}

async fn form(State(app): State<App>, wanted: Locale, Path(event): Path<String>) -> Response {
    match find_public(&app, &event).await {
        Ok(event) => {
            let page = form_page(wanted.language, &event, &RemovalForm::default(), false);
            respond(wanted, StatusCode::OK, &page)
        }
        Err(failure) => fail(wanted, &failure),
    }
}

async fn send(
    State(app): State<App>,
    wanted: Locale,
    ClientAddress(from): ClientAddress,
    Path(event): Path<String>,
    Form(given): Form<RemovalForm>,
) -> Response {
    let public = match find_public(&app, &event).await {
        Ok(public) => public,
        Err(failure) => return fail(wanted, &failure),
    };
    let request = NewRemovalRequest {
        event,
        name: given.name.clone(),
        contact: given.contact.clone(),
        message: given.message.clone(),
    };
    let words = texts(wanted.language);
    match removal::place(&app, wanted.language, from, &request).await {
        Ok(()) => {
            let page = notice(wanted.language, (words.sent_title, words.sent), &public.id);
            respond(wanted, StatusCode::OK, &page)
        }
        Err(failure) if failure.kind == ErrorKind::Invalid => {
            refused(wanted, &failure, &form_page(wanted.language, &public, &given, true))
        }
        Err(failure) => fail(wanted, &failure),
    }
}

fn fail(wanted: Locale, failure: &ApiError) -> Response {
    let words = texts(wanted.language);
    let message = match failure.kind {
        ErrorKind::NotFound => (words.closed_title, words.closed),
        _ => (words.failed_title, words.failed),
    };
    refused(wanted, failure, &notice(wanted.language, message, ""))
}

/// Renders the link to an event's privacy page, for the other visitor pages.
pub fn link(language: Language, event: &str) -> Markup {
    html! { p.hint { a href=(page_path(event)) { (texts(language).link) } } }
}

fn layout(language: Language, title: &str, address: &str, class: &str, main: &Markup) -> Markup {
    let PrivacyTexts { skip, language: choice, .. } = texts(language);
    let frame = Frame { skip, choice, language, title, address, class, script: "" };
    visitor_layout::layout(&frame, main)
}

/// Renders a page with one message; `event` is empty if there is nothing to go back to.
fn notice(language: Language, (title, text): (&str, &str), event: &str) -> Markup {
    let main = html! {
        section.door {
            h1 { (title) }
            p role="status" { (text) }
            @if !event.is_empty() { p { a.button href=(page_path(event)) { (texts(language).back) } } }
        }
    };
    layout(language, title, "", "quiet", &main)
}

fn page(language: Language, event: &PublicEvent) -> Markup {
    let words = texts(language);
    let (title, day) = ((words.title)(&event.name), language.day(event.ends_unix_s));
    let basis = LegalBasis::ALL.iter().position(|basis| *basis == event.legal_basis);
    let basis = basis.and_then(|nth| words.bases.get(nth)).copied().unwrap_or_default();
    let list = |items: &[&str]| html! { ul { @for item in items { li { (item) } } } };
    let main = html! {
        div.way {
            header.mast { h1 { (title) } p { ((words.responsible)(&event.studio_name)) } }
            @if let Some(text) = &event.notice {
                section { h2 { (words.studio_says) } @for line in text.lines() { p { (line) } } }
            }
            section { h2 { (words.what_title) } (list(words.what))
                @if event.analysis == AnalysisTime::AtFirstSearch { p { (words.first_search) } }
            }
            section {
                h2 { (words.why_title) }
                p { ((words.purpose)(purpose_text(language, event.purpose))) " " (basis) }
            }
            section {
                h2 { (words.how_long_title) }
                ul { @for item in (words.how_long)(&day) { li { (item) } } }
            }
            section { h2 { (words.who_title) } (list(words.who)) }
            section {
                h2 { (words.out_title) }
                (list(words.out))
                div.deeds { a.button href=(format!("{}/request", page_path(&event.id))) { (words.ask) } }
                p { (words.rights) }
            }
        }
    };
    layout(language, &title, &page_path(&event.id), "steps", &main)
}

/// Renders the form; `wrong` if the values `given` were rejected.
fn form_page(language: Language, event: &PublicEvent, given: &RemovalForm, wrong: bool) -> Markup {
    let words = texts(language);
    let address = format!("{}/request", page_path(&event.id));
    let main = html! {
        div.way {
            header.mast { p.by { (event.studio_name) } h1 { (event.name) } }
            form.step method="post" action=(address) aria-labelledby="ask-title" {
                h2 #ask-title { (words.form_title) }
                p { (words.form_intro) }
                @if wrong { p.bad role="alert" { (words.wrong) } }
                label for="name" { (words.name) }
                input #name name="name" type="text" autocomplete="name" required maxlength="100" value=(given.name);
                label for="contact" { (words.contact) }
                input #contact name="contact" type="text" inputmode="email" autocomplete="email" autocapitalize="none"
                    spellcheck="false" required maxlength="254" value=(given.contact) aria-describedby="contact-hint";
                p #contact-hint .hint { (words.contact_hint) }
                label for="message" { (words.message) }
                textarea #message name="message" rows="4" maxlength="1000" aria-describedby="message-hint" { (given.message) }
                p #message-hint .hint { (words.message_hint) }
                div.deeds {
                    button type="submit" { (words.send) }
                    a.button.quiet href=(page_path(&event.id)) { (words.back) }
                }
            }
        }
    };
    layout(language, words.form_title, &address, "steps", &main)
}
