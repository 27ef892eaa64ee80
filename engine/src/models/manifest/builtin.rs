use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::check::FieldCheck;
use super::raw::{RawArchive, RawFile, parse};
use super::reader::{PackReader, archive};
use super::{Origin, SourceFile};
use crate::error::Result;

const RUNTIME: &str = include_str!("../../../../models/runtime.toml");
/// The name of the liveness models in listings of packs.
pub const LIVENESS: &str = "liveness";

const LIVENESS_MANIFEST: &str = include_str!("../../../../models/liveness.toml");
const SAMPLES: &str = include_str!("../../../../models/samples.toml");

/// A build of ONNX Runtime for one platform.
#[derive(Clone, Debug)]
pub struct RuntimePackage {
    pub name: String,
    pub version: String,
    /// Operating system, as in `std::env::consts::OS`.
    pub os: String,
    /// Processor architecture, as in `std::env::consts::ARCH`.
    pub arch: String,
    /// File name of the library that is loaded; the other files must be in its folder.
    pub library: String,
    pub licence: String,
    pub files: Vec<SourceFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntimes {
    runtime: Vec<RawRuntime>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntime {
    name: String,
    version: String,
    os: String,
    arch: String,
    library: String,
    licence: String,
    archive: RawArchive,
    file: Vec<RawRuntimeFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRuntimeFile {
    path: String,
    sha256: String,
}

/// The models of the liveness check, which distinguishes a person from a picture of a person.
#[derive(Clone, Debug)]
pub struct LivenessModels {
    /// A title for display, on one line.
    pub title: String,
    pub licence: String,
    /// The presentation attack detection model.
    pub attack: SourceFile,
    /// The head pose model.
    pub pose: SourceFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLiveness {
    title: String,
    licence: String,
    archive: BTreeMap<String, RawArchive>,
    attack: RawFile,
    pose: RawFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSamples {
    archive: BTreeMap<String, RawArchive>,
    photo: Vec<RawFile>,
}

/// Returns the builds of ONNX Runtime that are listed for this platform, the preferred one first; empty on an
/// unlisted platform.
///
/// # Errors
/// - [`crate::error::Error::Manifest`] if the built-in manifest is invalid, which a test excludes.
pub fn runtimes() -> Result<Vec<RuntimePackage>> {
    let mut all = runtimes_in(RUNTIME)?;
    all.retain(|runtime| {
        runtime.os == std::env::consts::OS && runtime.arch == std::env::consts::ARCH
    });
    Ok(all)
}

/// Returns the models of the liveness check.
///
/// # Errors
/// - [`crate::error::Error::Manifest`] if the built-in manifest is invalid, which a test excludes.
pub fn liveness() -> Result<LivenessModels> {
    let raw: RawLiveness = parse(LIVENESS_MANIFEST, LIVENESS)?;
    let reader = PackReader::new(LIVENESS, &raw.archive, None)?;
    Ok(LivenessModels {
        title: reader.check.text("title", &raw.title)?,
        licence: reader.check.text("licence", &raw.licence)?,
        attack: reader.file("attack", &raw.attack)?,
        pose: reader.file("pose", &raw.pose)?,
    })
}

/// Returns the sample photos of the demo and the tests.
///
/// # Errors
/// - [`crate::error::Error::Manifest`] if the built-in manifest is invalid, which a test excludes.
pub fn photos() -> Result<Vec<SourceFile>> {
    let raw: RawSamples = parse(SAMPLES, "samples")?;
    let reader = PackReader::new("samples", &raw.archive, None)?;
    let file = |(nth, raw)| reader.file(&format!("photo {nth}"), raw);
    raw.photo.iter().enumerate().map(file).collect()
}

fn runtimes_in(text: &str) -> Result<Vec<RuntimePackage>> {
    let raw: RawRuntimes = parse(text, "runtime")?;
    raw.runtime.iter().map(runtime).collect()
}

fn runtime(raw: &RawRuntime) -> Result<RuntimePackage> {
    let check = FieldCheck { manifest: "runtime" };
    let archive = Arc::new(archive(&check, "runtime.archive", &raw.archive)?);
    let licence = check.text("runtime.licence", &raw.licence)?;
    let mut files = Vec::with_capacity(raw.file.len());
    for file in &raw.file {
        let path = check.member_path("runtime.file.path", &file.path)?;
        let name = path.rsplit('/').next().unwrap_or(&path);
        files.push(SourceFile {
            name: check.word("runtime.file.path", name)?,
            sha256: check.sha256("runtime.file.sha256", &file.sha256)?,
            licence: licence.clone(),
            patches: Vec::new(),
            origin: Origin::Member { archive: Arc::clone(&archive), path },
        });
    }
    let library = check.word("runtime.library", &raw.library)?;
    if !files.iter().any(|file| file.name == library) {
        return Err(check.refuse("runtime.library", "the name of a listed file", library));
    }
    Ok(RuntimePackage {
        name: check.word("runtime.name", &raw.name)?,
        version: check.version("runtime.version", &raw.version)?,
        os: check.word("runtime.os", &raw.os)?,
        arch: check.word("runtime.arch", &raw.arch)?,
        library,
        licence,
        files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_lists_are_right() {
        let all = runtimes_in(RUNTIME).unwrap();
        let first = all.first().unwrap();
        assert_eq!(first.name, "onnxruntime-openvino");
        assert_eq!(first.files.len(), 7);
        assert!(all.iter().any(|runtime| runtime.arch == "aarch64"));
        assert_eq!(photos().unwrap().len(), 12);
        let found = liveness().unwrap();
        assert_eq!(
            (found.attack.name, found.pose.name),
            ("fr_liveness.onnx".into(), "fr_pose.onnx".into())
        );
    }

    #[test]
    fn a_library_that_is_not_listed_is_refused() {
        let text = RUNTIME.replacen("library = \"libonnx", "library = \"other", 1);
        let error = runtimes_in(&text).unwrap_err().to_string();
        assert!(error.contains("runtime.library"), "{error}");
    }
}
