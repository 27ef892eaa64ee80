use crate::error::Result;
use crate::http::auth::Grant;
use crate::infra::audit_log::{AuditEvent, count, record};
use crate::infra::db::{Db, Tx};

/// Appends an audit entry for an action of the caller in the studio, both taken from `grant`.
pub async fn record_by(
    tx: &mut Tx,
    grant: &Grant,
    action: &'static str,
    target: &str,
    detail: &str,
) -> Result<()> {
    let actor = grant.caller.name();
    record(tx, AuditEvent { studio: &grant.studio, actor: &actor, action, target, detail }).await
}

/// Counts a frequent action of the caller: reading guests' contacts, downloading originals. The audit log gets at
/// most one entry an hour for each caller, action and target.
pub async fn count_by(db: &Db, grant: &Grant, action: &str, target: &str) -> Result<()> {
    let (mut tx, actor) = (db.write().await?, grant.caller.name());
    let deed = AuditEvent { studio: &grant.studio, actor: &actor, action, target, detail: "" };
    count(&mut tx, deed).await?;
    Ok(tx.commit().await?)
}
