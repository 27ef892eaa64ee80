use std::path::{Path, PathBuf};

use picpick_engine::Pack;
use picpick_tests::{PARTY, Sandbox, file_names, models, sample, sandbox};

const SECOND: &str = "centerface-mobilefacenet";

fn sha256(path: &Path) -> String {
    picpick_tests::album::sha256(&std::fs::read(path).unwrap())
}

/// A detector that is not part of a built-in pack, its manifest entries, and the minimum number of the 22
/// faces that it must find. Each detector found 22 when it was measured; other processors may miss one.
struct Outside {
    file: &'static str,
    family: &'static str,
    patches: &'static str,
    embedder: Embedder,
    faces_min: usize,
}

#[derive(Clone, Copy)]
enum Embedder {
    Sface,
    Mobilefacenet,
}

impl Embedder {
    /// Returns the path of the patched embedder in the cache, and its lines of the manifest.
    fn parts(self) -> (PathBuf, &'static str) {
        let (pack, lines) = match self {
            Embedder::Sface => {
                (Pack::DEFAULT, "dim = 128\nchannels = \"rgb\"\nmean = 0.0\nstd = 1.0")
            }
            Embedder::Mobilefacenet => {
                (SECOND, "dim = 512\nchannels = \"rgb\"\nmean = 127.0\nstd = 128.0")
            }
        };
        (models().resolve(&Pack::builtin(pack).unwrap()).unwrap().embedder, lines)
    }
}

/// Writes a pack of `detector` and `embedder` into the sandbox. Returns the manifest's path.
fn bring(
    sandbox: &Sandbox,
    detector: &Path,
    family: &str,
    patches: &str,
    embedder: Embedder,
) -> PathBuf {
    let (embedder, lines) = embedder.parts();
    let folder = sandbox.path("pack");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(detector, folder.join("detector.onnx")).unwrap();
    std::fs::copy(&embedder, folder.join("embedder.onnx")).unwrap();
    let text = format!(
        "id = \"mine\"\ntitle = \"A pack of my own\"\nlicence = \"research only\"\ncommercial_use = false\n\
         [detector]\nfamily = \"{family}\"\nside_px_multiple = 32\nside_px_max = 4096\n\
         [detector.file]\npath = \"detector.onnx\"\nsha256 = \"{}\"\nlicence = \"research only\"\npatch = [{patches}]\n\
         [embedder]\n{lines}\nalignment = \"arcface112\"\n\
         [embedder.file]\npath = \"embedder.onnx\"\nsha256 = \"{}\"\nlicence = \"MIT\"\n",
        sha256(detector),
        sha256(&embedder),
    );
    let path = folder.join("pack.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_second_pack_finds_the_same_people() {
    let sandbox = sandbox!();
    sandbox.done(["collections", "create", "Event", "--pack", SECOND]);
    let photos = [
        PARTY.map(sample).to_vec(),
        ["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample).to_vec(),
    ]
    .concat();
    let indexed = sandbox.index(&photos);
    println!("{SECOND}: {} faces", indexed["faces"]);
    assert!(indexed["faces"].as_u64().unwrap() >= 24, "{indexed}");
    let found = sandbox.done(["search", "Event", sample("obama.jpg").to_str().unwrap()]);
    let mut names = file_names(&found["matches"], "photo");
    names.sort();
    assert_eq!(names, ["obama2.jpg", "obama3.jpg"], "{found}");
}

#[test]
fn a_collection_refuses_another_pack() {
    let sandbox = sandbox!();
    sandbox.event(&[sample("obama2.jpg")]);
    let selfie = sample("obama.jpg").to_str().unwrap().to_owned();
    for arguments in [["search", "Event", &selfie], ["index", "Event", &selfie]] {
        let message = sandbox.run(arguments.iter().chain(&["--pack", SECOND])).failed(1);
        for part in ["'Event'", Pack::DEFAULT, SECOND] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(sandbox.done(["collections", "show", "Event"])["photos"], 1);
    assert_eq!(sandbox.json(["search", "Event", &selfie, "--pack", Pack::DEFAULT]).0, 0);
}

/// The detectors are read from `../shared/models`; the test prints which of them are missing and skips those.
#[test]
fn external_detectors_find_the_party_faces() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/models");
    let free = "\"symbolic-batch\", \"symbolic-size\"";
    let outside = [
        Outside {
            file: "scrfd_2.5g_kps.onnx",
            family: "scrfd",
            patches: free,
            embedder: Embedder::Sface,
            faces_min: 21,
        },
        Outside {
            file: "scrfd_500m_kps.onnx",
            family: "scrfd",
            patches: free,
            embedder: Embedder::Mobilefacenet,
            faces_min: 21,
        },
        Outside {
            file: "yunet_n_dynamic.onnx",
            family: "yunet",
            patches: "",
            embedder: Embedder::Sface,
            faces_min: 21,
        },
    ];
    for Outside { file, family, patches, embedder, faces_min } in outside {
        let detector = folder.join(file);
        if !detector.exists() {
            println!("left out: there is no {file}");
            continue;
        }
        let sandbox = sandbox!();
        let manifest =
            bring(&sandbox, &detector, family, patches, embedder).to_str().unwrap().to_owned();
        sandbox.done(["collections", "create", "Event", "--pack", &manifest]);
        let party = PARTY.map(sample);
        let paths = party.iter().map(|path| path.to_str().unwrap());
        let outcome =
            sandbox.run(["index", "Event", "--json", "--pack", &manifest].into_iter().chain(paths));
        assert_eq!(outcome.status, 0, "{file}: {outcome:?}");
        assert!(outcome.stderr.contains("not licensed for commercial use"), "{outcome:?}");
        let faces = outcome.document()["faces"].as_u64().unwrap() as usize;
        println!("{file}: {faces} of 22 faces");
        assert!((faces_min..=22).contains(&faces), "{file}: {faces} faces");
        // A face of an indexed photo, used as the query, finds that photo first.
        let again = sandbox.done([
            "search",
            "Event",
            party[0].to_str().unwrap(),
            "--face",
            "1",
            "--pack",
            &manifest,
        ]);
        assert_eq!(file_names(&again["matches"], "photo")[0], PARTY[0], "{again}");
        let message = sandbox.run(["collections", "show", "Event"]).failed(1);
        assert!(
            message.contains("--pack"),
            "the message names the pack and the option --pack: {message}"
        );
    }
}

#[test]
fn a_pack_with_wrong_content_is_refused() {
    let sandbox = sandbox!();
    let (sface, _) = Embedder::Sface.parts();
    let detector = models().resolve(&Pack::builtin(Pack::DEFAULT).unwrap()).unwrap().detector;
    let manifest = bring(&sandbox, &detector, "yunet", "", Embedder::Sface);
    let right = std::fs::read_to_string(&manifest).unwrap();
    let (expected, received) = ("0123456789abcdef".repeat(4), sha256(&sface));
    std::fs::write(&manifest, right.replace(&received, &expected)).unwrap();
    let manifest_text = manifest.to_str().unwrap();
    let photo = sample("obama2.jpg").to_str().unwrap().to_owned();
    sandbox.done(["collections", "create", "Event", "--pack", manifest_text]);
    for arguments in [vec!["models", "fetch"], vec!["index", "Event", &photo]] {
        let message = sandbox.run(arguments.iter().chain(&["--pack", manifest_text])).failed(1);
        for part in ["embedder.onnx", &expected, &received] {
            assert!(message.contains(part), "{message}");
        }
    }
    for (wrong, part) in [("famly = 1\n", "famly"), ("", "pack.toml")] {
        std::fs::write(&manifest, format!("{wrong}{}", if wrong.is_empty() { "" } else { &right }))
            .unwrap();
        let message =
            sandbox.run(["collections", "create", "Other", "--pack", manifest_text]).failed(1);
        assert!(message.contains(part) && message.contains("pack.toml"), "{message}");
    }
}
