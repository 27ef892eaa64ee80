use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use picpick_tests::pictures::Drawing;
use picpick_tests::{PARTY, Sandbox, file_names, numbers, sample, sandbox};
use serde_json::Value;

/// Four portraits of the man for whom the tests search, and one of another man (`biden.jpg`).
const PORTRAITS: [&str; 5] =
    ["obama2.jpg", "obama3.jpg", "biden.jpg", "obama_partial_face.jpg", "obama_partial_face2.jpg"];

/// Returns a new sandbox with the six party photos (22 faces) and the portraits, indexed once for all tests.
fn party_and_portraits() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| {
        let sandbox = sandbox!();
        let photos: Vec<PathBuf> =
            PARTY.iter().chain(&PORTRAITS).map(|name| sample(name)).collect();
        let indexed = sandbox.event(&photos);
        assert_eq!(indexed["photos"], 11, "{indexed}");
        sandbox
    });
    sandbox.twin()
}

fn search(sandbox: &Sandbox, rest: &[&str]) -> (i32, Value) {
    sandbox.json(["search", "Event", sample("obama.jpg").to_str().unwrap()].iter().chain(rest))
}

fn found(document: &Value) -> BTreeSet<String> {
    file_names(&document["matches"], "photo").into_iter().collect()
}

#[test]
fn the_party_photos_show_22_faces() {
    let sandbox = sandbox!();
    let indexed = sandbox.event(&PARTY.map(sample));
    assert_eq!((&indexed["photos"], &indexed["faces"]), (&6.into(), &22.into()), "{indexed}");
    let faces = sandbox.done(["faces", "list", "Event"]);
    let photos = sandbox.done(["photos", "list", "Event"]);
    assert_eq!(faces["faces"].as_array().unwrap().len(), 22);
    for face in faces["faces"].as_array().unwrap() {
        let photos = photos["photos"].as_array().unwrap();
        let photo = photos.iter().find(|photo| photo["photo_id"] == face["photo_id"]).unwrap();
        let (width, height) = (photo["width"].as_f64().unwrap(), photo["height"].as_f64().unwrap());
        let [x, y, w, h] = numbers(&face["box"])[..] else { panic!("{face}") };
        assert!(w > 10.0 && h > 10.0 && w < width && h < height, "{face}");
        let middle = (x + w / 2.0, y + h / 2.0);
        assert!((0.0..width).contains(&middle.0) && (0.0..height).contains(&middle.1), "{face}");
    }
}

#[test]
fn a_selfie_finds_only_its_person() {
    let (status, document) = search(&party_and_portraits(), &[]);
    assert_eq!(status, 0);
    let found = found(&document);
    assert!(found.contains("obama2.jpg") && found.contains("obama3.jpg"), "{found:?}");
    assert!(found.iter().all(|name| name.starts_with("obama")), "{found:?}");
}

#[test]
fn the_json_has_the_documented_fields() {
    let (_, document) = search(&party_and_portraits(), &[]);
    let keys =
        |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&document), "collection matches query threshold");
    assert_eq!(document["collection"], "Event");
    assert!(document["threshold"].as_f64().unwrap() > 0.0);
    let query = &document["query"];
    assert_eq!(keys(query), "elapsed_ms faces provider quality selfies");
    assert_eq!((&query["selfies"], &query["faces"]), (&1.into(), &1.into()));
    assert!((0.0..=1.0).contains(&query["quality"].as_f64().unwrap()));
    assert!(!query["provider"].as_str().unwrap().is_empty());
    assert_eq!(keys(&query["elapsed_ms"]), "decode detect embed search");
    for stage in ["decode", "detect", "embed"] {
        assert!(query["elapsed_ms"][stage].as_f64().unwrap() > 0.0, "{stage}");
    }
    // The time of a search among fewer than 30 faces may round to 0 ms.
    assert!(query["elapsed_ms"]["search"].as_f64().unwrap() >= 0.0);
    let matches = document["matches"].as_array().unwrap();
    for entry in matches {
        assert_eq!(keys(entry), "box face_id kind photo photo_id quality similarity");
        assert!(["direct", "person"].contains(&entry["kind"].as_str().unwrap()), "{entry}");
        for id in ["photo_id", "face_id"] {
            let id = entry[id].as_str().unwrap();
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        }
        assert!(entry["box"].as_array().unwrap().iter().all(Value::is_i64), "{entry}");
        assert_eq!(numbers(&entry["box"]).len(), 4);
        assert!((0.0..=1.0).contains(&entry["quality"].as_f64().unwrap()), "{entry}");
        // `photo` is the path as it was given to `index`.
        let name = entry["photo"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(entry["photo"].as_str().unwrap(), sample(name).to_str().unwrap());
    }
    let similarities: Vec<f64> =
        matches.iter().map(|entry| entry["similarity"].as_f64().unwrap()).collect();
    assert!(similarities.is_sorted_by(|a, b| a >= b), "best first: {similarities:?}");
    assert!(similarities.iter().all(|value| *value >= document["threshold"].as_f64().unwrap()));
}

#[test]
fn a_stranger_finds_nothing_with_status_3() {
    let sandbox = sandbox!();
    sandbox.event(
        &[PARTY.map(sample).to_vec(), vec![sample("obama2.jpg"), sample("obama3.jpg")]].concat(),
    );
    let arguments = ["search", "Event", sample("biden.jpg").to_str().unwrap()].map(str::to_owned);
    let (status, document) = sandbox.json(&arguments);
    assert_eq!((status, &document["matches"]), (3, &Value::Array(Vec::new())));
    let outcome = sandbox.run(&arguments);
    assert_eq!(outcome.status, 3);
    assert!(
        outcome.stdout.starts_with("No photo") && outcome.stdout.contains("'Event'"),
        "{outcome:?}"
    );
}

#[test]
fn options_narrow_and_widen_the_search() {
    let sandbox = party_and_portraits();
    let (_, plain) = search(&sandbox, &[]);
    let (status, top) = search(&sandbox, &["--top", "1"]);
    assert_eq!(status, 0);
    assert_eq!(found(&top).len(), 1);
    assert_eq!(top["matches"][0], plain["matches"][0], "the best match of the full list");
    let (_, direct) = search(&sandbox, &["--direct"]);
    let kinds: BTreeSet<&str> = direct["matches"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, BTreeSet::from(["direct"]));
    assert!(found(&direct).contains("obama2.jpg"));
    let (_, expanded) = search(&sandbox, &["--expand"]);
    assert!(found(&expanded).is_superset(&found(&plain)), "{expanded}");
    assert!(!found(&expanded).contains("biden.jpg"));
    let (status, none) = search(&sandbox, &["--min-similarity", "1"]);
    assert_eq!((status, found(&none).len()), (3, 0));
    let (status, all) = search(&sandbox, &["--min-similarity", "-1"]);
    assert_eq!((status, &all["threshold"]), (0, &(-1.0).into()));
    // Low-quality faces need a higher similarity than the threshold, so one or two photos may be missing.
    assert!(found(&all).len() >= 9 && found(&all).contains("biden.jpg"), "{all}");
}

#[test]
fn several_selfies_form_one_query() {
    let sandbox = party_and_portraits();
    let [a, b] = ["obama.jpg", "obama2.jpg"].map(sample);
    let document =
        sandbox.done(["search".as_ref(), "Event".as_ref(), a.as_os_str(), b.as_os_str()]);
    assert_eq!(
        (&document["query"]["selfies"], &document["query"]["faces"]),
        (&2.into(), &2.into())
    );
    assert!(found(&document).contains("obama3.jpg"), "{document}");
    assert!(!found(&document).contains("biden.jpg"), "{document}");
}

#[test]
fn selfies_of_two_people_are_refused_by_name() {
    let sandbox = party_and_portraits();
    let [a, b] = ["obama.jpg", "biden.jpg"].map(sample);
    let message =
        sandbox.run(["search".as_ref(), "Event".as_ref(), a.as_os_str(), b.as_os_str()]).failed(1);
    for part in ["one person", "obama.jpg", "biden.jpg"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_selfie_without_a_face_is_refused() {
    let sandbox = party_and_portraits();
    std::fs::write(sandbox.path("wall.jpg"), Drawing::blank(640, 480).jpeg()).unwrap();
    let message = sandbox.run(["search", "Event", "wall.jpg", "--json"]).failed(1);
    assert!(message.contains("no face") && message.contains("wall.jpg"), "{message}");
}

#[test]
fn of_several_faces_one_must_be_chosen() {
    let sandbox = party_and_portraits();
    let photo = sample("sample1.jpg").to_str().unwrap().to_owned();
    let message = sandbox.run(["search", "Event", &photo, "--json"]).failed(1);
    assert!(message.contains("--face") && message.contains("sample1.jpg"), "{message}");
    let mut found = BTreeSet::new();
    for face in ["1", "2"] {
        let document = sandbox.done(["search", "Event", &photo, "--face", face]);
        let best = &document["matches"][0];
        assert_eq!(best["photo"], photo.as_str());
        assert!(best["similarity"].as_f64().unwrap() > 0.9, "{best}");
        found.insert((numbers(&best["box"])[0] as i64, best["face_id"].to_string()));
    }
    assert_eq!(found.len(), 2, "each face of the query finds another face: {found:?}");
    let message = sandbox.run(["search", "Event", &photo, "--face", "99"]).failed(1);
    assert!(message.contains("99") && message.contains("sample1.jpg"), "{message}");
}

#[test]
fn errors_have_a_status_and_one_json_document() {
    let sandbox = party_and_portraits();
    let selfie = sample("obama.jpg").to_str().unwrap().to_owned();
    let wrong: [(&[&str], i32, &str); 9] = [
        (&["search", "Event"], 2, "SELFIE"),
        (&["serch", "Event"], 2, "serch"),
        (&["search", "Event", &selfie, "--top", "0"], 2, "--top"),
        (&["search", "Event", &selfie, "--min-similarity", "1.5"], 2, "1.5"),
        (&["search", "Event", &selfie, "--direct", "--expand"], 2, "--expand"),
        (&["search", "Event", &selfie, "--face", "0"], 2, "--face"),
        (&["search", "Evnt", &selfie], 1, "Evnt"),
        (&["search", "Event", "missing.jpg"], 1, "missing.jpg"),
        (&["search", "Event", &selfie, "--pack", "nope"], 1, "nope"),
    ];
    for (arguments, status, part) in wrong {
        for json in [false, true] {
            let outcome = sandbox.run(arguments.iter().chain(json.then_some(&"--json")));
            let message = outcome.failed(status);
            assert!(outcome.stderr.contains(part), "{arguments:?}: {outcome:?}");
            assert_eq!(json, !outcome.stdout.is_empty(), "{outcome:?}");
            // clap prints the missing argument on a separate line, which goes to standard error only.
            assert!(!message.is_empty() && (status == 2 || message.contains(part)), "{message}");
        }
    }
}
