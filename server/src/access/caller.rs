//! Finds out who sends a request: a person by the session's cookie, a program by its API key.
//!
//! Both are known by the hashes of their tokens. Decides nothing of what they may do.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use sqlx::Row as _;

use super::roles::Role;
use crate::clock::now_s;
use crate::db::Db;
use crate::error::{Failure, Kind, Result};
use crate::ids::token_hash;
use crate::middleware::{Encrypted, TrustedOrigin};
use crate::state::App;

/// The session's cookie. Where the connection is encrypted it is called `__Host-…`, which browsers take
/// from this host alone.
pub const SESSION_COOKIE: &str = "picpick_session";
/// A session ends after so long without a request.
pub const SESSION_IDLE_S: i64 = 14 * 86_400;
/// How often a session's last use is written down.
const SEEN_EVERY_S: i64 = 300;

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
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
    /// Somebody who was let into an album; never on a route for members of a studio.
    Visitor {
        visit: String,
        studio: String,
    },
}

impl Caller {
    /// As the audit names them.
    pub fn name(&self) -> String {
        match self {
            Caller::Person { user, .. } => format!("user:{user}"),
            Caller::Key { id, .. } => format!("key:{id}"),
            Caller::Visitor { visit, .. } => format!("visitor:{visit}"),
        }
    }

    /// The caller of a request; `None` where it shows nothing. A token that opens nothing is an error.
    pub async fn find(parts: &Parts, app: &App) -> Result<Option<Caller>> {
        if let Some(token) = bearer(&parts.headers)? {
            return by_key(app.db(), token).await.map(Some);
        }
        let Some(token) = token_of(parts, app, SESSION_COOKIE) else { return Ok(None) };
        changes_from_elsewhere(parts)?;
        by_session(app.db(), token).await.map(Some)
    }
}

/// Refuses a change that another site's page has caused. Errors: `CrossSite`.
pub fn changes_from_elsewhere(parts: &Parts) -> Result<()> {
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
        _ => Err(signed_out("Expected 'Authorization: Bearer KEY'.")),
    }
}

fn signed_out(detail: &str) -> Failure {
    Failure::new(Kind::SignedOut, detail)
}

/// The value of the cookie called `name`.
pub fn cookie_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).into_iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The token in the cookie that `set_cookie` gives under `name`. A plain name is believed on a plain connection only:
/// anybody in between, or on a neighbouring host, can give a browser such a cookie.
pub fn token_of<'a>(parts: &'a Parts, app: &App, name: &str) -> Option<&'a str> {
    let Encrypted(encrypted) = Encrypted::of_parts(parts, app.settings());
    cookie_of(&parts.headers, &full_name(name, encrypted))
}

fn full_name(name: &str, encrypted: bool) -> String {
    format!("{}{name}", if encrypted { "__Host-" } else { "" })
}

/// The header that gives a cookie to a browser, for this host alone and out of reach of scripts. `age_s`: how long it
/// keeps it; `None`: until it is closed, 0: not at all.
pub fn set_cookie(name: &str, token: &str, encrypted: bool, age_s: Option<i64>) -> String {
    let (name, secure) = (full_name(name, encrypted), if encrypted { "; Secure" } else { "" });
    let age = age_s.map_or_else(String::new, |age_s| format!("; Max-Age={age_s}"));
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax{age}{secure}")
}

/// A browser sends cookies along with requests that other sites cause; it also says so. What says
/// neither `Sec-Fetch-Site` nor `Origin` is no browser of the last years, and has no cookies to abuse.
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
    let refused =
        || Failure::new(Kind::CrossSite, "Changes are taken from this site's own pages only.");
    if ours { Ok(()) } else { Err(refused()) }
}

async fn by_session(db: &Db, token: &str) -> Result<Caller> {
    let now = now_s();
    let row = sqlx::query(
        "SELECT id, user_id, seen_unix_s FROM sessions \
         WHERE token_hash = $1 AND expires_unix_s > $2 AND seen_unix_s > $3",
    )
    .bind(token_hash(token))
    .bind(now)
    .bind(now - SESSION_IDLE_S)
    .fetch_optional(db.read())
    .await?;
    let row = row.ok_or_else(|| signed_out("The session has ended; sign in again."))?;
    let session: String = row.try_get("id")?;
    if now - row.try_get::<i64, _>("seen_unix_s")? >= SEEN_EVERY_S {
        let mut tx = db.write().await?;
        sqlx::query("UPDATE sessions SET seen_unix_s = $1 WHERE id = $2")
            .bind(now)
            .bind(&session)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
    }
    Ok(Caller::Person { user: row.try_get("user_id")?, session })
}

async fn by_key(db: &Db, token: &str) -> Result<Caller> {
    let row = sqlx::query(
        "SELECT id, studio_id, event_id, role FROM api_keys \
         WHERE token_hash = $1 AND (expires_unix_s IS NULL OR expires_unix_s > $2)",
    )
    .bind(token_hash(token))
    .bind(now_s())
    .fetch_optional(db.read())
    .await?;
    let row = row.ok_or_else(|| signed_out("The API key is not known, revoked or expired."))?;
    Ok(Caller::Key {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        event: row.try_get("event_id")?,
        role: Role::of_row(&row)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
    fn cookies_are_told_apart() {
        let sent = headers(&[("cookie", "x=1; __Host-picpick_session=abc"), ("cookie", "y=2")]);
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, true)), Some("abc"));
        assert_eq!(cookie_of(&sent, &full_name(SESSION_COOKIE, false)), None);
        assert_eq!(cookie_of(&headers(&[("cookie", "xpicpick_session=a")]), SESSION_COOKIE), None);
        assert!(bearer(&headers(&[("authorization", "Basic YTpi")])).is_err());
    }
}
