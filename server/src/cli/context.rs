use anyhow::{Context as _, Result};
use picpick_engine::{Collection, DataDir, DecodeLimits, Error, Models, Pack, Pipeline};
use std::path::Path;
use std::sync::Arc;

use super::interrupt::Interrupt;
use super::pack_option;
use super::report::note;
use crate::config::Config;

/// The configuration, the model cache and the Ctrl-C handler of a command. The methods open data folders,
/// collections and models, and print warnings on standard error.
pub struct Context {
    pub config: Config,
    pub models: Models,
    pub interrupt: Arc<Interrupt>,
}

impl Context {
    /// Returns the context of `config`. Opens no folder.
    pub fn new(config: Config, interrupt: Arc<Interrupt>) -> Self {
        let models = Models::new(config.models.clone(), config.offline.clone());
        Self { config, models, interrupt }
    }

    /// Opens the data folder. Creates the folder if it does not exist.
    pub fn data(&self) -> Result<DataDir> {
        let data = DataDir::open(&self.config.data, self.config.keyring.as_deref())?;
        data.warnings().iter().for_each(|remark| note(&format!("note: {remark}")));
        Ok(data)
    }

    /// Opens the data folder; returns `None` if the folder does not exist or is empty. A command that only
    /// reads uses it, so that a mistyped path creates no folder.
    pub fn data_if_there(&self) -> Result<Option<DataDir>> {
        let folder = &self.config.data;
        let empty = match std::fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if empty { Ok(None) } else { self.data().map(Some) }
    }

    /// Opens the data folder for the collection called `name`.
    ///
    /// # Errors
    /// - `Error::NoCollection` if there is no data folder.
    /// - The errors of `DataDir::open`.
    pub fn data_with(&self, name: &str) -> Result<DataDir> {
        let missing = || {
            let hint = format!(
                "; there is no data in {}: name another data folder with --data, or create one with 'picpick \
                 collections create NAME'",
                self.config.data.display()
            );
            Error::NoCollection { name: name.to_owned(), hint }
        };
        Ok(self.data_if_there()?.ok_or_else(missing)?)
    }

    /// Opens the collection called `name` with the model pack it was created for.
    pub fn collection(
        &self,
        name: &str,
        choice: &pack_option::PackOption,
    ) -> Result<(Collection, Pack)> {
        let data = self.data_with(name)?;
        let pack = choice.of_collection(&data.collection(name)?)?;
        let collection = Collection::open(&data, name, &pack)?;
        for remark in collection.warnings() {
            note(&format!("note: {remark}"));
        }
        Ok((collection, pack))
    }

    /// Loads `pack`. Prints a note if its licence does not permit commercial use.
    pub fn pipeline(&self, pack: &Pack) -> picpick_engine::Result<Pipeline> {
        if let Some(notice) = pack.notice() {
            note(&format!("note: {notice}"));
        }
        Pipeline::load(&self.models, pack, self.config.precision, DecodeLimits::default())
    }
}

/// Reads at most `bytes_max` + 1 bytes of a file. The byte above the limit lets the caller detect a larger
/// file. The error names the file.
pub fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().with_context(|| format!("reading {}", path.display()))
}
