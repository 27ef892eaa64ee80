use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use picpick_engine::Vault;

use crate::config::settings::{LimitSettings, Settings};
use crate::error::Result;
use crate::infra::admission::{AdmissionControl, AdmissionPermit, current_tenant};
use crate::infra::alerts::Alerts;
use crate::infra::challenge_registry::ChallengeRegistry;
use crate::infra::db::{self, Db};
use crate::infra::face_engine::FaceEngine;
use crate::infra::guest_updates::GuestUpdates;
use crate::infra::jobs::JobSignals;
use crate::infra::mail::Mailer;
use crate::infra::open_connections::OpenConnections;
use crate::infra::passed_faces::PassedFaces;
use crate::infra::password_hasher::SecretHasher;
use crate::infra::photo_store::PhotoStore;
use crate::infra::places::Places;
use crate::infra::rate_limit::{RateLimiter, RequestClass};
use crate::infra::readiness::ReadinessCache;
use crate::infra::upload_locks::UploadLocks;

/// The shared state of all requests. Cheap to clone; dereferences to its `Components`.
#[derive(Clone)]
pub struct App(Arc<Components>);

/// The main components of the service.
pub struct Components {
    pub db: Db,
    pub face_engine: FaceEngine,
    pub vault: Arc<Vault>,
    /// The id of this server's data folder. Another server holds the events with another `node_id`.
    pub node_id: String,
    pub settings: Settings,
    pub photo_store: PhotoStore,
    pub jobs: JobSignals,
    pub upload_locks: UploadLocks,
    /// Locks of the events in which an erasure runs.
    pub erasure_locks: UploadLocks,
    /// Permits to hold a whole photo in memory while the server checks it or makes a derivative.
    pub photo_memory: PhotoMemory,
    /// The places of archives, exports, large downloads and streams.
    pub places: Places,
    pub connections: OpenConnections,
    pub secret_hasher: SecretHasher,
    pub readiness: ReadinessCache,
    pub rate_limiter: RateLimiter,
    admissions: AdmissionControls,
    pub alerts: Alerts,
    pub mailer: Mailer,
    /// The guests' running challenges.
    pub challenges: ChallengeRegistry,
    /// The faces of guests who passed the challenge and have not proved their contact.
    pub passed_faces: PassedFaces,
    /// Notifies guests' open pages of new photos.
    pub guest_updates: GuestUpdates,
}

impl Deref for App {
    type Target = Components;

    fn deref(&self) -> &Components {
        &self.0
    }
}

/// The admission controllers, in the order in which a request passes them: `entry` until its caller is known, then
/// one of the others: for uploads, for searches (`heavy`) and for all other requests.
struct AdmissionControls {
    /// For all requests, until their caller is known.
    entry: AdmissionControl,
    ordinary: AdmissionControl,
    uploads: AdmissionControl,
    heavy: AdmissionControl,
}

/// Maximum wait of an ordinary request for an admission permit: 5 s.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Maximum wait of a search for an admission permit: 15 s.
const WAIT_MAX_HEAVY: Duration = Duration::from_secs(15);
/// Maximum wait of an upload for an admission permit: 30 s, because a client whose upload is refused only
/// sends it again.
const WAIT_MAX_UPLOAD: Duration = Duration::from_secs(30);

impl AdmissionControls {
    fn new(protection: &LimitSettings) -> Self {
        let (requests, heavy) = (protection.requests_max, protection.search_concurrency);
        Self {
            entry: AdmissionControl::new("entry", requests, 8 * requests, WAIT_MAX),
            // A single tenant gets three quarters of the places and half of the line.
            ordinary: AdmissionControl::with_share("ordinary", requests, 8 * requests, WAIT_MAX, 3),
            // An upload takes minutes over a slow connection, so half of the places stay free for others.
            uploads: AdmissionControl::with_share(
                "uploads",
                requests,
                2 * requests,
                WAIT_MAX_UPLOAD,
                1,
            ),
            // A search takes well below a second.
            heavy: AdmissionControl::new("searches", heavy, 64 * heavy, WAIT_MAX_HEAVY),
        }
    }
}

/// Maximum number of whole photos in memory at one time, while they are checked or made into derivatives.
const PHOTOS_IN_MEMORY_MAX: usize = 3;
/// Maximum wait for one of these places: 60 s.
const WAIT_MAX_PHOTO: Duration = Duration::from_secs(60);

/// The places to hold a whole photo in memory, which the studios take in turns.
pub struct PhotoMemory(AdmissionControl);

impl Default for PhotoMemory {
    fn default() -> Self {
        Self(AdmissionControl::new("photos", PHOTOS_IN_MEMORY_MAX, 4096, WAIT_MAX_PHOTO))
    }
}

impl PhotoMemory {
    /// Waits for a place, for the tenant of the request that this task serves.
    ///
    /// # Errors
    /// - `Busy` if no place gets free within 60 s.
    pub async fn enter(&self) -> Result<AdmissionPermit> {
        self.0.enter(&current_tenant()).await
    }
}

impl App {
    /// Opens the data folder, the database, the photo store and the mail transport of `settings`. Errors if
    /// one of them cannot be opened.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let face_engine = FaceEngine::open(&settings)?;
        let (vault, node_id) = (Arc::new(face_engine.vault()?), face_engine.node_id()?);
        let audit_key = face_engine.audit_key()?;
        let db = Db::open(&settings.database_url()).await?.with_audit_key(audit_key);
        for file in db::files_of(&settings.database_url()) {
            face_engine.announce_locked(&file)?;
        }
        let stored = settings.clone();
        let photo_store = tokio::task::spawn_blocking(move || PhotoStore::open(&stored)).await??;
        Ok(Self(Arc::new(Components {
            rate_limiter: RateLimiter::new(settings.protection.rates),
            admissions: AdmissionControls::new(&settings.protection),
            alerts: Alerts::new(&db, &settings.operations),
            mailer: Mailer::open(&settings, &db, &vault)?,
            db,
            face_engine,
            vault,
            node_id,
            settings,
            photo_store,
            jobs: JobSignals::default(),
            upload_locks: UploadLocks::default(),
            photo_memory: PhotoMemory::default(),
            places: Places::default(),
            connections: OpenConnections::default(),
            erasure_locks: UploadLocks::default(),
            secret_hasher: SecretHasher::default(),
            readiness: ReadinessCache::default(),
            challenges: ChallengeRegistry::default(),
            passed_faces: PassedFaces::default(),
            guest_updates: GuestUpdates::default(),
        })))
    }

    /// Returns the admission controller of requests whose caller is not known yet.
    pub fn entry(&self) -> &AdmissionControl {
        &self.admissions.entry
    }

    /// Returns the admission controller of a request class.
    pub fn admission(&self, class: RequestClass) -> &AdmissionControl {
        match class {
            RequestClass::Upload => &self.admissions.uploads,
            RequestClass::Heavy => &self.admissions.heavy,
            _ => &self.admissions.ordinary,
        }
    }

    /// Seals a small secret for the database and returns the sealed bytes as hexadecimal text. Only a caller
    /// that gives the same `context` can open them.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(hex::encode(self.vault.seal(context, plain)?))
    }
}
