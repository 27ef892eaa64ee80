use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use picpick_engine::Template;
use picpick_engine::liveness::LightAgreement;

use crate::error::{ApiError, ErrorKind, Result};

/// Time for which a passed face is held, 30 minutes: longer than a contact code is valid.
const HELD_MAX: Duration = Duration::from_secs(1800);
/// Maximum number of passed faces held at one time; each is one embedding.
const FACES_MAX: usize = 4096;

/// The faces of guests who have passed the challenge and not yet proved their contact, by session.
///
/// The templates are in memory alone: nothing matches them, they survive no restart, and they are dropped with
/// the guest, the event or after `HELD_MAX`. A guest whose face is dropped turns the head again.
#[derive(Default)]
pub struct PassedFaces(Mutex<HashMap<String, PassedFace>>);

/// The face of a passed challenge.
pub struct PassedFace {
    pub guest: String,
    pub event: String,
    pub template: Template,
    /// What the challenge's frames said about the light of the screen.
    pub light: LightAgreement,
    passed: Instant,
}

impl PassedFace {
    pub fn new(guest: &str, event: &str, template: Template, light: LightAgreement) -> Self {
        let (guest, event) = (guest.to_owned(), event.to_owned());
        Self { guest, event, template, light, passed: Instant::now() }
    }
}

impl PassedFaces {
    fn map(&self) -> MutexGuard<'_, HashMap<String, PassedFace>> {
        let mut map = self.0.lock();
        map.retain(|_, held| held.passed.elapsed() < HELD_MAX);
        map
    }

    /// Holds the face of a session; replaces the session's earlier face.
    ///
    /// # Errors
    /// - `Busy` if `FACES_MAX` faces are held.
    pub fn put(&self, session: &str, face: PassedFace) -> Result<()> {
        let mut map = self.map();
        if map.len() >= FACES_MAX && !map.contains_key(session) {
            let detail = "Too many guests are entering their code; try again in a minute.";
            return Err(ApiError::new(ErrorKind::Busy, detail).retry_after(60));
        }
        map.insert(session.to_owned(), face);
        Ok(())
    }

    /// Takes the face of a session, which has registered for `guest`. Of several concurrent calls, one gets the
    /// face.
    pub fn take(&self, session: &str, guest: &str) -> Option<PassedFace> {
        self.map().remove(session).filter(|held| held.guest == guest)
    }

    /// Returns whether a face of the session is held.
    pub fn holds(&self, session: &str, guest: &str) -> bool {
        self.map().get(session).is_some_and(|held| held.guest == guest)
    }

    /// Drops the faces of a guest who is erased.
    pub fn forget_guest(&self, guest: &str) {
        self.map().retain(|_, held| held.guest != guest);
    }

    /// Drops the faces of an event that is purged.
    pub fn forget_event(&self, event: &str) {
        self.map().retain(|_, held| held.event != event);
    }

    /// Drops the faces whose time has passed.
    pub fn forget_expired(&self) {
        drop(self.map());
    }
}
