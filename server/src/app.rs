use std::sync::Arc;
use std::time::Duration;

use picpick_engine::Vault;
use tokio::sync::Semaphore;

use crate::config::settings::{Protection, Settings};
use crate::error::Result;
use crate::infra::admission::Admission;
use crate::infra::alerts::Alerts;
use crate::infra::challenge_registry::Challenges;
use crate::infra::db::{self, Db};
use crate::infra::face_engine::Faces;
use crate::infra::guest_updates::News;
use crate::infra::jobs::Jobs;
use crate::infra::mail::Post;
use crate::infra::photo_store::Blobs;
use crate::infra::rate_limit::{Class, Limits};
use crate::infra::upload_locks::Busy;

/// The main components of the service, shared by all requests: database, face engine, photo store, settings,
/// rate limits and admission control. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    db: Db,
    faces: Faces,
    vault: Arc<Vault>,
    home: String,
    settings: Settings,
    blobs: Blobs,
    jobs: Jobs,
    uploading: Busy,
    finishing: Semaphore,
    limits: Limits,
    admissions: Admissions,
    alerts: Alerts,
    post: Post,
    challenges: Challenges,
    news: News,
}

/// The admission controllers, one a request class.
struct Admissions {
    ordinary: Admission,
    uploads: Admission,
    heavy: Admission,
}

/// Maximum wait of a request for an admission permit, by class. Uploads wait longest, because an upload
/// client would only retry.
const WAIT_MAX: Duration = Duration::from_secs(5);
const WAIT_MAX_HEAVY: Duration = Duration::from_secs(15);
const WAIT_MAX_UPLOAD: Duration = Duration::from_secs(30);

impl Admissions {
    fn new(protection: &Protection) -> Self {
        let (requests, heavy) = (protection.requests_max, protection.heavy_max);
        Self {
            ordinary: Admission::new("ordinary", requests, 4 * requests, WAIT_MAX),
            uploads: Admission::new("uploads", requests, requests, WAIT_MAX_UPLOAD),
            heavy: Admission::new("searches", heavy, 32 * heavy, WAIT_MAX_HEAVY),
        }
    }
}

/// Maximum number of whole photos in memory at once while they are checked or reduced.
const PHOTOS_AT_ONCE: usize = 3;

impl App {
    /// Opens the data folder, the database, the photo store and the mail transport of `settings`.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let faces = Faces::open(&settings)?;
        let (vault, home) = (Arc::new(faces.vault()?), faces.home()?);
        let db = Db::open(&settings.database_url()).await?;
        for file in db::files_of(&settings.database_url()) {
            faces.announce_locked(&file)?;
        }
        let blobs = settings.clone();
        let blobs = tokio::task::spawn_blocking(move || Blobs::open(&blobs)).await??;
        let limits = Limits::new(settings.protection.rates);
        let admissions = Admissions::new(&settings.protection);
        let alerts = Alerts::new(&db, &settings.operations);
        let post = Post::open(&settings, &db, &vault)?;
        Ok(Self(Arc::new(Parts {
            db,
            faces,
            vault,
            home,
            settings,
            blobs,
            jobs: Jobs::default(),
            uploading: Busy::default(),
            finishing: Semaphore::new(PHOTOS_AT_ONCE),
            limits,
            admissions,
            alerts,
            post,
            challenges: Challenges::default(),
            news: News::default(),
        })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// Returns the id of this server's data folder. An event with another `home` belongs to another server.
    pub fn home(&self) -> &str {
        &self.0.home
    }

    pub fn faces(&self) -> &Faces {
        &self.0.faces
    }

    pub fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub fn jobs(&self) -> &Jobs {
        &self.0.jobs
    }

    pub fn uploading(&self) -> &Busy {
        &self.0.uploading
    }

    pub fn finishing(&self) -> &Semaphore {
        &self.0.finishing
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the rate limiter of addresses, accounts and API keys.
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Returns the admission controller of a request class.
    pub fn admission(&self, class: Class) -> &Admission {
        match class {
            Class::Upload => &self.0.admissions.uploads,
            Class::Heavy => &self.0.admissions.heavy,
            _ => &self.0.admissions.ordinary,
        }
    }

    /// Returns the detector of suspicious patterns.
    pub fn alerts(&self) -> &Alerts {
        &self.0.alerts
    }

    /// Returns the mail transport and the signal that wakes the outbox.
    pub fn post(&self) -> &Post {
        &self.0.post
    }

    /// Returns the registry of guests' running challenges.
    pub fn challenges(&self) -> &Challenges {
        &self.0.challenges
    }

    /// Returns the channel that notifies guests' open pages of new photos.
    pub fn news(&self) -> &News {
        &self.0.news
    }

    /// Seals a small secret for the database. Returns it as hexadecimal text.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(crate::infra::ids::hex(&self.0.vault.seal(context, plain)?))
    }

    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }
}
