//! An object store in a bucket of an S3 service.
//!
//! The AWS SDK signs, checksums and retries requests. Its asynchronous code runs on a Tokio runtime that the
//! store owns. The SDK's configuration never comes from the environment.

mod client;
mod error;
#[cfg(test)]
mod tests;
mod upload;

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectError;
use tokio::runtime::Runtime;

use super::s3_config::{Encryption, S3Config};
use super::{ObjectMeta, ObjectStore, check_name, check_prefix, is_name};
use crate::error::{Error, Result};
use client::{ATTEMPTS, config};
use error::ErrorContext;

/// An object store in an S3 bucket, below a prefix.
///
/// The credentials need the permissions `ListBucket` and `ListBucketVersions` on the bucket, and `GetObject`,
/// `PutObject`, `DeleteObject` and `DeleteObjectVersion` on its objects.
pub(super) struct S3Store {
    bucket: String,
    /// Prefix of all keys; empty, or ending in a slash.
    prefix: String,
    errors: ErrorContext,
    encryption: Encryption,
    client: Client,
    runtime: Runtime,
}

/// One version of an object, or a delete marker.
struct ObjectVersion {
    id: Option<String>,
    is_marker: bool,
}

impl S3Store {
    /// Opens `bucket` and lists `prefix` once, so that a wrong name, wrong credentials or an unreachable
    /// endpoint cause an error before the caller prepares data.
    pub(super) fn open(bucket: &str, prefix: &str, s3_config: &S3Config) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("picpick-s3")
            .enable_all()
            .build()
            .map_err(|source| Error::ObjectStore {
                place: format!("s3://{bucket}"),
                reason: format!("cannot start the thread for connections: {source}"),
            })?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let opened = Self {
            errors: ErrorContext::new(bucket, s3_config),
            client: Client::from_conf(config(s3_config)),
            bucket: bucket.to_owned(),
            encryption: s3_config.encryption.clone(),
            prefix,
            runtime,
        };
        opened.probe()?;
        Ok(opened)
    }

    fn probe(&self) -> Result<()> {
        let request =
            self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix).max_keys(1);
        match self.runtime.block_on(request.send()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.failed("open", "", self.errors.reason(&error))),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn failed(&self, action: &str, name: &str, reason: String) -> Error {
        let what = if name.is_empty() { action.to_owned() } else { format!("{action} {name}") };
        Error::ObjectStore { place: self.name(), reason: format!("cannot {what}: {reason}") }
    }

    /// Reads the object `name`, or a range of its bytes. Returns `None` if the object does not exist. Returns
    /// an inner error if the response body is incomplete or damaged, which `read` retries and the SDK does
    /// not.
    async fn fetch(
        &self,
        name: &str,
        range: Option<&Range<u64>>,
    ) -> Result<Option<std::result::Result<Vec<u8>, String>>> {
        let header =
            range.map(|range| format!("bytes={}-{}", range.start, range.end.saturating_sub(1)));
        let request =
            self.client.get_object().bucket(&self.bucket).key(self.key(name)).set_range(header);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(GetObjectError::is_no_such_key) => {
                return Ok(None);
            }
            // 416: the object ends before the range begins.
            Err(error) if range.is_some() && error::is_beyond_the_end(&error) => {
                return Ok(Some(Ok(Vec::new())));
            }
            Err(error) => return Err(self.failed("read", name, self.errors.reason(&error))),
        };
        let read = answer.body.collect().await;
        Ok(Some(match read {
            Ok(bytes) => Ok(bytes.into_bytes().into()),
            Err(error) => Err(self.errors.broken(&error)),
        }))
    }

    fn read(&self, name: &str, range: Option<&Range<u64>>) -> Result<Option<Vec<u8>>> {
        check_name(self, name)?;
        let mut attempt = 1;
        loop {
            match self.runtime.block_on(self.fetch(name, range))? {
                None => return Ok(None),
                Some(Ok(bytes)) => return Ok(Some(bytes)),
                Some(Err(_)) if attempt < ATTEMPTS => attempt += 1,
                Some(Err(reason)) => return Err(self.failed("read", name, reason)),
            }
        }
    }

    async fn pages(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        let mut token = None;
        loop {
            let request = self.client.list_objects_v2().bucket(&self.bucket);
            let request = request.prefix(self.key(prefix)).set_continuation_token(token);
            let page = request
                .send()
                .await
                .map_err(|error| self.failed("list", prefix, self.errors.reason(&error)))?;
            found.extend(page.contents().iter().filter_map(|object| {
                let name = object.key()?.strip_prefix(&self.prefix)?;
                let bytes = u64::try_from(object.size()?).ok()?;
                is_name(name).then(|| ObjectMeta { name: name.to_owned(), bytes })
            }));
            if !page.is_truncated().unwrap_or(false) {
                return Ok(found);
            }
            token = page.next_continuation_token;
            if token.is_none() {
                return Err(self.failed("list", prefix, self.errors.no_next_page()));
            }
        }
    }

    /// Returns all versions of the object `name` in the order in which `delete_all` deletes them: oldest
    /// versions first, delete markers last. An interrupted deletion then neither exposes an older version nor
    /// undoes an earlier deletion.
    async fn versions(&self, name: &str) -> Result<Vec<ObjectVersion>> {
        let key = self.key(name);
        let (mut newest_first, mut marks) = (Vec::new(), Vec::new());
        let (mut key_mark, mut version_mark) = (None, None);
        loop {
            let request = self.client.list_object_versions().bucket(&self.bucket).prefix(&key);
            let request =
                request.set_key_marker(key_mark).set_version_id_marker(version_mark).send().await;
            let page = match request {
                Ok(page) => page,
                // Servers without versioning may not implement this request.
                Err(error) if error::is_not_implemented(&error) => {
                    return Ok(vec![ObjectVersion { id: None, is_marker: false }]);
                }
                Err(error) => {
                    let reason = self.errors.reason(&error);
                    return Err(self.failed("list the versions of", name, reason));
                }
            };
            let own = |other: Option<&str>| other == Some(key.as_str());
            let of = |id: Option<&str>, is_marker| ObjectVersion {
                id: id.map(str::to_owned),
                is_marker,
            };
            let (versions, markers) = (page.versions(), page.delete_markers());
            newest_first.extend(
                versions.iter().filter(|it| own(it.key())).map(|it| of(it.version_id(), false)),
            );
            marks.extend(
                markers.iter().filter(|it| own(it.key())).map(|it| of(it.version_id(), true)),
            );
            // Keys are sorted. If a page contains a longer key with this prefix, all versions of the object
            // are read.
            let others =
                versions.iter().any(|it| !own(it.key())) || markers.iter().any(|it| !own(it.key()));
            if others || !page.is_truncated().unwrap_or(false) {
                newest_first.reverse();
                return Ok(newest_first.into_iter().chain(marks).collect());
            }
            (key_mark, version_mark) = (page.next_key_marker, page.next_version_id_marker);
            if key_mark.is_none() {
                return Err(self.failed("list the versions of", name, self.errors.no_next_page()));
            }
        }
    }

    async fn delete_all(&self, name: &str) -> Result<()> {
        for ObjectVersion { id, is_marker } in self.versions(name).await? {
            let request = self.client.delete_object().bucket(&self.bucket).key(self.key(name));
            if let Err(error) = request.set_version_id(id).send().await {
                let action = if is_marker { "delete the delete marker of" } else { "delete" };
                return Err(self.failed(action, name, self.errors.reason(&error)));
            }
        }
        Ok(())
    }
}

impl ObjectStore for S3Store {
    fn name(&self) -> String {
        let name = format!("s3://{}/{}", self.bucket, self.prefix);
        name.trim_end_matches('/').to_owned()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        check_name(self, name)?;
        self.runtime.block_on(self.upload(name, bytes))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(name, None)
    }

    fn get_range(&self, name: &str, range: Range<u64>) -> Result<Option<Vec<u8>>> {
        if range.is_empty() {
            return Ok(self.read(name, Some(&(0..1)))?.map(|_| Vec::new()));
        }
        self.read(name, Some(&range))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectMeta>> {
        check_prefix(self, prefix)?;
        let mut found = self.runtime.block_on(self.pages(prefix))?;
        found.sort_unstable();
        Ok(found)
    }

    fn delete(&self, name: &str) -> Result<()> {
        check_name(self, name)?;
        self.runtime.block_on(self.delete_all(name))
    }
}
