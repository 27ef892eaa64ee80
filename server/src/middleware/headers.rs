//! Headers that every answer carries, and the answers for addresses and methods that there are not.
//!
//! Nothing here depends on who asks, only on whether the connection is encrypted.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use super::client::Encrypted;
use crate::error::{Failure, Kind};
use crate::state::App;

/// Pages load nothing from elsewhere and run no script but the service's own; answers are neither guessed
/// at, framed, indexed nor kept by caches unless a handler says so.
const ALWAYS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
         connect-src 'self'; media-src 'self' blob:; font-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=()"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

/// For two years a browser comes back over an encrypted connection only. Other names of the domain are not
/// this service's to decide about.
const ENCRYPTED_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Adds the headers.
pub async fn secure(State(app): State<App>, request: Request, next: Next) -> Response {
    let Encrypted(encrypted) = Encrypted::of_request(&request, app.settings());
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if encrypted {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, ENCRYPTED_ONLY);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An address that the service does not have.
pub async fn no_such_route() -> Failure {
    Failure::not_found()
}

/// A method that the address does not have.
pub async fn no_such_method(method: Method) -> Failure {
    let method: String = method.as_str().chars().take(20).collect();
    Failure::new(Kind::MethodNotAllowed, format!("This address does not take {method}."))
}
