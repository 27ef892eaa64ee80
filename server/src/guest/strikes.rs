//! How often somebody's challenges fail, or are begun and left, before they have to wait.
//!
//! Counted by session, by contact of the event, so that registering anew wins little, and by network, loosely: a
//! venue's guests share one address. Whoever knows another guest's contact can make that guest wait for minutes, and
//! no more than that. Knows nothing of what a challenge asks for.

use std::net::IpAddr;

use sqlx::Row as _;

use crate::access::GuestVisit;
use crate::clock::now_s;
use crate::error::{Failure, Kind, Result};
use crate::limits::{Budget, network};
use crate::state::App;

/// Failed challenges of a session before it has to wait, and for how long.
const FAILURES_MAX: i64 = 5;
const LOCKED_S: i64 = 180;
/// The same of a contact: a family may share one. And of a network.
const FAILED_CONTACT: Budget = Budget { units: 2 * FAILURES_MAX, back_s: LOCKED_S / 10 };
const FAILED_NETWORK: Budget = Budget { units: 60 * FAILURES_MAX, back_s: 1 };
/// Challenges that were left after a frame or more weigh a quarter of failed ones: people leave what asks for a turn
/// that they cannot do, and an attacker leaves what does not suit their recording. Twenty are left in a minute or
/// two by nobody who means it; afterwards one is free again every minute.
const LEFT_SESSION: Budget = Budget { units: 20, back_s: 60 };
const LEFT_CONTACT: Budget = Budget { units: 40, back_s: 30 };
const LEFT_NETWORK: Budget = Budget { units: 1200, back_s: 1 };

/// Who has begun a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub session: String,
    contact: String,
    network: IpAddr,
}

impl Who {
    /// `contact` is the event and what stands for the contact.
    pub fn new(session: &str, contact: &str, from: IpAddr) -> Self {
        let (session, contact) = (session.to_owned(), contact.to_owned());
        Self { session, contact, network: network(from) }
    }

    pub async fn of(app: &App, visit: &GuestVisit, from: IpAddr) -> Result<Self> {
        let row = sqlx::query("SELECT contact_hash FROM guests WHERE id = $1")
            .bind(&visit.guest)
            .fetch_one(app.db().read())
            .await?;
        let contact = format!("{}:{}", visit.event, row.try_get::<String, _>("contact_hash")?);
        Ok(Self::new(&visit.session, &contact, from))
    }

    fn failed(&self) -> [(String, Budget); 2] {
        [
            (format!("failed:contact:{}", self.contact), FAILED_CONTACT),
            (format!("failed:network:{}", self.network), FAILED_NETWORK),
        ]
    }

    fn left(&self) -> [(String, Budget); 3] {
        [
            (format!("left:session:{}", self.session), LEFT_SESSION),
            (format!("left:contact:{}", self.contact), LEFT_CONTACT),
            (format!("left:network:{}", self.network), LEFT_NETWORK),
        ]
    }
}

/// Errors: `TooMany`, with the time to wait, where too many challenges have failed or were left.
pub async fn must_not_wait(app: &App, who: &Who) -> Result<()> {
    let row = sqlx::query("SELECT failures, failed_unix_s FROM guest_sessions WHERE id = $1")
        .bind(&who.session)
        .fetch_one(app.db().read())
        .await?;
    let (failures, last): (i64, i64) = (row.try_get("failures")?, row.try_get("failed_unix_s")?);
    let mut wait = if failures < FAILURES_MAX { 0 } else { last + LOCKED_S - now_s() };
    for (subject, budget) in who.failed().into_iter().chain(who.left()) {
        wait = wait.max(budget.wait_s(app.db(), &subject).await?);
    }
    if wait > 0 {
        let failure = Failure::new(Kind::TooMany, "Too many tries failed; wait before the next.");
        return Err(failure.retry_after(u64::try_from(wait).unwrap_or(1)));
    }
    Ok(())
}

/// Counts a failure.
pub async fn failed(app: &App, who: &Who) -> Result<()> {
    let now = now_s();
    let mut tx = app.db().write().await?;
    sqlx::query(
        "UPDATE guest_sessions SET failures = CASE WHEN failed_unix_s < $1 THEN 1 ELSE failures + 1 END, \
         failed_unix_s = $2 WHERE id = $3",
    )
    .bind(now - LOCKED_S)
    .bind(now)
    .bind(&who.session)
    .execute(&mut *tx)
    .await?;
    for (subject, budget) in who.failed() {
        budget.note(&mut tx, &subject).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Counts challenges that were left.
pub async fn left(app: &App, all: &[Who]) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    let mut subjects: Vec<_> = all.iter().flat_map(Who::left).collect();
    // In one order, so that two who count at once do not wait for each other for ever.
    subjects.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut tx = app.db().write().await?;
    for (subject, budget) in subjects {
        budget.note(&mut tx, &subject).await?;
    }
    tx.commit().await?;
    Ok(())
}
