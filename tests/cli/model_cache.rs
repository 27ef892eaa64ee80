use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use picpick_engine::{Models, Pack};
use picpick_tests::album::sha256;
use picpick_tests::{Outcome, Sandbox, models, sample, sandbox};

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

fn default_pack() -> [PathBuf; 2] {
    let found = models().resolve(&Pack::builtin(Pack::DEFAULT).unwrap()).unwrap();
    [found.detector, found.embedder]
}

/// Creates a cache with copies of the default pack's files and a link to the runtime of the user's cache, so
/// that no test changes the user's cache.
fn cache_copy(sandbox: &Sandbox) -> PathBuf {
    let cache = sandbox.path("cache");
    std::fs::create_dir_all(cache.join("models")).unwrap();
    symlink(models().folder().join("runtime"), cache.join("models/runtime")).unwrap();
    for path in default_pack() {
        for path in [path.with_added_extension("sha256"), path] {
            std::fs::copy(&path, cache.join("models").join(path.file_name().unwrap())).unwrap();
        }
    }
    cache
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}

/// Runs `compare`, which needs only models.
fn compare(sandbox: &Sandbox, cache: &Path, pack: &str) -> Outcome {
    let photos = ["obama.jpg", "obama2.jpg"].map(sample);
    Outcome::of(
        sandbox
            .command()
            .arg("--cache")
            .arg(cache)
            .arg("compare")
            .args(photos)
            .args(["--json", "--pack", pack]),
    )
}

#[test]
fn block_quantised_weights_are_dequantised() {
    for path in default_pack() {
        let bytes = std::fs::read(&path).unwrap();
        assert!(holds(&bytes, "Conv"), "{} is a network", path.display());
        assert!(!holds(&bytes, "DequantizeLinear"), "{}", path.display());
    }
}

#[test]
fn a_damaged_model_is_refused_with_both_sums() {
    let sandbox = sandbox!();
    let cache = cache_copy(&sandbox);
    assert_eq!(compare(&sandbox, &cache, Pack::DEFAULT).status, 0);
    for path in default_pack() {
        let copy = cache.join("models").join(path.file_name().unwrap());
        flip(&copy);
        let message = compare(&sandbox, &cache, Pack::DEFAULT).failed(1);
        let (expected, received) =
            (sha256(&std::fs::read(&path).unwrap()), sha256(&std::fs::read(&copy).unwrap()));
        for part in [copy.to_str().unwrap(), &expected, &received] {
            assert!(message.contains(part), "{message}");
        }
        std::fs::copy(&path, &copy).unwrap();
    }
    assert_eq!(compare(&sandbox, &cache, Pack::DEFAULT).status, 0);
}

#[test]
fn a_missing_model_names_the_command_that_fetches_it() {
    let sandbox = sandbox!();
    let cache = cache_copy(&sandbox);
    let [_, embedder] = default_pack();
    std::fs::remove_file(cache.join("models").join(embedder.file_name().unwrap())).unwrap();
    let message = compare(&sandbox, &cache, Pack::DEFAULT).failed(1);
    assert!(message.contains("sface") && message.contains("picpick models fetch"), "{message}");
}

#[test]
fn fetching_again_repairs_damaged_models() {
    let sandbox = sandbox!();
    let cache = cache_copy(&sandbox);
    // The user-supplied pack has its model files beside its manifest, so it needs no network.
    let [detector, embedder] = default_pack();
    let folder = sandbox.path("pack");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |path: &Path, name: &str| {
        std::fs::copy(path, folder.join(name)).unwrap();
        format!(
            "path = \"{name}\"\nsha256 = \"{}\"\nlicence = \"MIT\"\n",
            sha256(&std::fs::read(path).unwrap())
        )
    };
    let text = format!(
        "id = \"mine\"\ntitle = \"Mine\"\nlicence = \"MIT\"\ncommercial_use = true\n\
         [detector]\nfamily = \"yunet\"\nside_px_multiple = 32\nside_px_max = 4096\n[detector.file]\n{}\
         [embedder]\ndim = 128\nchannels = \"rgb\"\nmean = 0.0\nstd = 1.0\nalignment = \"arcface112\"\n[embedder.file]\n{}",
        file(&detector, "mine_yunet.onnx"),
        file(&embedder, "mine_sface.onnx"),
    );
    let manifest = folder.join("pack.toml");
    std::fs::write(&manifest, text).unwrap();
    let pack = manifest.to_str().unwrap();
    let fetch = || {
        Outcome::of(
            sandbox
                .command()
                .arg("--cache")
                .arg(&cache)
                .args(["models", "fetch", "--json", "--pack", pack]),
        )
    };
    let fetched = fetch();
    assert_eq!(fetched.status, 0, "{fetched:?}");
    assert_eq!(fetched.document()["licence"], "MIT");
    let own = Models::new(cache.join("models"), None)
        .resolve(&Pack::from_file(&manifest).unwrap())
        .unwrap();
    assert_eq!(compare(&sandbox, &cache, pack).status, 0);
    for path in [own.detector, own.embedder] {
        flip(&path);
        let message = compare(&sandbox, &cache, pack).failed(1);
        assert!(
            message.contains("wrong content") && message.contains(path.to_str().unwrap()),
            "{message}"
        );
        let repaired = fetch();
        assert_eq!(repaired.status, 0, "{repaired:?}");
        let compared = compare(&sandbox, &cache, pack);
        assert_eq!(
            (compared.status, &compared.document()["same_person"]),
            (0, &true.into()),
            "{compared:?}"
        );
    }
}

#[test]
fn packs_are_listed_with_their_licences() {
    let sandbox = sandbox!();
    let listed = sandbox.done(["models", "list"]);
    let packs = listed["packs"].as_array().unwrap();
    assert_eq!(packs.len(), 2, "{listed}");
    for pack in packs {
        assert!(pack["fetched"] == true && pack["commercial_use"] == true, "{pack}");
        assert!(
            !pack["licence"].as_str().unwrap().is_empty()
                && pack["disk_bytes"].as_u64().unwrap() > 1_000_000
        );
    }
    let liveness = &listed["liveness"];
    assert!(liveness["fetched"] == true && liveness["licence"] == "MIT", "{liveness}");
    let message = sandbox.run(["models", "fetch", "--pack", "nope"]).failed(1);
    assert!(message.contains("nope") && message.contains(Pack::DEFAULT), "{message}");
}
