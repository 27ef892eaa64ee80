use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use super::context::Context;
use super::report::{Report, note};
use crate::config::RawService;
use crate::infra::telemetry::Traces;
use crate::infra::telemetry::line_writer::LineWriter;
use crate::server::serve;

const AFTER: &str = "\
Without options the service listens on this machine only and keeps everything in
the data folder. The first start prints a link that creates the first account.

Secrets come from the environment:
  PICPICK_DATABASE_URL       postgres://USER:PASSWORD@HOST/DATABASE, or
  PICPICK_DATABASE_URL_FILE  a file that contains it [default: SQLite in the
                             data folder]
  PICPICK_SMTP_URL           smtps://USER:PASSWORD@HOST, or
  PICPICK_SMTP_URL_FILE      a file that contains it [default: mail is written
                             to files]
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL_S3
                             for --photo-store s3://BUCKET/PREFIX
  PICPICK_S3_ENCRYPTION      bucket (the bucket's default), s3, kms or kms:KEY
  PICPICK_ALERT_WEBHOOK      address to which alerts are posted
  PICPICK_ALERT_WEBHOOK_SECRET
                             key that signs the alerts
  PICPICK_LOG                log level, for instance warn or info

Ctrl-C or SIGTERM stops the service, which first completes the requests in
progress. Photos that are not indexed yet are indexed after the next start.";

/// Runs the service: accounts, events, uploads and search over HTTP.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct ServeArguments {
    #[command(flatten)]
    service: RawService,
    /// Format of the log on standard error
    #[arg(long, value_enum, default_value = "text")]
    log: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Serialize)]
struct ServeDocument {
    stopped: bool,
}

pub fn run(context: &Context, arguments: ServeArguments) -> Result<Report> {
    let traces = arguments.service.otlp()?.map(Traces::begin).transpose()?;
    log_to_stderr(arguments.log, traces.as_ref());
    let settings = arguments.service.validate(&context.config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served =
        context.interrupt.heeded_by(|stop| runtime.block_on(serve(settings, stopped(stop), note)));
    runtime.shutdown_timeout(Duration::from_secs(5));
    if let Some(traces) = traces {
        traces.end();
    }
    served?;
    Report::new(&ServeDocument { stopped: true }, "Stopped.\n".into())
}

async fn stopped(stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn log_to_stderr(form: LogFormat, traces: Option<&Traces>) {
    let filter =
        EnvFilter::try_from_env("PICPICK_LOG").unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
    let lines = fmt::layer().with_writer(LineWriter);
    let lines = match form {
        LogFormat::Text => lines.with_target(false).boxed(),
        LogFormat::Json => lines.json().with_span_list(false).boxed(),
    };
    let traced = traces.map(Traces::layer);
    let log = tracing_subscriber::registry().with(lines.with_filter(filter)).with(traced);
    // Fails only if this process has a subscriber already, which then continues to log.
    let _ = log.try_init();
}
