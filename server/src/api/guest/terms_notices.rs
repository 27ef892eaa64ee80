//! E-mails about changed terms of an event: its end, purpose or legal basis. A change marks the guests
//! (`guests.terms_notice`); the task of `notifications.rs` sends the e-mails.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::consent::purpose_text;
use super::contact::open;
use crate::api::event::terms::Purpose;
use crate::app::App;
use crate::error::Result;
use crate::i18n::Language;
use crate::infra::db::consents::COVERED_UNTIL;
use crate::infra::db::events::{NOT_DELETING, WITH_STUDIO};
use crate::infra::db::guests::NOT_ERASING;
use crate::infra::mail::{self, OutgoingMail, TermsNotice};

/// Maximum number of e-mails that one run sends.
const BATCH_MAX: i64 = 500;

/// Sends the e-mails that are due to guests of this server's events.
pub async fn send_due_notices(app: &App) -> Result<()> {
    let text = format!(
        "SELECT g.id, g.contact, g.language, e.name AS event_name, e.ends_unix_s, e.purpose, \
         s.name AS studio_name, {COVERED_UNTIL} AS covered_until_unix_s \
         FROM {WITH_STUDIO} JOIN guests g ON g.event_id = e.id \
         WHERE g.terms_notice = 1 AND g.{NOT_ERASING} AND e.{NOT_DELETING} AND e.node_id = $1 \
         ORDER BY g.id LIMIT {BATCH_MAX}"
    );
    let due = sqlx::query(&text).bind(&app.node_id).fetch_all(app.db.read()).await?;
    for row in &due {
        if let Err(failure) = send_to(app, row).await {
            // One guest's failure must not delay the others' e-mails; the next run retries it.
            tracing::error!(reason = failure.reason(), "notice of changed terms failed");
        }
    }
    app.mailer.wake();
    Ok(())
}

async fn send_to(app: &App, row: &AnyRow) -> Result<()> {
    let guest: String = row.try_get("id")?;
    let language = Language::of_tag(&row.try_get::<String, _>("language")?);
    let purpose = Purpose::stored(&row.try_get::<String, _>("purpose")?)?;
    let ends: i64 = row.try_get("ends_unix_s")?;
    let kept = ends.min(row.try_get("covered_until_unix_s")?);
    let contact = open(app, &guest, "contact", &row.try_get::<String, _>("contact")?)?;
    let notice = TermsNotice {
        event: &row.try_get::<String, _>("event_name")?,
        studio: &row.try_get::<String, _>("studio_name")?,
        purpose: purpose_text(language, purpose),
        ends: &language.day(ends),
        kept_until: (kept < ends).then(|| language.day(kept)),
    };
    let letter = mail::terms_changed(&app.mailer, &contact, language, &notice);
    let mut tx = app.db.write().await?;
    // The mark is removed together with the insertion into the outbox, so that each change is announced
    // once.
    let marked =
        sqlx::query("UPDATE guests SET terms_notice = 0 WHERE id = $1 AND terms_notice = 1")
            .bind(&guest)
            .execute(&mut *tx)
            .await?;
    if marked.rows_affected() > 0 {
        mail::enqueue(&app.mailer, &mut tx, &OutgoingMail::Letter(letter)).await?;
    }
    Ok(tx.commit().await?)
}
