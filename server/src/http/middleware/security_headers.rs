use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::set_header::response::SetMultipleResponseHeadersLayer;

use crate::app::App;
use crate::error::{ApiError, ErrorKind};
use crate::http::client_address::Encrypted;

/// Security headers of every response, unless the handler sets them. Pages load resources and scripts from
/// the service only. Browsers do not guess content types, frame pages or store responses. Search engines do
/// not index pages.
const ALWAYS: [(HeaderName, &str); 9] = [
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
    (header::CACHE_CONTROL, "no-store"),
];

/// HSTS: for two years the browser uses encrypted connections only. Subdomains are included on request of the
/// operator only, because they may not belong to this service.
const ENCRYPTED_ONLY: HeaderValue = HeaderValue::from_static("max-age=63072000");
const ENCRYPTED_ONLY_WITH_SUBDOMAINS: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");

/// Returns the layer that adds the security headers that the handler does not set.
pub fn security_headers() -> SetMultipleResponseHeadersLayer<Response> {
    let always = ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value)).into());
    SetMultipleResponseHeadersLayer::if_not_present(always.into())
}

/// Adds HSTS to responses on encrypted connections.
pub async fn hsts(State(app): State<App>, request: Request, next: Next) -> Response {
    let Encrypted(encrypted) = Encrypted::of_request(&request, &app.settings);
    let mut response = next.run(request).await;
    if encrypted {
        let value = match app.settings.hsts_subdomains {
            true => ENCRYPTED_ONLY_WITH_SUBDOMAINS,
            false => ENCRYPTED_ONLY,
        };
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    response
}

/// Responds to a path without a route: `NotFound`.
pub async fn no_such_route() -> ApiError {
    ApiError::not_found()
}

/// Responds to a method that the path does not support: `MethodNotAllowed`.
pub async fn no_such_method(method: Method) -> ApiError {
    let method: String = method.as_str().chars().take(20).collect();
    ApiError::new(
        ErrorKind::MethodNotAllowed,
        format!(
            "This address does not support {method}; /api/v1/docs lists the supported methods."
        ),
    )
}
