//! One rate for a long time: whether the service's memory stays as it is.
//!
//! The event grows by what is uploaded meanwhile, so memory that does not move at all is not to be expected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Args;
use super::process::Service;
use super::statistics::slope;
use super::step::{Stage, Step};

const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Searches a second where no rate is named.
const RATE: f64 = 2.0;

#[derive(Debug, Serialize)]
pub struct Soak {
    pub step: Step,
    /// Seconds since the begin, and resident memory in MiB.
    pub rss_mib: Vec<(f64, f64)>,
    /// Of the least-squares line through all samples, MiB a minute.
    pub slope_mib_per_min: f64,
    /// Of the second half: caches and pools have filled by then.
    pub slope_late_mib_per_min: f64,
}

pub fn run(stage: &Stage<'_>, args: &Args, minutes: f64) -> Result<Soak> {
    let rate = args.rates.first().copied().unwrap_or(RATE);
    let done = AtomicBool::new(false);
    let (step, rss_mib) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(stage.service, &done));
        let step = stage.step(rate, Duration::from_secs_f64(minutes * 60.0));
        done.store(true, Ordering::Relaxed);
        (step, watcher.join())
    });
    let rss_mib = rss_mib.ok().context("the watcher panicked")??;
    let per_minute = |points: &[(f64, f64)]| slope(points) * 60.0;
    let late = rss_mib.get(rss_mib.len() / 2..).unwrap_or_default();
    Ok(Soak {
        step: step?,
        slope_mib_per_min: per_minute(&rss_mib),
        slope_late_mib_per_min: per_minute(late),
        rss_mib,
    })
}

fn watch(service: &Service, done: &AtomicBool) -> Result<Vec<(f64, f64)>> {
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let mut next = Duration::ZERO;
    while !done.load(Ordering::Relaxed) {
        if begun.elapsed() >= next {
            samples.push((begun.elapsed().as_secs_f64(), service.usage()?.rss_mib));
            next += SAMPLE_EVERY;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(samples)
}
