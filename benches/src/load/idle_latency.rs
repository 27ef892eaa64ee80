use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::client::Client;
use super::statistics::Quantiles;
use crate::setup::Setup;

/// Number of requests of each kind.
const REQUESTS: usize = 60;

/// The latency of single requests, one after another and without other load, and of the parts of a search.
#[derive(Clone, Debug, Serialize)]
pub struct IdleLatency {
    /// Mean times of the stages of `analyse_query` in this program, on one thread.
    pub decode_ms: f64,
    pub detect_ms: f64,
    pub embed_ms: f64,
    /// `GET` of the event: connection, authentication, authorization, one row.
    pub show: Quantiles,
    /// Search by a face of the event: the work of `show`, the search, and the file names.
    pub face: Quantiles,
    /// Search by a selfie: the work of `face`, the analysis, and a durable audit entry.
    pub selfie: Quantiles,
    /// Search by a selfie as the service itself measures it (`elapsed_ms`).
    pub own: Quantiles,
}

/// Measures decoding, detection and embedding of selfies in this program. Returns the means, milliseconds.
pub fn analysis(setup: &Setup, selfies: &[Vec<u8>]) -> Result<[f64; 3]> {
    let pipeline = setup.pipeline()?;
    let sample = selfies.get(..REQUESTS.min(selfies.len())).unwrap_or_default();
    let mut sums = [0.0; 3];
    for round in 0..2 {
        for selfie in sample {
            // `keep_usable` drops files that are not pictures.
            let Ok(found) = pipeline.analyse_query(selfie) else { continue };
            let timings = [found.timings.decode, found.timings.detect, found.timings.embed];
            // The first round warms up the models.
            if round == 1 {
                let each = sums.iter_mut().zip(timings);
                each.for_each(|(sum, time)| *sum += time.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(sums.map(|sum| sum / sample.len().max(1) as f64))
}

/// Returns the selfies with which a search succeeds. The others would count as failures at every rate.
pub fn keep_usable(client: &Client, selfies: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let mut kept = Vec::with_capacity(selfies.len());
    for selfie in selfies {
        if client.search(&selfie, 0)?.status == 200 {
            kept.push(selfie);
        }
    }
    Ok(kept)
}

/// Measures the latency of each kind of request. `analysis` is the result of [`analysis`].
pub fn measure(client: &Client, selfies: &[Vec<u8>], analysis: [f64; 3]) -> Result<IdleLatency> {
    let mut own = Vec::with_capacity(REQUESTS);
    let mut face = None;
    let selfie = measure_times(|number| {
        let selfie = selfies.get(number % selfies.len().max(1)).context("there are no selfies")?;
        let found = client.search(selfie, number)?.document();
        own.extend(found["elapsed_ms"].as_f64());
        face = face.take().or_else(|| Some(found["matches"][0]["face"].as_str()?.to_owned()));
        Ok(())
    })?;
    let face = face.context(
        "no selfie matches a photo: --selfies must contain other pictures of the people in --photos",
    )?;
    let by_face = measure_times(|_| client.search_by_face(&face).map(drop))?;
    let [decode_ms, detect_ms, embed_ms] = analysis;
    Ok(IdleLatency {
        decode_ms,
        detect_ms,
        embed_ms,
        show: measure_times(|_| client.show().map(drop))?,
        face: by_face,
        selfie,
        own: Quantiles::of(own),
    })
}

/// Runs `op` `REQUESTS` times, one after another, and returns the quantiles of its durations.
fn measure_times(mut op: impl FnMut(usize) -> Result<()>) -> Result<Quantiles> {
    let mut times = Vec::with_capacity(REQUESTS);
    for number in 0..REQUESTS {
        let begun = Instant::now();
        op(number)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Quantiles::of(times))
}
