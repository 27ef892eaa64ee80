use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::photos::one;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::AlbumSession;
use crate::http::extract;
use crate::infra::clock::now_s;
use crate::infra::ids::{is_id, new_id};

/// Maximum number of comments on one photo. One response returns all comments of a photo.
const COMMENTS_MAX: i64 = 200;
/// Resolution of a stored point: each side of the photo has 10,000 parts.
const PARTS: f64 = 10_000.0;

/// A comment on a photo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    pub id: String,
    pub photo: String,
    /// The author's name.
    pub visitor: String,
    pub text: String,
    /// Horizontal position in the displayed photo, 0 (left) to 1 (right). Absent if the comment is about the
    /// whole photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Vertical position, 0 (top) to 1 (bottom). Absent if `x` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
    pub created_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_unix_s: Option<i64>,
    /// Whether the requesting visitor wrote the comment.
    pub own: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct NewComment {
    #[schema(min_length = 1, max_length = 1000)]
    pub text: String,
    /// Horizontal position in the displayed photo, 0 (left) to 1 (right); requires `y`.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub x: Option<f64>,
    /// Vertical position, 0 (top) to 1 (bottom); requires `x`.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub y: Option<f64>,
}

/// Reads a comment from the columns of `album_comments` and `visitor_name`. `who` is the requesting visitor.
pub fn read(row: &AnyRow, who: &str) -> sqlx::Result<Comment> {
    let part = |value: Option<i64>| value.map(|value| value as f64 / PARTS);
    Ok(Comment {
        id: row.try_get("id")?,
        photo: row.try_get("photo_id")?,
        visitor: row.try_get("visitor_name")?,
        text: row.try_get("text")?,
        x: part(row.try_get("x")?),
        y: part(row.try_get("y")?),
        created_unix_s: row.try_get("created_unix_s")?,
        resolved_unix_s: row.try_get("resolved_unix_s")?,
        own: row.try_get::<String, _>("visitor_id")? == who,
    })
}

/// Picks a photo or changes the mark of an existing pick. A visitor sees only their own picks.
///
/// # Errors
/// - `NotFound` if the album does not show the photo.
/// - `Forbidden` if the visitor has not entered the second PIN.
pub async fn pick(app: &App, visit: &AlbumSession, photo: &str, important: bool) -> Result<()> {
    let photo = one(app, visit, photo).await?;
    let mut tx = app.db.write().await?;
    sqlx::query(
        "INSERT INTO album_picks (visitor_id, photo_id, important, created_unix_s) \
         VALUES ($1, $2, $3, $4) ON CONFLICT (visitor_id, photo_id) DO UPDATE SET important = $3",
    )
    .bind(visit.visitor()?)
    .bind(&photo.id)
    .bind(i64::from(important))
    .bind(now_s())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Removes a pick; does nothing if the photo is not picked.
///
/// # Errors
/// - The errors of [`pick`].
pub async fn remove_pick(app: &App, visit: &AlbumSession, photo: &str) -> Result<()> {
    let photo = one(app, visit, photo).await?;
    let mut tx = app.db.write().await?;
    sqlx::query("DELETE FROM album_picks WHERE visitor_id = $1 AND photo_id = $2")
        .bind(visit.visitor()?)
        .bind(&photo.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the comments of all visitors on a photo, oldest first.
///
/// # Errors
/// - The errors of [`pick`].
pub async fn comments(app: &App, visit: &AlbumSession, photo: &str) -> Result<Vec<Comment>> {
    let (photo, who) = (one(app, visit, photo).await?, visit.visitor()?);
    let rows = sqlx::query(
        "SELECT c.*, w.name AS visitor_name FROM album_comments c \
         JOIN album_visitors w ON w.id = c.visitor_id WHERE c.photo_id = $1 AND w.album_id = $2 \
         ORDER BY c.created_unix_s, c.id LIMIT $3",
    )
    .bind(&photo.id)
    .bind(&visit.album)
    .bind(COMMENTS_MAX)
    .fetch_all(app.db.read())
    .await?;
    Ok(rows.iter().map(|row| read(row, who)).collect::<sqlx::Result<_>>()?)
}

/// Adds a comment to a photo.
///
/// # Errors
/// - The errors of [`pick`].
/// - `Invalid` if the text is not 1 to 1,000 printable characters, or the point is outside the photo.
/// - `Conflict` if the photo has `COMMENTS_MAX` comments.
pub async fn comment(
    app: &App,
    visit: &AlbumSession,
    photo: &str,
    new: &NewComment,
) -> Result<Comment> {
    let (photo, who) = (one(app, visit, photo).await?, visit.visitor()?);
    let spot = spot(new.x, new.y)?;
    let (id, text, now) = (new_id()?, text(&new.text)?, now_s());
    let mut tx = app.db.write().await?;
    let made = sqlx::query(
        "INSERT INTO album_comments (id, visitor_id, photo_id, text, x, y, created_unix_s) \
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE (SELECT COUNT(*) FROM album_comments c \
         JOIN album_visitors w ON w.id = c.visitor_id WHERE c.photo_id = $3 AND w.album_id = $8) < $9",
    )
    .bind(&id)
    .bind(who)
    .bind(&photo.id)
    .bind(&text)
    .bind(spot.map(|(x, _)| x))
    .bind(spot.map(|(_, y)| y))
    .bind(now)
    .bind(&visit.album)
    .bind(COMMENTS_MAX)
    .execute(&mut *tx)
    .await?;
    if made.rows_affected() == 0 {
        let detail = format!(
            "The photo has {COMMENTS_MAX} comments, the maximum; delete one of your own to add another."
        );
        return Err(ApiError::new(ErrorKind::Conflict, detail));
    }
    let row = sqlx::query(
        "SELECT c.*, w.name AS visitor_name FROM album_comments c \
         JOIN album_visitors w ON w.id = c.visitor_id WHERE c.id = $1",
    )
    .bind(&id)
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(read(&row, who)?)
}

/// Joins the lines of a comment into one line. Errors: `Invalid` unless it has 1 to 1,000 printable characters.
fn text(given: &str) -> Result<String> {
    let lines = given.split_whitespace().collect::<Vec<_>>().join(" ");
    extract::line("text", &lines, 1, 1000)
}

fn spot(x: Option<f64>, y: Option<f64>) -> Result<Option<(i64, i64)>> {
    let inside = |value: f64| (0.0..=1.0).contains(&value);
    match (x, y) {
        (None, None) => Ok(None),
        (Some(x), Some(y)) if inside(x) && inside(y) => {
            let parts = |value: f64| (value * PARTS).round() as i64;
            Ok(Some((parts(x), parts(y))))
        }
        _ => Err(ApiError::invalid("x, y: expected two numbers from 0 to 1, or neither of them.")),
    }
}

/// Resolves or reopens a comment of any visitor. The caller checks that the session has entered the second PIN.
///
/// # Errors
/// - `NotFound` if the album has no such comment or does not show the comment's photo.
pub async fn resolve(app: &App, visit: &AlbumSession, comment: &str, resolved: bool) -> Result<()> {
    let photo = photo_of(app, visit, comment).await?;
    one(app, visit, &photo).await?;
    let mut tx = app.db.write().await?;
    sqlx::query("UPDATE album_comments SET resolved_unix_s = $1 WHERE id = $2")
        .bind(resolved.then(now_s))
        .bind(comment)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes a comment that the visitor wrote.
///
/// # Errors
/// - `NotFound` if the album has no such comment or does not show the comment's photo.
/// - `Forbidden` if the session has not entered the second PIN, or another visitor wrote the comment.
pub async fn delete(app: &App, visit: &AlbumSession, comment: &str) -> Result<()> {
    let photo = photo_of(app, visit, comment).await?;
    one(app, visit, &photo).await?;
    let mut tx = app.db.write().await?;
    let gone = sqlx::query("DELETE FROM album_comments WHERE id = $1 AND visitor_id = $2")
        .bind(comment)
        .bind(visit.visitor()?)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(ApiError::new(
            ErrorKind::Forbidden,
            "Only its author can delete this comment; mark it as resolved instead.",
        ));
    }
    tx.commit().await?;
    Ok(())
}

/// Returns the photo of a comment in the session's album. Errors: `NotFound` if the album has no such comment.
async fn photo_of(app: &App, visit: &AlbumSession, comment: &str) -> Result<String> {
    if !is_id(comment) {
        return Err(ApiError::not_found());
    }
    let row = sqlx::query(
        "SELECT c.photo_id FROM album_comments c JOIN album_visitors w ON w.id = c.visitor_id \
         WHERE c.id = $1 AND w.album_id = $2",
    )
    .bind(comment)
    .bind(&visit.album)
    .fetch_one(app.db.read())
    .await?;
    Ok(row.try_get("photo_id")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spot_is_inside_the_photo_or_none() {
        assert_eq!(spot(None, None).unwrap(), None);
        assert_eq!(spot(Some(0.0), Some(1.0)).unwrap(), Some((0, 10_000)));
        for (x, y) in [
            (Some(0.5), None),
            (Some(-0.1), Some(0.5)),
            (Some(0.5), Some(1.1)),
            (Some(f64::NAN), Some(0.5)),
        ] {
            assert!(spot(x, y).is_err(), "{x:?} {y:?}");
        }
        assert_eq!(text(" two\n lines ").unwrap(), "two lines");
        assert!(text(" \n ").is_err() && text("a\u{1}b").is_err());
    }
}
