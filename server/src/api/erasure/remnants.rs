//! Removes what an erasure leaves outside the collection: written mails, buffers of the models, running
//! challenges, and pages of the database in its log and in memory.
//!
//! The receipt of an erasure does not depend on these steps, so a failure is logged and does not undo it. The
//! retention job repeats the steps that concern the database.

use std::collections::HashSet;

use crate::app::App;
use crate::error::{ApiError, Result};
use crate::infra::db::guests;

/// Removes the mails that were written to files for the guests of `event`, or for the guest `guest` only, and
/// ends their challenges. Runs before their rows are deleted.
pub async fn remove_guest_traces(app: &App, event: &str, guest: Option<&str>) {
    if let Err(failure) = try_remove_guest_traces(app, event, guest).await {
        tracing::error!(event, reason = failure.reason(), "removing written mails failed");
    }
}

async fn try_remove_guest_traces(app: &App, event: &str, guest: Option<&str>) -> Result<()> {
    let hashes: HashSet<String> =
        guests::contact_hashes(&app.db, event, guest).await?.into_iter().collect();
    for hash in &hashes {
        app.challenges.remove_of(&format!("{event}:{hash}"));
    }
    let (mailer, vault) = (app.mailer.clone(), app.vault.clone());
    let removal = tokio::task::spawn_blocking(move || {
        mailer.remove_written(|mail| {
            let hash = vault.name("guest contact", mail.to.as_bytes());
            hash.is_ok_and(|hash| hashes.contains(&hash))
        })
    });
    removal.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
}

/// Overwrites the buffers of the models, and removes deleted rows from the database's log and memory. Runs after
/// the rows are deleted.
pub async fn clear(app: &App) {
    let overwritten = app.face_engine.run(|faces| {
        faces.overwrite_buffers();
        Ok(())
    });
    if let Err(failure) = overwritten.await {
        tracing::error!(reason = failure.reason(), "overwriting buffers failed");
    }
    app.db.discard_remnants().await;
}
