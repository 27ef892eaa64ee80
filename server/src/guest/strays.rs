//! Templates without a guest: put into a collection while their guest went, or before a crash. They are erased as a
//! guest is, with a receipt.
//!
//! Whoever takes a face in writes the guest's row first, and whoever forgets one deletes it last: a template without a
//! row is nobody's. Decides nothing of who may stay.

use std::sync::PoisonError;

use picpick_engine::{Error, GuestId};
use sqlx::Row as _;

use super::leave::{Leaving, keep_receipt};
use super::register::note;
use crate::clock::now_s;
use crate::error::Result;
use crate::faces::receipt_text;
use crate::state::App;

/// Erases the template of somebody who is no guest any more, where there is one.
pub async fn erase(app: &App, stray: &Leaving) -> Result<()> {
    let (event, id): (_, GuestId) = (stray.event.clone(), stray.guest.parse()?);
    let receipt = app.faces().run(move |faces| {
        let open = faces.event(&event)?;
        let _alone = open.erasing.write().unwrap_or_else(PoisonError::into_inner);
        match open.collection.erase_guest(&id, false) {
            Ok(receipt) => receipt_text(&receipt).map(Some),
            Err(Error::NotFound { kind: "guest", .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    let Some(receipt) = receipt.await? else { return Ok(()) };
    let mut tx = app.db().write().await?;
    keep_receipt(&mut tx, stray, &receipt).await?;
    note(&mut tx, &stray.studio, &stray.guest, "guest_erased", "without a row").await?;
    tx.commit().await?;
    Ok(())
}

/// Looks for strays in this server's events to which somebody has consented since `since_unix_s`.
pub async fn look(app: &App, since_unix_s: i64) -> Result<()> {
    let events = sqlx::query(
        "SELECT id, studio_id FROM events WHERE home = $1 AND deleting_unix_s IS NULL AND ends_unix_s > $2 \
         AND id IN (SELECT event_id FROM guest_consents WHERE given_unix_s >= $3)",
    )
    .bind(app.home())
    .bind(now_s())
    .bind(since_unix_s)
    .fetch_all(app.db().read())
    .await?;
    for row in events {
        let (event, studio): (String, String) = (row.try_get("id")?, row.try_get("studio_id")?);
        // One event that does not open keeps no other one waiting.
        if let Err(failure) = look_at(app, &event, &studio).await {
            tracing::error!(event, reason = failure.reason(), "templates without a guest");
        }
    }
    Ok(())
}

async fn look_at(app: &App, event: &str, studio: &str) -> Result<()> {
    let name = event.to_owned();
    // The templates first: a row that comes meanwhile has none yet.
    let mut strays =
        app.faces().run(move |faces| Ok(faces.event(&name)?.collection.guest_ids())).await?;
    let rows = sqlx::query("SELECT id FROM guests WHERE event_id = $1")
        .bind(event)
        .fetch_all(app.db().read())
        .await?;
    for row in rows {
        let known: GuestId = row.try_get::<String, _>("id")?.parse()?;
        strays.retain(|id| *id != known);
    }
    for stray in strays {
        let (studio, event) = (studio.to_owned(), event.to_owned());
        erase(app, &Leaving { studio, event, guest: stray.to_string(), faces: false }).await?;
    }
    Ok(())
}
