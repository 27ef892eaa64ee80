use std::sync::{Arc, OnceLock};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use sqlx::Row as _;

use super::roles::Role;
use super::session_store::{IdleLimit, SessionStore};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::client_address::{Encrypted, TrustedOrigin};
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::ids::token_hash;

/// The name of the session cookie. On encrypted connections the name has the prefix `__Host-`; browsers
/// accept cookies with this prefix from this host only.
pub const SESSION_COOKIE: &str = "picpick_session";
/// Idle timeout of a session, seconds (14 days).
pub const SESSION_IDLE_S: i64 = 14 * 86_400;

/// The sessions of signed-in users.
const USER_SESSIONS: SessionStore<Principal> = SessionStore {
    cookie: SESSION_COOKIE,
    select: "SELECT s.id, s.user_id, s.seen_unix_s FROM sessions s WHERE s.expires_unix_s > $2",
    idle: Some(IdleLimit { table: "sessions", timeout_s: SESSION_IDLE_S, update_s: 300 }),
    ended: "The session has ended; sign in again.",
    read: |row| {
        Ok(Principal::Person { user: row.try_get("user_id")?, session: row.try_get("id")? })
    },
};

/// The authenticated caller of a request: a user by session cookie, or a program by API key. Tokens are
/// looked up by their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Person {
        user: String,
        session: String,
    },
    Key {
        id: String,
        studio: String,
        event: Option<String>,
        role: Role,
    },
    /// A visitor of an album or a guest of an event; never on a route for members of a studio.
    Visitor {
        visit: String,
        studio: String,
    },
}

/// A slot in the request's extensions for the caller, which the guard fills once it has identified the
/// caller.
#[derive(Clone, Debug, Default)]
pub struct CallerSlot(Arc<OnceLock<Principal>>);

impl CallerSlot {
    /// Returns the caller, if the guard has identified it.
    pub fn get(&self) -> Option<&Principal> {
        self.0.get()
    }

    /// Stores the caller.
    pub fn set(&self, caller: &Principal) {
        let _ = self.0.set(caller.clone());
    }
}

impl Principal {
    /// Returns the caller's name in the audit log and in alerts: `user:ID`, `key:ID` or `visitor:ID`.
    pub fn name(&self) -> String {
        match self {
            Principal::Person { user, .. } => format!("user:{user}"),
            Principal::Key { id, .. } => format!("key:{id}"),
            Principal::Visitor { visit, .. } => format!("visitor:{visit}"),
        }
    }

    /// Identifies the caller of a request; `None` if the request carries no token.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is unknown or expired, or `Authorization` holds no API key.
    /// - `CrossSite` for a change that another site's page has caused.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Principal>> {
        if let Some(token) = bearer(&parts.headers)? {
            return by_key(&app.db, token).await.map(Some);
        }
        USER_SESSIONS.find(parts, app).await
    }
}

/// Protects against CSRF: checks that no other site's page has caused the request.
///
/// # Errors
/// - `CrossSite` for a change that another site's page has caused.
pub fn check_same_site(parts: &Parts) -> Result<()> {
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || parts.extensions.get::<TrustedOrigin>().is_some() {
        return Ok(());
    }
    same_site(&parts.headers)
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(unauthenticated("Authorization: expected 'Bearer KEY' with an API key.")),
    }
}

fn unauthenticated(detail: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, detail)
}

/// Returns the value of the cookie `name`.
pub fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Returns the token in the cookie that `set_cookie` sets for `name`. Accepts a cookie without the `__Host-`
/// prefix on unencrypted connections only, because a network attacker or a neighbouring host can plant such a
/// cookie in a browser.
pub fn token_of<'a>(parts: &'a Parts, app: &App, name: &str) -> Option<&'a str> {
    let Encrypted(encrypted) = Encrypted::of_parts(parts, &app.settings);
    cookie_of(&parts.headers, &full_name(name, encrypted))
}

/// Returns the name under which [`set_cookie`] sets the cookie `name`.
pub fn full_name(name: &str, encrypted: bool) -> String {
    format!("{}{name}", if encrypted { "__Host-" } else { "" })
}

/// Returns the `Set-Cookie` value of a cookie for this host, inaccessible to scripts. `age_s` is its lifetime
/// in seconds; `None` keeps it until the browser closes, 0 deletes it.
pub fn set_cookie(name: &str, token: &str, encrypted: bool, age_s: Option<i64>) -> String {
    let (name, secure) = (full_name(name, encrypted), if encrypted { "; Secure" } else { "" });
    let age = age_s.map_or_else(String::new, |age_s| format!("; Max-Age={age_s}"));
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")
}

/// Checks that the request comes from a page of this site. Browsers attach cookies to requests that other
/// sites cause, but name the cause in `Sec-Fetch-Site` or `Origin`. A client that sends neither header is not
/// a current browser, so no other site can abuse its cookies.
fn same_site(headers: &HeaderMap) -> Result<()> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let ours = match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text("host").unwrap_or_default();
            origin.split_once("://").is_some_and(|(_, from)| from == host)
        }
        (None, None) => true,
    };
    let refused = || {
        ApiError::new(
            ErrorKind::CrossSite,
            "Changes are accepted from this site's own pages only; make the change on a page of this site.",
        )
    };
    if ours { Ok(()) } else { Err(refused()) }
}

async fn by_key(db: &Db, token: &str) -> Result<Principal> {
    let row = sqlx::query(
        "SELECT id, studio_id, event_id, role FROM api_keys \
         WHERE token_hash = $1 AND (expires_unix_s IS NULL OR expires_unix_s > $2)",
    )
    .bind(token_hash(token))
    .bind(now_s())
    .fetch_optional(db.read())
    .await?;
    let row = row.ok_or_else(|| {
        unauthenticated("The API key is unknown, revoked or expired; use another API key.")
    })?;
    Ok(Principal::Key {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        event: row.try_get("event_id")?,
        role: Role::of_row(&row)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect()
    }

    #[test]
    fn another_site_cannot_use_a_cookie() {
        for ours in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://other.example")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://a:1"), ("host", "a:1")],
        ] {
            assert!(same_site(&headers(ours)).is_ok(), "{ours:?}");
        }
        for other in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null"), ("host", "a")],
            &[("origin", "http://a:2"), ("host", "a:1")],
            &[("origin", "http://a.evil"), ("host", "a")],
        ] {
            assert!(same_site(&headers(other)).is_err(), "{other:?}");
        }
    }

    #[test]
    fn cookies_are_distinguished() {
        let sent = headers(&[("cookie", "x=1; __Host-picpick_session=abc"), ("cookie", "y=2")]);
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, true)), Some("abc"));
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, false)), None);
        assert_eq!(cookie_of(&headers(&[("cookie", "xpicpick_session=a")]), SESSION_COOKIE), None);
        assert!(bearer(&headers(&[("authorization", "Basic YTpi")])).is_err());
    }
}
