//! Statements on the table `limits`: what each studio uses, and may use.
//!
//! A transaction that adds or removes something that a limit counts changes `used` in the same transaction.
//!
//! Lock order: a transaction locks the rows of `limits` before the rows that they count, and in the order of
//! [`LimitKind::ALL`]. Reading what a limit counts after its row is locked therefore finds the truth.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Db, Tx};
use crate::error::Result;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// Stored consents of guests. A consent outlives its guest, so the number never falls.
    Guests,
    /// Bytes of the photos' original files.
    StorageBytes,
    /// Uploads that have become no photo yet.
    OpenUploads,
    /// Announced bytes of these uploads.
    UploadBytes,
}

use LimitKind as L;

impl LimitKind {
    /// All kinds, in the order in which transactions lock their rows.
    pub const ALL: [Self; 4] = [L::Guests, L::StorageBytes, L::OpenUploads, L::UploadBytes];

    /// Returns the name under which the kind is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            L::Guests => "guests",
            L::StorageBytes => "storage_bytes",
            L::OpenUploads => "open_uploads",
            L::UploadBytes => "upload_bytes",
        }
    }

    /// Returns the statement that counts what the studio $1 uses.
    fn truth(self) -> &'static str {
        match self {
            L::Guests => "SELECT COUNT(*) AS n FROM guest_consents WHERE studio_id = $1",
            L::StorageBytes => {
                "SELECT CAST(COALESCE(SUM(p.bytes), 0) AS BIGINT) AS n FROM photos p \
                 JOIN events e ON e.id = p.event_id WHERE e.studio_id = $1"
            }
            L::OpenUploads => {
                "SELECT COUNT(*) AS n FROM uploads u JOIN events e ON e.id = u.event_id \
                 WHERE e.studio_id = $1 AND u.photo_id IS NULL"
            }
            L::UploadBytes => {
                "SELECT CAST(COALESCE(SUM(u.bytes), 0) AS BIGINT) AS n FROM uploads u \
                 JOIN events e ON e.id = u.event_id WHERE e.studio_id = $1 AND u.photo_id IS NULL"
            }
        }
    }
}

/// What a studio uses of one kind, and its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUse {
    pub kind: LimitKind,
    pub used: i64,
    /// `None`: the operator's default.
    pub max: Option<i64>,
}

impl LimitUse {
    /// Returns whether `amount` more is within the limit; `default` is the operator's.
    pub fn allows(&self, amount: i64, default: i64) -> bool {
        self.used.saturating_add(amount) <= self.max.unwrap_or(default)
    }
}

fn read(kind: LimitKind, row: &AnyRow) -> sqlx::Result<LimitUse> {
    Ok(LimitUse { kind, used: row.try_get("used")?, max: row.try_get("max")? })
}

/// Changes what a studio uses by `amount`, locks the row until the commit and returns it. 0 only locks.
pub async fn add(tx: &mut Tx, studio: &str, kind: LimitKind, amount: i64) -> Result<LimitUse> {
    let row = sqlx::query(
        "INSERT INTO limits (studio_id, kind, used) VALUES ($1, $2, $3) \
         ON CONFLICT (studio_id, kind) DO UPDATE SET used = limits.used + excluded.used \
         RETURNING used, max",
    )
    .bind(studio)
    .bind(kind.as_str())
    .bind(amount)
    .fetch_one(&mut **tx)
    .await?;
    Ok(read(kind, &row)?)
}

/// Changes what the studio of `event` uses, as [`add`] does. Does nothing if there is no such event.
pub async fn add_of_event(tx: &mut Tx, event: &str, kind: LimitKind, amount: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO limits (studio_id, kind, used) \
         SELECT studio_id, CAST($2 AS TEXT), CAST($3 AS BIGINT) FROM events WHERE id = $1 \
         ON CONFLICT (studio_id, kind) DO UPDATE SET used = limits.used + excluded.used",
    )
    .bind(event)
    .bind(kind.as_str())
    .bind(amount)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks the limits of the uploads of the studio of `event`.
pub async fn lock_uploads(tx: &mut Tx, event: &str) -> Result<()> {
    add_of_event(tx, event, L::OpenUploads, 0).await?;
    add_of_event(tx, event, L::UploadBytes, 0).await
}

/// Records that an open upload of `event` with `bytes` announced bytes has ended: it was deleted, or has become a
/// photo.
pub async fn end_upload(tx: &mut Tx, event: &str, bytes: i64) -> Result<()> {
    add_of_event(tx, event, L::OpenUploads, -1).await?;
    add_of_event(tx, event, L::UploadBytes, -bytes).await
}

/// Records that everything of `event` that limits count, except consents, is deleted with the event. The
/// caller deletes it afterwards in the same transaction.
pub async fn subtract_event(tx: &mut Tx, event: &str) -> Result<()> {
    let counted = [
        (L::StorageBytes, "SELECT bytes FROM photos WHERE event_id = $1"),
        (L::OpenUploads, "SELECT 1 AS bytes FROM uploads WHERE event_id = $1 AND photo_id IS NULL"),
        (L::UploadBytes, "SELECT bytes FROM uploads WHERE event_id = $1 AND photo_id IS NULL"),
    ];
    for (kind, _) in counted {
        add_of_event(tx, event, kind, 0).await?;
    }
    for (kind, rows) in counted {
        let text = format!("SELECT CAST(COALESCE(SUM(c.bytes), 0) AS BIGINT) AS n FROM ({rows}) c");
        let row = sqlx::query(&text).bind(event).fetch_one(&mut **tx).await?;
        add_of_event(tx, event, kind, -row.try_get::<i64, _>("n")?).await?;
    }
    Ok(())
}

/// Returns what a studio uses, of all kinds.
pub async fn of_studio(db: &Db, studio: &str) -> Result<Vec<LimitUse>> {
    let rows = sqlx::query("SELECT kind, used, max FROM limits WHERE studio_id = $1")
        .bind(studio)
        .fetch_all(db.read())
        .await?;
    let mut all = L::ALL.map(|kind| LimitUse { kind, used: 0, max: None });
    for row in &rows {
        let name: String = row.try_get("kind")?;
        for known in all.iter_mut().filter(|known| known.kind.as_str() == name) {
            *known = read(known.kind, row)?;
        }
    }
    Ok(all.to_vec())
}

/// Returns the announced bytes of all open uploads of all studios.
pub async fn announced_bytes(db: &Db) -> Result<i64> {
    let row = sqlx::query(
        "SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) AS n FROM limits WHERE kind = 'upload_bytes'",
    );
    Ok(row.fetch_one(db.read()).await?.try_get("n")?)
}

/// A figure that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairedLimit {
    pub studio: String,
    pub kind: LimitKind,
    pub stored: i64,
    pub counted: i64,
}

/// Counts again what each studio uses, and corrects wrong figures. Returns these.
pub async fn repair(db: &Db) -> Result<Vec<RepairedLimit>> {
    let mut repaired = Vec::new();
    let studios = sqlx::query("SELECT id FROM studios ORDER BY id").fetch_all(db.read()).await?;
    for row in &studios {
        let studio: String = row.try_get("id")?;
        for limit in of_studio(db, &studio).await? {
            let truth = sqlx::query(limit.kind.truth()).bind(&studio).fetch_one(db.read()).await?;
            // Without a lock, the two reads may be of different times; a difference is checked under the lock.
            if truth.try_get::<i64, _>("n")? == limit.used {
                continue;
            }
            let mut tx = db.write().await?;
            let stored = add(&mut tx, &studio, limit.kind, 0).await?.used;
            let truth = sqlx::query(limit.kind.truth()).bind(&studio).fetch_one(&mut *tx).await?;
            let counted: i64 = truth.try_get("n")?;
            if counted != stored {
                add(&mut tx, &studio, limit.kind, counted - stored).await?;
                let (studio, kind) = (studio.clone(), limit.kind);
                repaired.push(RepairedLimit { studio, kind, stored, counted });
            }
            tx.commit().await?;
        }
    }
    Ok(repaired)
}
