//! What every command needs: configuration, data folder, collections, models.
//!
//! Opens things and passes their remarks on to the person at the terminal. Knows no command.

use anyhow::{Context as _, Result};
use picpick_engine::{Collection, DataFolder, DecodeLimits, Error, Models, Pack, Pipeline};
use std::path::Path;
use std::sync::Arc;

use super::interrupt::Interrupt;
use super::packs;
use super::report::note;
use crate::config::Config;

/// The surroundings of one command.
pub struct Context {
    pub config: Config,
    pub models: Models,
    pub interrupt: Arc<Interrupt>,
}

impl Context {
    /// Surroundings for `config`; touches no folder yet.
    pub fn new(config: Config, interrupt: Arc<Interrupt>) -> Self {
        let models = Models::new(config.models.clone(), config.offline.clone());
        Self { config, models, interrupt }
    }

    /// Opens the data folder, which is made when it is not there.
    pub fn data(&self) -> Result<DataFolder> {
        let data = DataFolder::open(&self.config.data, self.config.keyring.as_deref())?;
        data.remarks().iter().for_each(|remark| note(&format!("note: {remark}")));
        Ok(data)
    }

    /// Opens the data folder when there is one: looking for something must not leave a folder
    /// behind where a path was mistyped.
    pub fn data_if_there(&self) -> Result<Option<DataFolder>> {
        let folder = &self.config.data;
        let empty = match std::fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        };
        if empty { Ok(None) } else { self.data().map(Some) }
    }

    /// The data folder that holds the collection called `name`.
    pub fn data_with(&self, name: &str) -> Result<DataFolder> {
        let missing = || {
            let hint = format!(
                "; there is no data folder {} yet, 'picpick collections create NAME' makes it",
                self.config.data.display()
            );
            Error::NoCollection { name: name.to_owned(), hint }
        };
        Ok(self.data_if_there()?.ok_or_else(missing)?)
    }

    /// Opens the collection called `name` with the pack it was made for.
    pub fn collection(&self, name: &str, choice: &packs::Choice) -> Result<(Collection, Pack)> {
        let data = self.data_with(name)?;
        let pack = choice.of_collection(&data.collection(name)?)?;
        let collection = Collection::open(&data, name, &pack)?;
        for remark in collection.remarks() {
            note(&format!("note: {remark}"));
        }
        Ok((collection, pack))
    }

    /// Loads `pack`, and says so when its licence does not permit commercial use.
    pub fn pipeline(&self, pack: &Pack) -> picpick_engine::Result<Pipeline> {
        if let Some(notice) = pack.notice() {
            note(&format!("note: {notice}"));
        }
        Pipeline::load(&self.models, pack, self.config.precision, DecodeLimits::default())
    }
}

/// Reads a file of at most `bytes_max` bytes; the error names it.
pub fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    use std::io::Read;
    let read = || {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().with_context(|| format!("reading {}", path.display()))
}
