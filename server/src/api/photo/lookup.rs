use picpick_engine::PhotoId;
use sqlx::any::AnyRow;

use crate::app::App;
use crate::error::Result;

/// Limits the ids of one statement, because databases limit its bound values.
const BATCH_SIZE: usize = 500;

/// Returns the rows that `select` finds for photos of `event`, given by the engine's content ids. `select`
/// must name the photos table `p`, use the event's id as `$1`, and end in a condition, to which this function
/// appends `AND …`.
pub async fn rows_by_content(
    app: &App,
    event: &str,
    photos: &[PhotoId],
    select: &str,
) -> Result<Vec<AnyRow>> {
    let mut rows = Vec::with_capacity(photos.len());
    for some in photos.chunks(BATCH_SIZE) {
        let marks: Vec<String> = (0..some.len()).map(|i| format!("${}", i + 2)).collect();
        let text = format!("{select} AND p.content_id IN ({})", marks.join(", "));
        let query = some
            .iter()
            .fold(sqlx::query(&text).bind(event), |query, id| query.bind(id.to_string()));
        rows.extend(query.fetch_all(app.db().read()).await?);
    }
    Ok(rows)
}
