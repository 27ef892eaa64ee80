//! Object stores for backups and the service's photos: the trait, the rules for object names, and
//! [`open`].
//!
//! There are two implementations: a local folder and an S3 bucket, configured by [`S3Config`].

mod local;
mod s3;
mod s3_config;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use local::LocalStore;
use s3::S3Store;

pub use s3_config::{Encryption, S3Config, SecretString};

/// Limits the length of an object name to 400 bytes. Longer names might not fit below a folder or a prefix.
const NAME_BYTES_MAX: usize = 400;
/// Limits the length of a part of an object name to 200 bytes. A file name has at most 255 bytes, and the
/// temporary file of a write has a longer name than the final file.
const PART_BYTES_MAX: usize = 200;
const S3_SCHEME: &str = "s3://";

/// An object store with a flat namespace. A `put` is atomic, and durable when it returns.
///
/// A name consists of parts of `A-Z a-z 0-9 . _ -` joined by `/`, for instance `ID/segments/0123abcd`. A part
/// is not empty and does not start with a dot; a name contains no `..` and does not end in `.tmp`. A caller
/// must not use a name that continues another name after a slash (`a` and `a/b`), because a folder cannot
/// contain both.
///
/// Every call blocks, and panics inside asynchronous code.
///
/// # Errors
///
/// - `ObjectStore`: an invalid name or prefix, or a failed S3 request.
/// - `Io`: a failed file operation.
pub trait ObjectStore: Send + Sync {
    /// Returns the store's name for messages: the folder's path, or `s3://bucket/prefix`.
    fn name(&self) -> String;

    /// Stores `bytes` as the object `name`, replacing an existing object.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// Returns the content of the object `name`, or `None` if the object does not exist.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Returns the bytes `range` of the object `name`, fewer if the object ends earlier, or `None` if the
    /// object does not exist.
    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>>;

    /// Lists all objects whose names start with `prefix`, sorted by name. Omits objects of other programs
    /// whose names break this trait's rules.
    fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>>;

    /// Deletes the object `name`, including all versions if the store is versioned. Returns `Ok` if the
    /// object does not exist.
    fn delete(&self, name: &str) -> Result<()>;
}

/// An object's name and size, as returned by `ObjectStore::list`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectMeta {
    pub name: String,
    pub bytes: u64,
}

/// Returns whether `at` is an S3 address, for which [`open`] needs an `S3Config`.
pub fn is_s3(at: &str) -> bool {
    at.starts_with(S3_SCHEME)
}

/// Opens the object store `at`: `s3://bucket/prefix`, or the path of a folder. Creates a missing folder.
///
/// # Errors
///
/// - `ObjectStore`: an invalid address, missing credentials, or an unreachable bucket. `open` lists the
///   bucket once, so that these errors occur here and not at the first object.
/// - `Io`: the folder cannot be created or read.
pub fn open(at: &str, s3: Option<&S3Config>) -> Result<Box<dyn ObjectStore>> {
    let refused =
        |reason: &str| Error::ObjectStore { place: at.to_owned(), reason: reason.to_owned() };
    let Some(rest) = at.strip_prefix(S3_SCHEME) else {
        if at.is_empty() || at.contains("://") {
            return Err(refused("expected a folder, or s3://bucket/prefix"));
        }
        return Ok(Box::new(LocalStore::open(Path::new(at))?));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let in_bucket =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
    if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(in_bucket) || bucket.contains("..")
    {
        return Err(refused(
            "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens",
        ));
    }
    if !prefix.is_empty() && !is_name(prefix) {
        return Err(refused(
            "a prefix has parts of letters, digits, '.', '_' and '-', joined by '/'",
        ));
    }
    let s3_config = s3.ok_or_else(|| refused("there are no credentials for S3"))?;
    Ok(Box::new(S3Store::open(bucket, prefix, s3_config)?))
}

/// Returns whether `name` is a valid object name.
pub(super) fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= PART_BYTES_MAX
            && !part.starts_with('.')
            && part.bytes().all(is_name_byte)
    };
    name.len() <= NAME_BYTES_MAX
        && !name.contains("..")
        && !name.ends_with(".tmp")
        && name.split('/').all(is_part)
}

/// Errors with `ObjectStore` if `name` is not a valid object name: a store could interpret it as another
/// path.
pub(super) fn check_name(store: &dyn ObjectStore, name: &str) -> Result<()> {
    if is_name(name) { Ok(()) } else { Err(invalid_name(store, name)) }
}

/// Errors with `ObjectStore` if no valid name can start with `prefix`. The empty prefix is valid.
pub(super) fn check_prefix(store: &dyn ObjectStore, prefix: &str) -> Result<()> {
    let is_start = prefix.is_empty() || is_name(&format!("{prefix}x"));
    if is_start { Ok(()) } else { Err(invalid_name(store, prefix)) }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)
}

fn invalid_name(store: &dyn ObjectStore, name: &str) -> Error {
    let received: String = name.escape_debug().take(NAME_BYTES_MAX).collect();
    Error::ObjectStore {
        place: store.name(),
        reason: format!("'{received}' is not an object's name"),
    }
}
