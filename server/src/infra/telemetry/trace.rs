//! Trace export: one span per request, by OTLP over HTTP; off unless a collector is configured.
//!
//! A span has the fields of the access log line (id, method, route template, status), and never a client
//! address, a query, a header or a log event.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context as _, Result};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

const SERVICE: &str = "picpick";
/// Timeout of one export request, 10 s.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum size of the collector's response, bytes (1 MiB).
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// A batch exporter of spans with a thread of its own, stopped by [`Traces::end`].
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts the exporter. `url` is the collector's endpoint, for instance
    /// `http://127.0.0.1:4318/v1/traces`.
    pub fn begin(url: &str) -> Result<Self> {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(HttpExporter(agent))
            .with_endpoint(url)
            .build()
            .context("setting up the trace export of --otlp-endpoint")?;
        let resource = Resource::builder().with_service_name(SERVICE).build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// Returns the layer to add to the log's subscriber.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        // Exports request spans only: log events may quote errors and therefore stay in the log.
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SERVICE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|what| what.is_span() && what.name() == "request"))
    }

    /// Sends the remaining spans and stops the exporter.
    pub fn end(self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(reason = %error, "sending the last traces failed; check --otlp-endpoint");
        }
    }
}

/// An adapter of `ureq`, which the program uses anyway, to the exporter's HTTP client trait.
struct HttpExporter(ureq::Agent);

impl fmt::Debug for HttpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

type Sent<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>;

impl HttpClient for HttpExporter {
    // Blocks the exporter's own thread, which has no other work.
    fn send_bytes<'a, 'b>(&'a self, request: Request<Bytes>) -> Sent<'b>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let answer = self.0.run(Request::from_parts(head, body.to_vec()))?;
            let (head, mut body) = answer.into_parts();
            let bytes = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
            Ok(Response::from_parts(head, Bytes::from(bytes)))
        })
    }
}
