//! Errors of the HTTP API, sent as problem documents (RFC 9457).
//!
//! Each kind has one status and one stable code. Internal causes are logged under the request's id and never
//! sent.

mod database;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::Error;
use serde::Serialize;
use utoipa::ToSchema;

pub use database::DatabaseFault;

pub type Result<T> = std::result::Result<T, ApiError>;

/// Detail of the error `DiskFull`.
const DISK_FULL: &str = "The server's disk is full; ask the operator to free disk space.";

/// The error that a handler or a middleware returns.
#[derive(Clone, Debug)]
pub struct ApiError {
    pub kind: ErrorKind,
    /// The problem and the action that solves it; sent to the client, which shows the text to its user.
    pub detail: String,
    /// The cause, which is logged and never sent.
    pub internal: Option<String>,
    pub retry_after_s: Option<u64>,
    /// The challenge of the error `ProofOfWorkRequired`.
    pub challenge: Option<Box<WorkChallenge>>,
}

/// A proof of work that a client must do: to find a number `nonce` such that the SHA-256 of the text
/// `CHALLENGE.NONCE`, with the number in decimal digits, begins with `bits` zero bits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WorkChallenge {
    pub challenge: String,
    /// Takes 2^`bits` hashes on average.
    #[schema(minimum = 1, maximum = 32)]
    pub bits: u32,
    /// The time after which the challenge is refused, seconds since the Unix epoch. A solution works once.
    pub expires_unix_s: i64,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The kinds of error. Each has an HTTP status, a stable code and a title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind,)*];

            pub fn status(self) -> StatusCode {
                match self { $(ErrorKind::$kind => StatusCode::$status,)* }
            }

            /// Returns the code that programs may rely on. A released code never changes.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$kind => $code,)* }
            }

            pub fn title(self) -> &'static str {
                match self { $(ErrorKind::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    BadRequest = BAD_REQUEST, "bad_request", "The request cannot be read";
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Sign in, or send an API key";
    WrongCredentials = UNAUTHORIZED, "wrong_credentials", "E-mail, password or code is wrong";
    Forbidden = FORBIDDEN, "forbidden", "Your role does not allow this";
    CrossSite = FORBIDDEN, "cross_site", "The request comes from another site";
    /// Also returned for resources of other tenants, so that their existence is not disclosed.
    NotFound = NOT_FOUND, "not_found", "The resource does not exist";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "This address does not support the method";
    TimedOut = REQUEST_TIMEOUT, "timed_out", "The request took too long";
    Conflict = CONFLICT, "conflict", "The request conflicts with the current state";
    FaceWithoutPerson = CONFLICT, "face_without_person", "The face belongs to no person";
    NotOnePerson = CONFLICT, "not_one_person", "The faces belong to more than one person";
    SplitTakesAllFaces = CONFLICT, "split_takes_all_faces", "A split cannot take all faces of a person";
    SharedPhoto = CONFLICT, "shared_photo", "A photo shows these people together";
    Locked = LOCKED, "locked", "Another request is changing the resource";
    Gone = GONE, "gone", "The resource has expired or was withdrawn";
    ProofOfWorkRequired = PRECONDITION_REQUIRED, "proof_of_work_required", "A proof of work is required";
    PreconditionFailed = PRECONDITION_FAILED, "precondition_failed", "A precondition of the request is not met";
    Misdirected = MISDIRECTED_REQUEST, "misdirected", "Another server holds this event";
    ForeignHost = MISDIRECTED_REQUEST, "foreign_host", "The request names another host";
    TooLarge = PAYLOAD_TOO_LARGE, "too_large", "The request is too large";
    UnsupportedType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not supported";
    RangeNotSatisfiable = RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "The byte range is outside the file";
    Invalid = UNPROCESSABLE_ENTITY, "invalid", "A value is not allowed";
    NotAPhoto = UNPROCESSABLE_ENTITY, "not_a_photo", "The file is not a readable photo";
    NoFace = UNPROCESSABLE_ENTITY, "no_face", "The picture does not show one clear face";
    ChecksumMismatch = UNPROCESSABLE_ENTITY, "checksum_mismatch", "The data does not match its announced checksum";
    TooManyRequests = TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    Internal = INTERNAL_SERVER_ERROR, "internal", "An internal error occurred";
    DatabaseDamaged = INTERNAL_SERVER_ERROR, "database_damaged", "The database is damaged";
    Busy = SERVICE_UNAVAILABLE, "busy", "The service is busy";
    DatabaseAway = SERVICE_UNAVAILABLE, "database_away", "The database does not answer";
    ReadOnly = SERVICE_UNAVAILABLE, "read_only", "The database cannot be written";
    StorageQuota = INSUFFICIENT_STORAGE, "storage_quota", "The studio's storage is used up";
    DiskFull = INSUFFICIENT_STORAGE, "disk_full", "The storage is full";
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem {
    /// The address of the error code in the API documentation.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub about: String,
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// The stable error code, for programs.
    pub code: String,
    /// A description of this occurrence, for people.
    pub detail: String,
    /// The work to do before the next attempt, with the code `proof_of_work_required`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub challenge: Option<WorkChallenge>,
}

impl ApiError {
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { kind, detail, internal: None, retry_after_s: None, challenge: None }
    }

    /// Returns `NotFound` for a resource that does not exist or belongs to another tenant. The client cannot
    /// distinguish the two cases.
    pub fn not_found() -> Self {
        Self::new(
            ErrorKind::NotFound,
            "There is no such resource, or you may not access it; check the address and your permissions.",
        )
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, detail)
    }

    /// Returns `Internal`. `reason` is written to the log and never sent.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        let detail = "The request failed; try again. If it fails again, give the operator the request id in the header \
             x-request-id, under which the cause is logged.";
        Self::caused(ErrorKind::Internal, detail, reason)
    }

    /// Returns an error of `kind`. `reason` is written to the log and never sent.
    fn caused(kind: ErrorKind, detail: &str, reason: impl std::fmt::Display) -> Self {
        Self { internal: Some(reason.to_string()), ..Self::new(kind, detail) }
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Returns the text for the log: the internal cause if there is one, otherwise the detail sent to the
    /// client.
    pub fn reason(&self) -> &str {
        self.internal.as_deref().unwrap_or(&self.detail)
    }

    fn problem(&self) -> Problem {
        Problem {
            about: format!("/api/v1/docs#{}", self.kind.code()),
            title: self.kind.title().to_owned(),
            status: self.kind.status().as_u16(),
            code: self.kind.code().to_owned(),
            detail: self.detail.clone(),
            challenge: self.challenge.as_deref().cloned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::error!(code = self.kind.code(), reason = %internal, "request failed");
        }
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.kind.status(), body).into_response();
        // The middleware `throttle` reads the kind, to count errors for the alerts. The extension is not
        // sent.
        response.extensions_mut().insert(self.kind);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Error> for ApiError {
    /// Converts an engine error. Errors that the client can act on are sent; all others are logged as
    /// internal.
    fn from(error: Error) -> Self {
        match &error {
            Error::Image { reason } | Error::NamedImage { reason, .. } => {
                Self::new(ErrorKind::NotAPhoto, reason.clone())
            }
            Error::NoCollection { .. } | Error::NotFound { .. } => Self::not_found(),
            Error::NoFace { .. } | Error::ManyFaces { .. } | Error::NoSuchFace { .. } => {
                Self::new(ErrorKind::NoFace, selfie_reason(&error))
            }
            Error::Id { .. } => Self::invalid(error.to_string()),
            Error::NoPerson { .. } => Self::new(ErrorKind::FaceWithoutPerson, error.to_string()),
            Error::ManyPeople { .. } => Self::new(ErrorKind::NotOnePerson, error.to_string()),
            Error::SplitTakesAllFaces { .. } => {
                Self::new(ErrorKind::SplitTakesAllFaces, error.to_string())
            }
            Error::TooManyCorrections { .. } => Self::new(ErrorKind::Conflict, error.to_string()),
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                Self::caused(ErrorKind::DiskFull, DISK_FULL, error)
            }
            Error::ObjectStore { .. } => Self::caused(
                ErrorKind::Busy,
                "The photo storage does not respond; try again in 5 seconds.",
                error,
            )
            .retry_after(5),
            Error::RetentionEnded { .. } => Self::new(
                ErrorKind::Gone,
                "The event's retention period has ended, so the event can no longer be used; create a new event.",
            ),
            _ => Self::internal(error),
        }
    }
}

/// Returns the detail for a photo without one clear subject. The engine's own messages name options of the
/// command line, which HTTP clients do not have.
fn selfie_reason(error: &Error) -> String {
    match error {
        Error::ManyFaces { faces, .. } => format!(
            "The picture shows {faces} faces and no clear subject; choose one with 'face', 1 to {faces} from left to right."
        ),
        Error::NoSuchFace { faces, received, .. } => {
            format!(
                "The picture shows {faces} faces; there is no face {received}; choose 1 to {faces}."
            )
        }
        _ => "The picture shows no face; use a picture that shows one face clearly.".to_owned(),
    }
}

impl From<std::io::Error> for ApiError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self::caused(ErrorKind::DiskFull, DISK_FULL, error),
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_distinct_and_internals_stay_inside() {
        let codes: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ErrorKind::ALL.len());
        let failure = ApiError::internal("the key is 42");
        let sent = serde_json::to_string(&failure.problem()).unwrap_or_default();
        assert!(!sent.contains("42") && sent.contains("\"status\":500"), "{sent}");
    }
}
