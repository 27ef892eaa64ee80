//! Starts the service and ends it: data folder, database, first account, listening, an orderly stop.
//!
//! Says on standard error where it listens, and the first account's link once. Knows no route.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum_server::Handle;
use tokio::task::JoinHandle;

use crate::account::begin_setup;
use crate::error::Failure;
use crate::event::resume_removals;
use crate::job::work;
use crate::router::build_app;
use crate::settings::Settings;
use crate::state::App;
use crate::upload::sweep;
use crate::{album, alert, door, guest, limits, mail, middleware, ops};

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
    take_files();
    limits::exchange(&app).await.map_err(told)?;
    let handle = Handle::new();
    let figures = app.settings().operations.metrics_listen;
    let figures_end = Handle::new();
    let figures =
        figures.map(|at| ops::serve_figures(&app, at, figures_end.clone())).transpose()?;
    let server = door::open(build_app(app.clone()), app.settings(), handle.clone())?;
    let keepers = [
        tokio::spawn(guest::keep_leaving(app.clone())),
        tokio::spawn(guest::keep_writing(app.clone())),
        tokio::spawn(keep_retention(app.clone())),
        tokio::spawn(limits::keep_exchanging(app.clone())),
        tokio::spawn(alert::keep_keeping(app.clone())),
        tokio::spawn(mail::keep_posting(app.clone())),
    ];
    let figures = figures.map(|(address, serving)| {
        tell(&format!("Figures are at http://{address}/metrics"));
        tokio::spawn(serving)
    });
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
    stop_working.store(true, Ordering::SeqCst);
    app.jobs().wake();
    // A batch under way is finished, what waits is taken up at the next start.
    let _ = tokio::time::timeout(GRACE, worker).await;
    // Operators see the service until it has ended.
    figures_end.shutdown();
    keepers.iter().for_each(JoinHandle::abort);
    if let Some(figures) = figures {
        figures.await?;
    }
    if let Err(failure) = limits::exchange(&app).await {
        tracing::error!(reason = %told(failure), "rate limits");
    }
    app.db().close().await;
    served
}

async fn announce(app: &App, listening: SocketAddr, tell: impl Fn(&str)) -> Result<()> {
    let url = match &app.settings().public_url {
        Some(url) => url.clone(),
        None => app.settings().url_at(listening),
    };
    app.post().reached_at(&url);
    tell(&app.post().describe());
    tell(&format!("PicPick listens on {url}"));
    let link = begin_setup(app).await.map_err(told).context("the first account")?;
    if let Some(token) = link {
        tell("There is no account yet. This link makes the first one; it is shown once:");
        tell(&format!("  {url}/setup#{}", token.as_str()));
    }
    Ok(())
}

/// A failure for whoever runs the service.
fn told(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!(failure.reason().to_owned())
}

/// Each connection and each store takes files; what the system allows is taken, and no more is possible.
fn take_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Purges what is due, now and from time to time.
async fn keep_retention(app: App) {
    loop {
        if let Err(failure) = resume_removals(&app).await {
            tracing::error!(reason = failure.reason(), "retention");
        }
        if let Err(failure) = sweep(&app).await {
            tracing::error!(reason = failure.reason(), "uploads");
        }
        if let Err(failure) = middleware::forget_answers(&app).await {
            tracing::error!(reason = failure.reason(), "kept answers");
        }
        if let Err(failure) = album::forget(&app).await {
            tracing::error!(reason = failure.reason(), "visits of albums");
        }
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
