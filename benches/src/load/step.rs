//! One step of a load test: searches at one rate while photos are uploaded and guests hold open connections.
//!
//! The load is an open loop: requests are sent at their planned times, whether or not earlier ones have a
//! response, and their latency counts from the planned time. So a stall counts for every request that was
//! planned during the stall (no coordinated omission).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use parking_lot::Mutex;
use serde::Serialize;

use super::client::Client;
use super::guests::Guests;
use super::pictures::Photos;
use super::process::{Service, Usage, machine_cpu_s};
use super::statistics::{Quantiles, even, poisson};

/// Maximum number of concurrent searches, more than the service admits and queues with up to 12 cores.
const SEARCHES_AT_ONCE: usize = 400;
/// Maximum number of concurrent uploads.
const UPLOADS_AT_ONCE: usize = 32;
/// Stack size of a sending thread.
const STACK_BYTES: usize = 512 << 10;
/// Minimum number of searches in a step, so that the 99th percentile is more than the slowest of a few
/// searches.
const SEARCHES_MIN: f64 = 100.0;
/// The status of a request without a response.
const NO_RESPONSE: u16 = 0;

/// The participants of a load test, and its fixed parameters.
pub struct Workload<'a> {
    pub service: &'a Service,
    pub client: &'a Client,
    pub guests: &'a Guests,
    pub photos: &'a Photos,
    pub selfies: &'a [Vec<u8>],
    pub uploads_per_s: f64,
    pub seed: u64,
}

/// The result of one step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Planned searches per second.
    pub rate_per_s: f64,
    /// Successful searches per second.
    pub answered_per_s: f64,
    pub searches: Requests,
    /// Duration of the successful searches as the service measures it, which excludes the wait for admission.
    pub own: Quantiles,
    /// Uploads; the two requests of a photo count as one.
    pub uploads: Requests,
    /// Number of guests that are still connected at the end.
    pub guests_open: usize,
    /// Progress events per second, to all guests together.
    pub updates_per_s: f64,
    /// Resident memory of the service before and after the step, MiB.
    pub rss_mib_start: f64,
    pub rss_mib_end: f64,
    /// Mean number of cores that the service keeps busy.
    pub cpu_service: f64,
    /// Mean number of cores that this program keeps busy.
    pub cpu_bench: f64,
    /// Mean number of cores that all other processes keep busy, or that the host has stolen.
    pub cpu_others: f64,
}

/// The requests of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Requests {
    pub sent: usize,
    pub failed: usize,
    /// Number of failures by status; 0 is no response.
    pub failed_by_status: BTreeMap<u16, usize>,
    #[serde(flatten)]
    pub latency: Quantiles,
}

/// The result of one request.
struct Sample {
    /// Time from the planned start to the end.
    latency_ms: f64,
    ended: Instant,
    status: u16,
    is_good: bool,
    /// Duration as the service measures it.
    own_ms: Option<f64>,
}

impl Workload<'_> {
    /// Sends searches at `rate_per_s`, with Poisson arrivals, for about `length`.
    pub fn step(&self, rate_per_s: f64, length: Duration) -> Result<Step> {
        let count = (rate_per_s * length.as_secs_f64()).max(SEARCHES_MIN).ceil() as usize;
        let plan = poisson(rate_per_s, count, self.seed);
        let whole_s = plan.last().map_or(0.0, Duration::as_secs_f64);
        let uploads = even(self.uploads_per_s, (self.uploads_per_s * whole_s) as usize);
        let (before, own_before) = (self.service.usage()?, Usage::own()?);
        let all_before = machine_cpu_s()?;
        let (updates_before, begun) = (self.guests.updates(), Instant::now());
        let (searches, uploads) = std::thread::scope(|scope| {
            let uploads =
                scope.spawn(|| open_loop(&uploads, UPLOADS_AT_ONCE, begun, |_| self.upload()));
            let searches = open_loop(&plan, SEARCHES_AT_ONCE, begun, |number| self.search(number));
            (searches, uploads.join().unwrap_or_default())
        });
        let ended = searches.iter().map(|sample| sample.ended).max().unwrap_or(begun);
        let took_s = (ended - begun).as_secs_f64().max(1e-9);
        let (after, own_after) = (self.service.usage()?, Usage::own()?);
        let spent_s = begun.elapsed().as_secs_f64();
        let cpu_all = (machine_cpu_s()? - all_before) / spent_s;
        let cpu_service = (after.cpu_s - before.cpu_s) / spent_s;
        let cpu_bench = (own_after.cpu_s - own_before.cpu_s) / spent_s;
        let good = searches.iter().filter(|sample| sample.is_good).count();
        Ok(Step {
            rate_per_s,
            answered_per_s: good as f64 / took_s,
            own: Quantiles::of(searches.iter().filter_map(|sample| sample.own_ms).collect()),
            searches: Requests::of(&searches),
            uploads: Requests::of(&uploads),
            guests_open: self.guests.open(),
            updates_per_s: (self.guests.updates() - updates_before) as f64 / spent_s,
            rss_mib_start: before.rss_mib,
            rss_mib_end: after.rss_mib,
            cpu_service,
            cpu_bench,
            cpu_others: (cpu_all - cpu_service - cpu_bench).max(0.0),
        })
    }

    fn search(&self, number: usize) -> (u16, bool, Option<f64>) {
        let selfie = self.selfies.get(number % self.selfies.len().max(1));
        let answer = self.client.search(selfie.map_or(&[], Vec::as_slice), number);
        match answer {
            Ok(answer) if answer.status == 200 => {
                (200, true, answer.document()["elapsed_ms"].as_f64())
            }
            Ok(answer) => (answer.status, false, None),
            Err(_) => (NO_RESPONSE, false, None),
        }
    }

    fn upload(&self) -> (u16, bool, Option<f64>) {
        let sent = self.photos.next().and_then(|(name, photo)| self.client.upload(&name, &photo));
        let status = sent.unwrap_or(NO_RESPONSE);
        (status, status == 204, None)
    }
}

impl Requests {
    fn of(samples: &[Sample]) -> Self {
        let mut failed_by_status = BTreeMap::new();
        for sample in samples.iter().filter(|sample| !sample.is_good) {
            *failed_by_status.entry(sample.status).or_default() += 1;
        }
        Self {
            sent: samples.len(),
            failed: failed_by_status.values().sum(),
            failed_by_status,
            latency: Quantiles::of(samples.iter().map(|sample| sample.latency_ms).collect()),
        }
    }
}

/// Runs `op` at each time of `plan`, counted from `begun`, on at most `at_once` threads. Latency includes the
/// wait for a free thread. `op` gets the number of the operation. It returns the status, whether the
/// operation succeeded, and the duration that the service measured.
fn open_loop(
    plan: &[Duration],
    at_once: usize,
    begun: Instant,
    op: impl Fn(usize) -> (u16, bool, Option<f64>) + Sync,
) -> Vec<Sample> {
    let (next, samples) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(plan.len())));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(planned) = plan.get(number) else { return };
            std::thread::sleep((begun + *planned).saturating_duration_since(Instant::now()));
            let (status, is_good, own_ms) = op(number);
            let ended = Instant::now();
            let latency_ms = (ended - begun).saturating_sub(*planned).as_secs_f64() * 1e3;
            let sample = Sample { latency_ms, ended, status, is_good, own_ms };
            samples.lock().push(sample);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(plan.len()) {
            let worker = std::thread::Builder::new().stack_size(STACK_BYTES);
            // If a thread cannot be started, requests wait for the other threads, which raises the latency.
            let _ = worker.spawn_scoped(scope, work);
        }
    });
    samples.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_for_all_requests_planned_during_it() {
        let plan = even(100.0, 10);
        // One at a time and 50 ms each: the tenth is planned at 90 ms and ends at 500 ms.
        let op = |_: usize| {
            std::thread::sleep(Duration::from_millis(50));
            (200, true, None)
        };
        let samples = open_loop(&plan, 1, Instant::now(), op);
        let slowest = samples.iter().map(|sample| sample.latency_ms).fold(0.0, f64::max);
        assert!(samples.len() == 10 && slowest >= 400.0, "{slowest}");
        let samples = open_loop(&plan, 10, Instant::now(), op);
        let found = Requests::of(&samples);
        assert!(found.sent == 10 && found.failed == 0 && found.latency.p50_ms < 400.0);
    }

    #[test]
    fn failures_are_counted_by_status() {
        let op = |number: usize| (if number < 3 { 503 } else { 200 }, number >= 3, None);
        let found = Requests::of(&open_loop(&even(1000.0, 5), 2, Instant::now(), op));
        assert_eq!((found.sent, found.failed), (5, 3));
        assert_eq!(found.failed_by_status, BTreeMap::from([(503, 3)]));
    }
}
