//! Notifies guests of new photos: at once on open pages (server-sent events), and by e-mail on request.
//!
//! The engine reports the guests whom new photos show. A guest receives at most one e-mail per hour. Each
//! photo is announced once, unless a crash causes a repetition. No e-mail is sent after the event's end.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use picpick_engine::GuestId;
use picpick_engine::guests::NewMatch;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::contact::open;
use super::photos::found;
use super::terms_notices::send_due_notices;
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::http::auth::GuestSession;
use crate::i18n::Language;
use crate::infra::backoff::BackoffPolicy;
use crate::infra::clock::now_s;
use crate::infra::db::{BoundValue, Tx};
use crate::infra::leased_queue::{ClaimScope, LeasedQueue};
use crate::infra::mail::{self, OutgoingMail};
use crate::infra::places::PlaceKind;

/// Minimum interval between two server-sent events of a stream.
const UPDATE_INTERVAL: Duration = Duration::from_millis(500);
/// Polling interval for e-mails that are due.
const POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Minimum interval between two e-mails to one guest, seconds (1 hour).
const MESSAGE_INTERVAL_S: i64 = 3600;
/// Maximum number of guests whose e-mails one polling run sends.
const BATCH_MAX: i64 = 100;

/// The queue of guests who may have new photos. A guest's next attempt is due `MESSAGE_INTERVAL_S` after the
/// time in `notified_unix_s`, which is that of the last e-mail or of the last failed attempt.
const GUESTS: LeasedQueue = LeasedQueue {
    table: "guests",
    claimable: "has_new_photos = 1 AND notify = 2 AND verified_unix_s IS NOT NULL \
                AND erasing_unix_s IS NULL AND notified_unix_s + 3600 < $1",
    order: "notified_unix_s",
    lease: "notified_unix_s = $4",
    lease_s: 60,
    leased: "TRUE",
    columns: "*",
    due: "notified_unix_s",
    due_offset_s: MESSAGE_INTERVAL_S,
    backoff: BackoffPolicy::Steps(&[MESSAGE_INTERVAL_S]),
    attempts_max: i64::MAX,
};

/// Interval at which an idle stream checks that its session is still open.
const KEEP_ALIVE: Duration = Duration::from_secs(45);

/// The numbers of a guest's photos and candidate faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GuestUpdate {
    pub photos: usize,
    /// Number of candidate faces, which the guest can confirm or reject.
    pub candidates: usize,
}

/// A server-sent event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only the OpenAPI document uses this type")]
pub struct GuestUpdateEvent {
    /// Always `update`.
    event: String,
    /// `{"photos": N, "candidates": N}`.
    data: String,
}

/// Marks the guests whom new photos show as due for an e-mail, and announces the update to their streams.
/// Guests who have not confirmed e-mails are not marked.
pub async fn record_new_matches(app: &App, event: &str, sightings: &[NewMatch]) -> Result<()> {
    let mut guests: Vec<String> =
        sightings.iter().map(|sighting| sighting.guest.to_string()).collect();
    guests.sort_unstable();
    guests.dedup();
    if guests.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.write().await?;
    for guest in &guests {
        sqlx::query("UPDATE guests SET has_new_photos = 1 WHERE id = $1 AND notify = 2")
            .bind(guest)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    guests.iter().for_each(|guest| app.guest_updates.publish(event, Some(guest)));
    Ok(())
}

async fn counted(app: &App, visit: &GuestSession) -> Result<GuestUpdate> {
    let found = found(app, &visit.event, &visit.guest, &[]).await?;
    Ok(GuestUpdate { photos: found.photos.len(), candidates: found.asked.len() })
}

/// Streams the numbers of the guest's photos and candidate faces as server-sent events named `update`. The
/// first event is sent at once. The stream ends with the guest's session.
#[utoipa::path(get, path = "/guest/updates", operation_id = "guest_update_stream", tag = "guest",
    responses((status = 200, body = GuestUpdateEvent, content_type = "text/event-stream")))]
pub async fn watch(
    State(app): State<App>,
    visit: GuestSession,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let place = app.places.take(PlaceKind::Stream, &visit.studio)?;
    let watching = (app.guest_updates.watch(&visit.session)?, place);
    let news = app.guest_updates.subscribe();
    let first = counted(&app, &visit).await?;
    let state = (app, visit, news, Some(first), first, watching);
    let events =
        stream::unfold(state, |(app, visit, mut news, first, last, watching)| async move {
            let now = match first {
                Some(first) => first,
                None => next(&app, &visit, &mut news, last).await.ok()?,
            };
            let data = serde_json::to_string(&now).unwrap_or_default();
            let event = Event::default().event("update").data(data);
            Some((Ok(event), (app, visit, news, None, now, watching)))
        });
    Ok(Sse::new(events.fuse().boxed()).keep_alive(KeepAlive::default()))
}

/// Waits until the guest's counts differ from `last` and returns the new counts.
/// Errors: `Unauthenticated` if the session has ended, `Internal` if the service stops.
async fn next(
    app: &App,
    visit: &GuestSession,
    news: &mut Receiver<(String, Option<String>)>,
    last: GuestUpdate,
) -> Result<GuestUpdate> {
    let mut session_check = tokio::time::interval_at(Instant::now() + KEEP_ALIVE, KEEP_ALIVE);
    loop {
        let update = tokio::select! {
            update = news.recv() => update,
            _ = session_check.tick() => {
                visit.check_open(&app.db).await?;
                continue;
            }
        };
        match update {
            Ok((event, guest)) => {
                let ours = guest.is_none_or(|guest| guest == visit.guest);
                if event != visit.event || !ours {
                    continue;
                }
            }
            // This receiver was too slow, and the missed updates may include one for this guest.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(ApiError::internal("the service is stopping")),
        }
        tokio::time::sleep(UPDATE_INTERVAL).await;
        // No counts are sent after the end of the session.
        visit.check_open(&app.db).await?;
        let now = counted(app, visit).await?;
        if now != last {
            return Ok(now);
        }
    }
}

/// Sends the e-mails that are due, until the service stops.
pub async fn run_notifications(app: App) {
    // An earlier process may have stopped after it indexed a photo and before it marked the photo's guests.
    // Therefore all guests are checked once.
    if let Err(failure) = notify_all(&app).await {
        tracing::error!(reason = failure.reason(), "marking guests for notification failed");
    }
    let mut news = app.guest_updates.subscribe();
    loop {
        if let Err(failure) = send_due_notices(&app).await {
            tracing::error!(reason = failure.reason(), "run of notices of changed terms failed");
        }
        if let Err(failure) = send_due(&app).await {
            tracing::error!(reason = failure.reason(), "guest notification run failed");
        }
        // Wakes at the next update, and every 30 s for guests whose `MESSAGE_INTERVAL_S` has passed.
        let _ = tokio::time::timeout(POLL_INTERVAL, news.recv()).await;
    }
}

/// Marks all guests of this server who receive e-mails, so that the next run checks each of them for new
/// photos.
async fn notify_all(app: &App) -> Result<()> {
    let mut tx = app.db.write().await?;
    sqlx::query(
        "UPDATE guests SET has_new_photos = 1 WHERE notify = 2 AND event_id IN (SELECT id FROM events WHERE node_id = $1)",
    )
    .bind(&app.node_id)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn send_due(app: &App) -> Result<()> {
    let own = ClaimScope {
        condition: "event_id IN (SELECT id FROM events \
                    WHERE node_id = $3 AND deleting_unix_s IS NULL AND ends_unix_s > $1)",
        value: &app.node_id,
    };
    for guest in GUESTS.find_due(&app.db, "id", Some(own), BATCH_MAX).await? {
        let Some(row) = GUESTS.claim_one(&app.db, &guest).await? else { continue };
        if let Err(failure) = send_to(app, &row, &guest).await {
            // A failure, for example a collection that cannot be opened, must not delay the other guests'
            // e-mails.
            tracing::error!(guest, reason = failure.reason(), "guest notification failed");
            postpone(app, &guest, failure.kind).await?;
        }
    }
    Ok(())
}

/// Postpones a guest's e-mail after a failure of kind `why`: by an hour, or until the guest's next new photo
/// if the engine has no template of the guest (`NotFound`).
async fn postpone(app: &App, guest: &str, why: ErrorKind) -> Result<()> {
    let mut tx = app.db.write().await?;
    let due = GUESTS.retry_delay_s(1).map(|delay_s| now_s() + delay_s);
    release(&mut tx, guest, due, why != ErrorKind::NotFound).await?;
    tx.commit().await?;
    Ok(())
}

async fn release(tx: &mut Tx, guest: &str, due: Option<i64>, has_new_photos: bool) -> Result<()> {
    let value = BoundValue::Number(i64::from(has_new_photos));
    GUESTS.release(tx, guest, due, &[("has_new_photos", value)]).await
}

/// Enqueues an e-mail about the guest's new photos, if there are any.
async fn send_to(app: &App, row: &AnyRow, guest: &str) -> Result<()> {
    let event: String = row.try_get("event_id")?;
    let names = sqlx::query(
        "SELECT e.name AS event_name, s.name AS studio_name FROM events e \
         JOIN studios s ON s.id = e.studio_id WHERE e.id = $1",
    )
    .bind(&event)
    .fetch_one(app.db.read())
    .await?;
    let found = found(app, &event, guest, &[]).await?;
    let (name, id): (_, GuestId) = (event.clone(), guest.parse()?);
    let notified = app
        .face_engine
        .run(move |faces| Ok(faces.open_collection(&name)?.collection.guest(&id)?.notified));
    let notified = notified.await?;
    let mut new = found.contents;
    new.retain(|photo| !notified.contains(photo));
    let contact = open(app, guest, "contact", &row.try_get::<String, _>("contact")?)?;
    let letter = mail::new_photos(
        &app.mailer,
        &contact,
        Language::of_tag(&row.try_get::<String, _>("language")?),
        &names.try_get::<String, _>("event_name")?,
        &names.try_get::<String, _>("studio_name")?,
        new.len(),
    );
    let mut tx = app.db.write().await?;
    if !new.is_empty() {
        mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    }
    // If there is no new photo, no e-mail is sent, and the next new photo is announced at once.
    let wait_s = if new.is_empty() { 0 } else { MESSAGE_INTERVAL_S };
    release(&mut tx, guest, Some(now_s() + wait_s), false).await?;
    tx.commit().await?;
    app.mailer.wake();
    // Photos are marked after the e-mail is enqueued, so that a crash between the two steps repeats the
    // e-mail and never loses it.
    let marked = app.face_engine.run(move |faces| {
        Ok(faces.open_collection(&event)?.collection.mark_notified(&id, &new)?)
    });
    marked.await.map(drop)
}
