use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use picpick_engine::{CollectionInfo, Pack};

/// The `--pack` option.
#[derive(Args, Debug, Default)]
pub struct PackOption {
    /// Model pack: a name that 'picpick models list' shows, or the path of your own pack file
    #[arg(long, value_name = "NAME")]
    pack: Option<PathBuf>,
}

impl PackOption {
    /// Returns the pack that `--pack` names, or the default pack.
    pub fn or_default(&self) -> Result<Pack> {
        self.pack.as_deref().map_or_else(|| Ok(Pack::builtin(Pack::DEFAULT)?), named)
    }

    /// Returns the pack that `--pack` names, or the built-in pack that `collection` was created with.
    pub fn of_collection(&self, collection: &CollectionInfo) -> Result<Pack> {
        if let Some(given) = &self.pack {
            return named(given);
        }
        let known = Pack::all_builtin()?;
        match known.into_iter().find(|pack| pack.id() == collection.pack) {
            Some(pack) => Ok(pack),
            None => bail!(
                "collection '{}' was created with model pack '{}', which is not built in; name its \
                 pack file with --pack FILE",
                collection.name,
                collection.pack
            ),
        }
    }
}

/// Loads the pack that the value of `--pack` names. A built-in name takes precedence over a file of that name;
/// `./NAME` names the file.
fn named(given: &Path) -> Result<Pack> {
    let is_file =
        given.extension().is_some_and(|ending| ending == "toml") || given.components().count() > 1;
    if is_file || given.to_str().is_none() {
        return Ok(Pack::from_file(given)?);
    }
    Ok(Pack::builtin(&given.to_string_lossy())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picpick_engine::{CollectionId, RetentionPolicy};

    fn collection(pack: &str) -> CollectionInfo {
        let name = "Event".to_owned();
        let keep = RetentionPolicy {
            purpose: String::new(),
            legal_basis: String::new(),
            ends_unix_s: None,
        };
        let (id, pack) = (CollectionId([0; 16]), pack.to_owned());
        CollectionInfo { id, name, pack, created_unix_s: 0, retention: keep }
    }

    #[test]
    fn a_collection_finds_its_built_in_pack_or_asks_for_the_file() {
        let default = Pack::builtin(Pack::DEFAULT).unwrap();
        let found = PackOption::default().of_collection(&collection(default.id())).unwrap();
        assert_eq!(found.id(), default.id());
        let error = PackOption::default().of_collection(&collection("mine@12345678")).unwrap_err();
        assert!(
            error.to_string().contains("mine@12345678") && error.to_string().contains("--pack")
        );
    }

    #[test]
    fn names_and_files_are_told_apart() {
        let error = |given: &str| named(Path::new(given)).unwrap_err().to_string();
        assert!(error("nope").contains(Pack::DEFAULT));
        assert!(error("./nope").starts_with("read ./nope"));
        assert!(error("nope.toml").starts_with("read nope.toml"));
    }
}
