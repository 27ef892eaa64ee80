//! Measures what one studio notices of the loads of another one on the same server: the latencies of its sign-ins,
//! album pages and searches, and the time until its photo is indexed, alone and beside each load. No measured value
//! makes this program fail.

mod loads;
mod probes;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use self::loads::Load;
use self::probes::{Probed, probe};
use self::world::World;
use super::process::Service;
use crate::setup::{Program, Setup};

/// Greatest p99 latency that counts as good beside a load: twice the idle one, or this, milliseconds.
const P99_MS: f64 = 300.0;
/// Greatest time until a photo is indexed that counts as good, seconds.
const INDEXED_S: f64 = 3.0;
/// Greatest growth of memory over the warm-up that counts as good.
const MEMORY_RATIO: f64 = 1.2;

/// A load of the other studio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LoadKind {
    /// Connections that request an export and read nothing
    Exports,
    /// Visitors of an album who read an archive at 20 KB/s
    Readers,
    /// Photos that wait to be indexed
    Queue,
    /// Uploads that are announced, and some that arrive slowly
    Uploads,
}

#[derive(clap::Args)]
pub struct TenantsArgs {
    /// Loads to measure, one after the other
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "exports,readers,queue,uploads"
    )]
    loads: Vec<LoadKind>,
    /// Unread exports
    #[arg(long, default_value_t = 600)]
    exports: usize,
    /// Slow readers
    #[arg(long, default_value_t = 100)]
    readers: usize,
    /// Queued photos
    #[arg(long, default_value_t = 50_000)]
    queued: usize,
    /// Announced uploads; one in 40 arrives at 1 KB/s
    #[arg(long, default_value_t = 10_000)]
    uploads: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Seconds after a load until the memory is measured again
    #[arg(long, default_value_t = 120)]
    settle_seconds: u64,
    #[command(flatten)]
    program: Program,
    /// An option of 'picpick serve'; may be given several times
    #[arg(long = "serve", value_name = "OPTION", allow_hyphen_values = true)]
    serve: Vec<String>,
    /// Folder in which to create the service's data folder [default: the system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// The measurements beside one load.
#[derive(Serialize)]
struct LoadFound {
    load: LoadKind,
    /// What the load got, for instance the statuses of its requests.
    answered: String,
    probed: Probed,
    /// Photos of the loading studio that were indexed meanwhile.
    advanced: u64,
    rss_mib_max: f64,
    rss_mib_after: f64,
    /// Of the greatest and the last memory to that of the warm-up.
    memory_ratios: [f64; 2],
}

#[derive(Serialize)]
struct TenantsReport {
    idle: Probed,
    rss_mib_warm: f64,
    loads: Vec<LoadFound>,
}

pub fn run(setup: &Setup, args: &TenantsArgs) -> Result<()> {
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let mut options = args.serve.clone();
    options.extend(["--rate-limit-ip=1000000", "--rate-limit-account=1000000"].map(str::to_owned));
    let service = Service::start(&args.program.path()?, &base, &options)?;
    let world = World::set_up(&service)?;
    let seconds = Duration::from_secs(args.seconds);
    // The first run loads the models and fills the caches.
    probe(&service, &world, seconds)?;
    let idle = probe(&service, &world, seconds)?;
    let rss_mib_warm = service.usage()?.rss_mib;
    let mut report = TenantsReport { idle, rss_mib_warm, loads: Vec::new() };
    if !setup.json {
        show("idle", &report.idle, None);
        println!("  memory: {rss_mib_warm:.0} MiB");
    }
    for kind in &args.loads {
        let found = measure(&service, &world, args, *kind, rss_mib_warm)?;
        if !setup.json {
            show_load(&found, &report.idle);
        }
        report.loads.push(found);
    }
    service.stop()?;
    if setup.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

fn measure(
    service: &Service,
    world: &World,
    args: &TenantsArgs,
    kind: LoadKind,
    rss_mib_warm: f64,
) -> Result<LoadFound> {
    let count = match kind {
        LoadKind::Exports => args.exports,
        LoadKind::Readers => args.readers,
        LoadKind::Queue => args.queued,
        LoadKind::Uploads => args.uploads,
    };
    let load = Load::start(service, world, kind, count)?;
    let before = world.loading.indexed()?;
    let probed = probe(service, world, Duration::from_secs(args.seconds))?;
    let advanced = world.loading.indexed()? - before;
    let answered = load.stop()?;
    world.loading.clear()?;
    std::thread::sleep(Duration::from_secs(args.settle_seconds));
    let rss_mib_after = service.usage()?.rss_mib;
    let rss_mib_max = probed.rss_mib_max;
    let memory_ratios = [rss_mib_max, rss_mib_after].map(|rss| rss / rss_mib_warm);
    Ok(LoadFound {
        load: kind,
        answered,
        probed,
        advanced,
        rss_mib_max,
        rss_mib_after,
        memory_ratios,
    })
}

fn show(name: &str, probed: &Probed, idle: Option<&Probed>) {
    println!("{name}");
    for (at, (what, found)) in probed.latencies().iter().enumerate() {
        let idle_p99 = idle.map(|idle| idle.latencies()[at].1.latency.p99_ms);
        let limit = idle_p99.map_or(f64::INFINITY, |idle| (2.0 * idle).max(P99_MS));
        let mark = if found.latency.p99_ms <= limit && found.failed == 0 {
            ""
        } else {
            "  over the limit"
        };
        println!(
            "  {what:<8} p50 {:.0} ms, p99 {:.0} ms of at most {limit:.0}, {} requests, {} failed{mark}",
            found.latency.p50_ms, found.latency.p99_ms, found.sent, found.failed
        );
    }
    let slowest = probed.indexed_s.iter().copied().fold(0.0, f64::max);
    let mark = if slowest <= INDEXED_S { "" } else { "  over the limit" };
    println!("  indexed  {:.1?} s each{mark}", probed.indexed_s);
}

fn show_load(found: &LoadFound, idle: &Probed) {
    show(&format!("{:?}: {}", found.load, found.answered), &found.probed, Some(idle));
    println!("  advanced by {} photos of the loading studio", found.advanced);
    let [most, after] = found.memory_ratios;
    let mark = if most.max(after) <= MEMORY_RATIO { "" } else { "  over the limit" };
    println!(
        "  memory: at most {:.0} MiB ({most:.2}), afterwards {:.0} MiB ({after:.2}){mark}",
        found.rss_mib_max, found.rss_mib_after
    );
}
