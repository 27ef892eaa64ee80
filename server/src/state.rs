//! What every request may reach: database, faces, photos, settings. Cheap to clone.
//!
//! Built once by `serve.rs` or by a test. Holds no state of a single request.

use std::sync::Arc;
use std::time::Duration;

use picpick_engine::Vault;
use tokio::sync::Semaphore;

use crate::blob::Blobs;
use crate::db::Db;
use crate::error::Result;
use crate::faces::Faces;
use crate::job::Jobs;
use crate::search::Admission;
use crate::settings::Settings;
use crate::upload::Busy;

/// The running service.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    db: Db,
    faces: Faces,
    vault: Vault,
    settings: Settings,
    blobs: Blobs,
    jobs: Jobs,
    uploading: Busy,
    finishing: Semaphore,
    searching: Admission,
}

/// Whole photos in memory at once, for checking and reducing them.
const PHOTOS_AT_ONCE: usize = 3;
/// Who searches while all cores search waits in this line, so long.
const SEARCHES_IN_LINE: usize = 256;
const SEARCH_WAIT_MAX: Duration = Duration::from_secs(10);

impl App {
    /// Opens everything that `settings` names.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let faces = Faces::open(&settings)?;
        let vault = faces.vault()?;
        let db = Db::open(&settings.database_url()).await?;
        let blobs = settings.clone();
        let blobs = tokio::task::spawn_blocking(move || Blobs::open(&blobs)).await??;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self(Arc::new(Parts {
            db,
            faces,
            vault,
            settings,
            blobs,
            jobs: Jobs::default(),
            uploading: Busy::default(),
            finishing: Semaphore::new(PHOTOS_AT_ONCE),
            searching: Admission::new(cores, SEARCHES_IN_LINE, SEARCH_WAIT_MAX),
        })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
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

    pub fn searching(&self) -> &Admission {
        &self.0.searching
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Seals a small secret for the database, hexadecimal.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<String> {
        Ok(crate::ids::hex(&self.0.vault.seal(context, plain)?))
    }

    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }
}
