//! Migrates keyrings from format 1 to the current format, under a new key-encryption key.
//!
//! Format 1 sealed a collection's data key and metadata together and had no canaries, no signing key and no
//! record of purges.

use serde::Deserialize;
use std::path::Path;
use zeroize::Zeroizing;

use super::entry::{CollectionMetadata, KeyringEntry};
use super::file_provider::FileProvider;
use super::keyring::Keyring;
use super::keys_file::{KeysFileV1, WrappedEntryV1};
use super::{Sealer, Secret};
use crate::error::Result;

#[derive(Deserialize)]
struct CollectionMetadataV1 {
    name: String,
    pack: String,
    created_unix_s: u64,
    data_key: Zeroizing<String>,
}

/// Rewrites `keyring` in `folder` from the file `old`. The caller must hold the keyring's lock. An
/// interrupted migration leaves the old file in place.
pub(super) fn from_v1(keyring: &Keyring, folder: &Path, old: &KeysFileV1) -> Result<()> {
    let provider = FileProvider::new(folder);
    let entry = |wrapped| entry(keyring, &provider, old.generation, wrapped);
    let entries = old.collection.iter().map(entry).collect::<Result<Vec<_>>>()?;
    keyring.start(old.generation.saturating_add(1), &entries)
}

fn entry(
    keyring: &Keyring,
    provider: &FileProvider,
    generation: u32,
    wrapped: &WrappedEntryV1,
) -> Result<KeyringEntry> {
    let damaged = || {
        keyring.failed(format!(
            "its key does not open collection {}; use the keyring of this data folder",
            wrapped.id
        ))
    };
    let context = format!("picpick keyring 1 {}", wrapped.id).into_bytes();
    let sealed = hex::decode(&wrapped.sealed).map_err(|_| damaged())?;
    let opened = Sealer::new(provider.kek(generation)?)
        .open(&context, &sealed, String::new)
        .map_err(|_| damaged())?;
    let text = std::str::from_utf8(&opened).map_err(|_| damaged())?;
    let first: CollectionMetadataV1 = toml::from_str(text).map_err(|_| damaged())?;
    let key = Zeroizing::new(hex::decode(&first.data_key).map_err(|_| damaged())?);
    Ok(KeyringEntry {
        id: wrapped.id.parse()?,
        metadata: CollectionMetadata {
            name: first.name,
            pack: first.pack,
            created_unix_s: first.created_unix_s,
            ..CollectionMetadata::default()
        },
        data_key: Secret::from_bytes(&key).ok_or_else(damaged)?,
        canary_key: Secret::random()?,
    })
}
