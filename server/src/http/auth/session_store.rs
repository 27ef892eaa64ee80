use axum::http::request::Parts;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::caller::{check_same_site, token_of};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::Db;
use crate::infra::ids::token_hash;

/// Detail of the error for an ended session that was opened with a link.
pub const LINK_SESSION_ENDED: &str = "The session has ended; open the link again.";

/// The sessions of one kind. A cookie holds a session's token; the database holds the token's hash.
pub struct SessionStore<T> {
    pub cookie: &'static str,
    /// `SELECT … FROM … WHERE …` of open sessions at `$2`, seconds since the Unix epoch. The table of
    /// sessions is named `s`.
    pub select: &'static str,
    /// `None`: the sessions have no idle timeout.
    pub idle: Option<IdleLimit>,
    /// Detail of the error for an ended session.
    pub ended: &'static str,
    pub read: fn(&AnyRow) -> sqlx::Result<T>,
}

/// The idle timeout of sessions. The column `seen_unix_s` holds the time of a session's last use; `select`
/// must return this column and `id`.
pub struct IdleLimit {
    pub table: &'static str,
    /// Idle timeout of a session, seconds.
    pub timeout_s: i64,
    /// Minimum interval between updates of a session's last use, seconds.
    pub update_s: i64,
}

/// Returns the error for an ended session that was opened with a link.
pub fn session_ended() -> ApiError {
    ApiError::new(ErrorKind::Unauthenticated, LINK_SESSION_ENDED)
}

impl<T> SessionStore<T> {
    /// Finds the session of a request and records its use; `None` if the request carries no token.
    ///
    /// # Errors
    /// - `Unauthenticated` if the token is unknown or its session has ended.
    /// - `CrossSite` for a change that another site's page has caused.
    pub async fn find(&self, parts: &Parts, app: &App) -> Result<Option<T>> {
        let Some(token) = token_of(parts, app, self.cookie) else { return Ok(None) };
        check_same_site(parts)?;
        let (db, now, hash) = (&app.db, now_s(), token_hash(token));
        let row = match &self.idle {
            None => self.row(db, "s.token_hash = $1", &hash, &[now]).await?,
            Some(idle) => {
                let condition = "s.token_hash = $1 AND s.seen_unix_s > $3";
                let row = self.row(db, condition, &hash, &[now, now - idle.timeout_s]).await?;
                idle.record_use(db, &row, now).await?;
                row
            }
        };
        Ok(Some((self.read)(&row)?))
    }

    /// Returns the session with the id `id`. Does not record a use of the session.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session has ended.
    pub async fn get(&self, db: &Db, id: &str) -> Result<T> {
        let row = self.row(db, "s.id = $1", id, &[now_s()]).await?;
        Ok((self.read)(&row)?)
    }

    async fn row(&self, db: &Db, condition: &str, value: &str, times: &[i64]) -> Result<AnyRow> {
        let text = format!("{} AND {condition}", self.select);
        let query =
            times.iter().fold(sqlx::query(&text).bind(value), |query, time| query.bind(*time));
        let row = query.fetch_optional(db.read()).await?;
        row.ok_or_else(|| ApiError::new(ErrorKind::Unauthenticated, self.ended))
    }
}

impl IdleLimit {
    async fn record_use(&self, db: &Db, row: &AnyRow, now: i64) -> Result<()> {
        if now - row.try_get::<i64, _>("seen_unix_s")? < self.update_s {
            return Ok(());
        }
        let text = format!("UPDATE {} SET seen_unix_s = $1 WHERE id = $2", self.table);
        let mut tx = db.write().await?;
        sqlx::query(&text)
            .bind(now)
            .bind(row.try_get::<String, _>("id")?)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
