use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use picpick_engine::indexing::Sink;
use picpick_engine::receipts::Requester;
use picpick_engine::{Collection, DataDir, Face, FaceId, Photo, PhotoId, RetentionPolicy};
use serde::Serialize;

use crate::setup::Setup;

const FACES_PER_PHOTO: usize = 5;
const PHOTOS_PER_COMMIT: usize = 64;
const NAME: &str = "purged";

#[derive(clap::Args)]
pub struct PurgeArgs {
    /// Faces in the collection
    #[arg(long, default_value_t = 200_000)]
    faces: usize,
    /// Folder in which to create the data folder, which is removed at the end [default: the
    /// system's temporary folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Serialize)]
struct PurgeReport {
    faces: u64,
    photos: u64,
    bytes_before: u64,
    /// Seconds until the key was destroyed, observed by polling every millisecond.
    key_gone_s: f64,
    /// Seconds until the files were removed and the receipt was issued.
    receipt_s: f64,
    scanned_files: u64,
    scanned_bytes: u64,
    needles: u64,
    residue: u64,
}

/// Measures a purge of a collection with synthetic embeddings, in a data folder of its own.
pub fn run(setup: &Setup, args: &PurgeArgs) -> Result<()> {
    let base = args.folder.clone().unwrap_or_else(std::env::temp_dir);
    let folder = base.join(format!("picpick-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let report = measure(setup, args, &folder.join("data"));
    std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    show(setup, &report?)
}

fn measure(setup: &Setup, args: &PurgeArgs, folder: &std::path::Path) -> Result<PurgeReport> {
    let (data, pack) = (DataDir::open(folder, None)?, setup.pack()?);
    let keep = RetentionPolicy {
        purpose: "a measurement".into(),
        legal_basis: "consent".into(),
        ends_unix_s: None,
    };
    data.create(NAME, pack.id(), &keep)?;
    let collection = Collection::open(&data, NAME, &pack)?;
    let photos: Vec<usize> = (0..args.faces.div_ceil(FACES_PER_PHOTO)).collect();
    for numbers in photos.chunks(PHOTOS_PER_COMMIT) {
        let photos = numbers.iter().map(|number| photo(*number, pack.embedder.dim, pack.id()));
        collection.put(photos.collect())?;
    }
    drop(collection);
    let bytes_before = size(folder);
    let (begun, done) = (Instant::now(), AtomicBool::new(false));
    let (key_gone, purged) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while data.collection(NAME).is_ok() && !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
            begun.elapsed()
        });
        let purged =
            data.purge(NAME, Requester::Operator).map(|receipt| (receipt.receipt, begun.elapsed()));
        done.store(true, Ordering::Relaxed);
        (watcher.join(), purged)
    });
    let (receipt, receipt_after) = purged?;
    let key_gone = key_gone.map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
    Ok(PurgeReport {
        faces: receipt.faces.unwrap_or(0),
        photos: receipt.photos.unwrap_or(0),
        bytes_before,
        key_gone_s: key_gone.as_secs_f64(),
        receipt_s: receipt_after.as_secs_f64(),
        scanned_files: receipt.scanned.files,
        scanned_bytes: receipt.scanned.bytes,
        needles: receipt.scanned.needles,
        residue: receipt.residue,
    })
}

/// Returns photo `number`, whose faces have random unit embeddings.
fn photo(number: usize, dim: usize, pack: &str) -> Photo {
    let id = PhotoId::of(&number.to_le_bytes());
    let mut state = number as u64 + 1;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    let mut face = |which: i32| {
        let mut embedding: Vec<f32> = (0..dim).map(|_| next()).collect();
        let norm = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
        embedding.iter_mut().for_each(|value| *value /= norm);
        let bbox = [which * 300, 200, 180, 220];
        Face {
            id: FaceId::of(id, pack, bbox),
            bbox,
            landmarks: [[1.0, 2.0]; 5],
            score: 0.9,
            quality: 0.9,
            embedding,
        }
    };
    let faces = (0..FACES_PER_PHOTO as i32).map(&mut face).collect();
    Photo { id, path: format!("IMG_{number:06}.jpg").into(), width: 6000, height: 4000, faces }
}

/// Returns the total size of the files below `folder`, bytes; unreadable files count as 0.
fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let entry_size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.map(entry_size).sum()
}

fn show(setup: &Setup, report: &PurgeReport) -> Result<()> {
    if setup.json {
        println!("{}", serde_json::to_string_pretty(report)?);
        return Ok(());
    }
    let PurgeReport { faces, photos, bytes_before, key_gone_s, receipt_s, .. } = report;
    println!("{faces} faces in {photos} photos, {} MB on disk", bytes_before / 1_000_000);
    println!(
        "key destroyed after {key_gone_s:.3} s; files removed, receipt after {receipt_s:.3} s"
    );
    println!(
        "residue scan: {} files, {} MB, {} patterns; {} found",
        report.scanned_files,
        report.scanned_bytes / 1_000_000,
        report.needles,
        report.residue
    );
    Ok(())
}
