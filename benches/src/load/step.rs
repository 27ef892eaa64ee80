//! One step of load: searches at one rate while photos come in and guests look on.
//!
//! An open loop: requests are sent when they are planned, whether or not earlier ones were answered, and their
//! time counts from the plan, so that a service that stalls cannot hide it. Never judges what it measures.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use super::client::Client;
use super::guests::Guests;
use super::pictures::Photos;
use super::process::{Service, Usage, machine_cpu_s};
use super::statistics::{Quantiles, even, poisson};

/// Searches that may be under way at once; more than the service lets wait.
const SEARCHES_AT_ONCE: usize = 400;
const UPLOADS_AT_ONCE: usize = 32;
const STACK_BYTES: usize = 512 << 10;
/// So many searches at least, or the 99th percentile is the slowest of a few.
const SEARCHES_MIN: f64 = 100.0;
/// Stands for an answer that never came.
const NO_ANSWER: u16 = 0;

/// What takes part.
pub struct Stage<'a> {
    pub service: &'a Service,
    pub client: &'a Client,
    pub guests: &'a Guests,
    pub photos: &'a Photos,
    pub selfies: &'a [Vec<u8>],
    pub uploads_per_s: f64,
    pub seed: u64,
}

/// What one step showed.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub rate_per_s: f64,
    pub answered_per_s: f64,
    pub searches: Requests,
    /// Of the searches that were answered: what the service says it took, once a search had its place.
    pub own: Quantiles,
    /// Both requests of a photo together.
    pub uploads: Requests,
    pub guests_open: usize,
    /// News told to all guests together.
    pub news_per_s: f64,
    pub rss_mib_start: f64,
    pub rss_mib_end: f64,
    /// Cores that the service, and this program on the same machine, kept busy.
    pub cpu_service: f64,
    pub cpu_bench: f64,
    /// The same of everything else on the machine, and what its host took from it.
    pub cpu_others: f64,
}

/// Requests of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Requests {
    pub sent: usize,
    pub failed: usize,
    /// Failures; status 0 stands for no answer.
    pub failed_by_status: BTreeMap<u16, usize>,
    #[serde(flatten)]
    pub latency: Quantiles,
}

/// How one request ended.
struct Sample {
    latency_ms: f64,
    ended: Instant,
    status: u16,
    is_good: bool,
    own_ms: Option<f64>,
}

impl Stage<'_> {
    /// Sends searches at `rate_per_s` for about `length`.
    pub fn step(&self, rate_per_s: f64, length: Duration) -> Result<Step> {
        let count = (rate_per_s * length.as_secs_f64()).max(SEARCHES_MIN).ceil() as usize;
        let plan = poisson(rate_per_s, count, self.seed);
        let whole_s = plan.last().map_or(0.0, Duration::as_secs_f64);
        let uploads = even(self.uploads_per_s, (self.uploads_per_s * whole_s) as usize);
        let (before, own_before) = (self.service.usage()?, Usage::own()?);
        let all_before = machine_cpu_s()?;
        let (news_before, begun) = (self.guests.news(), Instant::now());
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
            news_per_s: (self.guests.news() - news_before) as f64 / spent_s,
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
            Err(_) => (NO_ANSWER, false, None),
        }
    }

    fn upload(&self) -> (u16, bool, Option<f64>) {
        let sent = self.photos.next().and_then(|(name, photo)| self.client.upload(&name, &photo));
        let status = sent.unwrap_or(NO_ANSWER);
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

/// Does `act` at each time of `plan`, counted from `begun`; with at most `at_once` under way, later ones wait,
/// and their waiting counts.
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
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(plan.len()) {
            let worker = std::thread::Builder::new().stack_size(STACK_BYTES);
            // With fewer threads than wanted later requests wait, which shows.
            let _ = worker.spawn_scoped(scope, work);
        }
    });
    samples.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_for_everyone_who_came_meanwhile() {
        let plan = even(100.0, 10);
        // One at a time and 50 ms each: the tenth is planned at 90 ms and ends after 500 ms.
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
    fn failures_are_told_apart() {
        let op = |number: usize| (if number < 3 { 503 } else { 200 }, number >= 3, None);
        let found = Requests::of(&open_loop(&even(1000.0, 5), 2, Instant::now(), op));
        assert_eq!((found.sent, found.failed), (5, 3));
        assert_eq!(found.failed_by_status, BTreeMap::from([(503, 3)]));
    }
}
