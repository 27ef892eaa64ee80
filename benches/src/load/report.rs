use anyhow::Result;
use serde::Serialize;

use super::LoadArgs;
use super::idle_latency::IdleLatency;
use super::soak::Soak;
use super::step::{Requests, Step};
use crate::setup::Setup;

/// The results of a load test, printed as tables of at most 80 columns or as JSON.
#[derive(Serialize)]
pub struct LoadReport {
    pub processor: String,
    pub cores: usize,
    pub photos: u64,
    pub faces: u64,
    pub selfies: usize,
    pub guests: usize,
    pub uploads_per_s: f64,
    pub p99_ms_max: f64,
    pub serve_options: Vec<String>,
    pub quiet: IdleLatency,
    pub steps: Vec<Step>,
    /// The highest good rate of searches, see `is_good`; `None` without a good rate, and for a soak test.
    pub best_rate_per_s: Option<f64>,
    pub soak: Option<Soak>,
}

impl LoadReport {
    pub fn new(
        args: &LoadArgs,
        faces: u64,
        photos: u64,
        selfies: usize,
        idle: IdleLatency,
    ) -> Self {
        Self {
            processor: picpick_engine::Runtime::cpu_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            photos,
            faces,
            selfies,
            guests: args.guests,
            uploads_per_s: args.uploads,
            p99_ms_max: args.p99_ms,
            serve_options: args.serve.clone(),
            quiet: idle,
            steps: Vec::new(),
            best_rate_per_s: None,
            soak: None,
        }
    }
}

/// Prints the header of the lines that [`show_step`] prints.
pub fn show_header() {
    println!("searches per s                search latency, ms  upload memory     busy cores");
    println!("  sent answered failed   p50   p90   p99    max  p99 ms    MiB service others");
}

/// Prints a step as one line, which ends with a minus sign if the rate is not good. Prints its failures
/// below.
pub fn show_step(step: &Step, is_good: bool) {
    let Step { searches, uploads, .. } = step;
    let latency = &searches.latency;
    println!(
        "{:>6.1} {:>8.1} {:>6} {:>5.0} {:>5.0} {:>5.0} {:>6.0} {:>7.0} {:>6.0} {:>7.2} {:>6.2}{}",
        step.rate_per_s,
        step.answered_per_s,
        searches.failed + uploads.failed,
        latency.p50_ms,
        latency.p90_ms,
        latency.p99_ms,
        latency.max_ms,
        uploads.latency.p99_ms,
        step.rss_mib_end,
        step.cpu_service,
        step.cpu_others,
        if is_good { "" } else { " -" },
    );
    show_failures("searches", searches);
    show_failures("uploads", uploads);
}

fn show_failures(what: &str, requests: &Requests) {
    let name = |status: u16| match status {
        0 => "no response".to_owned(),
        status => format!("status {status}"),
    };
    let failures = requests.failed_by_status.iter();
    let failures: Vec<String> =
        failures.map(|(status, count)| format!("{count} × {}", name(*status))).collect();
    if !failures.is_empty() {
        println!("       failed {what}: {}", failures.join(", "));
    }
}

/// Prints the report: as JSON the whole report, otherwise the parts that `show_step` has not printed.
pub fn show(setup: &Setup, report: &LoadReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let LoadReport { processor, cores, photos, faces, guests, uploads_per_s, quiet, .. } = report;
    if let Some(soak) = &report.soak {
        show_header();
        show_step(&soak.step, true);
        let (first, last) = (soak.rss_mib.first(), soak.rss_mib.last());
        let mib_of = |sample: Option<&(f64, f64)>| sample.map_or(0.0, |(_, mib)| *mib);
        println!(
            "\nmemory {:.0} → {:.0} MiB: {:+.2} MiB per minute, {:+.2} in the second half",
            mib_of(first),
            mib_of(last),
            soak.slope_mib_per_min,
            soak.slope_late_mib_per_min
        );
    }
    println!("\n{processor}, {cores} cores shared with this program");
    println!("{photos} photos, {faces} faces, {guests} guests, {uploads_per_s} uploads per second");
    println!("\nwithout load         ms (median)");
    println!("  read the event      {:>9.1}", quiet.show.p50_ms);
    println!("  search by face      {:>9.1}", quiet.face.p50_ms);
    println!(
        "  search by selfie    {:>9.1}  measured by the service: {:.1}",
        quiet.selfie.p50_ms, quiet.own.p50_ms
    );
    let IdleLatency { decode_ms, detect_ms, embed_ms, .. } = quiet;
    let analysis_ms = decode_ms + detect_ms + embed_ms;
    print!("  analysis alone      {analysis_ms:>9.1}  ");
    println!("decode {decode_ms:.1}, detect {detect_ms:.1}, embed {embed_ms:.1} (means)");
    match report.best_rate_per_s {
        Some(best) => println!(
            "\nsustained: {best} searches per second, 99 % of them within {} ms",
            report.p99_ms_max
        ),
        None if report.soak.is_none() => println!("\nno rate was sustained"),
        None => {}
    }
    Ok(())
}
