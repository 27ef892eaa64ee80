use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::app::App;
use crate::config::settings::Origins;
use crate::http::client_address::TrustedOrigin;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Response headers that a page of a named origin may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-request-id, retry-after, etag, location, content-range, upload-offset, upload-length",
);
/// Time for which browsers may cache a preflight response: 600 seconds.
const KEPT_S: HeaderValue = HeaderValue::from_static("600");

/// Implements CORS (Fetch standard). An origin named in the settings gets answers to preflights and may read
/// responses, with cookies only if the settings list the origin for cookies. Other origins get no CORS
/// headers, so browsers block them.
pub async fn cors(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let origins = &app.settings.protection.origins;
    if origins.is_empty() {
        return next.run(request).await;
    }
    let named = request.headers().get(header::ORIGIN).and_then(|origin| named(origins, origin));
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &named {
        Some(_) if preflight => preflight_answer(request.headers()),
        _ => {
            if named.as_ref().is_some_and(|(_, cookies)| *cookies) {
                request.extensions_mut().insert(TrustedOrigin);
            }
            next.run(request).await
        }
    };
    let headers = response.headers_mut();
    // A cache must not serve one origin's response to another origin.
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some((origin, cookies)) = named {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if cookies {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
        let policy = HeaderName::from_static("cross-origin-resource-policy");
        headers.insert(policy, HeaderValue::from_static("cross-origin"));
    }
    response
}

/// Returns the value of the header `Origin`, and whether the origin may use cookies; `None` if the settings
/// do not name the origin.
fn named(origins: &Origins, origin: &HeaderValue) -> Option<(HeaderValue, bool)> {
    let text = origin.to_str().ok()?;
    let cookies = origins.with_cookies.iter().any(|own| own == text);
    let plain = origins.without_cookies.iter().any(|own| own == text);
    (cookies || plain).then(|| (origin.clone(), cookies))
}

fn preflight_answer(request: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, KEPT_S);
    if let Some(names) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_origin_is_one_that_is_named() {
        let origins = Origins {
            without_cookies: vec!["https://a.example".into()],
            with_cookies: vec!["https://b.example".into()],
        };
        let ask = |text: &'static str| {
            named(&origins, &HeaderValue::from_static(text)).map(|(_, cookies)| cookies)
        };
        assert_eq!(ask("https://a.example"), Some(false));
        assert_eq!(ask("https://b.example"), Some(true));
        for other in [
            "null",
            "http://a.example",
            "https://a.example:444",
            "https://a.example.evil",
            "https://xa.example",
        ] {
            assert_eq!(ask(other), None, "{other}");
        }
    }
}
