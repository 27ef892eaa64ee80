//! Statements on the table `erasures`.

use picpick_engine::receipts::Requester;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::{ApiError, Result};

/// The states in which an erasure has work to do without waiting.
const UNFINISHED: &str = "state IN ('requested', 'due', 'lifting')";
/// The states in which an erasure is not closed.
const OPEN: &str = "state IN ('requested', 'hidden', 'due', 'lifting')";

/// What an erasure erases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureKind {
    /// An event with everything in it.
    Event,
    /// Photos with their faces.
    Photos,
    /// A guest: template, contact and sessions; with `hides_faces`, also the faces in the event's photos.
    Guest,
    /// The faces of a person in the event's photos.
    Person,
}

/// The state of an erasure: requested → hidden → due → erased, or hidden → lifting → undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureState {
    /// Access is denied; the faces are to be hidden.
    Requested,
    /// The faces are hidden, and the erasure waits until it is due. It can be undone.
    Hidden,
    /// The data is to be erased; the erasure can no longer be undone.
    Due,
    /// Closed.
    Erased,
    /// The faces are to be shown again.
    Lifting,
    /// Closed.
    Undone,
}

/// Defines `as_str` and `stored` for an enumeration that the database stores as text.
macro_rules! stored_as_text {
    ($name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        impl $name {
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// Parses a text that the database stores.
            ///
            /// # Errors
            /// - `Internal` for any other text.
            pub fn stored(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    other => Err(ApiError::internal(format!("no {} '{other}'", stringify!($name)))),
                }
            }
        }
    };
}

stored_as_text!(ErasureKind {
    Event = "event",
    Photos = "photos",
    Guest = "guest",
    Person = "person",
});
stored_as_text!(ErasureState {
    Requested = "requested",
    Hidden = "hidden",
    Due = "due",
    Erased = "erased",
    Lifting = "lifting",
    Undone = "undone",
});

/// A row of `erasures`, without the hash of the undo link.
#[derive(Clone)]
pub struct ErasureRecord {
    pub id: String,
    pub studio: String,
    pub event: String,
    pub kind: ErasureKind,
    /// The guest, the photos (separated by commas) or a face of the person; empty once the erasure is closed.
    pub subject: String,
    pub hides_faces: bool,
    pub opt_out: bool,
    pub requester: Requester,
    /// The actor in the audit log.
    pub actor: String,
    pub state: ErasureState,
    /// The time between hiding and erasing, seconds.
    pub wait_s: i64,
    /// The photos with hidden or erased faces.
    pub photos: i64,
    pub faces: i64,
    /// Sealed.
    pub contact: Option<String>,
    /// A value of `Language::tag`.
    pub language: Option<String>,
    pub requested_unix_s: i64,
    pub due_unix_s: Option<i64>,
    pub closed_unix_s: Option<i64>,
}

/// Parses a requester that the database stores.
///
/// # Errors
/// - `Internal` for any other text.
pub fn stored_requester(text: &str) -> Result<Requester> {
    let all = [
        Requester::Guest,
        Requester::Person,
        Requester::Studio,
        Requester::Operator,
        Requester::Retention,
    ];
    let found = all.into_iter().find(|requester| requester.as_str() == text);
    found.ok_or_else(|| ApiError::internal(format!("no requester '{text}'")))
}

fn read(row: &AnyRow) -> Result<ErasureRecord> {
    Ok(ErasureRecord {
        id: row.try_get("id")?,
        studio: row.try_get("studio_id")?,
        event: row.try_get("event_id")?,
        kind: ErasureKind::stored(&row.try_get::<String, _>("kind")?)?,
        subject: row.try_get("subject")?,
        hides_faces: row.try_get::<i64, _>("hides_faces")? != 0,
        opt_out: row.try_get::<i64, _>("opt_out")? != 0,
        requester: stored_requester(&row.try_get::<String, _>("requester")?)?,
        actor: row.try_get("actor")?,
        state: ErasureState::stored(&row.try_get::<String, _>("state")?)?,
        wait_s: row.try_get("wait_s")?,
        photos: row.try_get("photos")?,
        faces: row.try_get("faces")?,
        contact: row.try_get("contact")?,
        language: row.try_get("language")?,
        requested_unix_s: row.try_get("requested_unix_s")?,
        due_unix_s: row.try_get("due_unix_s")?,
        closed_unix_s: row.try_get("closed_unix_s")?,
    })
}

/// Inserts an erasure.
pub async fn insert(tx: &mut Tx, erasure: &ErasureRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO erasures (id, studio_id, event_id, kind, subject, hides_faces, opt_out, requester, actor, \
         state, wait_s, contact, language, requested_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(&erasure.id)
    .bind(&erasure.studio)
    .bind(&erasure.event)
    .bind(erasure.kind.as_str())
    .bind(&erasure.subject)
    .bind(i64::from(erasure.hides_faces))
    .bind(i64::from(erasure.opt_out))
    .bind(erasure.requester.as_str())
    .bind(&erasure.actor)
    .bind(erasure.state.as_str())
    .bind(erasure.wait_s)
    .bind(&erasure.contact)
    .bind(&erasure.language)
    .bind(erasure.requested_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns an erasure.
///
/// # Errors
/// - `NotFound` if there is no such erasure.
pub async fn find(db: &Db, erasure: &str) -> Result<ErasureRecord> {
    let row = sqlx::query("SELECT * FROM erasures WHERE id = $1").bind(erasure);
    read(&row.fetch_one(db.read()).await?)
}

/// Returns an erasure of the event.
///
/// # Errors
/// - `NotFound` if the event has no such erasure.
pub async fn of_event(tx: &mut Tx, event: &str, erasure: &str) -> Result<ErasureRecord> {
    let row = sqlx::query("SELECT * FROM erasures WHERE id = $1 AND event_id = $2")
        .bind(erasure)
        .bind(event)
        .fetch_one(&mut **tx)
        .await?;
    read(&row)
}

/// Returns the hidden erasure of this node that the undo link with this hash belongs to.
pub async fn of_undo_link(
    tx: &mut Tx,
    undo_hash: &str,
    node_id: &str,
) -> Result<Option<ErasureRecord>> {
    let row = sqlx::query(
        "SELECT x.* FROM erasures x JOIN events e ON e.id = x.event_id \
         WHERE x.undo_hash = $1 AND x.state = 'hidden' AND e.node_id = $2 AND e.deleting_unix_s IS NULL",
    )
    .bind(undo_hash)
    .bind(node_id)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Returns a page of the event's erasures of people's faces and of guests, oldest first.
pub async fn page(db: &Db, event: &str, paging: &Paging) -> Result<Page<ErasureRecord>> {
    let list = PageQuery {
        select: "SELECT * FROM erasures WHERE event_id = $1 AND kind IN ('guest', 'person')",
        values: &[BoundValue::Text(event)],
        order: ["requested_unix_s", "id"],
    };
    db.page(paging, list, read, |it| (it.requested_unix_s, &it.id)).await
}

/// Returns the erasures of a node's events that have work to do, oldest first.
pub async fn unfinished(db: &Db, node_id: &str) -> Result<Vec<ErasureRecord>> {
    let text = format!(
        "SELECT x.* FROM erasures x JOIN events e ON e.id = x.event_id \
         WHERE x.{UNFINISHED} AND e.node_id = $1 ORDER BY x.requested_unix_s, x.id"
    );
    let rows = sqlx::query(&text).bind(node_id).fetch_all(db.read()).await?;
    rows.iter().map(read).collect()
}

/// Makes the hidden erasures of a node due whose time has come. The caller has confirmed the time.
pub async fn make_due(tx: &mut Tx, node_id: &str, confirmed_now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE erasures SET state = 'due' WHERE state = 'hidden' AND due_unix_s <= $1 \
         AND event_id IN (SELECT id FROM events WHERE node_id = $2)",
    )
    .bind(confirmed_now_unix_s)
    .bind(node_id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Moves an erasure from one state to another. Returns false if it is not in the first state.
pub async fn advance(
    tx: &mut Tx,
    erasure: &str,
    from: ErasureState,
    to: ErasureState,
) -> Result<bool> {
    let moved = sqlx::query("UPDATE erasures SET state = $1 WHERE id = $2 AND state = $3")
        .bind(to.as_str())
        .bind(erasure)
        .bind(from.as_str())
        .execute(&mut **tx)
        .await?;
    Ok(moved.rows_affected() > 0)
}

/// What hiding has found, and how long it lasts.
pub struct HiddenFaces<'a> {
    pub photos: i64,
    pub faces: i64,
    pub due_unix_s: i64,
    /// The hash of the undo link's token.
    pub undo_hash: Option<&'a str>,
}

/// Records that an erasure's faces are hidden. Returns false if it was recorded before.
pub async fn set_hidden(tx: &mut Tx, erasure: &str, found: &HiddenFaces<'_>) -> Result<bool> {
    let moved = sqlx::query(
        "UPDATE erasures SET state = 'hidden', photos = $1, faces = $2, due_unix_s = $3, undo_hash = $4 \
         WHERE id = $5 AND state = 'requested'",
    )
    .bind(found.photos)
    .bind(found.faces)
    .bind(found.due_unix_s)
    .bind(found.undo_hash)
    .bind(erasure)
    .execute(&mut **tx)
    .await?;
    Ok(moved.rows_affected() > 0)
}

/// Sets the counts of erased photos and faces.
pub async fn set_counts(tx: &mut Tx, erasure: &str, photos: i64, faces: i64) -> Result<()> {
    sqlx::query("UPDATE erasures SET photos = $1, faces = $2 WHERE id = $3")
        .bind(photos)
        .bind(faces)
        .bind(erasure)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Closes an erasure: removes subject, contact and undo link. Returns false if it was closed before.
pub async fn close(tx: &mut Tx, erasure: &str, to: ErasureState, now_unix_s: i64) -> Result<bool> {
    let text = format!(
        "UPDATE erasures SET state = $1, closed_unix_s = $2, subject = '', contact = NULL, undo_hash = NULL \
         WHERE id = $3 AND {OPEN}"
    );
    let closed = sqlx::query(&text)
        .bind(to.as_str())
        .bind(now_unix_s)
        .bind(erasure)
        .execute(&mut **tx)
        .await?;
    Ok(closed.rows_affected() > 0)
}

/// Closes all open erasures of an event whose faces are purged.
pub async fn close_all(tx: &mut Tx, event: &str, now_unix_s: i64) -> Result<()> {
    let text = format!(
        "UPDATE erasures SET state = 'erased', closed_unix_s = $1, subject = '', contact = NULL, undo_hash = NULL \
         WHERE event_id = $2 AND {OPEN}"
    );
    sqlx::query(&text).bind(now_unix_s).bind(event).execute(&mut **tx).await?;
    Ok(())
}

/// Returns the id of the open erasure of this subject; `None` if there is none.
pub async fn open_of(
    tx: &mut Tx,
    event: &str,
    kind: ErasureKind,
    subject: &str,
) -> Result<Option<String>> {
    let text = format!(
        "SELECT id FROM erasures WHERE event_id = $1 AND kind = $2 AND subject = $3 AND {OPEN}"
    );
    let row = sqlx::query(&text)
        .bind(event)
        .bind(kind.as_str())
        .bind(subject)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

/// Returns the number of the event's open erasures that hide faces, and of its opt-outs.
pub async fn count_suppressions(tx: &mut Tx, event: &str) -> Result<i64> {
    let text = format!(
        "SELECT COUNT(*) AS n FROM erasures WHERE event_id = $1 AND hides_faces = 1 \
         AND ({OPEN} OR (opt_out = 1 AND state = 'erased'))"
    );
    Ok(sqlx::query(&text).bind(event).fetch_one(&mut **tx).await?.try_get("n")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_states_and_requesters_read_back() {
        for kind in
            [ErasureKind::Event, ErasureKind::Photos, ErasureKind::Guest, ErasureKind::Person]
        {
            assert_eq!(ErasureKind::stored(kind.as_str()).unwrap(), kind);
        }
        for state in [
            ErasureState::Requested,
            ErasureState::Hidden,
            ErasureState::Due,
            ErasureState::Erased,
            ErasureState::Lifting,
            ErasureState::Undone,
        ] {
            assert_eq!(ErasureState::stored(state.as_str()).unwrap(), state);
            let unfinished = UNFINISHED.contains(&format!("'{}'", state.as_str()));
            let waits = [ErasureState::Hidden, ErasureState::Erased, ErasureState::Undone];
            assert_eq!(unfinished, !waits.contains(&state), "{state:?}");
        }
        for requester in ["guest", "person", "studio", "operator", "retention"] {
            assert_eq!(stored_requester(requester).unwrap().as_str(), requester);
        }
        assert!(ErasureKind::stored("Event").is_err() && stored_requester("").is_err());
    }
}
