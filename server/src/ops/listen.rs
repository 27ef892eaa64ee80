//! The address at which figures are served, apart from the service: strangers cannot reach it by way of the
//! service, and behind a proxy on the same machine everybody would seem to come from this machine.
//!
//! Knows no route of the API. Speaks plain HTTP: it belongs on this machine or into a private network.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::header;
use axum::routing::get;
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;

use super::{health, memory, metrics};
use crate::mail;
use crate::state::App;

/// How often what was measured is folded together; without it memory would grow while nobody asks.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
const FIRST_REQUEST_MAX: Duration = Duration::from_secs(10);
const CONTENT: [(header::HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];

/// Binds, and gives the address in use and what serves the figures; ends when `handle` is told to stop.
///
/// Errors: an address that is taken.
pub fn serve_figures(
    app: &App,
    address: SocketAddr,
    handle: Handle<SocketAddr>,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("listening on {address}; choose another with --metrics-listen"))?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let figures = metrics::collect()?;
    let upkeep = keep_up(figures.clone());
    let shown = app.clone();
    let router = Router::new()
        .route("/metrics", get(move || async move { (CONTENT, render(&shown, &figures).await) }))
        .merge(health::routes())
        .with_state(app.clone());
    let serving = async move {
        let upkeep = tokio::spawn(upkeep);
        let served = async {
            let server = axum_server::from_tcp(listener)?.handle(handle);
            let server = server.first_request_timeout(FIRST_REQUEST_MAX);
            server.serve(router.into_make_service()).await
        };
        if let Err(error) = served.await {
            tracing::error!(reason = %error, "figures are served no longer");
        }
        upkeep.abort();
    };
    Ok((bound, serving))
}

async fn render(app: &App, figures: &PrometheusHandle) -> String {
    let free = picpick_engine::free_bytes(&app.settings().data);
    metrics::set_process(memory::resident_bytes(), free);
    let pool = app.db().read();
    metrics::set_pool(usize::try_from(pool.size()).unwrap_or(0), pool.num_idle());
    // A database that is away leaves the last ones; the connections say so.
    if let Ok((mails, oldest_s)) = mail::waiting(app).await {
        metrics::set_mails_waiting(mails, oldest_s);
    }
    figures.render()
}

async fn keep_up(figures: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        figures.run_upkeep();
    }
}
