//! Statements on the table `events`.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{BY_CREATION, BoundValue, Db, Page, PageQuery, Paging, Tx, limits};
use crate::error::Result;

/// The condition that an event is not being deleted. Only `events` has this column; a statement with an alias
/// prefixes the condition with the alias.
pub const NOT_DELETING: &str = "deleting_unix_s IS NULL";
/// The joined tables of an event `e` and its studio `s`.
pub const WITH_STUDIO: &str = "events e JOIN studios s ON s.id = e.studio_id";
/// Selects the ids of the events of the node $1.
pub const IDS_OF_NODE: &str = "SELECT id FROM events WHERE node_id = $1";

/// The value of `analysis` of events whose faces are embedded after the first search of a guest.
pub const AT_FIRST_SEARCH: &str = "at_first_search";

/// Returns the condition that the event `e` is open: not ended and not being deleted. `now` names the parameter
/// with the current time, for instance `$2`.
pub fn open_at(now: &str) -> String {
    format!("e.ends_unix_s > {now} AND e.{NOT_DELETING}")
}

/// A row of `events`.
pub struct EventRecord {
    pub id: String,
    pub studio: String,
    pub name: String,
    /// A value of `Purpose::as_str`.
    pub purpose: String,
    /// A value of `LegalBasis::as_str`.
    pub legal_basis: String,
    pub ends_unix_s: i64,
    pub created_unix_s: i64,
    /// A value of `Download::as_str`.
    pub downloads: String,
    pub watermark: Option<String>,
    /// A value of `GuestProof::as_str`.
    pub guest_proof: String,
    /// A value of `AnalysisTime::as_str`.
    pub analysis: String,
    /// With `AT_FIRST_SEARCH`: the time at which a guest searched first.
    pub analysis_started_unix_s: Option<i64>,
}

impl EventRecord {
    /// Returns whether no face of the event may be detected or embedded yet.
    pub fn defers_analysis(&self) -> bool {
        self.analysis == AT_FIRST_SEARCH && self.analysis_started_unix_s.is_none()
    }
}

/// The studio that owns an event, and the node that holds its faces.
pub struct EventPlace {
    pub studio: String,
    pub node_id: String,
}

/// An event and the studio that owns it, by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedEvent {
    pub id: String,
    pub studio: String,
}

fn read(row: &AnyRow) -> sqlx::Result<EventRecord> {
    Ok(EventRecord {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        name: row.try_get("name")?,
        purpose: row.try_get("purpose")?,
        legal_basis: row.try_get("legal_basis")?,
        ends_unix_s: row.try_get("ends_unix_s")?,
        created_unix_s: row.try_get("created_unix_s")?,
        downloads: row.try_get("downloads")?,
        watermark: row.try_get("watermark")?,
        guest_proof: row.try_get("guest_proof")?,
        analysis: row.try_get("analysis")?,
        analysis_started_unix_s: row.try_get("analysis_started_unix_s")?,
    })
}

/// Returns an event.
///
/// # Errors
/// - `NotFound` if there is no such event, or it is being deleted.
pub async fn find(db: &Db, event: &str) -> Result<EventRecord> {
    let text = format!("SELECT * FROM events WHERE id = $1 AND {NOT_DELETING}");
    let row = sqlx::query(&text).bind(event).fetch_one(db.read()).await?;
    Ok(read(&row)?)
}

/// Returns an event in a transaction, also if it is being deleted.
///
/// # Errors
/// - `NotFound` if there is no such event.
pub async fn find_in(tx: &mut Tx, event: &str) -> Result<EventRecord> {
    let row = sqlx::query("SELECT * FROM events WHERE id = $1").bind(event);
    Ok(read(&row.fetch_one(&mut **tx).await?)?)
}

/// Returns the studio and the node of an event; `None` if there is no such event, or it is being deleted.
pub async fn place(db: &Db, event: &str) -> Result<Option<EventPlace>> {
    let text = format!("SELECT studio_id, node_id FROM events WHERE id = $1 AND {NOT_DELETING}");
    let row = sqlx::query(&text).bind(event).fetch_optional(db.read()).await?;
    let read = |row: AnyRow| -> Result<EventPlace> {
        Ok(EventPlace { studio: row.try_get("studio_id")?, node_id: row.try_get("node_id")? })
    };
    row.map(read).transpose()
}

/// Returns a page of the studio's events, oldest first. `only` restricts the page to events with these ids.
pub async fn page(
    db: &Db,
    studio: &str,
    only: Option<&[String]>,
    paging: &Paging,
) -> Result<Page<EventRecord>> {
    // Filtered in SQL, because the cursor of a page that is filtered afterwards could contain the id of an event
    // that the caller may not see.
    let only = only.map_or("*".to_owned(), |events| events.join(","));
    let select = format!(
        "SELECT * FROM events WHERE studio_id = $1 AND {NOT_DELETING} \
         AND ($2 = '*' OR $2 LIKE '%' || id || '%')"
    );
    let list = PageQuery {
        select: &select,
        values: &[BoundValue::Text(studio), BoundValue::Text(&only)],
        order: BY_CREATION,
    };
    db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Returns whether the studio has the event and the event is not being deleted.
pub async fn is_of_studio(tx: &mut Tx, event: &str, studio: &str) -> Result<bool> {
    let text = format!("SELECT id FROM events WHERE id = $1 AND studio_id = $2 AND {NOT_DELETING}");
    let row = sqlx::query(&text).bind(event).bind(studio).fetch_optional(&mut **tx).await?;
    Ok(row.is_some())
}

/// Inserts an event whose faces the node `node_id` holds.
pub async fn insert(tx: &mut Tx, event: &EventRecord, node_id: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO events (id, studio_id, name, purpose, legal_basis, ends_unix_s, created_unix_s, node_id, \
         downloads, watermark, guest_proof, analysis) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )
    .bind(&event.id)
    .bind(&event.studio)
    .bind(&event.name)
    .bind(&event.purpose)
    .bind(&event.legal_basis)
    .bind(event.ends_unix_s)
    .bind(event.created_unix_s)
    .bind(node_id)
    .bind(&event.downloads)
    .bind(&event.watermark)
    .bind(&event.guest_proof)
    .bind(&event.analysis)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Updates the columns of an event that its studio may change.
pub async fn update(tx: &mut Tx, event: &EventRecord) -> Result<()> {
    sqlx::query(
        "UPDATE events SET name = $1, purpose = $2, legal_basis = $3, ends_unix_s = $4, downloads = $5, \
         watermark = $6, guest_proof = $7, analysis = $8, analysis_started_unix_s = $9 WHERE id = $10",
    )
    .bind(&event.name)
    .bind(&event.purpose)
    .bind(&event.legal_basis)
    .bind(event.ends_unix_s)
    .bind(&event.downloads)
    .bind(&event.watermark)
    .bind(&event.guest_proof)
    .bind(&event.analysis)
    .bind(event.analysis_started_unix_s)
    .bind(&event.id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks an event's row until the commit and returns it; `None` if there is no such event, or it is being
/// deleted.
pub async fn lock(tx: &mut Tx, event: &str) -> Result<Option<EventRecord>> {
    // The no-op update locks the row.
    let text =
        format!("UPDATE events SET name = name WHERE id = $1 AND {NOT_DELETING} RETURNING *");
    let row = sqlx::query(&text).bind(event).fetch_optional(&mut **tx).await?;
    Ok(row.as_ref().map(read).transpose()?)
}

/// Sets the time at which the purpose of an event changed last.
pub async fn set_purpose_changed(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query("UPDATE events SET purpose_changed_unix_s = $2 WHERE id = $1")
        .bind(event)
        .bind(now_unix_s)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Pauses or resumes the claiming of an event's jobs.
pub async fn set_paused(tx: &mut Tx, event: &str, paused: bool) -> Result<()> {
    sqlx::query("UPDATE events SET paused = $2 WHERE id = $1")
        .bind(event)
        .bind(i64::from(paused))
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Denies access to an event, which the caller deletes afterwards.
pub async fn mark_deleting(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    let text = format!("UPDATE events SET deleting_unix_s = $1 WHERE id = $2 AND {NOT_DELETING}");
    sqlx::query(&text).bind(now_unix_s).bind(event).execute(&mut **tx).await?;
    Ok(())
}

/// Denies access to the events of a node that have ended.
pub async fn mark_ended(tx: &mut Tx, node_id: &str, now_unix_s: i64) -> Result<()> {
    let text = format!(
        "UPDATE events SET deleting_unix_s = $1 WHERE ends_unix_s <= $1 AND node_id = $2 AND {NOT_DELETING}"
    );
    sqlx::query(&text).bind(now_unix_s).bind(node_id).execute(&mut **tx).await?;
    Ok(())
}

/// Returns the events of a node that are being deleted.
pub async fn deleting(db: &Db, node_id: &str) -> Result<Vec<OwnedEvent>> {
    let rows = sqlx::query(
        "SELECT id, studio_id FROM events WHERE deleting_unix_s IS NOT NULL AND node_id = $1",
    )
    .bind(node_id)
    .fetch_all(db.read())
    .await?;
    rows.iter().map(owned).collect()
}

/// Returns the open events of a node at which a guest has given consent since `since_unix_s`.
pub async fn with_consents(
    db: &Db,
    node_id: &str,
    now_unix_s: i64,
    since_unix_s: i64,
) -> Result<Vec<OwnedEvent>> {
    let text = format!(
        "SELECT e.id, e.studio_id FROM events e WHERE e.node_id = $1 AND {} \
         AND e.id IN (SELECT event_id FROM guest_consents WHERE given_unix_s >= $3)",
        open_at("$2")
    );
    let query = sqlx::query(&text).bind(node_id).bind(now_unix_s).bind(since_unix_s);
    query.fetch_all(db.read()).await?.iter().map(owned).collect()
}

/// Returns the events of a node with an indexing job that may be claimed at `now_unix_s`.
pub async fn with_due_jobs(db: &Db, node_id: &str, now_unix_s: i64) -> Result<Vec<OwnedEvent>> {
    let text = format!(
        "SELECT id, studio_id FROM events WHERE node_id = $1 AND {NOT_DELETING} AND paused = 0 \
         AND EXISTS (SELECT 1 FROM jobs j WHERE j.event_id = events.id AND j.state = 'ready' \
         AND j.due_unix_s <= $2)"
    );
    let query = sqlx::query(&text).bind(node_id).bind(now_unix_s);
    query.fetch_all(db.read()).await?.iter().map(owned).collect()
}

fn owned(row: &AnyRow) -> Result<OwnedEvent> {
    Ok(OwnedEvent { id: row.try_get("id")?, studio: row.try_get("studio_id")? })
}

/// Deletes an event with all rows that belong to it.
pub async fn delete(tx: &mut Tx, event: &str) -> Result<()> {
    limits::subtract_event(tx, event).await?;
    sqlx::query("DELETE FROM events WHERE id = $1").bind(event).execute(&mut **tx).await?;
    Ok(())
}
