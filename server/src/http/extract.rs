use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use picpick_engine::FaceId;
use serde::de::DeserializeOwned;
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;

use crate::error::{ApiError, ErrorKind, Result};
use crate::infra::ids::is_id;
use crate::infra::visible_text::visible;

/// Maximum size of a request body, 256 KiB, unless its route sets another limit.
pub const BODY_BYTES_MAX: usize = 256 << 10;

/// An extractor of a JSON body. Rejections are problem documents that say what was expected.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        use axum::extract::rejection::JsonRejection as R;
        let read = Json::<T>::from_request(request, state).await;
        read.map(|Json(value)| Body(value)).map_err(|rejection| match rejection {
            R::JsonDataError(error) => ApiError::invalid(cause(&error)),
            R::JsonSyntaxError(error) => ApiError::new(ErrorKind::BadRequest, cause(&error)),
            R::MissingJsonContentType(_) => ApiError::new(
                ErrorKind::UnsupportedType,
                "Expected Content-Type: application/json.",
            ),
            other if other.status() == 413 => ApiError::new(
                ErrorKind::TooLarge,
                format!(
                    "The body is larger than {} KiB; send a smaller one.",
                    BODY_BYTES_MAX >> 10
                ),
            ),
            other => ApiError::new(ErrorKind::BadRequest, other.body_text()),
        })
    }
}

/// Returns the innermost cause of an error, because the outer errors name Rust types of this program.
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The schema of a body that is not JSON, in the OpenAPI document.
#[derive(Debug, ToSchema)]
#[schema(format = Binary)]
#[expect(dead_code, reason = "only the OpenAPI document uses this type")]
pub struct BinarySchema(String);

/// An extractor of a whole body that is not JSON.
#[derive(Debug)]
pub struct RawBody(pub axum::body::Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let read = axum::body::Bytes::from_request(request, state).await;
        read.map(RawBody).map_err(|rejection| match rejection.status().as_u16() {
            413 => ApiError::new(
                ErrorKind::TooLarge,
                "The picture is larger than this address accepts; send a smaller one.",
            ),
            _ => ApiError::new(
                ErrorKind::BadRequest,
                "The connection ended before the whole body arrived; send the request again.",
            ),
        })
    }
}

/// An extractor of the query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let read = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(value)| Query(value))
            .map_err(|rejection| ApiError::new(ErrorKind::BadRequest, rejection.body_text()))
    }
}

/// An extractor of the path parameters. Rejects a parameter that does not parse with `NotFound`.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        // PostgreSQL rejects text with a zero byte, and no id contains a zero byte.
        if parts.uri.path().contains("%00") {
            return Err(ApiError::not_found());
        }
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Path(value)).map_err(|_| ApiError::not_found())
    }
}

/// Validates a display name: 1 to 200 printable characters. The error names the field `what`.
///
/// # Errors
/// - `Invalid` for any other text.
pub fn name(what: &str, text: &str) -> Result<String> {
    line(what, text, 1, 200)
}

/// Validates one line of `least` to `most` printable characters. Returns the line without invisible
/// characters and surrounding white space.
///
/// # Errors
/// - `Invalid` for any other text.
pub fn line(what: &str, text: &str, least: usize, most: usize) -> Result<String> {
    let text = visible(text);
    let text = text.trim();
    let count = text.chars().count();
    if count < least || count > most || text.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!(
            "{what}: expected {least} to {most} printable characters, received {count}."
        )));
    }
    Ok(text.to_owned())
}

/// Validates an optional line of up to 200 printable characters. Returns the empty string for `None`.
///
/// # Errors
/// - `Invalid` for any other text.
pub fn optional_line(what: &str, text: Option<String>) -> Result<String> {
    text.map_or(Ok(String::new()), |text| line(what, &text, 0, 200))
}

/// Greatest length of an e-mail address, bytes (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// Validates an e-mail address and returns its normal form, so that one mailbox has one account: compatibility
/// forms replaced (NFKC), lower case, the domain in ASCII (UTS 46). Only a message to the address shows whether
/// it exists.
///
/// # Errors
/// - `Invalid` if the text is not an address, or its part before the `@` is not ASCII: a letter that only looks
///   like an ASCII letter would be another account, and many mail servers refuse it.
pub fn email(text: &str) -> Result<String> {
    normal_email(text).ok_or_else(|| {
        let detail = "email: expected an address like name@example.com, with ASCII characters before the '@'.";
        ApiError::invalid(detail)
    })
}

fn normal_email(text: &str) -> Option<String> {
    let text = text.trim();
    if text.len() > EMAIL_BYTES_MAX {
        return None;
    }
    let composed: String = text.nfkc().collect();
    let (local, domain) = composed.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let address = format!("{}@{domain}", local.to_ascii_lowercase());
    // `lettre` accepts exactly the addresses to which it can send.
    let is_valid = local.bytes().all(|byte| byte.is_ascii_graphic())
        && address.len() <= EMAIL_BYTES_MAX
        && address.parse::<lettre::Address>().is_ok();
    is_valid.then_some(address)
}

/// Validates a SHA-256 digest of 64 hexadecimal digits and returns the digest in lower case.
///
/// # Errors
/// - `Invalid` for any other text.
pub fn sha256(text: &str) -> Result<String> {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(ApiError::invalid("sha256: expected 64 hexadecimal digits."))
    }
}

/// Parses a face id from a body. The error names the field `what`.
///
/// # Errors
/// - `Invalid` if the text is not 32 lower-case hexadecimal digits.
pub fn face(what: &str, text: &str) -> Result<FaceId> {
    let id = Some(text).filter(|text| is_id(text)).and_then(|text| text.parse().ok());
    id.ok_or_else(|| {
        ApiError::invalid(format!("{what}: expected 32 lower-case hexadecimal digits."))
    })
}

/// Parses a face id from a path.
///
/// # Errors
/// - `NotFound` if the text is not 32 lower-case hexadecimal digits.
pub fn face_of_address(text: &str) -> Result<FaceId> {
    face("face", text).map_err(|_| ApiError::not_found())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_what_they_should_be() {
        assert_eq!(name("name", "  Anna & Ben ").unwrap(), "Anna & Ben");
        assert_eq!(email(" A@Example.COM ").unwrap(), "a@example.com");
        assert_eq!(name("name", "\u{202e}Anna\u{200b} ").unwrap(), "Anna");
        for bad in ["", "   ", "a\nb", "a\0b", &"x".repeat(201), "\u{200b}\u{2060} \u{202e}"] {
            assert!(name("name", bad).is_err(), "{bad:?}");
        }
        for (text, normal) in [
            ("ＡＳＨＡ＠example.com", "asha@example.com"),
            ("asha@ｅｘａｍｐｌｅ。com", "asha@example.com"),
            ("asha@exam\u{ad}ple.com", "asha@example.com"),
            ("asha@MÜNCHEN.example", "asha@xn--mnchen-3ya.example"),
        ] {
            assert_eq!(email(text).unwrap(), normal, "{text}");
            assert_eq!(email(normal).unwrap(), normal);
        }
        // Look-alikes and invisible characters would be accounts of their own.
        for bad in [
            "аsha@example.com",
            "as\u{200b}ha@example.com",
            "asha\u{202e}@example.com",
            "ash\u{e1}@example.com",
        ] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "a", "a@", "@b", "a b@c.d", "a@b\r\nBcc: c@d.e", "a@b>", "\0@b.c"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert_eq!(sha256(&"AB".repeat(32)).unwrap(), "ab".repeat(32));
        assert!(sha256(&"zz".repeat(32)).is_err() && sha256("ab").is_err());
    }

    #[test]
    fn a_face_has_one_form_and_is_missed_where_it_is_looked_for() {
        assert!(face("a", &"0a".repeat(16)).is_ok() && face_of_address(&"0a".repeat(16)).is_ok());
        for bad in ["", "0a", &"0A".repeat(16), &"0g".repeat(16), &"0a".repeat(17)] {
            assert_eq!(face("a", bad).unwrap_err().kind, ErrorKind::Invalid, "{bad}");
            assert_eq!(face_of_address(bad).unwrap_err().kind, ErrorKind::NotFound, "{bad}");
        }
    }
}
