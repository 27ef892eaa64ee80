use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::error::ErrorKind;
use crate::infra::ids::new_id;
use crate::infra::telemetry::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Writes one access log line and one set of metrics per request, and sends the request's id in
/// `x-request-id`.
///
/// The handler runs inside a span, so its log lines also carry the id, method and route template. Path
/// parameters, query strings, headers and bodies are never logged, because they may hold tokens.
pub async fn access_log(request: Request, next: Next) -> Response {
    let id = new_id().unwrap_or_default();
    let route =
        request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let status = Empty;
    let span = tracing::info_span!("request", %id, %method, route, status);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = begun.elapsed();
    let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
    let status = response.status().as_u16();
    metrics::count_request(&method, &route, status, elapsed);
    // The error code tells a refused attempt to bypass a check from a failure of the same status.
    let code = response.extensions().get::<ErrorKind>().map(|kind| kind.code());
    span.in_scope(|| tracing::info!(status, code, elapsed_ms, "request completed"));
    // For traces. The status is recorded after the log line, which would otherwise show it twice.
    span.record("status", status);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
