//! Error messages for failed S3 requests.
//!
//! A message names the endpoint, the cause and, where possible, a remedy. It never contains a credential:
//! credentials are removed from the server's text, and the text is truncated.

use std::error::Error as StdError;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::object_store::s3_config::{S3Config, SecretString};

/// Limits a server's text in an error message to 240 characters.
const MESSAGE_CHARS_MAX: usize = 240;

/// The remote S3 service, as described in error messages.
pub(super) struct ErrorContext {
    endpoint: String,
    bucket: String,
    region: String,
    /// Texts that no message may contain.
    credentials: Vec<SecretString>,
}

impl ErrorContext {
    pub(super) fn new(bucket: &str, s3_config: &S3Config) -> Self {
        let amazon = || format!("https://s3.{}.amazonaws.com", s3_config.region);
        let mut credentials = vec![
            s3_config.secret_access_key.clone(),
            SecretString::new(s3_config.access_key_id.clone()),
        ];
        credentials.extend(s3_config.session_token.clone());
        Self {
            endpoint: s3_config.endpoint.clone().unwrap_or_else(amazon),
            bucket: bucket.to_owned(),
            region: s3_config.region.clone(),
            credentials,
        }
    }

    /// Returns why a request failed.
    pub(super) fn reason<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let endpoint = &self.endpoint;
        match error {
            SdkError::TimeoutError(_) => self.timed_out(),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => self.timed_out(),
            SdkError::DispatchFailure(failure) => {
                let cause = failure.as_connector_error().map(|error| self.deepest(error));
                let cause = cause.unwrap_or_else(|| "the connection failed".to_owned());
                format!("no connection to {endpoint}; check the endpoint and the network: {cause}")
            }
            SdkError::ServiceError(failure) => self.refusal(
                failure.err().code(),
                failure.err().message(),
                failure.raw().status().as_u16(),
            ),
            SdkError::ResponseError(failure) => {
                let status = failure.raw().status().as_u16();
                self.foreign(status)
            }
            other => format!("the request could not be sent: {}", self.deepest(other)),
        }
    }

    fn timed_out(&self) -> String {
        format!("{} did not answer in time; check the endpoint and the network", self.endpoint)
    }

    fn foreign(&self, status: u16) -> String {
        let endpoint = &self.endpoint;
        format!(
            "{endpoint} sent a response (HTTP status {status}) that is not S3's; check the endpoint's URL"
        )
    }

    /// Returns why a response body could not be read completely.
    pub(super) fn broken(&self, error: &(dyn StdError + 'static)) -> String {
        format!(
            "the response of {} was incomplete or damaged: {}",
            self.endpoint,
            self.deepest(error)
        )
    }

    pub(super) fn no_next_page(&self) -> String {
        format!("{} sent a truncated list without the start of the next page", self.endpoint)
    }

    pub(super) fn refusal(&self, code: Option<&str>, message: Option<&str>, status: u16) -> String {
        let Self { endpoint, bucket, region, .. } = self;
        let detail =
            message.map(|message| format!(": {}", self.clean(message))).unwrap_or_default();
        match code.unwrap_or_default() {
            "NoSuchBucket" => {
                format!("there is no bucket '{bucket}' at {endpoint}; check its name")
            }
            "AccessDenied" => {
                format!("{endpoint} denied access; check the permissions of the access key{detail}")
            }
            "InvalidAccessKeyId" => {
                format!("{endpoint} denied access: the access key id is unknown; check it")
            }
            "SignatureDoesNotMatch" => {
                format!("{endpoint} denied access: the secret access key is wrong; check it")
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                format!(
                    "{endpoint} denied access: the session token is wrong or has expired; request a new one"
                )
            }
            "RequestTimeTooSkewed" => {
                format!("{endpoint} denied access: this computer's clock is wrong; set it")
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraint" => {
                format!(
                    "bucket '{bucket}' is in another region than '{region}'; set its region{detail}"
                )
            }
            "" => self.foreign(status),
            code => format!("{endpoint} answered {} ({status}){detail}", self.clean(code)),
        }
    }

    /// Returns the innermost cause, on which the operator can act.
    fn deepest(&self, error: &(dyn StdError + 'static)) -> String {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.clean(&cause.to_string())
    }

    /// Returns the first 240 characters of `text` on one line, without credentials.
    fn clean(&self, text: &str) -> String {
        let clean = self
            .credentials
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "[credential]"));
        let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Returns whether the object ends before the requested range (HTTP status 416).
pub(super) fn is_beyond_the_end<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 416)
}

/// Returns whether the service does not implement the request (HTTP status 501).
pub(super) fn is_not_implemented<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 501)
}
