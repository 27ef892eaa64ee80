use crate::error::Result;
use crate::http::auth::Grant;
use crate::infra::audit_log::{Deed, note};
use crate::infra::db::Tx;

/// Appends an entry for an action of the holder of `grant` in its studio.
pub async fn note_by(
    tx: &mut Tx,
    grant: &Grant,
    action: &'static str,
    target: &str,
    detail: &str,
) -> Result<()> {
    let actor = grant.caller.name();
    note(tx, Deed { studio: &grant.studio, actor: &actor, action, target, detail }).await
}
