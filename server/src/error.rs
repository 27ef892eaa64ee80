//! What a request can end in, as a problem document (RFC 9457): the only place where an error becomes an
//! HTTP answer.
//!
//! Each kind has one status and one stable code. Internals are logged under the request's id and never sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use picpick_engine::Error;
use serde::Serialize;
use utoipa::ToSchema;

pub type Result<T> = std::result::Result<T, Failure>;

/// Why a request did not succeed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub kind: Kind,
    /// For the client's people; what was expected and what came.
    pub detail: String,
    /// For the log; never sent.
    pub internal: Option<String>,
    pub retry_after_s: Option<u64>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:ident, $code:literal, $title:literal;)*) => {
        /// The kinds of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            pub fn status(self) -> StatusCode {
                match self { $(Kind::$kind => StatusCode::$status,)* }
            }

            /// Stable: programs may rely on it.
            pub fn code(self) -> &'static str {
                match self { $(Kind::$kind => $code,)* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Kind::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    BadRequest = BAD_REQUEST, "bad_request", "The request cannot be read";
    SignedOut = UNAUTHORIZED, "signed_out", "Sign in, or send an API key";
    WrongCredentials = UNAUTHORIZED, "wrong_credentials", "E-mail, password or code is wrong";
    Forbidden = FORBIDDEN, "forbidden", "Your role does not allow this";
    CrossSite = FORBIDDEN, "cross_site", "The request comes from another site";
    /// The same for what is not there and for what is not the caller's.
    NotFound = NOT_FOUND, "not_found", "There is no such thing here";
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method_not_allowed", "The address knows no such method";
    TimedOut = REQUEST_TIMEOUT, "timed_out", "The request took too long";
    Conflict = CONFLICT, "conflict", "Something is in the way";
    NoPerson = CONFLICT, "no_person", "The face is nobody's";
    NotOnePerson = CONFLICT, "not_one_person", "The faces are not one person's";
    WholePerson = CONFLICT, "whole_person", "These are all faces of the person";
    TogetherInPhoto = CONFLICT, "together_in_photo", "A photo shows these people together";
    Locked = LOCKED, "locked", "Somebody else is changing it";
    Gone = GONE, "gone", "This has ended";
    PreconditionFailed = PRECONDITION_FAILED, "precondition_failed", "It has changed meanwhile";
    Misdirected = MISDIRECTED_REQUEST, "misdirected", "Another server has this event";
    TooLarge = PAYLOAD_TOO_LARGE, "too_large", "The request is too large";
    UnsupportedType = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not taken";
    RangeNotSatisfiable = RANGE_NOT_SATISFIABLE, "range_not_satisfiable", "There are no such bytes";
    Invalid = UNPROCESSABLE_ENTITY, "invalid", "A value is not allowed";
    NotAPhoto = UNPROCESSABLE_ENTITY, "not_a_photo", "The file is not a photo that can be read";
    NoFace = UNPROCESSABLE_ENTITY, "no_face", "The picture does not show one clear face";
    ChecksumMismatch = UNPROCESSABLE_ENTITY, "checksum_mismatch", "What arrived is not what was announced";
    TooMany = TOO_MANY_REQUESTS, "too_many_requests", "Too many requests";
    Internal = INTERNAL_SERVER_ERROR, "internal", "Something went wrong here";
    Busy = SERVICE_UNAVAILABLE, "busy", "The service is busy";
    DiskFull = INSUFFICIENT_STORAGE, "disk_full", "There is no room left";
}

/// An RFC 9457 problem document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub about: String,
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable; programs decide by it.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl Failure {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), internal: None, retry_after_s: None }
    }

    /// Not there, or not the caller's: nobody can tell which.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "Nothing of yours has this address.")
    }

    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    /// `reason` is for the log only.
    pub fn internal(reason: impl std::fmt::Display) -> Self {
        let detail = "It is logged under this answer's request id.";
        Self { internal: Some(reason.to_string()), ..Self::new(Kind::Internal, detail) }
    }

    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// For the log: what went wrong inside, or what the client is told where nothing did.
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
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Some(internal) = &self.internal {
            tracing::error!(code = self.kind.code(), reason = %internal, "request failed");
        }
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.kind.status(), body).into_response();
        // For whoever looks at how requests end; nothing of it is sent.
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

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::RowNotFound => Self::not_found(),
            sqlx::Error::PoolTimedOut => {
                Self::new(Kind::Busy, "The database is busy.").retry_after(2)
            }
            error => Self::internal(format!("database: {error}")),
        }
    }
}

impl From<Error> for Failure {
    /// The engine's errors: what a client can do something about is said, the rest is logged.
    fn from(error: Error) -> Self {
        match &error {
            Error::Image { .. } => Self::new(Kind::NotAPhoto, error.to_string()),
            Error::NoCollection { .. } | Error::NotFound { .. } => Self::not_found(),
            Error::NoFace { .. } | Error::ManyFaces { .. } | Error::NoSuchFace { .. } => {
                Self::new(Kind::NoFace, selfie_reason(&error))
            }
            Error::Id { .. } => Self::invalid(error.to_string()),
            Error::NoPerson { .. } => Self::new(Kind::NoPerson, error.to_string()),
            Error::ManyPeople { .. } => Self::new(Kind::NotOnePerson, error.to_string()),
            Error::WholePerson { .. } => Self::new(Kind::WholePerson, error.to_string()),
            Error::TooMuchSaid { .. } => Self::new(Kind::Conflict, error.to_string()),
            Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => Self {
                internal: Some(error.to_string()),
                ..Self::new(Kind::DiskFull, "The disk is full.")
            },
            Error::Place { .. } => Self {
                internal: Some(error.to_string()),
                ..Self::new(Kind::Busy, "The place for photos does not answer.").retry_after(5)
            },
            Error::Ended { .. } => {
                Self::new(Kind::Gone, "The event's time to keep faces has ended.")
            }
            _ => Self::internal(error),
        }
    }
}

/// The engine's sentences name options of the command line; a client has others.
fn selfie_reason(error: &Error) -> String {
    match error {
        Error::ManyFaces { faces, .. } => format!(
            "The picture shows {faces} faces and none is clearly meant; choose one with 'face', 1 to {faces} from left to right."
        ),
        Error::NoSuchFace { faces, received, .. } => {
            format!("The picture shows {faces} faces, there is no face {received}.")
        }
        _ => "The picture shows no face.".to_owned(),
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull => Self {
                internal: Some(error.to_string()),
                ..Self::new(Kind::DiskFull, "The disk is full.")
            },
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
        let codes: HashSet<_> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        let failure = Failure::internal("the key is 42");
        let sent = serde_json::to_string(&failure.problem()).unwrap_or_default();
        assert!(!sent.contains("42") && sent.contains("\"status\":500"), "{sent}");
    }
}
