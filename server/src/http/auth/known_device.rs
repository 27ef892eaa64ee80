//! Recognises browsers in which a secret was proved before, by a cookie ("device cookie", OWASP Authentication
//! Cheat Sheet). The lockout counts their attempts apart from those of strangers.
//!
//! The cookie holds a random id, sealed for one subject and its current credential, so the server stores
//! nothing. A changed password or PIN makes every browser a stranger again. The cookie proves nothing else: it
//! does not sign in.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::caller::full_name;
use super::{cookie_of, set_cookie};
use crate::app::App;
use crate::error::{ApiError, Result};
use crate::http::client_address::{ClientAddress, Encrypted};
use crate::infra::clock::now_s;
use crate::infra::ids::{is_id, new_id, sha256};
use crate::infra::rate_limit::{Guess, GuessableSecret, Guesser};

/// Lifetime of the cookie: 180 days from the last proof.
const VALID_S: i64 = 180 * 86_400;
/// Lifetime of a visit's cookie, seconds (1 day).
const VISIT_S: i64 = 86_400;

/// The client of a request that proves a secret.
#[derive(Clone, Debug)]
pub struct ProvingClient {
    pub from: IpAddr,
    /// Whether the client's own connection is encrypted.
    pub encrypted: bool,
    headers: HeaderMap,
}

impl FromRequestParts<App> for ProvingClient {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let ClientAddress(from) = ClientAddress::from_request_parts(parts, app).await?;
        let Encrypted(encrypted) = Encrypted::of_parts(parts, &app.settings);
        Ok(Self { from, encrypted, headers: parts.headers.clone() })
    }
}

/// The cookie of one browser for one subject.
pub struct DeviceCookie<'a> {
    pub app: &'a App,
    pub secret: GuessableSecret,
    /// The subject of the lockout; see `Guess::subject`.
    pub subject: &'a str,
    /// The stored hash of the current password or PIN.
    pub credential: &'a str,
    pub client: &'a ProvingClient,
}

impl ProvingClient {
    /// Returns the value of the cookie that `set_cookie` sets for `name`; `None` if the client sent none.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie_of(&self.headers, &full_name(name, self.encrypted))
    }

    /// Returns the id that the cookie `name` holds, sealed for `context`; `None` if there is no valid one.
    fn sealed_id(&self, app: &App, name: &str, context: &str) -> Option<String> {
        let value = self.cookie(name)?;
        let sealed = hex::decode(value).ok()?;
        let opened = app.vault.open(context, &sealed).ok()?;
        let (id, ends) = std::str::from_utf8(&opened).ok()?.split_once(' ')?;
        let is_valid = is_id(id) && ends.parse::<i64>().is_ok_and(|ends_s| ends_s > now_s());
        is_valid.then(|| id.to_owned())
    }

    /// Returns the `Set-Cookie` value that stores `id` for `valid_s` seconds, sealed for `context`.
    fn seal_id(
        &self,
        app: &App,
        (name, context): (&str, &str),
        id: &str,
        valid_s: i64,
    ) -> Result<String> {
        let content = format!("{id} {}", now_s() + valid_s);
        let sealed = app.seal(context, content.as_bytes())?;
        Ok(set_cookie(name, &sealed, self.encrypted, Some(valid_s)))
    }
}

/// The cookie of one browser's visits of one album, from the page that asks for the PIN. It proves nothing: it only
/// tells the typing errors of two visitors apart.
pub struct VisitCookie<'a> {
    pub app: &'a App,
    pub album: &'a str,
    pub client: &'a ProvingClient,
}

impl VisitCookie<'_> {
    /// Returns the id of the visit; `None` if the browser has no cookie.
    pub fn find(&self) -> Option<String> {
        let (name, context) = self.name();
        self.client.sealed_id(self.app, &name, &context)
    }

    /// Returns a new visit's id and its `Set-Cookie` value.
    ///
    /// # Errors
    /// - `Internal` if the random number generator or the seal fails.
    pub fn begin(&self) -> Result<(String, String)> {
        let ((name, context), id) = (self.name(), new_id()?);
        let cookie = self.client.seal_id(self.app, (&name, &context), &id, VISIT_S)?;
        Ok((id, cookie))
    }

    /// Returns the cookie's name and the context of its seal.
    fn name(&self) -> (String, String) {
        let context = format!("picpick visit {}", self.album);
        let digest = sha256(context.as_bytes());
        (format!("picpick_visit_{}", digest.get(..12).unwrap_or_default()), context)
    }
}

impl DeviceCookie<'_> {
    /// Returns the id of the browser; `None` if the browser is not known.
    pub fn find(&self) -> Option<String> {
        self.client.sealed_id(self.app, &self.name(), &self.context())
    }

    /// Returns the `Set-Cookie` value that makes a browser known, or keeps it known under its id `known`.
    ///
    /// # Errors
    /// - `Internal` if the random number generator or the seal fails.
    pub fn set(&self, known: Option<String>) -> Result<String> {
        let id = known.map_or_else(new_id, Ok)?;
        self.client.seal_id(self.app, (&self.name(), &self.context()), &id, VALID_S)
    }

    /// Returns an attempt of this browser, known under the id `known`.
    pub fn guess<'a>(&'a self, known: Option<&'a str>) -> Guess<'a> {
        let guesser = known.map_or(Guesser::Stranger(self.client.from), Guesser::Known);
        Guess { secret: self.secret, subject: self.subject, guesser }
    }

    /// Returns the cookie's name, which differs for each subject and discloses none.
    fn name(&self) -> String {
        let digest = sha256(format!("device {} {}", self.secret.as_str(), self.subject).as_bytes());
        format!("picpick_device_{}", digest.get(..12).unwrap_or_default())
    }

    fn context(&self) -> String {
        let credential = sha256(self.credential.as_bytes());
        format!("picpick device {} {} {credential}", self.secret.as_str(), self.subject)
    }
}
