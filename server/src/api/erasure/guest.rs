//! The steps of a guest's erasure: hide the faces, if requested, and erase the template; then delete the row.
//!
//! The consent record is kept, marked as withdrawn, without a name.

use picpick_engine::receipts::{Receipt, Requester};
use picpick_engine::{Collection, Error, GuestId, SuppressionId};

use super::machine::FirstStep;
use crate::app::App;
use crate::error::Result;
use crate::infra::db::erasures::ErasureRecord;
use crate::infra::db::{Tx, guests};

/// Hides the guest's faces, if the erasure includes them, and erases the template. The faces are hidden first: they
/// are found by the template.
pub async fn hide_and_erase_own(app: &App, erasure: &ErasureRecord) -> Result<FirstStep> {
    let (event, guest): (_, GuestId) = (erasure.event.clone(), erasure.subject.parse()?);
    let id: SuppressionId = erasure.id.parse()?;
    let (hides, requester) = (erasure.hides_faces, erasure.requester);
    let step = app.face_engine.run(move |faces| {
        let open = faces.open_collection(&event)?;
        let (mut photos, mut found, mut remains) = (0, 0, false);
        if hides {
            match open.collection.suppress_guest(id, &guest) {
                Ok(hidden) => (photos, found, remains) = (hidden.photos, hidden.faces, true),
                // A guest without a template has no faces to hide.
                Err(error) if is_unknown_guest(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let receipt = erase_template(&open.collection, &guest, requester)?;
        Ok(FirstStep { photos, faces: found, remains, receipt })
    });
    step.await
}

/// Erases a guest's template. Returns `None` if the guest has none.
pub fn erase_template(
    collection: &Collection,
    guest: &GuestId,
    requester: Requester,
) -> Result<Option<Receipt>> {
    match collection.erase_guest(guest, false, requester) {
        Ok(receipt) => Ok(Some(receipt)),
        Err(error) if is_unknown_guest(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the guest has no template, because the template was erased before or never stored. An
/// error about any other missing item must not count as an erasure.
fn is_unknown_guest(error: &Error) -> bool {
    matches!(error, Error::NotFound { kind: "guest", .. })
}

/// Deletes the guest's row.
pub async fn conclude_own(tx: &mut Tx, erasure: &ErasureRecord) -> Result<()> {
    guests::delete(tx, &erasure.subject).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_who_is_not_there_counts_as_erased() {
        let missing = |kind| Error::NotFound { kind, id: String::new() };
        assert!(is_unknown_guest(&missing("guest")));
        for other in ["face", "photo", "suppression"] {
            assert!(!is_unknown_guest(&missing(other)), "{other}");
        }
    }
}
