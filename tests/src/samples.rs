use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use picpick_engine::{Models, Pack};

/// The party photos; together they show 22 faces.
pub const PARTY: [&str; 6] =
    ["sample1.jpg", "sample2.jpg", "sample3.jpg", "sample4.jpg", "sample5.jpg", "sample6.jpg"];

/// Returns the user's cache folder, as `--cache` takes it.
pub fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").filter(|base| base.is_absolute());
    base.unwrap_or_else(|| set("HOME").expect("HOME is set").join(".cache")).join("picpick")
}

/// Returns the model cache with the runtime, both built-in packs and the liveness models.
pub fn models() -> &'static Models {
    &fetched().0
}

/// Returns the path of the sample photo called `name`.
pub fn sample(name: &str) -> PathBuf {
    fetched().1.get(name).unwrap_or_else(|| panic!("no sample photo {name}")).clone()
}

/// Fetches models and sample photos into the cache, once per process. Files that exist are only checked,
/// never changed.
fn fetched() -> &'static (Models, BTreeMap<String, PathBuf>) {
    static FETCHED: OnceLock<(Models, BTreeMap<String, PathBuf>)> = OnceLock::new();
    FETCHED.get_or_init(|| {
        let offline = std::env::var_os("PICPICK_MODELS_MIRROR").map(PathBuf::from);
        let models = Models::new(cache().join("models"), offline);
        let mut say = |line: &str| eprintln!("{line}");
        models.fetch_runtime(&mut say).expect("the runtime can be fetched");
        for pack in Pack::all_builtin().expect("the built-in packs are right") {
            models.fetch_pack(&pack, &mut say).expect("the packs can be fetched");
        }
        models.fetch_liveness(&mut say).expect("the liveness models can be fetched");
        let photos = models.fetch_samples(&mut say).expect("the sample photos can be fetched");
        let named =
            |path: PathBuf| (path.file_name().unwrap().to_string_lossy().into_owned(), path);
        (models, photos.into_iter().map(named).collect())
    })
}
