//! The figures of a load test, as a table of 80 columns or as JSON.
//!
//! Measures nothing.

use anyhow::Result;
use serde::Serialize;

use super::Args;
use super::idle_latency::IdleLatency;
use super::soak::Soak;
use super::step::{Requests, Step};
use crate::setup::Setup;

#[derive(Serialize)]
pub struct Report {
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
    /// The highest rate without a failure whose 99th percentile is small enough.
    pub best_rate_per_s: Option<f64>,
    pub soak: Option<Soak>,
}

impl Report {
    pub fn new(args: &Args, faces: u64, photos: u64, selfies: usize, quiet: IdleLatency) -> Self {
        Self {
            processor: picpick_engine::cpu_name(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            photos,
            faces,
            selfies,
            guests: args.guests,
            uploads_per_s: args.uploads,
            p99_ms_max: args.p99_ms,
            serve_options: args.serve.clone(),
            quiet,
            steps: Vec::new(),
            best_rate_per_s: None,
            soak: None,
        }
    }
}

/// The heads of what [`show_step`] prints.
pub fn show_heads() {
    println!("searches a second       milliseconds until answered     upload memory  cores busy");
    println!("  sent answered failed   p50    p90    p99     max         p99    MiB  here others");
}

/// A line for a step; a minus stands behind one that is not good.
pub fn show_step(step: &Step, is_good: bool) {
    let Step { searches, uploads, .. } = step;
    let latency = &searches.latency;
    println!(
        "{:>6.1} {:>8.1} {:>6} {:>5.0} {:>6.0} {:>6.0} {:>7.0} {:>11.0} {:>6.0} {:>5.2} {:>5.2} {}",
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
        if is_good { "" } else { "-" },
    );
    tell_failures("searches", searches);
    tell_failures("uploads", uploads);
}

fn tell_failures(what: &str, requests: &Requests) {
    let name = |status: u16| match status {
        0 => "no answer".to_owned(),
        status => status.to_string(),
    };
    let failures = requests.failed_by_status.iter();
    let failures: Vec<String> =
        failures.map(|(status, count)| format!("{count} × {}", name(*status))).collect();
    if !failures.is_empty() {
        println!("       {what}: {}", failures.join(", "));
    }
}

/// Everything, or what the steps' lines have not said yet.
pub fn show(setup: &Setup, report: &Report) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let Report { processor, cores, photos, faces, guests, uploads_per_s, quiet, .. } = report;
    if let Some(soak) = &report.soak {
        show_heads();
        show_step(&soak.step, true);
        let (first, last) = (soak.rss_mib.first(), soak.rss_mib.last());
        let of = |sample: Option<&(f64, f64)>| sample.map_or(0.0, |(_, mib)| *mib);
        println!(
            "\nmemory {:.0} → {:.0} MiB: {:+.2} MiB a minute, {:+.2} in the second half",
            of(first),
            of(last),
            soak.slope_mib_per_min,
            soak.slope_late_mib_per_min
        );
    }
    println!("\n{processor}, {cores} cores, this program among them");
    println!(
        "{photos} photos, {faces} faces; {guests} guests looking on, {uploads_per_s} uploads a second"
    );
    println!("\none at a time        ms (median)");
    println!("  event               {:>9.1}", quiet.show.p50_ms);
    println!("  search by face      {:>9.1}", quiet.face.p50_ms);
    println!(
        "  search by selfie    {:>9.1}  the service says {:.1}",
        quiet.selfie.p50_ms, quiet.own.p50_ms
    );
    let IdleLatency { decode_ms, detect_ms, embed_ms, .. } = quiet;
    println!(
        "  analysis alone      {:>9.1}  decode {decode_ms:.1}, detect {detect_ms:.1}, embed {embed_ms:.1}",
        decode_ms + detect_ms + embed_ms
    );
    match report.best_rate_per_s {
        Some(best) => println!(
            "\n{best} searches a second are answered within {} ms (99 of 100)",
            report.p99_ms_max
        ),
        None if report.soak.is_none() => println!("\nno rate was good enough"),
        None => {}
    }
    Ok(())
}
