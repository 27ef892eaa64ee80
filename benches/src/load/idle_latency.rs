//! Where the time of one search goes when nobody else asks: in the engine alone, and request by request.
//!
//! One request after the other, before any guest is connected. Never part of the load.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::client::Client;
use super::statistics::Quantiles;
use crate::setup::Setup;

/// Requests of each kind.
const TIMES: usize = 60;

#[derive(Clone, Debug, Serialize)]
pub struct IdleLatency {
    /// `analyse_selfie` in this program, on one thread, mean of its stages.
    pub decode_ms: f64,
    pub detect_ms: f64,
    pub embed_ms: f64,
    /// `GET` of the event: connection, key, role, one row.
    pub show: Quantiles,
    /// Search by a face: the same, and search and names.
    pub face: Quantiles,
    /// Search by a selfie: the same, and analysis and the audit's durable row.
    pub selfie: Quantiles,
    /// What the service says of the last.
    pub own: Quantiles,
}

/// Mean milliseconds of decoding, detection and embedding.
pub fn analysis(setup: &Setup, selfies: &[Vec<u8>]) -> Result<[f64; 3]> {
    let pipeline = setup.pipeline()?;
    let some = selfies.get(..TIMES.min(selfies.len())).unwrap_or_default();
    let mut sums = [0.0; 3];
    for round in 0..2 {
        for selfie in some {
            // A picture that is none is dropped later, by the service.
            let Ok(found) = pipeline.analyse_selfie(selfie) else { continue };
            let timings = [found.timings.decode, found.timings.detect, found.timings.embed];
            // The first round loads models.
            if round == 1 {
                let each = sums.iter_mut().zip(timings);
                each.for_each(|(sum, time)| *sum += time.as_secs_f64() * 1e3);
            }
        }
    }
    Ok(sums.map(|sum| sum / some.len().max(1) as f64))
}

/// Drops the selfies that the service does not answer, which would fail at any rate.
pub fn answered(client: &Client, selfies: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let mut kept = Vec::with_capacity(selfies.len());
    for selfie in selfies {
        if client.search(&selfie, 0)?.status == 200 {
            kept.push(selfie);
        }
    }
    Ok(kept)
}

/// Asks one thing after the other.
pub fn measure(client: &Client, selfies: &[Vec<u8>], analysis: [f64; 3]) -> Result<IdleLatency> {
    let mut own = Vec::with_capacity(TIMES);
    let mut face = None;
    let selfie = timed(|number| {
        let selfie = selfies.get(number % selfies.len().max(1)).context("no selfies")?;
        let found = client.search(selfie, number)?.document();
        own.extend(found["elapsed_ms"].as_f64());
        face = face.take().or_else(|| Some(found["matches"][0]["face"].as_str()?.to_owned()));
        Ok(())
    })?;
    let face =
        face.context("no selfie found anybody: expected other pictures of the same people")?;
    let by_face = timed(|_| client.search_by_face(&face).map(drop))?;
    let [decode_ms, detect_ms, embed_ms] = analysis;
    Ok(IdleLatency {
        decode_ms,
        detect_ms,
        embed_ms,
        show: timed(|_| client.show().map(drop))?,
        face: by_face,
        selfie,
        own: Quantiles::of(own),
    })
}

fn timed(mut op: impl FnMut(usize) -> Result<()>) -> Result<Quantiles> {
    let mut times = Vec::with_capacity(TIMES);
    for number in 0..TIMES {
        let begun = Instant::now();
        op(number)?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Quantiles::of(times))
}
