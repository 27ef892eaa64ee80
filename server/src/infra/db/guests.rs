//! Statements on the table `guests`.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::consents::COVERED_UNTIL;
use super::events::{NOT_DELETING, WITH_STUDIO};
use super::{BY_CREATION, BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// The condition that a guest is not being erased. Only `guests` has this column; a statement with an alias
/// prefixes the condition with the alias.
pub const NOT_ERASING: &str = "erasing_unix_s IS NULL";

/// Time for which a quota of different faces remembers a face that it has counted, seconds (24 hours). A guest
/// who comes again within it takes no further unit.
pub const FACES_COUNTED_S: i64 = 86_400;

/// A row of `guests`.
pub struct GuestRecord {
    pub id: String,
    pub event: String,
    /// Sealed.
    pub name: String,
    /// Sealed.
    pub contact: String,
    pub contact_hash: String,
    /// A value of `Language::tag`.
    pub language: String,
    /// The time at which the guest verified their face or the studio accepted the guest.
    pub verified_unix_s: Option<i64>,
    /// 0: no e-mails about new photos, 1: requested, 2: confirmed.
    pub notify: i64,
    pub created_unix_s: i64,
    /// The time at which the guest proved the contact, by a code or a link that the server sent.
    pub contact_proved_unix_s: Option<i64>,
    /// The guest link by which the guest came.
    pub link: Option<String>,
}

/// A guest with the event's and the studio's data that the guest's own page shows.
pub struct GuestOverview {
    pub guest: GuestRecord,
    pub event_name: String,
    pub event_ends_unix_s: i64,
    /// The time until which the guest's consents cover the event. The guest is erased then.
    pub covered_until_unix_s: i64,
    pub studio_name: String,
    /// How the event's guests prove who they are, a value of `GuestProof::as_str`.
    pub guest_proof: String,
    /// Whether the guest is in a group.
    pub grouped: bool,
}

/// A verified guest who shares a contact with others.
pub struct ContactSharer {
    pub id: String,
    pub contact_proved: bool,
}

/// A guest whose erasure is due.
pub struct DueErasure {
    pub studio: String,
    pub event: String,
    pub guest: String,
    /// Whether to erase the guest's faces in the event's photos as well.
    pub faces: bool,
}

fn read(row: &AnyRow) -> sqlx::Result<GuestRecord> {
    Ok(GuestRecord {
        id: row.try_get("id")?,
        event: row.try_get("event_id")?,
        name: row.try_get("name")?,
        contact: row.try_get("contact")?,
        contact_hash: row.try_get("contact_hash")?,
        language: row.try_get("language")?,
        verified_unix_s: row.try_get("verified_unix_s")?,
        notify: row.try_get("notify")?,
        created_unix_s: row.try_get("created_unix_s")?,
        contact_proved_unix_s: row.try_get("contact_proved_unix_s")?,
        link: row.try_get("link_id")?,
    })
}

fn ids(rows: &[AnyRow]) -> Result<Vec<String>> {
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

/// Returns a guest of the event.
///
/// # Errors
/// - `NotFound` if the event has no such guest, or the guest is being erased.
pub async fn find(db: &Db, event: &str, guest: &str) -> Result<GuestRecord> {
    let text = format!("SELECT * FROM guests WHERE id = $1 AND event_id = $2 AND {NOT_ERASING}");
    let row = sqlx::query(&text).bind(guest).bind(event).fetch_one(db.read()).await?;
    Ok(read(&row)?)
}

/// Returns whether the event has the guest and the guest is not being erased.
pub async fn is_of_event(tx: &mut Tx, guest: &str, event: &str) -> Result<bool> {
    let text = format!("SELECT id FROM guests WHERE id = $1 AND event_id = $2 AND {NOT_ERASING}");
    let row = sqlx::query(&text).bind(guest).bind(event).fetch_optional(&mut **tx).await?;
    Ok(row.is_some())
}

/// Returns a guest with the names of the event and its studio, also if the guest is being erased.
///
/// # Errors
/// - `NotFound` if there is no such guest.
pub async fn overview(db: &Db, guest: &str) -> Result<GuestOverview> {
    let text = format!(
        "SELECT g.*, e.name AS event_name, e.ends_unix_s, e.guest_proof, s.name AS studio_name, \
         {COVERED_UNTIL} AS covered_until_unix_s, \
         (SELECT COUNT(*) FROM guest_group_members m WHERE m.guest_id = g.id) AS groups \
         FROM {WITH_STUDIO} JOIN guests g ON g.event_id = e.id WHERE g.id = $1"
    );
    let row = sqlx::query(&text).bind(guest).fetch_one(db.read()).await?;
    Ok(GuestOverview {
        guest: read(&row)?,
        event_name: row.try_get("event_name")?,
        event_ends_unix_s: row.try_get("ends_unix_s")?,
        covered_until_unix_s: row.try_get("covered_until_unix_s")?,
        studio_name: row.try_get("studio_name")?,
        guest_proof: row.try_get("guest_proof")?,
        grouped: row.try_get::<i64, _>("groups")? > 0,
    })
}

/// Returns a page of the event's guests, oldest first, without those that are being erased.
pub async fn page(db: &Db, event: &str, paging: &Paging) -> Result<Page<GuestRecord>> {
    let select = format!("SELECT * FROM guests WHERE event_id = $1 AND {NOT_ERASING}");
    let list =
        PageQuery { select: &select, values: &[BoundValue::Text(event)], order: BY_CREATION };
    db.page(paging, list, read, |it| (it.created_unix_s, &it.id)).await
}

/// Returns the ids of the event's guests, oldest first, without those that are being erased.
pub async fn active_ids(db: &Db, event: &str, paging: &Paging) -> Result<Page<String>> {
    let list = PageQuery {
        select: &format!(
            "SELECT id, created_unix_s FROM guests WHERE event_id = $1 AND {NOT_ERASING}"
        ),
        values: &[BoundValue::Text(event)],
        order: BY_CREATION,
    };
    let read = |row: &AnyRow| -> Result<(i64, String)> {
        Ok((row.try_get("created_unix_s")?, row.try_get("id")?))
    };
    let page = db.page(paging, list, read, |(at, id)| (*at, id)).await?;
    page.try_map(|(_, id)| Ok(id))
}

/// Returns the studio of a guest's event.
pub async fn studio_of(tx: &mut Tx, guest: &str) -> Result<String> {
    let row = sqlx::query(
        "SELECT e.studio_id FROM guests g JOIN events e ON e.id = g.event_id WHERE g.id = $1",
    );
    Ok(row.bind(guest).fetch_one(&mut **tx).await?.try_get("studio_id")?)
}

/// Returns the ids of all guests of the event, including those that are being erased.
pub async fn all_ids(db: &Db, event: &str) -> Result<Vec<String>> {
    let rows = sqlx::query("SELECT id FROM guests WHERE event_id = $1");
    ids(&rows.bind(event).fetch_all(db.read()).await?)
}

/// Returns the hashes of the contacts of an event's guests and access requests, or of the guest `guest` only.
pub async fn contact_hashes(db: &Db, event: &str, guest: Option<&str>) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT contact_hash FROM guests WHERE event_id = $1 AND ($2 = '' OR id = $2) \
         UNION SELECT contact_hash FROM guest_requests WHERE event_id = $1 AND $2 = ''",
    )
    .bind(event)
    .bind(guest.unwrap_or_default())
    .fetch_all(db.read())
    .await?;
    rows.iter().map(|row| Ok(row.try_get("contact_hash")?)).collect()
}

/// Returns the hash of a guest's contact.
///
/// # Errors
/// - `NotFound` if there is no such guest.
pub async fn contact_hash(db: &Db, guest: &str) -> Result<String> {
    let row = sqlx::query("SELECT contact_hash FROM guests WHERE id = $1").bind(guest);
    Ok(row.fetch_one(db.read()).await?.try_get("contact_hash")?)
}

/// Returns the event's verified guests with this contact, oldest first, without those that are being
/// erased.
pub async fn verified_with_contact(
    db: &Db,
    event: &str,
    contact_hash: &str,
) -> Result<Vec<ContactSharer>> {
    let text = format!(
        "SELECT id, contact_proved_unix_s FROM guests WHERE event_id = $1 AND contact_hash = $2 \
         AND verified_unix_s IS NOT NULL AND {NOT_ERASING} ORDER BY created_unix_s, id"
    );
    let read = |row: &AnyRow| -> Result<ContactSharer> {
        let proved: Option<i64> = row.try_get("contact_proved_unix_s")?;
        Ok(ContactSharer { id: row.try_get("id")?, contact_proved: proved.is_some() })
    };
    let rows = sqlx::query(&text).bind(event).bind(contact_hash).fetch_all(db.read()).await?;
    rows.iter().map(read).collect()
}

/// Returns the other members of a guest's group, without those that are being erased; empty if the guest is in
/// no group.
pub async fn others_of_group(db: &Db, guest: &str) -> Result<Vec<String>> {
    let text = format!(
        "SELECT m.guest_id AS id FROM guest_group_members own JOIN guest_group_members m ON m.group_id = own.group_id \
         JOIN guests g ON g.id = m.guest_id \
         WHERE own.guest_id = $1 AND m.guest_id <> $1 AND g.{NOT_ERASING}"
    );
    ids(&sqlx::query(&text).bind(guest).fetch_all(db.read()).await?)
}

/// Returns the guests of a node's events whose erasure was interrupted, those whose consents cover the
/// event no longer, and those who were created before `unverified_before_unix_s` and are not verified.
pub async fn due_erasures(
    db: &Db,
    node_id: &str,
    now_unix_s: i64,
    unverified_before_unix_s: i64,
) -> Result<Vec<DueErasure>> {
    let text = format!(
        "SELECT g.id, g.event_id, g.erasing_faces, e.studio_id FROM guests g JOIN events e ON e.id = g.event_id \
         WHERE e.node_id = $1 AND e.{NOT_DELETING} AND (g.erasing_unix_s IS NOT NULL \
         OR {COVERED_UNTIL} <= $3 OR (g.verified_unix_s IS NULL AND g.created_unix_s < $2))"
    );
    let query = sqlx::query(&text).bind(node_id).bind(unverified_before_unix_s).bind(now_unix_s);
    let read = |row: &AnyRow| {
        Ok(DueErasure {
            studio: row.try_get("studio_id")?,
            event: row.try_get("event_id")?,
            guest: row.try_get("id")?,
            faces: row.try_get::<i64, _>("erasing_faces")? != 0,
        })
    };
    query.fetch_all(db.read()).await?.iter().map(read).collect()
}

/// Inserts a guest.
pub async fn insert(tx: &mut Tx, guest: &GuestRecord) -> Result<()> {
    sqlx::query(
        "INSERT INTO guests (id, event_id, name, contact, contact_hash, language, verified_unix_s, notify, \
         created_unix_s, contact_proved_unix_s, link_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&guest.id)
    .bind(&guest.event)
    .bind(&guest.name)
    .bind(&guest.contact)
    .bind(&guest.contact_hash)
    .bind(&guest.language)
    .bind(guest.verified_unix_s)
    .bind(guest.notify)
    .bind(guest.created_unix_s)
    .bind(guest.contact_proved_unix_s)
    .bind(&guest.link)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets the time at which a guest was verified. Returns false if the guest is gone or being erased.
pub async fn set_verified(tx: &mut Tx, guest: &str, now_unix_s: i64) -> Result<bool> {
    let text = format!("UPDATE guests SET verified_unix_s = $1 WHERE id = $2 AND {NOT_ERASING}");
    let set = sqlx::query(&text).bind(now_unix_s).bind(guest).execute(&mut **tx).await?;
    Ok(set.rows_affected() > 0)
}

/// Records that a guest has proved the contact, by a code or a link that the server sent. Keeps the time of an
/// earlier proof.
pub async fn set_contact_proved(tx: &mut Tx, guest: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE guests SET contact_proved_unix_s = $1 WHERE id = $2 AND contact_proved_unix_s IS NULL",
    )
    .bind(now_unix_s)
    .bind(guest)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Makes the sessions of the event's guests who have not proved their contact unverified, so that the guests
/// must prove it before they see photos again.
pub async fn unverify_unproved_sessions(tx: &mut Tx, event: &str) -> Result<()> {
    sqlx::query(
        "UPDATE guest_sessions SET verified = 0 WHERE guest_id IN \
         (SELECT id FROM guests WHERE event_id = $1 AND contact_proved_unix_s IS NULL)",
    )
    .bind(event)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks a guest's row until the commit and returns it with the event's name, also if the guest is being
/// erased. Concurrent requests therefore change the column `notify` one after another.
///
/// # Errors
/// - `NotFound` if there is no such guest.
pub async fn lock_with_event(tx: &mut Tx, guest: &str) -> Result<(GuestRecord, String)> {
    // The no-op update locks the row.
    sqlx::query("UPDATE guests SET notify = notify WHERE id = $1")
        .bind(guest)
        .execute(&mut **tx)
        .await?;
    let row = sqlx::query(
        "SELECT g.*, e.name AS event_name FROM guests g JOIN events e ON e.id = g.event_id WHERE g.id = $1",
    )
    .bind(guest)
    .fetch_one(&mut **tx)
    .await?;
    Ok((read(&row)?, row.try_get("event_name")?))
}

/// Sets a guest's state of e-mails about new photos, a value of [`GuestRecord::notify`].
pub async fn set_notify(tx: &mut Tx, guest: &str, notify: i64) -> Result<()> {
    sqlx::query("UPDATE guests SET notify = $1 WHERE id = $2")
        .bind(notify)
        .bind(guest)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Confirms the e-mails about new photos that a guest has requested, and makes the next one due.
pub async fn confirm_notify(tx: &mut Tx, guest: &str) -> Result<()> {
    sqlx::query("UPDATE guests SET notify = 2, has_new_photos = 1 WHERE id = $1 AND notify > 0")
        .bind(guest)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Makes an e-mail about the event's changed terms due for its verified guests with a confirmed e-mail
/// address. Returns their number.
pub async fn request_terms_notices(tx: &mut Tx, event: &str) -> Result<u64> {
    let text = format!(
        "UPDATE guests SET terms_notice = 1 WHERE event_id = $1 AND notify = 2 \
         AND verified_unix_s IS NOT NULL AND {NOT_ERASING}"
    );
    Ok(sqlx::query(&text).bind(event).execute(&mut **tx).await?.rows_affected())
}

/// Denies access to a guest, whom the caller erases afterwards: marks the row, ends the e-mails, and deletes
/// the guest's sessions, e-mail tokens and membership of a group. `faces` is stored for a resumed erasure.
pub async fn mark_erasing(tx: &mut Tx, guest: &str, faces: bool, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE guests SET erasing_unix_s = $1, erasing_faces = $2, notify = 0 WHERE id = $3",
    )
    .bind(now_unix_s)
    .bind(i64::from(faces))
    .bind(guest)
    .execute(&mut **tx)
    .await?;
    for statement in [
        "DELETE FROM guest_contact_codes WHERE guest_id = $1",
        "DELETE FROM guest_sessions WHERE guest_id = $1",
        "DELETE FROM guest_email_tokens WHERE guest_id = $1",
        "DELETE FROM guest_group_members WHERE guest_id = $1",
    ] {
        sqlx::query(statement).bind(guest).execute(&mut **tx).await?;
    }
    Ok(())
}

/// A guest's contact that is proved to be the guest's.
pub struct ProvedContact {
    /// Sealed.
    pub contact: String,
    /// A value of `Language::tag`.
    pub language: String,
}

/// Returns a guest's contact; `None` if it is not proved, or there is no such guest.
pub async fn proved_contact(db: &Db, guest: &str) -> Result<Option<ProvedContact>> {
    let row = sqlx::query(
        "SELECT contact, language FROM guests WHERE id = $1 AND contact_proved_unix_s IS NOT NULL",
    )
    .bind(guest)
    .fetch_optional(db.read())
    .await?;
    let read = |row: AnyRow| {
        let (contact, language) = (row.try_get("contact")?, row.try_get("language")?);
        Ok(ProvedContact { contact, language })
    };
    row.map(read).transpose()
}

/// Deletes a guest with all rows that belong to the guest.
pub async fn delete(tx: &mut Tx, guest: &str) -> Result<()> {
    sqlx::query("DELETE FROM guests WHERE id = $1").bind(guest).execute(&mut **tx).await?;
    Ok(())
}

/// Deletes a guest unless the guest is verified.
pub async fn delete_unverified(tx: &mut Tx, guest: &str) -> Result<()> {
    sqlx::query("DELETE FROM guests WHERE id = $1 AND verified_unix_s IS NULL")
        .bind(guest)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Deletes all guest sessions that were last used at `idle_since_unix_s` or before, all expired e-mail
/// tokens and codes, the counted faces older than `FACES_COUNTED_S`, all expired groups without members, and all access requests whose consent covers the event no
/// longer.
pub async fn delete_expired(tx: &mut Tx, idle_since_unix_s: i64, now_unix_s: i64) -> Result<()> {
    sqlx::query("DELETE FROM guest_sessions WHERE seen_unix_s <= $1")
        .bind(idle_since_unix_s)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM guest_email_tokens WHERE expires_unix_s <= $1")
        .bind(now_unix_s)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM guest_contact_codes WHERE expires_unix_s <= $1")
        .bind(now_unix_s)
        .execute(&mut **tx)
        .await?;
    sqlx::query("DELETE FROM guest_faces_counted WHERE counted_unix_s <= $1")
        .bind(now_unix_s - FACES_COUNTED_S)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "DELETE FROM guest_groups WHERE expires_unix_s <= $1 \
         AND id NOT IN (SELECT group_id FROM guest_group_members)",
    )
    .bind(now_unix_s)
    .execute(&mut **tx)
    .await?;
    sqlx::query("DELETE FROM guest_requests WHERE valid_until_unix_s <= $1")
        .bind(now_unix_s)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
