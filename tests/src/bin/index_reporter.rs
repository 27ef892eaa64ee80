//! Indexes a folder and prints each photo as soon as it is durable. Arguments: data folder, collection,
//! folder of photos, model cache. Tests kill this process or fill its disk, and then check the store against
//! its output.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use picpick_engine::indexing::{RunOptions, Sink, index_photos};
use picpick_engine::{
    Collection, DataDir, DecodeLimits, Models, Pack, Photo, PhotoId, Pipeline, Precision, Provider,
    Result,
};

/// A collection that prints the photos that it has stored.
struct ReportingSink(Collection);

impl Sink for ReportingSink {
    fn has(&self, id: &PhotoId) -> Result<bool> {
        self.0.has(id)
    }

    fn put(&self, photos: Vec<Photo>) -> Result<()> {
        let lines: String =
            photos.iter().map(|photo| format!("{} {}\n", photo.id, photo.faces.len())).collect();
        self.0.put(photos)?;
        // Write errors are ignored, because a parent that has ended needs no output.
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
        Ok(())
    }
}

fn index(data: &Path, name: &str, photos: &Path, cache: &Path) -> Result<()> {
    let pack = Pack::builtin(Pack::DEFAULT)?;
    let sink = ReportingSink(Collection::open(&DataDir::open(data, None)?, name, &pack)?);
    let models = Models::new(cache, None);
    // All runs use one provider, because boxes, and the face ids derived from them, must not change.
    let cpu = Precision::Only(Provider::Cpu);
    let load = || Pipeline::load(&models, &pack, cpu, DecodeLimits::default()).map(Arc::new);
    let listing = std::fs::read_dir(photos)
        .map_err(|source| picpick_engine::Error::io("list", photos, source))?;
    let mut paths: Vec<PathBuf> = listing.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    index_photos(&load, paths.into_iter(), &sink, &RunOptions::default(), &|_| {})?;
    sink.0.refresh()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, data, name, photos, cache] = arguments.as_slice() else {
        eprintln!("usage: picpick-index-reporter DATA COLLECTION PHOTOS CACHE");
        return ExitCode::from(2);
    };
    match index(data.as_ref(), name, photos.as_ref(), cache.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
