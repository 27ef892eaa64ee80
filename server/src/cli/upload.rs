use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::Args;
use picpick_engine::object_store::is_s3;

use super::bucket::PhotoBucket;
use super::context::Context;
use super::report::{Report, note};
use super::upload_progress::UploadProgress;
use super::{file_walk, format};
use crate::client::{self, ApiClient, UploadOrder};
use crate::config::api_key;
use crate::infra::file_permissions::check_secret_file;

const AFTER: &str = "\
Photos that the event has already are not sent again, and an interrupted photo
continues where it stopped: run the command again after any interruption.

The API key comes from PICPICK_API_KEY or a file, never from an option.

Examples:
  picpick upload https://photos.example.com EVENT /media/card1
  picpick upload https://photos.example.com EVENT --folder Church *.jpg
  picpick upload https://photos.example.com EVENT s3://bucket/wedding

With --json: {\"uploaded\", \"existing\", \"duplicates\", \"rejected\": [{\"path\",
\"code\", \"reason\"}], \"failed\": [{\"path\", \"reason\"}], \"skipped\", \"bytes_sent\",
\"bytes_resent\", \"elapsed_s\", \"event\", \"stopped\"}.";

/// The destination of an upload: service, event and folder, with the API key and the number of connections.
#[derive(Args, Debug)]
pub struct UploadDestination {
    #[arg(help = "The service's address, for instance https://photos.example.com")]
    url: String,
    /// The event's id: 32 hexadecimal digits
    event: String,
    /// Folder of the event for the photos; created if it does not exist
    #[arg(long, value_name = "NAME")]
    folder: Option<String>,
    /// File with the API key [default: the key in PICPICK_API_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Photos to send at the same time
    #[arg(long, value_name = "N", default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
}

/// Sends photos to an event of the service: JPEG, PNG and WebP. Walks folders with all their
/// subfolders; skips hidden files and linked folders. Names each file that is not a photo and
/// continues with the others. Never changes a photo.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct UploadArguments {
    #[command(flatten)]
    to: UploadDestination,
    /// Photos, folders with photos, or s3://BUCKET/PREFIX (credentials as for 'picpick backup')
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Give up after this time without any progress
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    retry_timeout_s: u32,
}

impl UploadDestination {
    /// Returns a client of the service, with the API key of the file or the environment. Prints a note if
    /// other users may read the file.
    pub fn service(&self) -> Result<ApiClient> {
        let key = api_key(self.key_file.as_deref())?;
        if let Some(Err(problem)) = self.key_file.as_deref().map(check_secret_file) {
            note(&format!("note: {problem}"));
        }
        Ok(ApiClient::new(&self.url, &self.event, &key, usize::from(self.connections))?)
    }

    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns the request to upload `files`. The run gives up after `give_up_after` without progress; `None`
    /// never gives up.
    pub fn order<'a>(
        &'a self,
        service: &'a ApiClient,
        files: Vec<PathBuf>,
        give_up_after: Option<Duration>,
    ) -> UploadOrder<'a> {
        let connections = usize::from(self.connections);
        UploadOrder { service, files, folder: self.folder.as_deref(), connections, give_up_after }
    }
}

pub fn run(context: &Context, arguments: &UploadArguments) -> Result<Report> {
    let service = arguments.to.service()?;
    let in_bucket = |path: &&PathBuf| path.to_str().is_some_and(is_s3);
    let (buckets, here): (Vec<&PathBuf>, Vec<&PathBuf>) =
        arguments.paths.iter().partition(in_bucket);
    let found = file_walk::walk(&here.into_iter().cloned().collect::<Vec<_>>());
    let transfer = UploadProgress::new(arguments.to.event());
    found.skipped.iter().for_each(|(path, reason)| transfer.skip(path, reason));
    let (done, stopped) = context.interrupt.heeded_by(|stop| {
        let send = |files: Vec<PathBuf>| -> Result<()> {
            transfer.expect(&files);
            if files.is_empty() || stop.load(Ordering::SeqCst) {
                return Ok(());
            }
            let limit = Duration::from_secs(arguments.retry_timeout_s.into());
            let order = arguments.to.order(&service, files, Some(limit));
            client::run(order, &stop, &|event| transfer.on_event(event)).map_err(|why| anyhow!(why))
        };
        let done = send(found.files).and_then(|()| {
            buckets.iter().try_for_each(|at| send_bucket(&at.to_string_lossy(), &stop, &send))
        });
        (done, stop.load(Ordering::SeqCst))
    });
    let outcome = transfer.finish(stopped);
    let kept = || {
        let arrived = format::count(outcome.uploaded, "photo");
        format!("{arrived} sent before this error; run the same command again to continue")
    };
    match done {
        Err(error) if outcome.uploaded > 0 => return Err(error).with_context(kept),
        done => done?,
    }
    let (text, status) = (outcome.text(), outcome.status());
    Ok(Report::new(&outcome, text)?.with(status))
}

fn send_bucket(
    at: &str,
    stop: &AtomicBool,
    send: &impl Fn(Vec<PathBuf>) -> Result<()>,
) -> Result<()> {
    for batch in PhotoBucket::open(at)?.batches() {
        if stop.load(Ordering::SeqCst) {
            return Ok(());
        }
        // The batch is dropped at the end of each round, which removes its files from this disk.
        let batch = batch?;
        send(batch.files.clone())?;
    }
    Ok(())
}
