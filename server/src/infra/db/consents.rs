//! Statements on the table `guest_consents`. A consent has no name and no contact, and is kept when its guest
//! is erased.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::limits::{self, LimitKind};
use super::{BoundValue, Db, Page, PageQuery, Paging, Tx};
use crate::error::Result;

/// A row of `guest_consents`, without the studio and the event.
#[derive(Clone)]
pub struct GivenConsent {
    pub id: String,
    pub guest: String,
    /// The version of the text that the guest agreed to.
    pub version: String,
    /// The event's end in the text that the guest agreed to; 0 if that text named no end.
    pub event_ends_unix_s: i64,
    /// The purpose in the text that the guest agreed to, a value of `Purpose::as_str`.
    pub purpose: String,
    /// The time until which the consent covers the event, whatever end the event has.
    pub valid_until_unix_s: i64,
    /// A value of `Language::tag`.
    pub language: String,
    pub given_unix_s: i64,
    pub withdrawn_unix_s: Option<i64>,
}

/// Expands to [`COVERED_UNTIL`] as a literal, for `concat!`.
macro_rules! covered_until {
    () => {
        "COALESCE((SELECT MAX(CASE \
         WHEN c.purpose = e.purpose OR c.valid_until_unix_s < e.purpose_changed_unix_s + 604800 \
         THEN c.valid_until_unix_s ELSE e.purpose_changed_unix_s + 604800 END) \
         FROM guest_consents c WHERE c.guest_id = g.id AND c.withdrawn_unix_s IS NULL), 0)"
    };
}
pub(crate) use covered_until;

/// The time until which the consents of the guest `g` cover the event `e`, as an expression of SQL; 0
/// without a consent. A consent covers its own purpose. Once the event has another purpose, it covers
/// 604,800 s (7 days) more, in which the guest can agree to the new purpose.
pub const COVERED_UNTIL: &str = covered_until!();

fn read(row: &AnyRow) -> sqlx::Result<GivenConsent> {
    Ok(GivenConsent {
        id: row.try_get("id")?,
        guest: row.try_get("guest_id")?,
        version: row.try_get("version")?,
        event_ends_unix_s: row.try_get("event_ends_unix_s")?,
        purpose: row.try_get("purpose")?,
        valid_until_unix_s: row.try_get("valid_until_unix_s")?,
        language: row.try_get("language")?,
        given_unix_s: row.try_get("given_unix_s")?,
        withdrawn_unix_s: row.try_get("withdrawn_unix_s")?,
    })
}

/// Returns the consents of a guest, oldest first.
pub async fn of_guest(db: &Db, guest: &str) -> Result<Vec<GivenConsent>> {
    let rows =
        sqlx::query("SELECT * FROM guest_consents WHERE guest_id = $1 ORDER BY given_unix_s, id")
            .bind(guest)
            .fetch_all(db.read())
            .await?;
    rows.iter().map(|row| Ok(read(row)?)).collect()
}

/// Returns a page of the consents given at an event, including withdrawn ones, oldest first.
pub async fn page(db: &Db, event: &str, paging: &Paging) -> Result<Page<GivenConsent>> {
    let list = PageQuery {
        select: "SELECT * FROM guest_consents WHERE event_id = $1",
        values: &[BoundValue::Text(event)],
        order: ["given_unix_s", "id"],
    };
    db.page(paging, list, read, |it| (it.given_unix_s, &it.id)).await
}

/// Inserts a consent that a guest gave to the studio at its event.
pub async fn insert(tx: &mut Tx, studio: &str, event: &str, consent: &GivenConsent) -> Result<()> {
    limits::add(tx, studio, LimitKind::Guests, 1).await?;
    sqlx::query(
        "INSERT INTO guest_consents (id, studio_id, event_id, guest_id, version, event_ends_unix_s, language, \
         given_unix_s, withdrawn_unix_s, purpose, valid_until_unix_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(&consent.id)
    .bind(studio)
    .bind(event)
    .bind(&consent.guest)
    .bind(&consent.version)
    .bind(consent.event_ends_unix_s)
    .bind(&consent.language)
    .bind(consent.given_unix_s)
    .bind(consent.withdrawn_unix_s)
    .bind(&consent.purpose)
    .bind(consent.valid_until_unix_s)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Marks the consents of a guest as withdrawn.
pub async fn withdraw(tx: &mut Tx, guest: &str, now_unix_s: i64) -> Result<()> {
    sqlx::query(
        "UPDATE guest_consents SET withdrawn_unix_s = $1 WHERE guest_id = $2 AND withdrawn_unix_s IS NULL",
    )
    .bind(now_unix_s)
    .bind(guest)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Moves the consents of the guest `from` to the guest `to`, unless `from` is verified.
pub async fn move_unverified(tx: &mut Tx, from: &str, to: &str) -> Result<()> {
    sqlx::query(
        "UPDATE guest_consents SET guest_id = $1 WHERE guest_id = $2 AND EXISTS \
         (SELECT 1 FROM guests g WHERE g.id = $2 AND g.verified_unix_s IS NULL)",
    )
    .bind(to)
    .bind(from)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
