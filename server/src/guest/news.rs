//! Tells guests of more photos: at once where they look on, by a letter where they asked for one.
//!
//! The engine says whom new photos show; here they are told. Letters are rare, never tell of the same photo twice,
//! and stop with the event. Knows nothing of how a face is recognised.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use picpick_engine::{GuestId, Sighting};
use serde::Serialize;
use sqlx::Row as _;
use sqlx::any::AnyRow;
use tokio::sync::broadcast::{self, Receiver, error::RecvError};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::person::open;
use super::photos::found;
use crate::access::GuestVisit;
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::mail::{self, Mail};
use crate::state::App;
use crate::words::Language;

/// News is told at most this often.
const TELL_AT_MOST: Duration = Duration::from_millis(500);
/// How often is looked for guests to write to, and how rarely one is written to.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const LETTER_EVERY_S: i64 = 3600;
/// Guests looked at in one go.
const LOOK_MAX: i64 = 100;

/// Streams of one session at the same time: as many pages as somebody looks at.
const STREAMS_MAX: usize = 4;
/// How often a stream that has nothing to tell asks whether its session is still there.
const ASK_EVERY: Duration = Duration::from_secs(45);

/// Tells those who look on for whom there is something new.
pub struct News {
    told: broadcast::Sender<(String, Option<String>)>,
    /// Streams under way, by session.
    watching: Arc<Mutex<HashMap<String, usize>>>,
}

/// A stream's place among those of its session.
struct Watching {
    all: Arc<Mutex<HashMap<String, usize>>>,
    session: String,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.session) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.session);
            }
        }
    }
}

impl Default for News {
    fn default() -> Self {
        Self { told: broadcast::channel(1024).0, watching: Arc::default() }
    }
}

impl News {
    /// A stream of `session` begins. Errors: `TooMany`.
    fn watch(&self, session: &str) -> Result<Watching> {
        let mut all = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(session.to_owned()).or_insert(0);
        if *count >= STREAMS_MAX {
            let detail = format!("You look on {STREAMS_MAX} times already; close a page.");
            return Err(Failure::new(Kind::TooMany, detail).retry_after(30));
        }
        *count += 1;
        Ok(Watching { all: Arc::clone(&self.watching), session: session.to_owned() })
    }

    /// There is something new for `guest` of `event`, or for all of its guests.
    pub fn tell(&self, event: &str, guest: Option<&str>) {
        // Nobody may be looking.
        let _ = self.told.send((event.to_owned(), guest.map(str::to_owned)));
    }
}

/// What a guest has, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counted {
    pub photos: usize,
    /// Faces that the guest is asked about.
    pub asked: usize,
}

/// A server-sent event.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written as a stream")]
pub struct NewsEvent {
    /// `photos`.
    event: String,
    /// `{"photos": N, "asked": N}`.
    data: String,
}

/// Takes note of guests whom new photos show.
pub async fn noticed(app: &App, event: &str, sightings: &[Sighting]) -> Result<()> {
    let mut guests: Vec<String> =
        sightings.iter().map(|sighting| sighting.guest.to_string()).collect();
    guests.sort_unstable();
    guests.dedup();
    if guests.is_empty() {
        return Ok(());
    }
    let mut tx = app.db().write().await?;
    for guest in &guests {
        sqlx::query("UPDATE guests SET news = 1 WHERE id = $1 AND notify = 2")
            .bind(guest)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    guests.iter().for_each(|guest| app.news().tell(event, Some(guest)));
    Ok(())
}

async fn counted(app: &App, visit: &GuestVisit) -> Result<Counted> {
    let found = found(app, &visit.event, &visit.guest, &[]).await?;
    Ok(Counted { photos: found.photos.len(), asked: found.asked.len() })
}

/// How many photos the guest has, as it changes: server-sent events called `photos`, the first at once. Ends with
/// the guest's session.
#[utoipa::path(get, path = "/guest/news", tag = "guest",
    responses((status = 200, body = NewsEvent, content_type = "text/event-stream")))]
pub async fn watch(
    State(app): State<App>,
    visit: GuestVisit,
) -> Result<Sse<impl Stream<Item = std::result::Result<Event, Infallible>>>> {
    let watching = app.news().watch(&visit.session)?;
    let news = app.news().told.subscribe();
    let first = counted(&app, &visit).await?;
    let state = (app, visit, news, Some(first), first, watching);
    let told = stream::unfold(state, |(app, visit, mut news, first, last, watching)| async move {
        let now = match first {
            Some(first) => first,
            None => next(&app, &visit, &mut news, last).await.ok()?,
        };
        let data = serde_json::to_string(&now).unwrap_or_default();
        let event = Event::default().event("photos").data(data);
        Some((Ok(event), (app, visit, news, None, now, watching)))
    });
    Ok(Sse::new(told.fuse().boxed()).keep_alive(KeepAlive::default()))
}

async fn next(
    app: &App,
    visit: &GuestVisit,
    news: &mut Receiver<(String, Option<String>)>,
    last: Counted,
) -> Result<Counted> {
    let mut asking = tokio::time::interval_at(Instant::now() + ASK_EVERY, ASK_EVERY);
    loop {
        let told = tokio::select! {
            told = news.recv() => told,
            _ = asking.tick() => {
                still_there(app, visit).await?;
                continue;
            }
        };
        match told {
            Ok((event, guest)) => {
                let ours = guest.is_none_or(|guest| guest == visit.guest);
                if event != visit.event || !ours {
                    continue;
                }
            }
            // Too slow for all the news: ours may be among what was missed.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return Err(Failure::internal("the service stops")),
        }
        tokio::time::sleep(TELL_AT_MOST).await;
        // A stream outlives no session.
        still_there(app, visit).await?;
        let now = counted(app, visit).await?;
        if now != last {
            return Ok(now);
        }
    }
}

/// Errors: `SignedOut` once the session has ended, or is another guest's.
pub async fn still_there(app: &App, visit: &GuestVisit) -> Result<()> {
    let row = sqlx::query(
        "SELECT s.id FROM guest_sessions s JOIN guests g ON g.id = s.guest_id \
         JOIN events e ON e.id = g.event_id WHERE s.id = $1 AND s.verified = 1 \
         AND g.id = $2 AND g.leaving_unix_s IS NULL AND e.deleting_unix_s IS NULL AND e.ends_unix_s > $3",
    )
    .bind(&visit.session)
    .bind(&visit.guest)
    .bind(now_s())
    .fetch_optional(app.db().read())
    .await?;
    let ended = || Failure::new(Kind::SignedOut, "The visit has ended; open the link again.");
    row.map(drop).ok_or_else(ended)
}

/// Writes the letters that are due, for as long as the service runs.
pub async fn keep_writing(app: App) {
    // What an earlier life has met and not noted is looked for once.
    if let Err(failure) = everybody(&app).await {
        tracing::error!(reason = failure.reason(), "letters to guests");
    }
    let mut news = app.news().told.subscribe();
    loop {
        if let Err(failure) = write_due(&app).await {
            tracing::error!(reason = failure.reason(), "letters to guests");
        }
        // At the next news, or when an hour is over for somebody.
        let _ = tokio::time::timeout(LOOK_EVERY, news.recv()).await;
    }
}

async fn everybody(app: &App) -> Result<()> {
    let mut tx = app.db().write().await?;
    sqlx::query(
        "UPDATE guests SET news = 1 WHERE notify = 2 AND event_id IN (SELECT id FROM events WHERE home = $1)",
    )
    .bind(app.home())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

async fn write_due(app: &App) -> Result<()> {
    let now = now_s();
    let rows = sqlx::query(
        "SELECT g.id, g.event_id, g.contact, g.language, e.name AS event_name, s.name AS studio_name \
         FROM guests g JOIN events e ON e.id = g.event_id JOIN studios s ON s.id = e.studio_id \
         WHERE g.news = 1 AND g.notify = 2 AND g.verified_unix_s IS NOT NULL AND g.leaving_unix_s IS NULL \
         AND g.told_unix_s < $1 AND e.home = $2 AND e.deleting_unix_s IS NULL AND e.ends_unix_s > $3 \
         ORDER BY g.told_unix_s LIMIT $4",
    )
    .bind(now - LETTER_EVERY_S)
    .bind(app.home())
    .bind(now)
    .bind(LOOK_MAX)
    .fetch_all(app.db().read())
    .await?;
    for row in &rows {
        let guest: String = row.try_get("id")?;
        if let Err(failure) = write_to(app, row, &guest, now).await {
            // One whose event does not open keeps nobody else waiting.
            tracing::error!(guest, reason = failure.reason(), "a letter to a guest");
            put_off(app, &guest, failure.kind, now).await?;
        }
    }
    Ok(())
}

/// Looks at a guest to whom no letter could be written again in an hour; at one whom the engine does not know, when
/// there is news.
async fn put_off(app: &App, guest: &str, why: Kind, now: i64) -> Result<()> {
    let news = i64::from(why != Kind::NotFound);
    let mut tx = app.db().write().await?;
    sqlx::query("UPDATE guests SET news = $1, told_unix_s = $2 WHERE id = $3")
        .bind(news)
        .bind(now)
        .bind(guest)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(())
}

/// Writes to a guest of what is new, if anything is.
async fn write_to(app: &App, row: &AnyRow, guest: &str, now: i64) -> Result<()> {
    let event: String = row.try_get("event_id")?;
    let found = found(app, &event, guest, &[]).await?;
    let (name, id): (_, GuestId) = (event.clone(), guest.parse()?);
    let told = app.faces().run(move |faces| Ok(faces.event(&name)?.collection.guest(&id)?.told));
    let told = told.await?;
    let mut new = found.contents;
    new.retain(|photo| !told.contains(photo));
    let contact = open(app, guest, "contact", &row.try_get::<String, _>("contact")?)?;
    let letter = mail::new_photos(
        app.post(),
        &contact,
        Language::of_tag(&row.try_get::<String, _>("language")?),
        &row.try_get::<String, _>("event_name")?,
        &row.try_get::<String, _>("studio_name")?,
        new.len(),
    );
    let mut tx = app.db().write().await?;
    if !new.is_empty() {
        mail::put(app, &mut tx, &Mail::Letter(letter)).await?;
    }
    let told_unix_s = if new.is_empty() { 0 } else { now };
    sqlx::query(
        "UPDATE guests SET news = 0, told_unix_s = CASE WHEN $1 > 0 THEN $1 ELSE told_unix_s END \
         WHERE id = $2",
    )
    .bind(told_unix_s)
    .bind(guest)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    app.post().wake();
    // After the letter: cut short in between, it is written twice rather than never.
    let telling =
        app.faces().run(move |faces| Ok(faces.event(&event)?.collection.tell_guest(&id, &new)?));
    telling.await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_looks_on_so_many_times_and_no_more() {
        let news = News::default();
        let mut all: Vec<_> = (0..STREAMS_MAX).map(|_| news.watch("one")).collect();
        assert!(all.iter().all(Result::is_ok) && news.watch("two").is_ok());
        assert_eq!(news.watch("one").err().map(|failure| failure.kind), Some(Kind::TooMany));
        all.pop();
        assert!(news.watch("one").is_ok());
    }
}
