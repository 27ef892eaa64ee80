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
use crate::infra::photo_store::PhotoStore;
use crate::infra::rate_limit::{RateLimiter, RequestClass};
use crate::infra::upload_locks::UploadLocks;

/// The main components of the service, shared by all requests: database, face engine, photo store, settings,
/// rate limits and admission control. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    db: Db,
    faces: FaceEngine,
    vault: Arc<Vault>,
    home: String,
    settings: Settings,
    blobs: PhotoStore,
    jobs: JobSignals,
    uploading: UploadLocks,
    finishing: Semaphore,
    limits: RateLimiter,
    admissions: AdmissionControls,
    alerts: Alerts,
    post: Mailer,
    challenges: ChallengeRegistry,
    news: GuestUpdates,
}

/// The admission controllers, one a request class.
struct AdmissionControls {
    ordinary: AdmissionControl,
    uploads: AdmissionControl,
    heavy: AdmissionControl,
}

/// Maximum wait of a request for an admission permit, by class. Uploads wait longest, because an upload
/// client would only retry.
const WAIT_MAX: Duration = Duration::from_secs(5);
const WAIT_MAX_HEAVY: Duration = Duration::from_secs(15);
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

/// Maximum number of whole photos in memory at once while they are checked or reduced.
const PHOTOS_IN_MEMORY_MAX: usize = 3;

impl App {
    /// Opens the data folder, the database, the photo store and the mail transport of `settings`.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let faces = FaceEngine::open(&settings)?;
        let (vault, home) = (Arc::new(faces.vault()?), faces.node_id()?);
        let db = Db::open(&settings.database_url()).await?;
        for file in db::files_of(&settings.database_url()) {
            faces.announce_locked(&file)?;
        }
        let blobs = settings.clone();
        let blobs = tokio::task::spawn_blocking(move || PhotoStore::open(&blobs)).await??;
        let limits = RateLimiter::new(settings.protection.rates);
        let admissions = AdmissionControls::new(&settings.protection);
        let alerts = Alerts::new(&db, &settings.operations);
        let post = Mailer::open(&settings, &db, &vault)?;
        Ok(Self(Arc::new(Parts {
            db,
            faces,
            vault,
            home,
            settings,
            blobs,
            jobs: JobSignals::default(),
            uploading: UploadLocks::default(),
            finishing: Semaphore::new(PHOTOS_IN_MEMORY_MAX),
            limits,
            admissions,
            alerts,
            post,
            challenges: ChallengeRegistry::default(),
            news: GuestUpdates::default(),
        })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Returns the id of this server's data folder. An event with another `node_id` belongs to another server.
    pub fn node_id(&self) -> &str {
        &self.0.home
    }

    pub fn face_engine(&self) -> &FaceEngine {
        &self.0.faces
    }

    pub fn photo_store(&self) -> &PhotoStore {
        &self.0.blobs
    }

    pub fn jobs(&self) -> &JobSignals {
        &self.0.jobs
    }

    pub fn upload_locks(&self) -> &UploadLocks {
        &self.0.uploading
    }

    pub fn photo_memory(&self) -> &Semaphore {
        &self.0.finishing
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the rate limiter of addresses, accounts and API keys.
    pub fn rate_limiter(&self) -> &RateLimiter {
        &self.0.limits
    }

    /// Returns the admission controller of a request class.
    pub fn admission(&self, class: RequestClass) -> &AdmissionControl {
        match class {
            RequestClass::Upload => &self.0.admissions.uploads,
            RequestClass::Heavy => &self.0.admissions.heavy,
            _ => &self.0.admissions.ordinary,
        }
    }

    /// Returns the detector of suspicious patterns.
    pub fn alerts(&self) -> &Alerts {
        &self.0.alerts
    }

    /// Returns the mail transport and the signal that wakes the outbox.
    pub fn mailer(&self) -> &Mailer {
        &self.0.post
    }

    /// Returns the registry of guests' running challenges.
    pub fn challenges(&self) -> &ChallengeRegistry {
        &self.0.challenges
    }

    /// Returns the channel that notifies guests' open pages of new photos.
    pub fn guest_updates(&self) -> &GuestUpdates {
        &self.0.news
    }

    /// Seals a small secret for the database. Returns it as hexadecimal text.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(hex::encode(self.0.vault.seal(context, plain)?))
    }

    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }
}
