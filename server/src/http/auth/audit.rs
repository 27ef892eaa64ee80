use crate::error::Result;
use crate::http::auth::Grant;
use crate::infra::audit_log::{AuditEvent, record};
use crate::infra::db::Tx;

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
