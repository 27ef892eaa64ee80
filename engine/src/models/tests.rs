use super::archive::tests::wheel;
use super::*;
use crate::models::manifest::Sha256Sum;
use std::fs;

/// A folder with a user's pack of two local files, and a cache.
struct ModelFolder {
    folder: tempfile::TempDir,
    models: Models,
}

const DETECTOR: &[u8] = b"a detector";
const EMBEDDER: &[u8] = b"an embedder";

impl ModelFolder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("detector.onnx"), DETECTOR).unwrap();
        fs::write(folder.path().join("embedder.onnx"), EMBEDDER).unwrap();
        let models = Models::new(folder.path().join("cache"), None);
        Self { folder, models }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Creates a pack whose files are in the folder or, with `wheel_sum`, in the wheel
    /// `pack-1.0-py3-none-any.whl`.
    fn pack(&self, wheel_sum: Option<Sha256Sum>) -> Pack {
        let mut text = String::from(include_str!("../../../models/examples/scrfd-arcface.toml"));
        for (name, content) in [("det_10g", DETECTOR), ("w600k_r50", EMBEDDER)] {
            let new = if name == "det_10g" { "detector" } else { "embedder" };
            let source =
                if wheel_sum.is_some() { "archive = \"wheel\"\npath = \"in/" } else { "path = \"" };
            text = text.replacen(&format!("path = \"{name}"), &format!("{source}{new}"), 1);
            text = text.replacen(&"0".repeat(64), &Sha256Sum::of(content).to_string(), 1);
        }
        if let Some(sum) = wheel_sum {
            text.push_str(&format!(
                "[archive.wheel]\nregistry = \"pypi\"\npackage = \"pack\"\nversion = \"1.0\"\n\
                 file = \"pack-1.0-py3-none-any.whl\"\nsha256 = \"{sum}\"\nbytes = 10\n"
            ));
        }
        let path = self.path("pack.toml");
        fs::write(&path, text).unwrap();
        Pack::from_file(&path).unwrap()
    }
}

fn quiet(line: &str) {
    assert!(!line.contains("fetching"), "{line}");
}

#[test]
fn local_files_are_taken_over_and_then_not_needed() {
    let folder = ModelFolder::new();
    let pack = folder.pack(None);
    assert!(!folder.models.status(&pack).fetched);
    let files = folder.models.resolve(&pack).unwrap();
    assert_eq!(fs::read(&files.detector).unwrap(), DETECTOR);
    assert_eq!(fs::read(&files.embedder).unwrap(), EMBEDDER);
    assert!(files.detector.is_absolute());
    fs::remove_file(folder.path("detector.onnx")).unwrap();
    assert_eq!(folder.models.resolve(&pack).unwrap(), files);
    let status = folder.models.status(&pack);
    assert!(status.fetched && !status.commercial_use);
    assert_eq!(status.disk_bytes, (DETECTOR.len() + EMBEDDER.len()) as u64);
}

#[test]
fn a_wrong_local_file_is_refused_with_both_sums() {
    let folder = ModelFolder::new();
    let pack = folder.pack(None);
    fs::write(folder.path("embedder.onnx"), b"another").unwrap();
    let error = folder.models.resolve(&pack).unwrap_err().to_string();
    assert!(error.contains(&Sha256Sum::of(EMBEDDER).to_string()), "{error}");
    assert!(error.contains(&Sha256Sum::of(b"another").to_string()), "{error}");
}

#[test]
fn a_damaged_cache_is_noticed_and_fetching_repairs_it() {
    let folder = ModelFolder::new();
    let pack = folder.pack(None);
    folder.models.fetch_pack(&pack, &mut quiet).unwrap();
    let files = folder.models.resolve(&pack).unwrap();
    fs::write(&files.detector, b"damaged").unwrap();
    let error = folder.models.resolve(&pack).unwrap_err();
    assert!(matches!(error, Error::WrongHash { .. }), "{error}");
    // A sidecar file that was changed to match does not hide the damage.
    let note = Sha256Sum::of(b"damaged").to_string();
    fs::write(cache::sidecar(&files.detector), note).unwrap();
    assert!(folder.models.resolve(&pack).is_err());
    folder.models.fetch_pack(&pack, &mut quiet).unwrap();
    assert_eq!(folder.models.resolve(&pack).unwrap(), files);
}

#[test]
fn a_missing_model_names_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let models = Models::new(folder.path(), None);
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let error = models.resolve(&pack).unwrap_err();
    assert!(matches!(error, Error::ModelMissing { .. }));
    assert!(error.to_string().contains("--pack yunet-sface"), "{error}");
    assert!(models.resolve_runtime().is_err());
    let error = models.resolve_liveness().unwrap_err();
    assert!(error.to_string().contains("picpick models fetch --liveness"), "{error}");
    let liveness = models.liveness_status().unwrap();
    assert!(!liveness.fetched && liveness.download_bytes > 40_000_000);
    let list = models.list().unwrap();
    assert!(list.iter().all(|pack| !pack.fetched && pack.disk_bytes == 0));
    let bytes = |nth: usize| list.get(nth).unwrap().download_bytes;
    assert!(bytes(0) < bytes(1));
}

#[test]
fn the_offline_folder_serves_files_and_archives_by_name() {
    let folder = ModelFolder::new();
    let offline = folder.path("offline");
    fs::create_dir(&offline).unwrap();
    let whole = offline.join("pack-1.0-py3-none-any.whl");
    wheel(&whole, "in/detector.onnx", DETECTOR);
    let sum = files::sha256_of(&whole).unwrap().unwrap();
    let pack = folder.pack(Some(sum));
    let models = Models::new(folder.path("cache"), Some(offline.clone()));
    // The wheel has the detector only; the embedder is in the offline folder.
    fs::write(offline.join("embedder.onnx"), EMBEDDER).unwrap();
    let files = models.resolve(&pack).unwrap();
    assert_eq!(fs::read(files.detector).unwrap(), DETECTOR);
    assert_eq!(fs::read(files.embedder).unwrap(), EMBEDDER);
}

#[test]
fn a_wrong_offline_file_is_refused_not_passed_over() {
    let folder = ModelFolder::new();
    let offline = folder.path("offline");
    fs::create_dir(&offline).unwrap();
    let pack = folder.pack(Some(Sha256Sum::of(b"the right wheel")));
    let models = Models::new(folder.path("cache"), Some(offline.clone()));
    let whole = offline.join("pack-1.0-py3-none-any.whl");
    wheel(&whole, "in/detector.onnx", DETECTOR);
    let error = models.resolve(&pack).unwrap_err();
    assert!(matches!(error, Error::WrongHash { .. }), "{error}");
    fs::remove_file(whole).unwrap();
    fs::write(offline.join("detector.onnx"), b"another").unwrap();
    let error = models.fetch_pack(&pack, &mut quiet).unwrap_err();
    assert!(matches!(error, Error::WrongHash { .. }), "{error}");
}

#[test]
fn concurrent_runs_agree() {
    let folder = ModelFolder::new();
    let pack = folder.pack(None);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| folder.models.fetch_pack(&pack, &mut quiet).unwrap());
        }
    });
    folder.models.resolve(&pack).unwrap();
    let left = fs::read_dir(folder.path("cache")).unwrap().count();
    assert_eq!(left, 4, "two models and their sidecar files, no temporary files");
}

#[test]
fn a_changed_content_changes_the_cache_name() {
    let models = Models::new("cache", None);
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let mut file = pack.embedder.file.clone();
    let patched = models.cache.model_path(&file);
    let name = patched.file_name().unwrap().to_string_lossy().into_owned();
    assert!(name.starts_with("fb143eea07838aa5-p1fb-face_recognition"), "{name}");
    file.patches.clear();
    assert_ne!(models.cache.model_path(&file), patched);
}
