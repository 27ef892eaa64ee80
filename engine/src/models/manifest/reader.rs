use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::check::FieldCheck;
use super::raw::{RawArchive, RawDetector, RawEmbedder, RawFile, RawMatching};
use super::{
    Alignment, Archive, Channels, DetectorFamily, DetectorSpec, EmbedderSpec, Matching, Origin,
    Patch, Registry, SourceFile,
};
use crate::error::Result;

/// Converts the raw tables of a manifest to validated types. Every error names the field.
pub(super) struct PackReader<'a> {
    pub check: FieldCheck<'a>,
    archives: BTreeMap<&'a str, Arc<Archive>>,
    folder: Option<&'a Path>,
}

impl<'a> PackReader<'a> {
    pub fn new(
        manifest: &'a str,
        archives: &'a BTreeMap<String, RawArchive>,
        folder: Option<&'a Path>,
    ) -> Result<Self> {
        let check = FieldCheck { manifest };
        let archives = archives
            .iter()
            .map(|(name, raw)| {
                let field = format!("archive.{name}");
                Ok((name.as_str(), Arc::new(archive(&check, &field, raw)?)))
            })
            .collect::<Result<_>>()?;
        Ok(Self { check, archives, folder })
    }

    /// Reads a file entry: a member of an archive, or a local file of a user's pack.
    pub fn file(&self, field: &str, raw: &RawFile) -> Result<SourceFile> {
        let check = &self.check;
        let path_field = format!("{field}.path");
        let origin = match (&raw.archive, self.folder) {
            (Some(archive), _) => {
                let known = self.archives.get(archive.as_str()).cloned();
                let archive = known.ok_or_else(|| {
                    let expected = "the name of an [archive.NAME] table";
                    check.refuse(&format!("{field}.archive"), expected, archive)
                })?;
                let path = check.member_path(&path_field, &raw.path)?;
                Origin::Member { archive, path }
            }
            (None, Some(folder)) => Origin::Local(folder.join(&raw.path)),
            (None, None) => return Err(check.refuse(field, "an archive", &raw.path)),
        };
        let name =
            Path::new(&raw.path).file_name().and_then(|name| name.to_str()).ok_or_else(|| {
                check.refuse(&path_field, "a path that ends in a file name", &raw.path)
            })?;
        Ok(SourceFile {
            name: check.word(&path_field, name)?,
            origin,
            sha256: check.sha256(&format!("{field}.sha256"), &raw.sha256)?,
            licence: check.text(&format!("{field}.licence"), &raw.licence)?,
            patches: self.patches(&format!("{field}.patch"), &raw.patch)?,
        })
    }

    /// Reads the patches. Sorts them into the order of their application, which is independent of their order
    /// in the manifest.
    fn patches(&self, field: &str, raw: &[String]) -> Result<Vec<Patch>> {
        let mut patches = Vec::with_capacity(raw.len());
        for name in raw {
            let patch = match name.as_str() {
                "fold-block-quantised" => Patch::FoldBlockQuantised,
                "symbolic-batch" => Patch::SymbolicBatch,
                "symbolic-size" => Patch::SymbolicSize,
                "reshape-batch" => Patch::ReshapeBatch,
                _ => {
                    let expected =
                        "fold-block-quantised, symbolic-batch, symbolic-size or reshape-batch";
                    return Err(self.check.refuse(field, expected, name));
                }
            };
            patches.push(patch);
        }
        patches.sort_unstable();
        patches.dedup();
        Ok(patches)
    }

    pub fn detector(&self, raw: &RawDetector) -> Result<DetectorSpec> {
        let check = &self.check;
        let family = match raw.family.as_str() {
            "yunet" => DetectorFamily::Yunet,
            "scrfd" => DetectorFamily::Scrfd,
            "centerface" => DetectorFamily::Centerface,
            other => {
                return Err(check.refuse("detector.family", "yunet, scrfd or centerface", other));
            }
        };
        let multiple = check.whole("detector.side_px_multiple", raw.side_px_multiple, 1, 256)?;
        Ok(DetectorSpec {
            family,
            file: self.file("detector.file", &raw.file)?,
            side_px_multiple: multiple,
            side_px_max: check.whole("detector.side_px_max", raw.side_px_max, multiple, 16384)?,
        })
    }

    pub fn embedder(&self, raw: &RawEmbedder) -> Result<EmbedderSpec> {
        let check = &self.check;
        let channels = match raw.channels.as_str() {
            "rgb" => Channels::Rgb,
            "bgr" => Channels::Bgr,
            other => return Err(check.refuse("embedder.channels", "rgb or bgr", other)),
        };
        if raw.alignment != "arcface112" {
            return Err(check.refuse("embedder.alignment", "arcface112", &raw.alignment));
        }
        let dim = check.whole("embedder.dim", raw.dim, 1, 4096)? as usize;
        if !raw.centre.is_empty() && raw.centre.len() as u64 != raw.dim {
            let expected = format!("{} numbers, or none", raw.dim);
            return Err(check.refuse("embedder.centre", &expected, raw.centre.len()));
        }
        let centre =
            raw.centre.iter().map(|value| check.number("embedder.centre", *value, -1.0, 1.0));
        Ok(EmbedderSpec {
            centre: centre.collect::<Result<Vec<f32>>>()?,
            file: self.file("embedder.file", &raw.file)?,
            dim,
            channels,
            mean: check.number("embedder.mean", raw.mean, -1024.0, 1024.0)?,
            std: check.number("embedder.std", raw.std, 1e-3, 1024.0)?,
            alignment: Alignment::Arcface112,
        })
    }

    pub fn matching(&self, raw: &RawMatching) -> Result<Matching> {
        let number = |field, value, max| self.check.number(field, value, 0.0, max);
        Ok(Matching {
            threshold_base: number("matching.threshold_base", raw.threshold_base, 1.0)?,
            threshold_per_decade: number(
                "matching.threshold_per_decade",
                raw.threshold_per_decade,
                0.5,
            )?,
            cluster_cut: number("matching.cluster_cut", raw.cluster_cut, 1.0)?,
        })
    }
}

/// Reads an archive entry: a wheel (`.whl`) or a source archive (`.tar.gz`) of PyPI, or a tarball (`.tgz`) of
/// npm.
pub(super) fn archive(check: &FieldCheck<'_>, field: &str, raw: &RawArchive) -> Result<Archive> {
    let at = |name: &str| format!("{field}.{name}");
    let registry = match raw.registry.as_str() {
        "pypi" => Registry::Pypi,
        "npm" => Registry::Npm,
        other => return Err(check.refuse(&at("registry"), "pypi or npm", other)),
    };
    let endings: &[&str] = match registry {
        Registry::Pypi => &[".whl", ".tar.gz"],
        Registry::Npm => &[".tgz"],
    };
    if !endings.iter().any(|ending| raw.file.ends_with(ending)) {
        return Err(check.refuse(
            &at("file"),
            &format!("a name ending in {}", endings.join(" or ")),
            &raw.file,
        ));
    }
    let platform = raw.platform.as_deref();
    Ok(Archive {
        registry,
        package: check.package(&at("package"), &raw.package, registry == Registry::Npm)?,
        version: check.version(&at("version"), &raw.version)?,
        file: check.word(&at("file"), &raw.file)?,
        sha256: check.sha256(&at("sha256"), &raw.sha256)?,
        bytes: raw.bytes,
        platform: platform.map(|tag| check.word(&at("platform"), tag)).transpose()?,
    })
}
