//! Places for objects, a folder or a bucket that speaks S3: what one must do, which names its objects may
//! have, and how one is opened.
//!
//! `folder.rs` and `s3/` are the two kinds, `access.rs` is what opens a bucket. Backups and the service's
//! photos lie in such places; nothing here knows what the objects hold.

mod access;
mod folder;
mod s3;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Result};
use folder::Folder;
use s3::Bucket;

pub use access::{Encryption, S3Access, SecretText};

/// Longer names would not fit below a folder or a prefix everywhere.
const NAME_BYTES_MAX: usize = 400;
/// A file name has 255 bytes at most, and a file in the making has a longer name than in the end.
const PART_BYTES_MAX: usize = 200;
const S3_SCHEME: &str = "s3://";

/// A flat store of named objects: durable when `put` returns, whole or absent.
///
/// Names are parts of `A-Z a-z 0-9 . _ -` joined by `/`, for instance `ID/segments/0123abcd`. A part
/// is neither empty nor starts with a dot, `..` stands nowhere, and no name ends in `.tmp`. Callers
/// give no name that continues another one after a slash (`a` and `a/b`): a folder cannot hold both.
/// Every call blocks; none may be made inside asynchronous code, where it would panic.
pub trait Place: Send + Sync {
    /// For people: the folder's path, or `s3://bucket/prefix`.
    fn name(&self) -> String;

    /// Stores `bytes` as `name`, in place of what was there.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()>;

    /// The object called `name`, or `None`.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// Bytes `range` of the object called `name`, fewer where it ends before; `None` where it is absent.
    fn get_part(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>>;

    /// All objects whose names start with `prefix`, sorted by name. What others put there under
    /// names that this program never gives is left out.
    fn list(&self, prefix: &str) -> Result<Vec<Object>>;

    /// Removes the object called `name`, with all its versions where the place keeps versions. An
    /// absent one is no error.
    fn delete(&self, name: &str) -> Result<()>;
}

/// What a place says of an object without reading it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    pub name: String,
    pub bytes: u64,
}

/// Whether `at` names a bucket, for which `open_place` needs access.
pub fn is_s3(at: &str) -> bool {
    at.starts_with(S3_SCHEME)
}

/// Opens `at`: `s3://bucket/prefix`, or the path of a folder, which is made when it is not there.
/// A place that cannot be reached or read is an error here, not at the first object.
pub fn open_place(at: &str, s3: Option<&S3Access>) -> Result<Box<dyn Place>> {
    let refused = |reason: &str| Error::Place { place: at.to_owned(), reason: reason.to_owned() };
    let Some(rest) = at.strip_prefix(S3_SCHEME) else {
        if at.is_empty() || at.contains("://") {
            return Err(refused("expected a folder, or s3://bucket/prefix"));
        }
        return Ok(Box::new(Folder::open(Path::new(at))?));
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
    let access = s3.ok_or_else(|| refused("there are no credentials for S3"))?;
    Ok(Box::new(Bucket::open(bucket, prefix, access)?))
}

/// Whether an object may be called `name`.
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

/// Refuses a name that a place could read as something else than it is.
pub(super) fn check_name(place: &dyn Place, name: &str) -> Result<()> {
    if is_name(name) { Ok(()) } else { Err(bad_name(place, name)) }
}

/// Refuses what no name starts with; the empty prefix is one of all names.
pub(super) fn check_prefix(place: &dyn Place, prefix: &str) -> Result<()> {
    let is_start = prefix.is_empty() || is_name(&format!("{prefix}x"));
    if is_start { Ok(()) } else { Err(bad_name(place, prefix)) }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/".contains(&byte)
}

fn bad_name(place: &dyn Place, name: &str) -> Error {
    let received: String = name.escape_debug().take(NAME_BYTES_MAX).collect();
    Error::Place { place: place.name(), reason: format!("'{received}' is not an object's name") }
}
