use aws_sdk_s3::config::Config;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};

use super::S3Store;
use super::client::timeouts;
use crate::error::Result;
use crate::object_store::s3_config::Encryption;

/// Limits the size of an object that is uploaded in one request to 16 MiB. Larger objects use a multipart
/// upload.
const WHOLE_BYTES_MAX: usize = 16 << 20;
/// Size of a part of a multipart upload: 8 MiB. S3 requires at least 5 MiB per part, except for the last
/// part, and at most 10,000 parts.
const PART_BYTES: usize = 8 << 20;

impl S3Store {
    /// Stores an object of up to 16 MiB in one request, and a larger object as a multipart upload. The SDK
    /// retries each part separately, and the object exists only once the last request has succeeded.
    pub(super) async fn upload(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if bytes.len() <= WHOLE_BYTES_MAX {
            return self.upload_whole(name, bytes).await;
        }
        let (sse, kms) = self.encryption();
        let request =
            self.client.create_multipart_upload().bucket(&self.bucket).key(self.key(name));
        let request = request.set_server_side_encryption(sse).set_ssekms_key_id(kms);
        let begun = request.send().await;
        let begun =
            begun.map_err(|error| self.failed("write", name, self.errors.reason(&error)))?;
        let nameless = || self.failed("write", name, "the service sent no upload id".to_owned());
        let id = begun.upload_id.ok_or_else(nameless)?;
        let done = self.upload_parts(name, &id, bytes).await;
        if done.is_err() {
            // The service stores, and charges for, the parts of an incomplete upload, so this request deletes
            // them. Its error is ignored, because the upload's error is returned.
            let abort =
                self.client.abort_multipart_upload().bucket(&self.bucket).key(self.key(name));
            let _ = abort.upload_id(&id).send().await;
        }
        done
    }

    async fn upload_whole(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (sse, kms) = self.encryption();
        let request = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(name))
            .set_server_side_encryption(sse)
            .set_ssekms_key_id(kms)
            .body(ByteStream::from(bytes.to_vec()))
            .customize()
            .config_override(Config::builder().timeout_config(timeouts(bytes.len())));
        let sent = request.send().await;
        sent.map(drop).map_err(|error| self.failed("write", name, self.errors.reason(&error)))
    }

    async fn upload_parts(&self, name: &str, id: &str, bytes: &[u8]) -> Result<()> {
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(PART_BYTES)) {
            let request = self
                .client
                .upload_part()
                .bucket(&self.bucket)
                .key(self.key(name))
                .upload_id(id)
                .part_number(number)
                .body(ByteStream::from(part.to_vec()))
                .customize()
                .config_override(Config::builder().timeout_config(timeouts(part.len())));
            let sent = request.send().await;
            let sent =
                sent.map_err(|error| self.failed("write", name, self.errors.reason(&error)))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
            parts.push(part.build());
        }
        let all = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request =
            self.client.complete_multipart_upload().bucket(&self.bucket).key(self.key(name));
        let sent = request.upload_id(id).multipart_upload(all).send().await;
        sent.map(drop).map_err(|error| self.failed("write", name, self.errors.reason(&error)))
    }

    /// Returns the encryption headers of an upload: algorithm and KMS key.
    fn encryption(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            Encryption::BucketDefault => (None, None),
            Encryption::S3 => (Some(ServerSideEncryption::Aes256), None),
            Encryption::Kms(key) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }
}
