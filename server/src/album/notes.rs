//! Picks and comments of visitors: each visitor's picks are their own, comments are for all who annotate.
//!
//! A photo that the album does not show takes neither. Knows nothing of pages and of how somebody got in.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use utoipa::ToSchema;

use super::photos::one;
use crate::access::AlbumVisit;
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::ids::{is_id, new_id};
use crate::input;
use crate::state::App;

/// Comments on one photo at most: a page of them is sent whole.
const COMMENTS_MAX: i64 = 200;
/// Spots are stored in parts of the photo's sides.
const PARTS: f64 = 10_000.0;

/// A comment on a photo.
#[derive(Debug, Serialize, ToSchema)]
pub struct Comment {
    pub id: String,
    pub photo: String,
    /// The name of who wrote it.
    pub visitor: String,
    pub text: String,
    /// The spot, 0 to 1 from the left of the photo as it is shown; absent: the whole photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// 0 to 1 from the top.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
    pub created_unix_s: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolved_unix_s: Option<i64>,
    /// Whether who asks has written it.
    pub own: bool,
}

#[derive(Deserialize, ToSchema)]
pub struct NewComment {
    #[schema(min_length = 1, max_length = 1000)]
    pub text: String,
    /// The spot, with `y`.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub x: Option<f64>,
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub y: Option<f64>,
}

/// From columns of `album_comments` with `visitor_name`; `who` asks.
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

/// Picks a photo, or changes the mark of a pick.
pub async fn pick(app: &App, visit: &AlbumVisit, photo: &str, important: bool) -> Result<()> {
    let photo = one(app, visit, photo).await?;
    let mut tx = app.db().write().await?;
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

/// Takes a pick back; without one nothing changes.
pub async fn unpick(app: &App, visit: &AlbumVisit, photo: &str) -> Result<()> {
    let photo = one(app, visit, photo).await?;
    let mut tx = app.db().write().await?;
    sqlx::query("DELETE FROM album_picks WHERE visitor_id = $1 AND photo_id = $2")
        .bind(visit.visitor()?)
        .bind(&photo.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// The comments on a photo, oldest first.
pub async fn comments(app: &App, visit: &AlbumVisit, photo: &str) -> Result<Vec<Comment>> {
    let (photo, who) = (one(app, visit, photo).await?, visit.visitor()?);
    let rows = sqlx::query(
        "SELECT c.*, w.name AS visitor_name FROM album_comments c \
         JOIN album_visitors w ON w.id = c.visitor_id WHERE c.photo_id = $1 AND w.album_id = $2 \
         ORDER BY c.created_unix_s, c.id LIMIT $3",
    )
    .bind(&photo.id)
    .bind(&visit.album)
    .bind(COMMENTS_MAX)
    .fetch_all(app.db().read())
    .await?;
    Ok(rows.iter().map(|row| read(row, who)).collect::<sqlx::Result<_>>()?)
}

/// Comments on a photo. Errors: `Invalid` for a spot outside it, `Conflict` where it has too many comments.
pub async fn comment(
    app: &App,
    visit: &AlbumVisit,
    photo: &str,
    new: &NewComment,
) -> Result<Comment> {
    let (photo, who) = (one(app, visit, photo).await?, visit.visitor()?);
    let spot = spot(new.x, new.y)?;
    let (id, text, now) = (new_id()?, text(&new.text)?, now_s());
    let mut tx = app.db().write().await?;
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
        let detail = format!("The photo has {COMMENTS_MAX} comments; it takes no more.");
        return Err(Failure::new(Kind::Conflict, detail));
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

/// Several lines are one text; what cannot be printed is refused.
fn text(given: &str) -> Result<String> {
    let lines = given.split_whitespace().collect::<Vec<_>>().join(" ");
    input::line("text", &lines, 1, 1000)
}

fn spot(x: Option<f64>, y: Option<f64>) -> Result<Option<(i64, i64)>> {
    let inside = |value: f64| (0.0..=1.0).contains(&value);
    match (x, y) {
        (None, None) => Ok(None),
        (Some(x), Some(y)) if inside(x) && inside(y) => {
            let parts = |value: f64| (value * PARTS).round() as i64;
            Ok(Some((parts(x), parts(y))))
        }
        _ => Err(Failure::invalid("x, y: expected both, each from 0 to 1, or none.")),
    }
}

/// Resolves a comment or opens it again; whoever annotates may. Errors: `NotFound` where the album shows no photo
/// with it.
pub async fn resolve(app: &App, visit: &AlbumVisit, comment: &str, resolved: bool) -> Result<()> {
    let photo = photo_of(app, visit, comment).await?;
    one(app, visit, &photo).await?;
    let mut tx = app.db().write().await?;
    sqlx::query("UPDATE album_comments SET resolved_unix_s = $1 WHERE id = $2")
        .bind(resolved.then(now_s))
        .bind(comment)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes a comment of one's own. Errors: `NotFound` where it is none that one sees, `Forbidden` for another's.
pub async fn delete(app: &App, visit: &AlbumVisit, comment: &str) -> Result<()> {
    let photo = photo_of(app, visit, comment).await?;
    one(app, visit, &photo).await?;
    let mut tx = app.db().write().await?;
    let gone = sqlx::query("DELETE FROM album_comments WHERE id = $1 AND visitor_id = $2")
        .bind(comment)
        .bind(visit.visitor()?)
        .execute(&mut *tx)
        .await?;
    if gone.rows_affected() == 0 {
        return Err(Failure::new(Kind::Forbidden, "Somebody else wrote this comment."));
    }
    tx.commit().await?;
    Ok(())
}

/// The photo of a comment of the visit's album.
async fn photo_of(app: &App, visit: &AlbumVisit, comment: &str) -> Result<String> {
    if !is_id(comment) {
        return Err(Failure::not_found());
    }
    let row = sqlx::query(
        "SELECT c.photo_id FROM album_comments c JOIN album_visitors w ON w.id = c.visitor_id \
         WHERE c.id = $1 AND w.album_id = $2",
    )
    .bind(comment)
    .bind(&visit.album)
    .fetch_one(app.db().read())
    .await?;
    Ok(row.try_get("photo_id")?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
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
