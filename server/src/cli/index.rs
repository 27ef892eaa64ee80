use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use picpick_engine::indexing::{RunOptions, Summary, index_photos as run_pipeline};
use picpick_engine::{Collection, Pack};
use serde::Serialize;

use super::context::Context;
use super::progress::{IndexCounts, IndexProgress, skip_line};
use super::report::{ExitStatus, Report, note};
use super::{coverage, file_walk, format, pack_option};

const AFTER: &str = "\
Photos that are in the collection already are skipped quickly: run the command
again after an interruption, or when there are new photos. Ctrl-C stops the
command; photos that were added stay in the collection.

Examples:
  picpick index 'Anna & Ben' /media/card1 /media/card2
  picpick index 'Anna & Ben' --jobs 4 photos/*.jpg

With --json: {\"photos\", \"faces\", \"skipped\": [{\"path\", \"reason\"}],
\"already_indexed\", \"elapsed_s\", \"photos_per_s\", \"collection\",
\"low_quality_faces\", \"stopped\"}; photos and faces are those added by this run,
low_quality_faces those of the whole collection.";

/// Adds JPEG, PNG and WebP photos, recognised by content and not by file name. Walks folders with
/// all their subfolders in order of name; skips hidden files and linked folders. Names each file
/// that cannot be read and continues with the others. Never changes a photo.
#[derive(Args, Debug)]
#[command(after_help = AFTER)]
pub struct IndexArguments {
    /// Name of the collection
    name: String,
    /// Photos, or folders with photos
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Photos to process at the same time [default: one per processor core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    jobs: Option<u16>,
    #[command(flatten)]
    pack: pack_option::PackOption,
}

/// The photos that a run added and skipped, and the state of the collection after the run.
#[derive(Debug, Serialize)]
pub struct IndexOutcome {
    photos: usize,
    faces: usize,
    skipped: Vec<SkippedFile>,
    already_indexed: usize,
    elapsed_s: f64,
    photos_per_s: f64,
    collection: String,
    low_quality_faces: usize,
    stopped: bool,
}

#[derive(Debug, Serialize)]
struct SkippedFile {
    path: String,
    reason: String,
}

pub fn run(context: &Context, arguments: &IndexArguments) -> Result<Report> {
    let (collection, pack) = context.collection(&arguments.name, &arguments.pack)?;
    let outcome = index(context, &collection, &pack, &arguments.paths, arguments.jobs)?;
    let text = describe(&outcome, &collection);
    let status = status(&outcome);
    Ok(Report::new(&outcome, text)?.with(status))
}

/// Adds all photos at and below `paths` to `collection`. Prints progress on standard error. An error names
/// the number of photos that were added before it.
pub fn index(
    context: &Context,
    collection: &Collection,
    pack: &Pack,
    paths: &[PathBuf],
    jobs: Option<u16>,
) -> Result<IndexOutcome> {
    let found = file_walk::walk(paths);
    found.skipped.iter().for_each(|(path, reason)| note(&skip_line(path, reason)));
    let progress = IndexProgress::new(found.files.len());
    let summary = context.interrupt.heeded_by(|stop| {
        let mut options = RunOptions { stop, ..RunOptions::default() };
        options.jobs = jobs.map_or(options.jobs, usize::from);
        run_pipeline(
            &|| context.pipeline(pack).map(Arc::new),
            found.files.into_iter(),
            collection,
            &options,
            &|event| progress.on_event(event),
        )
    });
    let elapsed = progress.elapsed();
    let mut counts = progress.finish();
    let kept = || {
        format!(
            "{} added and kept before this error; run the same command again to continue",
            format::count(counts.stored, "photo")
        )
    };
    let summary = match summary {
        Err(error) if counts.stored > 0 => return Err(error).with_context(kept),
        summary => summary?,
    };
    // A run that added nothing needs no refresh, because opening the collection has updated people and index.
    if summary.photos > 0 {
        collection.refresh()?;
    }
    counts.skipped.splice(0..0, found.skipped);
    Ok(outcome(collection, &summary, counts, elapsed.as_secs_f64()))
}

fn outcome(
    collection: &Collection,
    summary: &Summary,
    counts: IndexCounts,
    elapsed_s: f64,
) -> IndexOutcome {
    let skipped = |(path, reason): (PathBuf, String)| SkippedFile {
        path: path.to_string_lossy().into_owned(),
        reason,
    };
    IndexOutcome {
        photos: summary.photos,
        faces: summary.faces,
        skipped: counts.skipped.into_iter().map(skipped).collect(),
        already_indexed: summary.known,
        elapsed_s,
        photos_per_s: if elapsed_s > 0.0 { summary.photos as f64 / elapsed_s } else { 0.0 },
        collection: collection.info().name.clone(),
        low_quality_faces: coverage::of(collection).weak(),
        stopped: summary.stopped,
    }
}

fn status(outcome: &IndexOutcome) -> ExitStatus {
    let looked_at = outcome.photos + outcome.already_indexed;
    match (outcome.stopped, looked_at, outcome.skipped.len()) {
        (true, ..) => ExitStatus::Failed,
        (_, 0, 0) => ExitStatus::NothingFound,
        (_, 0, _) => ExitStatus::Failed,
        _ => ExitStatus::Done,
    }
}

/// Returns the outcome as text.
pub fn describe(outcome: &IndexOutcome, collection: &Collection) -> String {
    let mut text = String::new();
    if outcome.photos + outcome.already_indexed + outcome.skipped.len() == 0 && !outcome.stopped {
        return "No photos found: the folders are empty or contain only hidden files; \
                name others.\n"
            .into();
    }
    let (photos, faces) =
        (format::count(outcome.photos, "photo"), format::count(outcome.faces, "face"));
    text += &format!("Added {photos} with {faces}");
    if outcome.photos > 0 {
        let time = format::duration(std::time::Duration::from_secs_f64(outcome.elapsed_s));
        text += &format!(" in {time} ({:.1} photos/s)", outcome.photos_per_s);
    }
    text += ".\n";
    if outcome.already_indexed > 0 {
        text += &format!("{} already in the collection.\n", were(outcome.already_indexed, "photo"));
    }
    if !outcome.skipped.is_empty() {
        text += &format!("{} skipped (listed above):\n", were(outcome.skipped.len(), "file"));
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        outcome
            .skipped
            .iter()
            .for_each(|skipped| *reasons.entry(kind_of(skipped)).or_default() += 1);
        for (reason, files) in reasons {
            text += &format!("{files:>6} × {}\n", super::report::printable(reason));
        }
    }
    let now = coverage::of(collection);
    let (photos, faces) = (format::count(now.photos, "photo"), format::count(now.faces, "face"));
    text += &format!("'{}' now has {photos} with {faces}.\n", outcome.collection);
    text += &coverage::warning(&now);
    if outcome.stopped {
        text += "Stopped before the end; run the same command again to continue.\n";
    }
    text
}

fn were(number: usize, thing: &str) -> String {
    format!("{} {}", format::count(number, thing), if number == 1 { "was" } else { "were" })
}

/// Returns the reason without the file's name, so that reasons which differ only in the name are counted
/// together.
fn kind_of(skipped: &SkippedFile) -> &str {
    let reason = skipped.reason.as_str();
    if reason.contains(&skipped.path) {
        return reason.rsplit(": ").next().unwrap_or(reason);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(photos: usize, known: usize, skipped: usize, stopped: bool) -> IndexOutcome {
        let skip = |_| SkippedFile { path: "a".into(), reason: "read a: denied".into() };
        IndexOutcome {
            photos,
            faces: photos,
            skipped: (0..skipped).map(skip).collect(),
            already_indexed: known,
            elapsed_s: 2.0,
            photos_per_s: 1.0,
            collection: "Event".into(),
            low_quality_faces: 0,
            stopped,
        }
    }

    #[test]
    fn the_exit_status_says_whether_anything_is_there() {
        assert_eq!(status(&outcome(1, 0, 5, false)), ExitStatus::Done);
        assert_eq!(status(&outcome(0, 1, 5, false)), ExitStatus::Done);
        assert_eq!(status(&outcome(0, 0, 5, false)), ExitStatus::Failed);
        assert_eq!(status(&outcome(0, 0, 0, false)), ExitStatus::NothingFound);
        assert_eq!(status(&outcome(9, 0, 0, true)), ExitStatus::Failed);
    }

    #[test]
    fn the_document_has_the_promised_fields() {
        let document = serde_json::to_value(outcome(2, 1, 1, false)).unwrap_or_default();
        for field in ["photos", "faces", "already_indexed", "elapsed_s", "photos_per_s"] {
            assert!(document.get(field).is_some_and(serde_json::Value::is_number), "{field}");
        }
        let skipped =
            document.get("skipped").and_then(|skipped| skipped.get(0)).cloned().unwrap_or_default();
        assert_eq!(skipped, serde_json::json!({"path": "a", "reason": "read a: denied"}));
        assert_eq!(
            kind_of(&SkippedFile { path: "a".into(), reason: "read a: denied".into() }),
            "denied"
        );
    }
}
