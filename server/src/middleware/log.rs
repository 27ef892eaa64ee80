//! One log line, one id and one entry in the figures for every request.
//!
//! The line has method, route, status and time; never the address's values, a query string, headers or
//! bodies, which may hold tokens.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::ids::new_id;
use crate::ops::metrics;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Runs the request inside a span that has its id; the answer carries the id.
pub async fn log(request: Request, next: Next) -> Response {
    let id = new_id().unwrap_or_default();
    let route =
        request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!("request", id = %id);
    let begun = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = begun.elapsed();
    let elapsed_ms = elapsed.as_secs_f64() * 1000.0;
    let status = response.status().as_u16();
    metrics::count_request(&method, &route, status, elapsed);
    span.in_scope(|| tracing::info!(%method, route, status, elapsed_ms, "answered"));
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
