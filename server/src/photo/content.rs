//! The rows of photos that the engine has named.
//!
//! The engine knows a photo by its content, the service by an id of its own. Knows nothing of why they are asked for.

use picpick_engine::PhotoId;
use sqlx::any::AnyRow;

use crate::error::Result;
use crate::state::App;

/// Databases bound the number of a statement's values.
const TOGETHER: usize = 500;

/// The rows that `select` finds of these photos of `event`. It ends in a condition, has the event as `$1`, and
/// calls the table of photos `p`.
pub async fn rows_of(
    app: &App,
    event: &str,
    photos: &[PhotoId],
    select: &str,
) -> Result<Vec<AnyRow>> {
    let mut rows = Vec::with_capacity(photos.len());
    for some in photos.chunks(TOGETHER) {
        let marks: Vec<String> = (0..some.len()).map(|i| format!("${}", i + 2)).collect();
        let text = format!("{select} AND p.content_id IN ({})", marks.join(", "));
        let query = some
            .iter()
            .fold(sqlx::query(&text).bind(event), |query, id| query.bind(id.to_string()));
        rows.extend(query.fetch_all(app.db().read()).await?);
    }
    Ok(rows)
}
