//! The requests that begin an erasure. Each denies access in the same transaction as it inserts the erasure.

use picpick_engine::receipts::Requester;

use super::letters::{self, KeptContact};
use super::machine::{self, ErasureRun, UNDO_S};
use crate::app::App;
use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::clock::now_s;
use crate::infra::db::erasures::{self, ErasureKind, ErasureRecord, ErasureState};
use crate::infra::db::guests;
use crate::infra::db::{Tx, consents, events};
use crate::infra::ids::new_id;

/// Maximum number of hidden and opted-out people of an event: each is compared with every new face.
const SUPPRESSIONS_MAX: i64 = 1000;

/// The request of an erasure.
pub struct ErasureRequest<'a> {
    pub studio: &'a str,
    pub event: &'a str,
    pub requester: Requester,
    /// The actor in the audit log.
    pub actor: &'a str,
}

/// What the erasure of a guest includes besides the guest's own template, contact and sessions.
#[derive(Default)]
pub struct GuestFaces {
    /// Whether the guest's faces in the event's photos are hidden, and erased after 72 hours.
    pub hide: bool,
    /// Whether faces in later photos are kept out as well.
    pub opt_out: bool,
    /// The guest's contact, if it is proved.
    pub contact: Option<KeptContact>,
}

impl ErasureRequest<'_> {
    /// Inserts an erasure of `subject`. Returns its id.
    pub async fn insert(&self, tx: &mut Tx, kind: ErasureKind, subject: String) -> Result<String> {
        let erasure = self.record(kind, subject)?;
        erasures::insert(tx, &erasure).await?;
        Ok(erasure.id)
    }

    fn record(&self, kind: ErasureKind, subject: String) -> Result<ErasureRecord> {
        Ok(ErasureRecord {
            id: new_id()?,
            studio: self.studio.to_owned(),
            event: self.event.to_owned(),
            kind,
            subject,
            hides_faces: false,
            opt_out: false,
            requester: self.requester,
            actor: self.actor.to_owned(),
            state: ErasureState::Requested,
            wait_s: 0,
            photos: 0,
            faces: 0,
            contact: None,
            language: None,
            requested_unix_s: now_s(),
            due_unix_s: None,
            closed_unix_s: None,
        })
    }

    /// Denies access to the event and begins its erasure. Returns the erasure's id.
    pub async fn event(&self, tx: &mut Tx) -> Result<String> {
        events::mark_deleting(tx, self.event, now_s()).await?;
        self.insert(tx, ErasureKind::Event, String::new()).await
    }

    /// Hides the faces of the person of `face` and erases them at once. Returns the erasure's id.
    ///
    /// # Errors
    /// - `TooManyRequests` if the event has 1,000 hidden or opted-out people.
    pub async fn person(&self, tx: &mut Tx, face: &str, opt_out: bool) -> Result<String> {
        check_room(tx, self.event).await?;
        let mut erasure = self.record(ErasureKind::Person, face.to_owned())?;
        (erasure.hides_faces, erasure.opt_out) = (true, opt_out);
        erasures::insert(tx, &erasure).await?;
        Ok(erasure.id)
    }

    /// Erases a guest: the guest loses access with the first step.
    ///
    /// # Errors
    /// - `TooManyRequests` if faces are to be hidden and the event has 1,000 hidden or opted-out people.
    pub async fn guest(&self, app: &App, guest: &str, faces: GuestFaces) -> Result<ErasureRun> {
        let mut erasure = self.record(ErasureKind::Guest, guest.to_owned())?;
        let now = now_s();
        let mut tx = app.db.write().await?;
        let begun = erasures::open_of(&mut tx, self.event, ErasureKind::Guest, guest).await?;
        if let Some(begun) = begun {
            drop(tx);
            return machine::run(app, &begun).await;
        }
        if faces.hide {
            check_room(&mut tx, self.event).await?;
            (erasure.hides_faces, erasure.opt_out) = (true, faces.opt_out);
            erasure.wait_s = UNDO_S;
            if let Some(kept) = &faces.contact {
                erasure.contact = Some(letters::seal(app, &erasure.id, kept)?);
                erasure.language = Some(kept.language.clone());
            }
        }
        guests::mark_erasing(&mut tx, guest, faces.hide, now).await?;
        consents::withdraw(&mut tx, guest, now).await?;
        erasures::insert(&mut tx, &erasure).await?;
        tx.commit().await?;
        app.passed_faces.forget_guest(guest);
        // Ends the guest's update streams.
        app.guest_updates.publish(self.event, Some(guest));
        machine::run(app, &erasure.id).await
    }
}

async fn check_room(tx: &mut Tx, event: &str) -> Result<()> {
    if erasures::count_suppressions(tx, event).await? < SUPPRESSIONS_MAX {
        return Ok(());
    }
    let detail = "At most 1,000 people of an event can be hidden or opted out; ask the studio to erase or undo some.";
    Err(ApiError::new(ErrorKind::TooManyRequests, detail).retry_after(86_400))
}
