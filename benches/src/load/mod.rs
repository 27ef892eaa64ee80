//! Measures the search rate that the running service sustains while photos are uploaded and guests hold open
//! connections, or how its memory grows over time.
//!
//! The service is the real program with a data folder of its own. This program runs on the machine of the
//! service and competes for its cores. No measured value makes this program fail.

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
pub mod tenants;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::client::Client;
use self::guests::Guests;
use self::pictures::{Photos, selfies};
use self::process::Service;
use self::rates::Rates;
use self::report::{LoadReport, show, show_header, show_step};
use self::step::{Step, Workload};
use crate::setup::{Program, Setup};

/// Number of concurrent uploads before the measurement.
const FILL_UPLOADS: usize = 4;
/// Time limit for all guests to connect.
const CONNECT_MAX: Duration = Duration::from_secs(60);

#[derive(clap::Args)]
pub struct LoadArgs {
    /// Folder with JPEG photos to upload
    #[arg(long, value_name = "DIR")]
    photos: PathBuf,
    /// Folder with JPEG selfies: other pictures of people in the photos
    #[arg(long, value_name = "DIR")]
    selfies: PathBuf,
    /// Number of selfies to use, evenly chosen from the folder
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    selfie_count: u32,
    /// Enlarge selfies to this longer side, pixels, so that decoding costs as much as for a phone's
    /// picture
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(16..=8000))]
    selfie_side: Option<u32>,
    /// Index at least this number of faces first, from as many photos as needed; photos are
    /// repeated as different files [default: each photo once]
    #[arg(long, value_name = "N")]
    faces: Option<u64>,
    /// Number of guests, who each hold a connection that streams the event's progress
    #[arg(long, default_value_t = 1000)]
    guests: usize,
    /// Photos uploaded per second during the measurement
    #[arg(long, default_value_t = 1.0)]
    uploads: f64,
    /// Searches per second, one step for each rate [default: doubled until a rate fails, then
    /// bisected]
    #[arg(long, value_delimiter = ',')]
    rates: Vec<f64>,
    /// Duration of a step in seconds; a step has at least 100 searches
    #[arg(long, default_value_t = 30)]
    step_seconds: u64,
    /// Limit of the 99th percentile of the search latency at a sustained rate, milliseconds
    #[arg(long, default_value_t = 250.0)]
    p99_ms: f64,
    /// Instead of steps, search at the first of --rates (default 2 per second) for this number of
    /// minutes and record the memory
    #[arg(long, value_name = "MINUTES")]
    soak: Option<f64>,
    /// Seed of the random arrival times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    program: Program,
    /// An option of 'picpick serve', for instance --serve=--max-concurrent-searches=4; may be given
    /// several times
    #[arg(long = "serve", value_name = "OPTION", allow_hyphen_values = true)]
    serve: Vec<String>,
    /// Folder in which to create the service's data folder, which is removed at the end [default:
    /// the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub fn run(setup: &Setup, args: &LoadArgs) -> Result<()> {
    let is_rate = |rate: &f64| rate.is_finite() && *rate > 0.0;
    if !is_rate(&args.uploads) || !args.rates.iter().all(is_rate) {
        bail!("--uploads and --rates must be greater than 0");
    }
    let photos = Photos::of(&args.photos)?;
    let selfies = selfies(&args.selfies, usize::try_from(args.selfie_count)?, args.selfie_side)?;
    let analysis = idle_latency::analysis(setup, &selfies)?;
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let service = Service::start(&args.program.path()?, &base, &args.serve)?;
    let client = Client::set_up(&service.address, &service.setup_token)?;
    let (indexed, faces) = fill(&client, &photos, args.faces)?;
    print_note(setup, &format!("{indexed} photos with {faces} faces are indexed"));
    let selfies = idle_latency::keep_usable(&client, selfies)?;
    if selfies.is_empty() {
        bail!("no selfie shows one clear face; name other pictures with --selfies");
    }
    let idle = idle_latency::measure(&client, &selfies, analysis)?;
    let guests = connect(&client, &service, args.guests)?;
    let workload = Workload {
        service: &service,
        client: &client,
        guests: &guests,
        photos: &photos,
        selfies: &selfies,
        uploads_per_s: args.uploads,
        seed: args.seed,
    };
    let mut report = LoadReport::new(args, faces, indexed, selfies.len(), idle);
    match args.soak {
        Some(minutes) => report.soak = Some(soak::run(&workload, args, minutes)?),
        None => run_steps(setup, args, &workload, &mut report)?,
    }
    drop(guests);
    service.stop()?;
    show(setup, &report)
}

/// Measures one step for each rate.
fn run_steps(
    setup: &Setup,
    args: &LoadArgs,
    workload: &Workload<'_>,
    report: &mut LoadReport,
) -> Result<()> {
    let mut rates = Rates::new(&args.rates);
    if !setup.json {
        show_header();
    }
    while let Some(rate) = rates.next() {
        let step = workload.step(rate, Duration::from_secs(args.step_seconds))?;
        // The photos of this step must not be indexed during the next one.
        workload.client.wait_until_indexed()?;
        let is_good = is_good(&step, args);
        rates.record(rate, is_good);
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

/// Returns whether the service sustains the rate of `step`: no failed request, no lost guest, and a 99th
/// percentile within the limit.
fn is_good(step: &Step, args: &LoadArgs) -> bool {
    let failed = step.searches.failed + step.uploads.failed;
    failed == 0 && step.guests_open == args.guests && step.searches.latency.p99_ms <= args.p99_ms
}

/// Connects `count` guests and waits until the service has accepted all of them.
fn connect(client: &Client, service: &Service, count: usize) -> Result<Guests> {
    let guests = Guests::connect(client, &service.address, count)?;
    let begun = std::time::Instant::now();
    while guests.open() < count {
        if begun.elapsed() > CONNECT_MAX {
            bail!(
                "only {} of {count} guests were connected after {} s; lower --guests",
                guests.open(),
                CONNECT_MAX.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(guests)
}

/// Uploads photos until the event has at least `faces_min` faces; with `None`, each photo once. Returns the
/// numbers of indexed photos and faces.
fn fill(client: &Client, photos: &Photos, faces_min: Option<u64>) -> Result<(u64, u64)> {
    let Some(faces_min) = faces_min else {
        send(client, photos, photos.len())?;
        return Ok((client.wait_until_indexed()?, client.faces()?));
    };
    // The first round measures how many faces a photo has.
    let mut next = usize::try_from(faces_min.div_ceil(4))?;
    loop {
        send(client, photos, next)?;
        let (indexed, faces) = (client.wait_until_indexed()?, client.faces()?);
        if faces >= faces_min {
            return Ok((indexed, faces));
        }
        if faces == 0 {
            bail!("the first {indexed} photos show no face; name other photos with --photos");
        }
        next = usize::try_from(((faces_min - faces) * indexed).div_ceil(faces))?;
    }
}

/// Uploads the next `count` photos, `FILL_UPLOADS` at a time.
fn send(client: &Client, photos: &Photos, count: usize) -> Result<()> {
    let left = std::sync::atomic::AtomicUsize::new(count);
    let work = || -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        while left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            let (name, photo) = photos.next()?;
            let status = client.upload(&name, &photo)?;
            if status != 204 {
                bail!("uploading {name}: expected status 204, received {status}");
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..FILL_UPLOADS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().ok().context("an upload thread panicked")?)
    })
}

fn print_note(setup: &Setup, text: &str) {
    if !setup.json {
        println!("{text}");
    }
}
