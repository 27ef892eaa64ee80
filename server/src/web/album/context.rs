use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::Markup;

use super::layout;
use crate::api::album::visits::{OpenLink, link};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::known_device::ProvingClient;
use crate::http::auth::{AlbumSession, check_same_site};
use crate::http::locale::Locale;
use crate::i18n::Language;
use crate::i18n::album::{AlbumTexts, texts};
use crate::web::visitor_layout::{refused, respond};

/// The context of a request for an album page. The extractor rejects unknown, expired and withdrawn links with
/// one page, so that a visitor cannot distinguish them.
pub struct PageContext {
    pub app: App,
    token: String,
    pub link: OpenLink,
    /// The visitor's session; `None` if there is none or it belongs to another album.
    pub visit: Option<AlbumSession>,
    pub client: ProvingClient,
    wanted: Locale,
}

impl PageContext {
    async fn find(parts: &mut Parts, app: &App, wanted: Locale) -> Result<Self> {
        check_same_site(parts)?;
        let client = ProvingClient::from_request_parts(parts, app).await?;
        let params = RawPathParams::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::not_found())?;
        let token = params.iter().find(|(name, _)| *name == "token");
        let token = token.map(|(_, token)| token.to_owned()).unwrap_or_default();
        let link = link(app, &token).await?.ok_or_else(ApiError::not_found)?;
        let visit = match AlbumSession::find(parts, app).await {
            Err(failure) if failure.kind == ErrorKind::Unauthenticated => None,
            found => found?,
        };
        let visit = visit.filter(|visit| visit.album == link.album);
        Ok(Self { app: app.clone(), token, link, visit, client, wanted })
    }

    pub fn words(&self) -> &'static AlbumTexts {
        texts(self.wanted.language)
    }

    pub fn language(&self) -> Language {
        self.wanted.language
    }

    /// Returns the path of the link, followed by `below`.
    pub fn path(&self, below: &str) -> String {
        format!("/a/{}{below}", self.token)
    }

    pub fn page(&self, status: StatusCode, markup: &Markup) -> Response {
        respond(self.wanted, status, markup)
    }

    pub fn to_door(&self) -> Response {
        Redirect::to(&self.path("")).into_response()
    }

    /// Responds with `markup`, a page that explains `failure`.
    pub fn refuse(&self, failure: &ApiError, markup: &Markup) -> Response {
        refused(self.wanted, failure, markup)
    }

    pub fn fail(&self, failure: ApiError) -> Response {
        fail(self.wanted, &failure, &self.path(""))
    }
}

fn fail(wanted: Locale, failure: &ApiError, back: &str) -> Response {
    let words = texts(wanted.language);
    let (title, text) = match failure.kind {
        ErrorKind::NotFound => (words.closed_title.to_owned(), words.closed.to_owned()),
        ErrorKind::WrongCredentials => (words.failed_title.to_owned(), words.wrong_pin.to_owned()),
        ErrorKind::TooManyRequests => (words.failed_title.to_owned(), layout::wait(words, failure)),
        ErrorKind::ProofOfWorkRequired => {
            (words.failed_title.to_owned(), words.enter_again.to_owned())
        }
        _ => (words.failed_title.to_owned(), words.failed.to_owned()),
    };
    let back = (failure.kind != ErrorKind::NotFound).then_some(back);
    refused(wanted, failure, &layout::notice(words, wanted.language, &title, &text, back))
}

impl FromRequestParts<App> for PageContext {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &App,
    ) -> std::result::Result<Self, Response> {
        let Ok(wanted) = Locale::from_request_parts(parts, app).await;
        Self::find(parts, app, wanted).await.map_err(|failure| fail(wanted, &failure, "/"))
    }
}
