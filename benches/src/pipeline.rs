use anyhow::{Context, Result, bail};
use picpick_engine::{Analysis, Pipeline};
use rayon::prelude::*;
use serde::Serialize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::setup::Setup;

#[derive(clap::Args)]
pub struct PipelineArgs {
    /// Photos to measure on
    #[arg(required = true)]
    photos: Vec<PathBuf>,
    /// Number of timed passes over all photos
    #[arg(long, default_value_t = 5)]
    passes: usize,
}

#[derive(Serialize)]
struct PipelineReport {
    pack: String,
    provider: String,
    photos: usize,
    faces: usize,
    rows: Vec<PipelineRow>,
}

#[derive(Serialize)]
struct PipelineRow {
    threads: usize,
    photos_per_s: f64,
    ms_per_photo: Stages,
}

#[derive(Serialize, Default)]
struct Stages {
    decode: f64,
    detect: f64,
    embed: f64,
}

/// Measures decode → detect → align → embed, without a store. The photos are read before the first pass.
pub fn run(setup: &Setup, args: &PipelineArgs) -> Result<()> {
    let read =
        |path: &PathBuf| std::fs::read(path).with_context(|| format!("reading {}", path.display()));
    let photos = args.photos.iter().map(read).collect::<Result<Vec<_>>>()?;
    if args.passes == 0 {
        bail!("--passes must be at least 1");
    }
    let pipeline = setup.pipeline()?;
    let cores = std::thread::available_parallelism()?.get();
    let mut rows = Vec::new();
    let mut faces = 0;
    for threads in if cores > 1 { vec![1, cores] } else { vec![1] } {
        let (row, found) = measure(&pipeline, &photos, threads, args.passes)?;
        faces = found;
        rows.push(row);
    }
    let (pack, provider) = (setup.pack()?.id().to_owned(), pipeline.provider().to_string());
    let report = PipelineReport { pack, provider, photos: photos.len(), faces, rows };
    if setup.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    println!(
        "{} on {}: {} photos, {} faces",
        report.pack, report.provider, report.photos, report.faces
    );
    println!("threads  photos/s  ms/photo: decode  detect+align   embed");
    for PipelineRow { threads, photos_per_s, ms_per_photo } in &report.rows {
        let Stages { decode, detect, embed } = ms_per_photo;
        println!("{threads:>7} {photos_per_s:>9.2} {decode:>17.1} {detect:>13.1} {embed:>7.1}");
    }
    Ok(())
}

fn measure(
    pipeline: &Pipeline,
    photos: &[Vec<u8>],
    threads: usize,
    passes: usize,
) -> Result<(PipelineRow, usize)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let pass = || -> Result<Vec<Analysis>> {
        Ok(pool.install(|| {
            photos.par_iter().map(|bytes| pipeline.analyse(bytes)).collect::<Result<Vec<_>, _>>()
        })?)
    };
    // Two untimed passes warm up the sessions, and provide the faces for the check of bfloat16 against f32.
    pass()?;
    pass()?;
    let start = Instant::now();
    let mut stages = Stages::default();
    let mut faces = 0;
    for _ in 0..passes {
        let found = pass()?;
        faces = found.iter().map(|found| found.faces.len()).sum();
        for Analysis { timings, .. } in &found {
            stages.decode += ms(timings.decode);
            stages.detect += ms(timings.detect);
            stages.embed += ms(timings.embed);
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    let total = (photos.len() * passes) as f64;
    let ms_per_photo = Stages {
        decode: stages.decode / total,
        detect: stages.detect / total,
        embed: stages.embed / total,
    };
    Ok((PipelineRow { threads, photos_per_s: total / elapsed, ms_per_photo }, faces))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
