//! What an S3 service answered, or why none did, as a sentence for people.
//!
//! Names the endpoint and what came. Never repeats a credential: what a server says is cleaned of them
//! and cut short.

use std::error::Error as StdError;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::place::access::{S3Access, SecretText};

/// What a server says of an error is cut after so many characters.
const MESSAGE_CHARS_MAX: usize = 240;

/// The service on the other side, as far as sentences need it.
pub(super) struct Peer {
    endpoint: String,
    bucket: String,
    region: String,
    /// What no sentence may hold.
    credentials: Vec<SecretText>,
}

impl Peer {
    pub(super) fn new(bucket: &str, access: &S3Access) -> Self {
        let amazon = || format!("https://s3.{}.amazonaws.com", access.region);
        let mut credentials =
            vec![access.secret_access_key.clone(), SecretText::new(access.access_key_id.clone())];
        credentials.extend(access.session_token.clone());
        Self {
            endpoint: access.endpoint.clone().unwrap_or_else(amazon),
            bucket: bucket.to_owned(),
            region: access.region.clone(),
            credentials,
        }
    }

    /// Why a request failed.
    pub(super) fn reason<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let endpoint = &self.endpoint;
        match error {
            SdkError::TimeoutError(_) => format!("{endpoint} did not answer in time"),
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                format!("{endpoint} did not answer in time")
            }
            SdkError::DispatchFailure(failure) => {
                let cause = failure.as_connector_error().map(|error| self.deepest(error));
                let cause = cause.unwrap_or_else(|| "the connection failed".to_owned());
                format!("no connection to {endpoint}: {cause}")
            }
            SdkError::ServiceError(failure) => self.refusal(
                failure.err().code(),
                failure.err().message(),
                failure.raw().status().as_u16(),
            ),
            SdkError::ResponseError(failure) => {
                let status = failure.raw().status().as_u16();
                format!("{endpoint} gave an answer (HTTP status {status}) that is not S3's")
            }
            other => format!("the request could not be made: {}", self.deepest(other)),
        }
    }

    /// Why an answer's body could not be read to its end.
    pub(super) fn broken(&self, error: &(dyn StdError + 'static)) -> String {
        format!("the answer of {} did not arrive whole: {}", self.endpoint, self.deepest(error))
    }

    pub(super) fn no_next_page(&self) -> String {
        format!("{} broke its list off without saying where it goes on", self.endpoint)
    }

    pub(super) fn refusal(&self, code: Option<&str>, message: Option<&str>, status: u16) -> String {
        let Self { endpoint, bucket, region, .. } = self;
        let said = message.map(|message| format!(": {}", self.clean(message))).unwrap_or_default();
        match code.unwrap_or_default() {
            "NoSuchBucket" => format!("there is no bucket '{bucket}' at {endpoint}"),
            "AccessDenied" => format!("{endpoint} denied access{said}"),
            "InvalidAccessKeyId" => format!("{endpoint} does not know this access key id"),
            "SignatureDoesNotMatch" => {
                format!("{endpoint} denied access: the secret access key is not the right one")
            }
            "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
                format!("{endpoint} denied access: the session token is wrong or has expired")
            }
            "RequestTimeTooSkewed" => {
                format!("{endpoint} denied access: this computer's clock is wrong")
            }
            "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraint" => {
                format!("bucket '{bucket}' is in another region than '{region}'{said}")
            }
            "" => format!("{endpoint} gave an answer (HTTP status {status}) that is not S3's"),
            code => format!("{endpoint} answered {} ({status}){said}", self.clean(code)),
        }
    }

    /// The cause below all others, which is the one that people can act on.
    fn deepest(&self, error: &(dyn StdError + 'static)) -> String {
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        self.clean(&cause.to_string())
    }

    /// `text` in one line, without credentials and not longer than people read.
    fn clean(&self, text: &str) -> String {
        let clean = self
            .credentials
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret.reveal(), "[credential]"));
        let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect()
    }
}

/// Whether the object ends before the bytes that were asked for (HTTP status 416).
pub(super) fn is_beyond_the_end<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 416)
}

/// Whether the service does not know the request at all (HTTP status 501).
pub(super) fn is_not_implemented<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 501)
}
