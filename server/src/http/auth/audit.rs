use std::fmt::Display;

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

/// The changed fields of a resource, for the detail of an audit entry: `ends_unix_s: 1 to 2; name`.
#[derive(Debug, Default)]
pub struct FieldChanges(Vec<String>);

impl FieldChanges {
    /// Adds a field with both values, if they differ.
    pub fn value<T: Display + PartialEq>(mut self, field: &str, before: &T, after: &T) -> Self {
        if before != after {
            self.0.push(format!("{field}: {before} to {after}"));
        }
        self
    }

    /// Adds an optional field with both values, if they differ.
    pub fn option<T: Display + PartialEq>(
        self,
        field: &str,
        before: Option<&T>,
        after: Option<&T>,
    ) -> Self {
        let text = |value: Option<&T>| value.map_or_else(|| "none".to_owned(), T::to_string);
        self.value(field, &text(before), &text(after))
    }

    /// Adds a field without its values, if it has changed: for secrets, and for free text such as names,
    /// which can be personal data, because the audit log outlives the purge of an event.
    pub fn name_only(mut self, field: &str, changed: bool) -> Self {
        if changed {
            self.0.push(field.to_owned());
        }
        self
    }

    /// Returns the changes as one line; empty if there are none.
    pub fn detail(&self) -> String {
        self.0.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changed_fields_are_named_and_texts_without_their_values() {
        let changes = FieldChanges::default()
            .value("ends_unix_s", &1, &2)
            .value("downloads", &"off", &"off")
            .option("downloads_max", None, Some(&5))
            .name_only("name", "Anna" != "Ben")
            .name_only("watermark", false);
        assert_eq!(changes.detail(), "ends_unix_s: 1 to 2; downloads_max: none to 5; name");
        assert_eq!(FieldChanges::default().detail(), "");
    }
}
