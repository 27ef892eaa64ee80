use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::reader::PackReader;
use super::{Matching, Pack, space_id};
use crate::error::{Error, Result};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPack {
    id: String,
    title: String,
    licence: String,
    commercial_use: bool,
    #[serde(default)]
    archive: BTreeMap<String, RawArchive>,
    detector: RawDetector,
    embedder: RawEmbedder,
    matching: Option<RawMatching>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawArchive {
    pub registry: String,
    pub package: String,
    pub version: String,
    pub file: String,
    pub sha256: String,
    pub bytes: u64,
    pub platform: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDetector {
    pub family: String,
    pub side_px_multiple: u64,
    pub side_px_max: u64,
    pub file: RawFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmbedder {
    pub dim: u64,
    pub channels: String,
    pub mean: f64,
    pub std: f64,
    #[serde(default)]
    pub centre: Vec<f64>,
    pub alignment: String,
    pub file: RawFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub archive: Option<String>,
    pub path: String,
    pub sha256: String,
    pub licence: String,
    #[serde(default)]
    pub patch: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMatching {
    pub threshold_base: f64,
    pub threshold_per_decade: f64,
    pub cluster_cut: f64,
}

/// Parses TOML. The error contains the parser's message, which names the line and the unknown or missing
/// field.
pub(super) fn parse<'de, T: Deserialize<'de>>(text: &'de str, manifest: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| Error::Manifest {
        name: manifest.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    })
}

/// Parses a pack. `folder` contains the local files of a user's pack; it is `None` for a built-in pack.
pub(super) fn pack(text: &str, reference: &str, folder: Option<&Path>) -> Result<Pack> {
    let raw: RawPack = parse(text, reference)?;
    let reader = PackReader::new(reference, &raw.archive, folder)?;
    let check = &reader.check;
    let detector = reader.detector(&raw.detector)?;
    let embedder = reader.embedder(&raw.embedder)?;
    Ok(Pack {
        id: space_id(&check.id("id", &raw.id)?, &detector, &embedder),
        reference: reference.to_owned(),
        title: check.text("title", &raw.title)?,
        licence: check.text("licence", &raw.licence)?,
        commercial_use: raw.commercial_use,
        detector,
        embedder,
        matching: match &raw.matching {
            Some(matching) => reader.matching(matching)?,
            None => Matching::default(),
        },
    })
}
