//! The metrics listener. It has an address of its own, because a check of the client address could not
//! protect metrics on the public listener: behind a local proxy, all clients have the address of this
//! machine.
//!
//! The listener speaks plain HTTP; bind it to loopback or a private network.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;

use super::health;
use super::middleware::{AllowedHosts, check_host, security_headers};
use crate::app::App;
use crate::infra::mail;
use crate::infra::telemetry::{memory, metrics};

/// Interval at which the recorder compacts histogram samples: 5 s. Without compaction, memory grows between
/// scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Maximum time until the first request on a connection: 10 s.
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(10);
const CONTENT: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

/// Binds the metrics listener. Returns the bound address and a future that serves `/metrics`, `/healthz` and
/// `/readyz` until `handle` shuts it down.
///
/// # Errors
/// - The address cannot be bound, for instance because it is in use.
/// - Another metrics recorder is installed.
pub fn serve_metrics(
    app: &App,
    address: SocketAddr,
    handle: Handle<SocketAddr>,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("listening on {address}; choose another with --metrics-listen"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let hosts = AllowedHosts::of(
        bound,
        false,
        app.settings.public_url.as_deref(),
        &app.settings.allowed_hosts,
    );
    let figures = metrics::collect()?;
    let upkeep = run_upkeep(figures.clone());
    let scraped = app.clone();
    let router = Router::new()
        .route("/metrics", get(move || async move { (CONTENT, render(&scraped, &figures).await) }))
        .merge(health::routes())
        .layer(from_fn_with_state(hosts, check_host))
        .layer(security_headers())
        .with_state(app.clone());
    let serving = async move {
        let upkeep = tokio::spawn(upkeep);
        let served = async {
            let server = axum_server::from_tcp(listener)?.handle(handle);
            let server = server.first_request_timeout(FIRST_REQUEST_MAX);
            server.serve(router.into_make_service()).await
        };
        if let Err(error) = served.await {
            tracing::error!(reason = %error, "metrics listener failed");
        }
        upkeep.abort();
    };
    Ok((bound, serving))
}

async fn render(app: &App, figures: &PrometheusHandle) -> String {
    let free = picpick_engine::DataDir::free_bytes(&app.settings.data);
    metrics::set_process(memory::resident_bytes(), free);
    let pool = app.db.read();
    metrics::set_pool(usize::try_from(pool.size()).unwrap_or(0), pool.num_idle());
    // Without the database the gauges keep their last values; `picpick_database_connections` shows the
    // outage.
    if let Ok((mails, oldest_s)) = mail::pending(&app.mailer).await {
        metrics::set_mails_pending(mails, oldest_s);
    }
    figures.render()
}

async fn run_upkeep(figures: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        figures.run_upkeep();
    }
}
