use std::net::IpAddr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::Markup;

use super::layout;
use crate::api::album::visits::{Link, link};
use crate::app::App;
use crate::error::{Failure, Kind, Result};
use crate::http::auth::{AlbumVisit, changes_from_elsewhere};
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::http::locale::Wanted;
use crate::i18n::Language;
use crate::i18n::album::{Gallery, words};
use crate::web::visitor_layout::{refused, respond};

/// The context of a request for an album page. A request by an unknown, expired or withdrawn link is rejected
/// with one page, which is the same for all such links.
pub struct Here {
    pub app: App,
    token: String,
    pub link: Link,
    /// The session, if it belongs to the link's album.
    pub visit: Option<AlbumVisit>,
    pub from: IpAddr,
    pub encrypted: bool,
    wanted: Wanted,
}

impl Here {
    async fn find(parts: &mut Parts, app: &App, wanted: Wanted) -> Result<Self> {
        changes_from_elsewhere(parts)?;
        let ClientAddress(from) = ClientAddress::from_request_parts(parts, app).await?;
        let Encrypted(encrypted) = Encrypted::from_request_parts(parts, app).await?;
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| Failure::not_found())?;
        let token = params.iter().find(|(name, _)| *name == "token");
        let token = token.map(|(_, token)| token.to_owned()).unwrap_or_default();
        let link = link(app, &token).await?.ok_or_else(Failure::not_found)?;
        let visit = match AlbumVisit::find(parts, app).await {
            Err(failure) if failure.kind == Kind::SignedOut => None,
            found => found?,
        };
        let visit = visit.filter(|visit| visit.album == link.album);
        Ok(Self { app: app.clone(), token, link, visit, from, encrypted, wanted })
    }

    pub fn words(&self) -> &'static Gallery {
        words(self.wanted.language)
    }

    pub fn language(&self) -> Language {
        self.wanted.language
    }

    /// Returns the path `below` the link.
    pub fn path(&self, below: &str) -> String {
        format!("/a/{}{below}", self.token)
    }

    pub fn page(&self, status: StatusCode, markup: &Markup) -> Response {
        respond(self.wanted, status, markup)
    }

    pub fn to_door(&self) -> Response {
        Redirect::to(&self.path("")).into_response()
    }

    /// Responds to `failure` with a page that explains it.
    pub fn refuse(&self, failure: &Failure, markup: &Markup) -> Response {
        refused(self.wanted, failure, markup)
    }

    pub fn fail(&self, failure: Failure) -> Response {
        fail(self.wanted, &failure, &self.path(""))
    }
}

fn fail(wanted: Wanted, failure: &Failure, back: &str) -> Response {
    let words = words(wanted.language);
    let (title, text) = match failure.kind {
        Kind::NotFound => (words.closed_title.to_owned(), words.closed.to_owned()),
        Kind::WrongCredentials => (words.failed_title.to_owned(), words.wrong_pin.to_owned()),
        Kind::TooMany => (words.failed_title.to_owned(), layout::wait(words, failure)),
        _ => (words.failed_title.to_owned(), words.failed.to_owned()),
    };
    let back = (failure.kind != Kind::NotFound).then_some(back);
    refused(wanted, failure, &layout::notice(words, wanted.language, &title, &text, back))
}

impl FromRequestParts<App> for Here {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, Response> {
        let Ok(wanted) = Wanted::from_request_parts(parts, app).await;
        Self::find(parts, app, wanted).await.map_err(|failure| fail(wanted, &failure, "/"))
    }
}
