use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::LoadArgs;
use super::process::Service;
use super::statistics::slope;
use super::step::{Step, Workload};

/// Interval between two samples of the memory.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Searches per second if no rate is given.
const RATE_DEFAULT: f64 = 2.0;

/// The result of a soak test.
#[derive(Debug, Serialize)]
pub struct Soak {
    pub step: Step,
    /// Samples: seconds since the start, resident memory in MiB.
    pub rss_mib: Vec<(f64, f64)>,
    /// Slope of the least-squares line through all samples, MiB per minute.
    pub slope_mib_per_min: f64,
    /// Slope of the second half, in which caches and pools are full, MiB per minute.
    pub slope_late_mib_per_min: f64,
}

/// Runs one step of `minutes` and samples the service's memory. Uploaded photos make the event grow, so some
/// growth of the memory is expected.
pub fn run(workload: &Workload<'_>, args: &LoadArgs, minutes: f64) -> Result<Soak> {
    let rate = args.rates.first().copied().unwrap_or(RATE_DEFAULT);
    let done = AtomicBool::new(false);
    let (step, rss_mib) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| sample_memory(workload.service, &done));
        let step = workload.step(rate, Duration::from_secs_f64(minutes * 60.0));
        done.store(true, Ordering::Relaxed);
        (step, sampler.join())
    });
    let rss_mib = rss_mib.ok().context("the sampling thread panicked")??;
    let per_minute = |points: &[(f64, f64)]| slope(points) * 60.0;
    let late = rss_mib.get(rss_mib.len() / 2..).unwrap_or_default();
    Ok(Soak {
        step: step?,
        slope_mib_per_min: per_minute(&rss_mib),
        slope_late_mib_per_min: per_minute(late),
        rss_mib,
    })
}

fn sample_memory(service: &Service, done: &AtomicBool) -> Result<Vec<(f64, f64)>> {
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
