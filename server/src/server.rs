use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum_server::Handle;
use tokio::task::JoinHandle;

use crate::api::account::{begin_setup, resolve_reset};
use crate::api::guest;
use crate::api::indexing::worker::run_worker;
use crate::api::retention::run_retention;
use crate::app::App;
use crate::config::settings::Settings;
use crate::error::ApiError;
use crate::http::listener;
use crate::http::middleware::AllowedHosts;
use crate::infra::telemetry::memory::{configure_allocator, run_memory_trim};
use crate::infra::{alerts, audit_log, mail, rate_limit};
use crate::router::build_app;

/// Time limit of each step of a graceful shutdown, 20 s: for the requests in progress, and then for the
/// worker's batch in progress.
const GRACE: Duration = Duration::from_secs(20);

/// Opens the data folder and the database, starts the background loops, and serves until `stop` resolves.
/// Then shuts down gracefully. `tell` receives the lines for the operator: the service's URL, and the link
/// for the first account while there is no account.
///
/// Errors if the data folder or the database cannot be opened, or if the service cannot listen on its address.
pub async fn serve(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
    tell: impl Fn(&str),
) -> Result<()> {
    // Selects the TLS crypto provider, because dependencies may bring a second one. Fails only if a provider is
    // installed already, which is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    configure_allocator();
    let app = App::open(settings).await?;
    raise_file_limit();
    rate_limit::sync(&app.db, &app.rate_limiter).await.map_err(startup_error)?;
    checkpoint_audit(&app).await;
    let handle = Handle::new();
    let figures = app.settings.operations.metrics_listen;
    let figures_end = Handle::new();
    let figures = figures
        .map(|at| crate::http::metrics_listener::serve_metrics(&app, at, figures_end.clone()))
        .transpose()?;
    let server = listen(&app, handle.clone())?;
    let keepers = spawn_keepers(&app);
    let figures = figures.map(|(address, serving)| {
        tell(&format!("Metrics are at http://{address}/metrics"));
        tokio::spawn(serving)
    });
    let stop_working = Arc::new(AtomicBool::new(false));
    let worker = tokio::spawn(run_worker(app.clone(), Arc::clone(&stop_working)));
    let stopping = handle.clone();
    tokio::spawn(async move {
        stop.await;
        stopping.graceful_shutdown(Some(GRACE));
    });
    let serving = tokio::spawn(server);
    if let Some(address) = handle.listening().await {
        announce(&app, address, tell).await?;
    }
    let served = serving.await.context("serving")?;
    stop_working.store(true, Ordering::SeqCst);
    app.jobs.wake();
    // The worker completes the batch in progress; pending photos are indexed after the next start.
    let _ = tokio::time::timeout(GRACE, worker).await;
    // The metrics listener ends last, so that operators can observe the shutdown.
    figures_end.shutdown();
    keepers.iter().for_each(JoinHandle::abort);
    if let Some(figures) = figures {
        figures.await?;
    }
    if let Err(failure) = rate_limit::sync(&app.db, &app.rate_limiter).await {
        tracing::error!(reason = %startup_error(failure), "rate limit sync failed");
    }
    checkpoint_audit(&app).await;
    app.db.close().await;
    served
}

/// Binds the listening address. Returns a future that serves the application there until `handle` shuts it
/// down.
///
/// Errors as [`listener::bind`] and [`listener::open`].
fn listen(
    app: &App,
    handle: Handle<SocketAddr>,
) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
    let settings = &app.settings;
    let (socket, listening) = listener::bind(settings)?;
    let hosts = AllowedHosts::of(
        listening,
        settings.tls.is_some(),
        settings.public_url.as_deref(),
        &settings.allowed_hosts,
    );
    let connections = app.connections.clone();
    listener::open(build_app(app.clone(), hosts), socket, settings, connections, handle)
}

/// Starts the background loops that run until the service stops.
fn spawn_keepers(app: &App) -> [JoinHandle<()>; 8] {
    [
        tokio::spawn(crate::api::erasure::schedule::run_erasures(app.clone())),
        tokio::spawn(guest::run_notifications(app.clone())),
        tokio::spawn(run_memory_trim()),
        tokio::spawn(run_retention(app.clone())),
        tokio::spawn({
            let app = app.clone();
            async move { audit_log::run_checkpoints(&app.db, &app.face_engine).await }
        }),
        tokio::spawn({
            let app = app.clone();
            async move { rate_limit::run_rate_limit_sync(&app.db, &app.rate_limiter).await }
        }),
        tokio::spawn({
            let app = app.clone();
            async move { alerts::run_alerts(&app.alerts).await }
        }),
        tokio::spawn({
            let app = app.clone();
            async move { mail::run_outbox(&app.mailer, resolve_reset).await }
        }),
    ]
}

/// Writes a checkpoint of the audit log. Logs a failure and does not stop the service, because the operator needs
/// the service to look into the cause.
async fn checkpoint_audit(app: &App) {
    if let Err(failure) = audit_log::advance(&app.db, &app.face_engine).await {
        tracing::error!(reason = failure.reason(), "audit checkpoint failed");
    }
}

async fn announce(app: &App, listening: SocketAddr, tell: impl Fn(&str)) -> Result<()> {
    let url = match &app.settings.public_url {
        Some(url) => url.clone(),
        None => app.settings.url_at(listening),
    };
    app.mailer.set_base_url(&url);
    tell(&app.mailer.describe());
    tell(&format!("PicPick listens on {url}"));
    if is_exposed(&app.settings, listening) {
        tell(
            "Warning: passwords and photos cross the network unencrypted. Set --tls-cert and --tls-key, or \
             listen on 127.0.0.1 behind a proxy with TLS and name it with --trusted-proxy.",
        );
    }
    let link = begin_setup(app)
        .await
        .map_err(startup_error)
        .context("creating the first account's link")?;
    if let Some(token) = link {
        tell("There is no account yet. Create the first one with this link; it is shown once:");
        tell(&format!("  {url}/setup#{}", token.as_str()));
    }
    Ok(())
}

/// Returns whether other machines can reach the service without encryption.
fn is_exposed(settings: &Settings, listening: SocketAddr) -> bool {
    let encrypted = settings.tls.is_some() || !settings.trusted_proxies.is_empty();
    !encrypted && !listening.ip().is_loopback()
}

/// Converts a failure to an error for the operator.
fn startup_error(failure: ApiError) -> anyhow::Error {
    anyhow::anyhow!(failure.reason().to_owned())
}

/// Raises the soft limit of open files to the hard limit, because each connection and each store needs file
/// descriptors. Ignores a failure, because the service also runs with the lower limit.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
