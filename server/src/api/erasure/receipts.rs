use picpick_engine::receipts::Receipt;
use sqlx::Row as _;

use crate::error::{ApiError, Result};
use crate::infra::clock::now_s;
use crate::infra::db::{Db, Tx};
use crate::infra::ids::new_id;

/// A guest without a row, whose template may remain.
pub struct FormerGuest {
    pub studio: String,
    pub event: String,
    pub guest: String,
}

/// Returns the text form of a receipt. The bytes of the text are the signed bytes.
pub fn receipt_text(receipt: &Receipt) -> Result<String> {
    String::from_utf8(receipt.to_bytes()?).map_err(ApiError::internal)
}

/// Stores the receipt of an erasure in `event` for the studio.
pub async fn keep_receipt(tx: &mut Tx, studio: &str, event: &str, receipt: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO receipts (id, studio_id, event_id, receipt, created_unix_s) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(new_id()?)
    .bind(studio)
    .bind(event)
    .bind(receipt)
    .bind(now_s())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Returns the newest receipt of an erasure in `event`; `None` if there is no receipt.
pub async fn stored_receipt(db: &Db, event: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT receipt FROM receipts WHERE event_id = $1 ORDER BY created_unix_s DESC LIMIT 1",
    )
    .bind(event)
    .fetch_optional(db.read())
    .await?;
    Ok(row.map(|row| row.try_get("receipt")).transpose()?)
}
