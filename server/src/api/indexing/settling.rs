//! Clustering of people after indexing, beside the worker and in a round robin over studios: clustering passes
//! over the whole collection, and the photos of other studios must not wait for it.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::Notify;

use crate::app::App;
use crate::infra::db::events::OwnedEvent;
use crate::infra::rotation::Rotation;

/// The events whose people are to be clustered.
#[derive(Default)]
pub struct Settling {
    due: Mutex<Vec<OwnedEvent>>,
    added: Notify,
}

impl Settling {
    /// Adds an event unless it waits already.
    pub fn add(&self, event: OwnedEvent) {
        let mut due = self.due.lock();
        if !due.contains(&event) {
            due.push(event);
        }
        drop(due);
        self.added.notify_one();
    }

    /// Clusters one event at a time, until the task is aborted. A crash loses the list; the next opening of a
    /// collection clusters what is missing.
    pub async fn run(self: Arc<Self>, app: App) {
        let mut rotation = Rotation::default();
        loop {
            let next = {
                let mut due = self.due.lock();
                let next = rotation.next(&due);
                due.retain(|event| Some(event) != next.as_ref());
                next
            };
            match next {
                Some(event) => form_people(&app, &event.id).await,
                None => self.added.notified().await,
            }
        }
    }
}

/// Refreshes an event's people and index, and announces the change.
async fn form_people(app: &App, event: &str) {
    let name = event.to_owned();
    let formed = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.refresh()?))
        .await;
    if let Err(failure) = formed {
        tracing::error!(event, reason = failure.reason(), "clustering failed");
    }
    app.jobs.publish(event);
    // Clustering can match guests to faces that did not match on their own.
    app.guest_updates.publish(event, None);
}
