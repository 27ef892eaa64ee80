//! Starts the service and ends it: data folder, database, first account, listening, an orderly stop.
//!
//! Says on standard error where it listens, and the first account's link once. Knows no route.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

use crate::account::begin_setup;
use crate::event::resume_removals;
use crate::job::work;
use crate::router::build_app;
use crate::settings::Settings;
use crate::state::App;
use crate::upload::sweep;

/// Requests under way get so long to end.
const GRACE: Duration = Duration::from_secs(20);
/// How often events whose time is over are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(600);

/// Serves until `stop` resolves. `tell` gets the lines for the person at the terminal.
pub async fn serve(
    settings: Settings,
    stop: impl Future<Output = ()> + Send + 'static,
    tell: impl Fn(&str),
) -> Result<()> {
    // There may be another provider in the process's dependencies; a second installation is harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let app = App::open(settings).await?;
    let handle = Handle::new();
    let server = listen(&app, handle.clone())?;
    let keeper = tokio::spawn(keep_retention(app.clone()));
    let stop_working = Arc::new(AtomicBool::new(false));
    let worker = tokio::spawn(work(app.clone(), Arc::clone(&stop_working)));
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
    keeper.abort();
    stop_working.store(true, Ordering::SeqCst);
    app.jobs().wake();
    // A batch under way is finished, what waits is taken up at the next start.
    let _ = tokio::time::timeout(GRACE, worker).await;
    app.db().close().await;
    served
}

/// Binds, and gives what serves.
fn listen(
    app: &App,
    handle: Handle<SocketAddr>,
) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
    let address = app.settings().listen;
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("listening on {address}; choose another with --listen"))?;
    listener.set_nonblocking(true)?;
    let tls = app.settings().tls.clone();
    let service = build_app(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    Ok(async move {
        match tls {
            Some((chain, key)) => {
                let config =
                    RustlsConfig::from_pem_chain_file(&chain, &key).await.with_context(|| {
                        format!(
                            "reading the certificate {} and its key {}",
                            chain.display(),
                            key.display()
                        )
                    })?;
                let server = axum_server::from_tcp_rustls(listener, config)?;
                Ok(server.handle(handle).serve(service).await?)
            }
            None => Ok(axum_server::from_tcp(listener)?.handle(handle).serve(service).await?),
        }
    })
}

async fn announce(app: &App, listening: SocketAddr, tell: impl Fn(&str)) -> Result<()> {
    let url = match &app.settings().public_url {
        Some(url) => url.clone(),
        None => app.settings().url_at(listening),
    };
    tell(&format!("PicPick listens on {url}"));
    let link = begin_setup(app).await.map_err(|failure| {
        anyhow::anyhow!("the first account: {}", failure.internal.unwrap_or(failure.detail))
    })?;
    if let Some(token) = link {
        tell("There is no account yet. This link makes the first one; it is shown once:");
        tell(&format!("  {url}/setup#{}", token.as_str()));
    }
    Ok(())
}

/// Purges what is due, now and from time to time.
async fn keep_retention(app: App) {
    loop {
        if let Err(failure) = resume_removals(&app).await {
            tracing::error!(reason = failure.internal.unwrap_or(failure.detail), "retention");
        }
        if let Err(failure) = sweep(&app).await {
            tracing::error!(reason = failure.internal.unwrap_or(failure.detail), "uploads");
        }
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
