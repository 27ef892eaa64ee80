//! What every request may reach: database, faces, photos, settings. Cheap to clone.
//!
//! Built once by `serve.rs` or by a test. Holds no state of a single request.

use std::sync::Arc;

use picpick_engine::Vault;

use crate::db::Db;
use crate::error::Result;
use crate::faces::Faces;
use crate::settings::Settings;

/// The running service.
#[derive(Clone)]
pub struct App(Arc<Parts>);

struct Parts {
    db: Db,
    faces: Faces,
    vault: Vault,
    settings: Settings,
}

impl App {
    /// Opens everything that `settings` names.
    pub async fn open(settings: Settings) -> anyhow::Result<Self> {
        let faces = Faces::open(&settings)?;
        let vault = faces.vault()?;
        let db = Db::open(&settings.database_url()).await?;
        Ok(Self(Arc::new(Parts { db, faces, vault, settings })))
    }

    pub fn db(&self) -> &Db {
        &self.0.db
    }

    pub fn faces(&self) -> &Faces {
        &self.0.faces
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
