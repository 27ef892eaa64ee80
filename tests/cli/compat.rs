use std::path::Path;

use picpick_engine::indexing::Sink as _;
use picpick_engine::{
    Collection, DataDir, Face, FaceId, GuestId, Match, Pack, Person, Photo, PhotoId, Scoring,
    Template,
};
use picpick_tests::harness::copy;
use picpick_tests::{Outcome, Sandbox, fixture, sandbox};
use serde_json::{Value, json};

/// Copies a data folder of format 1 without faces into the sandbox.
fn format_1(sandbox: &Sandbox) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/data-format-1");
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(sandbox.data()).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_format_1_folder_is_migrated_and_can_be_purged() {
    let sandbox = sandbox!();
    format_1(&sandbox);
    let listed = sandbox.done(["collections", "list"]);
    let old = &listed["collections"][0];
    assert_eq!((&old["name"], &old["ends_unix_s"]), (&"Old event".into(), &Value::Null));
    let keyring = sandbox.data().join("keyring");
    assert!(!keyring.join("kek.1").exists() && keyring.join("kek.2").exists());
    assert!(std::fs::read_to_string(keyring.join("keys.toml")).unwrap().contains("format = 3"));
    let scan = sandbox.done(["scan"]);
    assert_eq!((&scan["residue"], &scan["collections"][0]["canaries"]), (&0.into(), &0.into()));
    let retention = sandbox.done(["collections", "keep", "Old event", "--days", "30"]);
    assert!(retention["ends_unix_s"].is_u64(), "{retention}");
    let purged = sandbox.done(["collections", "delete", "Old event", "--yes"]);
    assert_eq!((&purged["receipt"]["photos"], &purged["receipt"]["faces"]), (&1.into(), &0.into()));
}

#[test]
fn a_format_1_keyring_with_a_wrong_key_is_reported_and_left_unchanged() {
    let sandbox = sandbox!();
    format_1(&sandbox);
    let keyring = sandbox.data().join("keyring");
    let before = std::fs::read(keyring.join("keys.toml")).unwrap();
    std::fs::write(keyring.join("kek.1"), [7; 32]).unwrap();
    let message = Outcome::of(sandbox.command().args(["collections", "list"])).failed(1);
    assert!(message.contains("keyring") && message.contains("does not open"), "{message}");
    assert_eq!(std::fs::read(keyring.join("keys.toml")).unwrap(), before);
}

const COLLECTIONS: [&str; 2] = ["Anna & Ben", "Second party"];

/// Returns a sandbox with a copy of the data folder that the version before the redesign wrote. Its keyring
/// stores events that end in November 2029; each end is moved to 1,000 days from now.
fn before_redesign() -> Sandbox {
    let sandbox = sandbox!();
    fixture::copy_data(&sandbox);
    for event in events() {
        sandbox.done(["collections", "keep", event.as_str(), "--days", "1000"]);
    }
    sandbox
}

/// Returns the names of the collections that belong to events.
fn events() -> [String; 2] {
    let facts = fixture::document("service.json");
    ["sqlite", "postgres"].map(|name| facts[name]["event"].as_str().unwrap().to_owned())
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut all: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    all.sort();
    all
}

/// Returns the face of a probe with this embedding of the fixture. The face is in no collection.
fn probe(embedding: &Value) -> Face {
    let numbers = embedding.as_array().unwrap().iter();
    let embedding = numbers.map(|number| number.as_f64().unwrap() as f32).collect();
    let id = FaceId::of(PhotoId::of(b"probe"), "", [0, 0, 9, 9]);
    Face { id, bbox: [0; 4], landmarks: [[1.0, 2.0]; 5], score: 0.9, quality: 0.9, embedding }
}

/// Opens a collection. Fails the test on a warning, because no data is damaged and none must be rebuilt.
fn open(data: &DataDir, name: &str) -> Collection {
    let collection = Collection::open(data, name, &Pack::builtin(Pack::DEFAULT).unwrap()).unwrap();
    assert_eq!(collection.warnings(), [""; 0], "{name}");
    collection
}

/// Describes a collection in the form of the fixture's `expected.json`.
fn described(collection: &Collection, probes: &Value) -> Value {
    let mut guests: Vec<Value> =
        collection.guest_ids().iter().map(|id| guest(collection, id)).collect();
    guests.sort_by_key(|guest| guest["id"].to_string());
    let searches: Vec<Value> = probes
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(name, embedding)| {
            ["people", "direct", "expand"].map(|scoring| {
                let matches = searched(collection, embedding, scoring);
                json!({ "probe": name, "scoring": scoring, "matches": matches })
            })
        })
        .collect();
    collection.read_gallery(|gallery| {
    let mut photos: Vec<Value> = gallery
        .photos()
        .into_iter()
        .map(|(id, known)| {
            let face = |id: &FaceId| {
                let face = gallery.face(id).unwrap();
                json!({ "id": id.to_string(), "box": face.bbox, "quality": face.quality })
            };
            let mut faces: Vec<Value> = known.faces.iter().map(face).collect();
            faces.sort_by_key(|face| face["id"].to_string());
            let (path, width, height) = (known.path.to_str().unwrap(), known.width, known.height);
            json!({
                "id": id.to_string(), "path": path, "width": width, "height": height, "faces": faces,
            })
        })
        .collect();
    photos.sort_by_key(|photo| photo["path"].to_string());
    let people = gallery.people();
    let person =
        |person: &&Person| json!({ "hidden": person.hidden, "faces": texts(&person.faces) });
    let mut people: Vec<Value> = people.iter().map(person).collect();
    people.sort_by_key(|person| person["faces"][0].to_string());
    json!({
        "photos": photos,
        "people": people,
        "threshold": gallery.threshold(),
        "threshold_offset": gallery.threshold_offset().value(),
        "searches": searches,
        "guests": guests,
    })
    })
}

fn guest(collection: &Collection, id: &GuestId) -> Value {
    let guest = collection.guest(id).unwrap();
    let photos = collection.photos_of_guest(id).unwrap();
    let faces = |matches: &[Match]| texts(matches.iter().map(|it| it.face));
    json!({
        "id": id.to_string(),
        "rejected": texts(&guest.rejected),
        "confirmed": texts(&guest.confirmed),
        "notified": texts(&guest.notified),
        "matches": faces(&photos.matches),
        "candidates": faces(&photos.candidates),
    })
}

fn searched(collection: &Collection, embedding: &Value, scoring: &str) -> Vec<Value> {
    let scoring = match scoring {
        "people" => Scoring::People,
        "direct" => Scoring::Direct,
        _ => Scoring::Expand,
    };
    let template = Template::of(&[("probe", &probe(embedding))], &collection.info().pack).unwrap();
    let found = collection.search(&template, scoring, None, None).unwrap().matches;
    let found = found.iter().map(|it| {
        let (photo, face) = (it.photo.to_string(), it.face.to_string());
        json!({ "photo": photo, "face": face, "similarity": it.similarity })
    });
    found.collect()
}

/// Checks that two documents are equal, except that numbers may differ by 0.0001: processors round
/// differently.
fn assert_alike(found: &Value, expected: &Value, at: &str) {
    match (found, expected) {
        (Value::Array(some), Value::Array(others)) => {
            assert_eq!(some.len(), others.len(), "{at}: {found} is not {expected}");
            let pairs = some.iter().zip(others).enumerate();
            pairs.for_each(|(nth, (a, b))| assert_alike(a, b, &format!("{at}/{nth}")));
        }
        (Value::Object(some), Value::Object(others)) => {
            assert!(some.keys().eq(others.keys()), "{at}: {found} is not {expected}");
            some.iter()
                .for_each(|(name, a)| assert_alike(a, &others[name], &format!("{at}/{name}")));
        }
        (Value::Number(a), Value::Number(b)) => {
            let apart = (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
            assert!(apart < 1e-4, "{at}: {found} is not {expected}");
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

/// Checks that all receipts of the data folder are valid and form a chain. Returns their number.
fn verify_receipts(sandbox: &Sandbox) -> usize {
    let files = std::fs::read_dir(sandbox.data().join("receipts")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let verify = ["receipt".into(), "verify".into()].into_iter().chain(files.clone());
    assert_eq!(sandbox.done(verify)["valid"], true);
    files.len()
}

#[test]
fn a_folder_from_before_the_redesign_shows_the_same() {
    let sandbox = before_redesign();
    let expected = fixture::document("expected.json");
    let mut names: Vec<String> = COLLECTIONS.map(str::to_owned).to_vec();
    names.extend(events());
    let listed = sandbox.done(["collections", "list"]);
    let listed = listed["collections"].as_array().unwrap().iter();
    let listed: Vec<&str> = listed.map(|info| info["name"].as_str().unwrap()).collect();
    assert_eq!(texts(listed), texts(&names));
    let check = || {
        let data = DataDir::open(&sandbox.data(), None).unwrap();
        assert_eq!(data.warnings(), [""; 0]);
        for name in COLLECTIONS {
            let found = described(&open(&data, name), &expected["probes"]);
            assert_alike(&found, &expected["collections"][name], name);
        }
        for (kind, name) in ["sqlite", "postgres"].into_iter().zip(events()) {
            let found = described(&open(&data, &name), &json!({}));
            assert_alike(&found, &expected["events"][kind], kind);
        }
    };
    check();
    assert_eq!(verify_receipts(&sandbox), 11);
    assert_eq!(sandbox.done(["scan"])["residue"], 0);
    sandbox.done(["keys", "rotate"]);
    check();
}

#[test]
fn corrections_erasures_and_guests_from_before_the_redesign_hold_for_new_photos() {
    let sandbox = before_redesign();
    let expected = fixture::document("expected.json");
    let data = DataDir::open(&sandbox.data(), None).unwrap();
    let collection = open(&data, COLLECTIONS[0]);
    let pack = collection.info().pack.clone();
    // Puts the face of the probe "A" into a new photo, and into a photo whose face with this box was erased.
    let put = |content: &[u8], path: &str| {
        let id = PhotoId::of(content);
        let bbox = [20, 30, 50, 60];
        let id_of_face = FaceId::of(id, &pack, bbox);
        let face = Face { id: id_of_face, bbox, ..probe(&expected["probes"]["A"]) };
        let photo = Photo { id, path: path.into(), width: 600, height: 400, faces: vec![face] };
        collection.put(vec![photo]).unwrap();
        id_of_face
    };
    let erased = put(b"no photo 3", "party/03.jpg");
    let new = put(b"a new photo", "party/99.jpg");
    assert!(
        collection.read_gallery(|gallery| gallery.face(&erased).is_none()),
        "an erased face stays erased"
    );
    let new_matches = collection.take_new_matches();
    assert_eq!(new_matches.len(), 1, "the guest with this face is notified of the new photo only");
    assert_eq!(new_matches[0].photo, PhotoId::of(b"a new photo"));
    let best = searched(&collection, &expected["probes"]["A"], "direct").remove(0);
    assert_eq!(best["face"], new.to_string());
    // One person has one more face. The hidden person has one face fewer, because photo 3 was put again
    // without that face.
    collection.refresh().unwrap();
    let sizes = |people: &Value| {
        let people = people.as_array().unwrap().iter();
        let listed = people.filter(|person| person["hidden"] == false);
        let mut sizes: Vec<usize> =
            listed.map(|person| person["faces"].as_array().unwrap().len()).collect();
        sizes.sort_unstable();
        sizes
    };
    let before = sizes(&expected["collections"][COLLECTIONS[0]]["people"]);
    let people = described(&collection, &json!({}))["people"].clone();
    assert_eq!(
        (before, sizes(&people)),
        (vec![1, 1, 1, 1, 2, 2, 2, 3, 3], vec![1, 1, 1, 1, 2, 2, 2, 3, 4])
    );
    assert_eq!(
        people.as_array().unwrap().iter().filter(|person| person["hidden"] == true).count(),
        1
    );
}

#[test]
fn photos_and_collections_from_before_the_redesign_are_erased_with_receipts() {
    let sandbox = before_redesign();
    let expected = fixture::document("expected.json");
    let gone = &expected["collections"][COLLECTIONS[0]]["photos"][0];
    let id = gone["id"].as_str().unwrap();
    let deleted = sandbox.done(["photos", "delete", COLLECTIONS[0], id, "--yes"]);
    assert_eq!(
        (&deleted["receipt"]["photos"], &deleted["receipt"]["faces"]),
        (&1.into(), &2.into())
    );
    let purged = sandbox.done(["collections", "delete", COLLECTIONS[1], "--yes"]);
    assert_eq!((&purged["receipt"]["photos"], &purged["receipt"]["faces"]), (&3.into(), &6.into()));
    assert!(
        purged["receipt"]["backups_expire_unix_s"].is_u64(),
        "the old backup is known: {purged}"
    );
    assert_eq!(
        verify_receipts(&sandbox),
        13,
        "the new receipts continue the chain of the old ones"
    );
    assert_eq!(sandbox.done(["scan"])["residue"], 0);
    let data = DataDir::open(&sandbox.data(), None).unwrap();
    let found = described(&open(&data, COLLECTIONS[0]), &expected["probes"]);
    assert_eq!(found["photos"].as_array().unwrap().len(), 10);
    assert!(!found.to_string().contains(gone["faces"][0]["id"].as_str().unwrap()), "{found}");
}

#[test]
fn a_backup_from_before_the_redesign_is_restored() {
    let sandbox = sandbox!();
    let (keyring, backup) = (sandbox.path("keyring"), fixture::path("backup"));
    copy(&fixture::path("data/keyring"), &keyring);
    let run = |arguments: &[&str]| {
        let mut command = sandbox.command();
        command.arg("--keyring").arg(&keyring).arg("--json").args(arguments);
        Outcome::of(&mut command)
    };
    // Restoring needs a data folder, which the first new collection creates.
    assert_eq!(run(&["collections", "create", "New"]).status, 0);
    let backup = backup.to_str().unwrap();
    let listed = run(&["restore", backup, "--list"]).document();
    let listed = listed["backups"].as_array().unwrap();
    let nameless = listed.iter().filter(|one| one["name"].is_null()).count();
    assert_eq!((listed.len(), nameless), (6, 1), "the purged collection has no name: {listed:?}");
    run(&["restore", backup, "Old party"]).failed(1);
    let restored = run(&["restore", backup, COLLECTIONS[0], COLLECTIONS[1]]);
    assert_eq!(restored.status, 0, "{restored:?}");
    let data = DataDir::open(&sandbox.data(), Some(&keyring)).unwrap();
    let expected = fixture::document("expected.json");
    // The first opening applies the erasures that were made after the backup.
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let first = Collection::open(&data, COLLECTIONS[0], &pack).unwrap();
    assert_eq!(first.warnings(), ["interrupted erasures were completed"]);
    drop(first);
    for name in COLLECTIONS {
        // Guests are in no backup.
        let mut expected = expected["collections"][name].clone();
        expected["guests"] = json!([]);
        let probes = &fixture::document("expected.json")["probes"];
        assert_alike(&described(&open(&data, name), probes), &expected, name);
    }
}
