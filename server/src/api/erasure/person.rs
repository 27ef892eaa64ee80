//! The steps that hide, erase and show again the faces of a person in an event's photos.

use std::sync::Arc;

use picpick_engine::receipts::Receipt;
use picpick_engine::{Error, FaceId, SuppressionId};

use super::machine::FirstStep;
use crate::app::App;
use crate::error::{ErrorKind, Result};
use crate::infra::db::erasures::ErasureRecord;
use crate::infra::face_engine::{FaceEngine, OpenCollection};

/// Hides all faces of the person to whom the subject, a face, belongs.
pub async fn hide(app: &App, erasure: &ErasureRecord) -> Result<FirstStep> {
    let (event, face): (_, FaceId) = (erasure.event.clone(), erasure.subject.parse()?);
    let id: SuppressionId = erasure.id.parse()?;
    let hidden = app.face_engine.run(move |faces| {
        match faces.open_collection(&event)?.collection.suppress_person(id, &face) {
            Ok(hidden) => Ok((hidden.photos, hidden.faces, true)),
            // The face was erased with its photo since the request.
            Err(Error::NotFound { kind: "face", .. }) => Ok((0, 0, false)),
            Err(error) => Err(error.into()),
        }
    });
    let (photos, faces, remains) = hidden.await?;
    Ok(FirstStep { photos, faces, remains, receipt: None })
}

/// Erases the hidden faces. Returns `None` if nothing is hidden: an earlier run has erased the faces, or there were
/// none.
pub async fn erase(app: &App, erasure: &ErasureRecord) -> Result<Option<Receipt>> {
    let (event, id): (_, SuppressionId) = (erasure.event.clone(), erasure.id.parse()?);
    let (opt_out, requester) = (erasure.opt_out, erasure.requester);
    let receipt = app.face_engine.run(move |faces| {
        let Some(open) = open_unless_purged(faces, &event)? else { return Ok(None) };
        match open.collection.erase_suppressed(&id, opt_out, requester) {
            Ok(receipt) => Ok(Some(receipt)),
            Err(Error::NotFound { kind: "suppression", .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    });
    receipt.await
}

/// Returns whether the erasure hid faces that are neither hidden nor erased any more: a restore of a backup from before
/// the request has brought them back.
pub async fn is_lost(app: &App, erasure: &ErasureRecord) -> Result<bool> {
    if !erasure.hides_faces {
        return Ok(false);
    }
    let (event, id): (_, SuppressionId) = (erasure.event.clone(), erasure.id.parse()?);
    let lost = app.face_engine.run(move |faces| {
        let Some(open) = open_unless_purged(faces, &event)? else { return Ok(false) };
        Ok(!open.collection.was_erased(&id)?)
    });
    lost.await
}

/// Opens an event's collection; `None` if the operator has purged it on the command line.
fn open_unless_purged(faces: &FaceEngine, event: &str) -> Result<Option<Arc<OpenCollection>>> {
    match faces.open_collection(event) {
        Err(failure) if failure.kind == ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

/// Shows the hidden faces again. Does nothing if they are shown already.
pub async fn lift(app: &App, erasure: &ErasureRecord) -> Result<()> {
    let (event, id): (_, SuppressionId) = (erasure.event.clone(), erasure.id.parse()?);
    let lifted = app.face_engine.run(move |faces| {
        let Some(open) = open_unless_purged(faces, &event)? else { return Ok(()) };
        match open.collection.lift_suppression(&id) {
            Ok(_) | Err(Error::NotFound { kind: "suppression", .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    });
    lifted.await
}
