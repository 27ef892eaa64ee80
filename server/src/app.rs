use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use picpick_engine::Vault;
use tokio::sync::Semaphore;

use crate::config::settings::{LimitSettings, Settings};
use crate::error::Result;
use crate::infra::admission::AdmissionControl;
use crate::infra::alerts::Alerts;
use crate::infra::challenge_registry::ChallengeRegistry;
use crate::infra::db::{self, Db};
use crate::infra::face_engine::FaceEngine;
use crate::infra::guest_updates::GuestUpdates;
use crate::infra::jobs::JobSignals;
use crate::infra::mail::Mailer;
use crate::infra::passed_faces::PassedFaces;
use crate::infra::password_hasher::SecretHasher;
use crate::infra::photo_store::PhotoStore;
use crate::infra::rate_limit::{RateLimiter, RequestClass};
use crate::infra::readiness::ReadinessCache;
use crate::infra::upload_locks::UploadLocks;
use crate::infra::zip_stream::ArchiveLimits;

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
    /// Permits to hold a whole photo in memory while the server checks it or makes a derivative.
    pub photo_memory: Semaphore,
    pub archives: ArchiveLimits,
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

/// The admission controllers: for uploads, for searches (`heavy`) and for all other requests.
struct AdmissionControls {
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
            ordinary: AdmissionControl::new("ordinary", requests, 4 * requests, WAIT_MAX),
            uploads: AdmissionControl::new("uploads", requests, requests, WAIT_MAX_UPLOAD),
            heavy: AdmissionControl::new("searches", heavy, 32 * heavy, WAIT_MAX_HEAVY),
        }
    }
}

/// Maximum number of whole photos in memory at one time, while they are checked or made into derivatives.
const PHOTOS_IN_MEMORY_MAX: usize = 3;

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
            photo_memory: Semaphore::new(PHOTOS_IN_MEMORY_MAX),
            archives: ArchiveLimits::default(),
            secret_hasher: SecretHasher::default(),
            readiness: ReadinessCache::default(),
            challenges: ChallengeRegistry::default(),
            passed_faces: PassedFaces::default(),
            guest_updates: GuestUpdates::default(),
        })))
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
