//! How many searches a second the running service answers in time, with photos coming in and guests looking
//! on; and whether its memory stays as it is.
//!
//! The service is the real program on a folder of its own; this program runs on the same machine and takes its
//! share of it. No figure makes it fail: it reports.

mod client;
mod guests;
mod idle_latency;
mod pictures;
mod process;
mod rates;
mod report;
mod soak;
mod statistics;
mod step;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::client::Client;
use self::guests::Guests;
use self::pictures::{Photos, selfies};
use self::process::Service;
use self::rates::Rates;
use self::report::{Report, show, show_heads, show_step};
use self::step::{Stage, Step};
use crate::setup::{Program, Setup};

/// Photos sent at once before the measurement.
const FILLERS: usize = 4;
/// How long guests may take to be let in.
const GUESTS_MAX: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct Args {
    /// Folder of JPEG photos to upload
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Folder of JPEG selfies: other pictures of people in the photos
    #[arg(long, value_name = "DIR")]
    selfies: PathBuf,
    /// Selfies to use, chosen evenly
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    selfie_count: u32,
    /// Enlarge selfies to this longer side, pixels: decoding then costs what a phone's picture costs
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(16..=8000))]
    selfie_side: Option<u32>,
    /// Faces to index first: photos are repeated as different files, or left out, until there are so many
    /// [default: each photo once]
    #[arg(long, value_name = "N")]
    faces: Option<u64>,
    /// Guests who hold a connection on which the event's progress is told
    #[arg(long, default_value_t = 1000)]
    guests: usize,
    /// Photos uploaded a second meanwhile
    #[arg(long, default_value_t = 1.0)]
    uploads: f64,
    /// Searches a second, step by step [default: doubled until one is too many, then bisected]
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Seconds of a step; it lasts for 100 searches at least
    #[arg(long, default_value_t = 30)]
    step_seconds: u64,
    /// What the 99th percentile of a good rate may be, milliseconds
    #[arg(long, default_value_t = 250.0)]
    p99_ms: f64,
    /// Instead of steps: minutes at the first of --rates [2 searches a second], watching memory
    #[arg(long, value_name = "MINUTES")]
    soak: Option<f64>,
    /// Of the arrival times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    program: Program,
    /// An option of 'picpick serve', for instance --serve=--searches=4; may be given several times
    #[arg(long = "serve", value_name = "OPTION", allow_hyphen_values = true)]
    serve: Vec<String>,
    /// Folder to make the service's data folder in; removed at the end [default: the system's temporary one]
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub fn run(setup: &Setup, args: &Args) -> Result<()> {
    let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
    if !is_rate(&args.uploads) || !args.rates.iter().all(is_rate) {
        bail!("--uploads and --rates must be more than 0");
    }
    let photos = Photos::of(&args.photos)?;
    let selfies = selfies(&args.selfies, usize::try_from(args.selfie_count)?, args.selfie_side)?;
    let analysis = idle_latency::analysis(setup, &selfies)?;
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let service = Service::start(&args.program.path()?, &base, &args.serve)?;
    let client = Client::set_up(&service.address, &service.setup_token)?;
    let (indexed, faces) = fill(&client, &photos, args.faces)?;
    note(setup, &format!("{indexed} photos with {faces} faces are indexed"));
    let selfies = idle_latency::answered(&client, selfies)?;
    if selfies.is_empty() {
        bail!("the service finds no face in any of the selfies");
    }
    let quiet = idle_latency::measure(&client, &selfies, analysis)?;
    let guests = connect(&client, &service, args.guests)?;
    let stage = Stage {
        service: &service,
        client: &client,
        guests: &guests,
        photos: &photos,
        selfies: &selfies,
        uploads_per_s: args.uploads,
        seed: args.seed,
    };
    let mut report = Report::new(args, faces, indexed, selfies.len(), quiet);
    match args.soak {
        Some(minutes) => report.soak = Some(soak::run(&stage, args, minutes)?),
        None => climb(setup, args, &stage, &mut report)?,
    }
    drop(guests);
    service.stop()?;
    show(setup, &report)
}

/// Goes up from rate to rate.
fn climb(setup: &Setup, args: &Args, stage: &Stage<'_>, report: &mut Report) -> Result<()> {
    let mut rates = Rates::new(&args.rates);
    if !setup.json {
        show_heads();
    }
    while let Some(rate) = rates.next() {
        let step = stage.step(rate, Duration::from_secs(args.step_seconds))?;
        // What was uploaded must not burden the next step.
        stage.client.wait_until_indexed()?;
        let is_good = is_good(&step, args);
        rates.tried(rate, is_good);
        if is_good && report.best_rate_per_s.is_none_or(|best| best < rate) {
            report.best_rate_per_s = Some(rate);
        }
        if !setup.json {
            show_step(&step, is_good);
        }
        report.steps.push(step);
    }
    Ok(())
}

fn is_good(step: &Step, args: &Args) -> bool {
    let failed = step.searches.failed + step.uploads.failed;
    failed == 0 && step.guests_open == args.guests && step.searches.latency.p99_ms <= args.p99_ms
}

fn connect(client: &Client, service: &Service, count: usize) -> Result<Guests> {
    let guests = Guests::connect(client, &service.address, count)?;
    let begun = std::time::Instant::now();
    while guests.open() < count {
        if begun.elapsed() > GUESTS_MAX {
            bail!("only {} of {count} guests were let in", guests.open());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(guests)
}

/// Uploads photos until the event has `wanted` faces, or each once; photos and faces that are indexed then.
fn fill(client: &Client, photos: &Photos, wanted: Option<u64>) -> Result<(u64, u64)> {
    let Some(wanted) = wanted else {
        send(client, photos, photos.len())?;
        return Ok((client.wait_until_indexed()?, client.faces()?));
    };
    // A quarter first: how many faces a photo shows is seen from it.
    let mut next = usize::try_from(wanted.div_ceil(4))?;
    loop {
        send(client, photos, next)?;
        let (indexed, faces) = (client.wait_until_indexed()?, client.faces()?);
        if faces >= wanted {
            return Ok((indexed, faces));
        }
        if faces == 0 {
            bail!("no face in the first {indexed} photos");
        }
        next = usize::try_from(((wanted - faces) * indexed).div_ceil(faces))?;
    }
}

fn send(client: &Client, photos: &Photos, count: usize) -> Result<()> {
    let left = std::sync::atomic::AtomicUsize::new(count);
    let work = || -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let (name, photo) = photos.next()?;
            let status = client.upload(&name, &photo)?;
            if status != 204 {
                bail!("uploading {name}: status {status}");
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..FILLERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().ok().context("an uploading thread panicked")?)
    })
}

fn note(setup: &Setup, text: &str) {
    if !setup.json {
        println!("{text}");
    }
}
