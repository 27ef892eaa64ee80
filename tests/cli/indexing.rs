use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use picpick_tests::pictures::Drawing;
use picpick_tests::{Sandbox, file_names, sample, sandbox};
use serde_json::{Value, json};

fn photos(sandbox: &Sandbox) -> Vec<String> {
    file_names(&sandbox.done(["photos", "list", "Event"])["photos"], "photo")
}

fn faces(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.done(["faces", "list", "Event"])["faces"].as_array().unwrap().clone()
}

/// Returns the file names of the photos that a search for `selfie` finds.
fn found(sandbox: &Sandbox, selfie: &str) -> Vec<String> {
    let (status, document) = sandbox.json(["search", "Event", sample(selfie).to_str().unwrap()]);
    let found = file_names(&document["matches"], "photo");
    assert_eq!(status, if found.is_empty() { 3 } else { 0 });
    found
}

#[test]
fn a_second_run_adds_nothing() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &["sample4.jpg", "obama2.jpg", "biden.jpg"].map(sample));
    let first = sandbox.event(std::slice::from_ref(&folder));
    assert_eq!((&first["photos"], &first["already_indexed"]), (&3.into(), &0.into()), "{first}");
    let faces_before = faces(&sandbox);
    assert_eq!(first["faces"], faces_before.len());
    let second = sandbox.index(&[folder]);
    assert_eq!((&second["photos"], &second["faces"]), (&0.into(), &0.into()), "{second}");
    assert_eq!(second["already_indexed"], 3);
    assert_eq!(faces(&sandbox), faces_before);
}

#[test]
fn one_photo_under_two_names_is_one_photo() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &[sample("obama2.jpg")]);
    std::fs::copy(sample("obama2.jpg"), folder.join("copy of obama2.jpg")).unwrap();
    let indexed = sandbox.event(std::slice::from_ref(&folder));
    assert_eq!(
        (&indexed["photos"], &indexed["already_indexed"]),
        (&1.into(), &1.into()),
        "{indexed}"
    );
    let later = folder.join("later.jpg");
    std::fs::copy(sample("obama2.jpg"), &later).unwrap();
    let indexed = sandbox.index(&[later]);
    assert_eq!(
        (&indexed["photos"], &indexed["already_indexed"]),
        (&0.into(), &1.into()),
        "{indexed}"
    );
    assert_eq!((photos(&sandbox).len(), faces(&sandbox).len()), (1, 1));
}

#[test]
fn folders_are_indexed_recursively_without_hidden_files() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &[sample("obama2.jpg")]);
    sandbox.folder("photos/deep/er", &[sample("obama3.jpg")]);
    sandbox.folder("photos/.thumbnails", &[sample("biden.jpg")]);
    std::fs::copy(sample("biden.jpg"), folder.join(".hidden.jpg")).unwrap();
    let indexed = sandbox.event(&[folder]);
    assert_eq!((&indexed["photos"], &indexed["skipped"]), (&2.into(), &json!([])), "{indexed}");
    assert_eq!(
        photos(&sandbox).into_iter().collect::<BTreeSet<_>>(),
        ["obama2.jpg", "obama3.jpg"].map(String::from).into()
    );
}

#[test]
fn a_folder_without_photos_ends_with_status_3() {
    let sandbox = sandbox!();
    sandbox.done(["collections", "create", "Event"]);
    let empty = sandbox.folder("empty", &[]);
    let (status, document) = sandbox.json(["index".as_ref(), "Event".as_ref(), empty.as_os_str()]);
    assert_eq!((status, &document["photos"], &document["skipped"]), (3, &0.into(), &json!([])));
    std::fs::write(empty.join("notes.txt"), "no photo").unwrap();
    let (status, document) = sandbox.json(["index".as_ref(), "Event".as_ref(), empty.as_os_str()]);
    assert_eq!(
        (status, file_names(&document["skipped"], "path")),
        (1, vec!["notes.txt".to_owned()])
    );
    let (status, document) = sandbox.json(["index", "Event", "not/there"]);
    assert_eq!((status, &document["skipped"][0]["path"]), (1, &"not/there".into()), "{document}");
}

#[test]
fn a_name_that_is_not_utf8_is_kept_byte_for_byte() {
    let sandbox = sandbox!();
    let name = PathBuf::from(OsStr::from_bytes(b"caf\xe9 \xff.jpg"));
    let folder = sandbox.folder("photos", &[sample("obama3.jpg")]);
    std::fs::copy(sample("obama2.jpg"), folder.join(&name)).unwrap();
    let indexed = sandbox.event(std::slice::from_ref(&folder));
    assert_eq!((&indexed["photos"], &indexed["skipped"]), (&2.into(), &json!([])), "{indexed}");
    let found = found(&sandbox, "obama.jpg");
    assert!(found.contains(&name.to_string_lossy().into_owned()), "{found:?}");
    let path = folder.join(&name);
    let arguments = [
        "photos".as_ref(),
        "delete".as_ref(),
        "Event".as_ref(),
        path.as_os_str(),
        "--yes".as_ref(),
    ];
    assert_eq!(sandbox.done(arguments)["faces"], 1);
    assert_eq!(photos(&sandbox), ["obama3.jpg"]);
}

#[test]
fn the_json_of_index_has_the_documented_fields() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &[sample("obama2.jpg")]);
    std::fs::write(folder.join("broken.jpg"), "no").unwrap();
    let indexed = sandbox.event(&[folder]);
    for (field, value) in [("photos", 1), ("faces", 1), ("already_indexed", 0)] {
        assert_eq!(indexed[field], value, "{field}");
    }
    assert!(
        indexed["elapsed_s"].as_f64().unwrap() > 0.0
            && indexed["photos_per_s"].as_f64().unwrap() > 0.0
    );
    let skipped = indexed["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 1);
    let keys: Vec<&String> = skipped[0].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["path", "reason"]);
    assert!(skipped[0]["path"].as_str().unwrap().ends_with("photos/broken.jpg"), "{indexed}");
    assert!(skipped[0]["reason"].as_str().unwrap().contains("not a JPEG"), "{indexed}");
}

#[test]
fn a_photo_added_later_is_found() {
    let sandbox = sandbox!();
    sandbox.event(&["sample4.jpg", "biden.jpg"].map(sample));
    assert_eq!(found(&sandbox, "obama.jpg"), Vec::<String>::new());
    assert_eq!(sandbox.index(&[sample("obama2.jpg")])["photos"], 1);
    assert_eq!(found(&sandbox, "obama.jpg"), ["obama2.jpg"]);
}

#[test]
fn a_deleted_photo_is_not_found_and_can_be_indexed_again() {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let photo = sample("obama2.jpg");
    let refused = sandbox
        .run(["photos".as_ref(), "delete".as_ref(), "Event".as_ref(), photo.as_os_str()])
        .failed(2);
    assert!(refused.contains("--yes") && refused.contains("1 photo with 1 face"), "{refused}");
    assert_eq!(photos(&sandbox).len(), 3);
    let arguments = [
        "photos".as_ref(),
        "delete".as_ref(),
        "Event".as_ref(),
        photo.as_os_str(),
        "--yes".as_ref(),
    ];
    let deleted = sandbox.done(arguments);
    assert_eq!((deleted["deleted"].as_array().unwrap().len(), &deleted["faces"]), (1, &1.into()));
    assert_eq!(photos(&sandbox), ["biden.jpg", "obama3.jpg"]);
    assert_eq!(faces(&sandbox).len(), 2);
    assert_eq!(found(&sandbox, "obama.jpg"), ["obama3.jpg"]);
    for option in [["--min-similarity", "-1"], ["--expand", "--min-similarity=-1"]] {
        let selfie = sample("obama.jpg").to_str().unwrap().to_owned();
        let document = sandbox.done(["search", "Event", &selfie].iter().chain(&option));
        assert!(
            !file_names(&document["matches"], "photo").contains(&"obama2.jpg".to_owned()),
            "{document}"
        );
    }
    let gone = sandbox.run(arguments).failed(1);
    assert!(gone.contains("obama2.jpg"), "{gone}");
    assert_eq!(sandbox.index(&[photo])["photos"], 1);
    assert_eq!(found(&sandbox, "obama.jpg").len(), 2);
}

#[test]
fn a_deleted_face_is_gone_and_its_photo_stays() {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "obama3.jpg", "sample1.jpg"].map(sample));
    let before = faces(&sandbox);
    let face =
        before.iter().find(|face| face["photo"].as_str().unwrap().ends_with("obama2.jpg")).unwrap();
    let id = face["face_id"].as_str().unwrap();
    assert!(sandbox.run(["faces", "delete", "Event", id]).failed(2).contains("--yes"));
    assert_eq!(sandbox.done(["faces", "delete", "Event", id, "--yes"])["deleted"], json!([id]));
    let after: BTreeSet<String> =
        faces(&sandbox).iter().map(|face| face["face_id"].to_string()).collect();
    assert_eq!(after.len(), before.len() - 1);
    assert!(!after.contains(&face["face_id"].to_string()));
    assert_eq!(photos(&sandbox), ["obama2.jpg", "obama3.jpg", "sample1.jpg"]);
    assert_eq!(found(&sandbox, "obama.jpg"), ["obama3.jpg"]);
    // The photo is already indexed, so another run must not add the deleted face again.
    assert_eq!(sandbox.index(&[sample("obama2.jpg")])["already_indexed"], 1);
    assert_eq!(found(&sandbox, "obama.jpg"), ["obama3.jpg"]);
    let message = sandbox.run(["faces", "delete", "Event", id, "--yes"]).failed(1);
    assert!(message.contains(id), "{message}");
    assert_eq!(sandbox.run(["faces", "delete", "Event", "nonsense", "--yes"]).status, 2);
}

#[test]
fn people_are_listed_with_their_photos_and_shrink_with_them() {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let people = sandbox.done(["people", "Event"]);
    assert_eq!(people["people"].as_array().unwrap().len(), 2, "{people}");
    let first = &people["people"][0];
    assert_eq!((&first["person"], &first["faces"]), (&1.into(), &2.into()), "{people}");
    let names: Vec<&str> =
        first["photos"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect();
    assert!(
        names.len() == 2 && names[0].ends_with("obama2.jpg") && names[1].ends_with("obama3.jpg"),
        "{people}"
    );
    assert!(
        first["best"]["quality"].as_f64().unwrap() > 0.0 && first["best"]["box"].is_array(),
        "{people}"
    );
    sandbox.done(["photos", "delete", "Event", sample("biden.jpg").to_str().unwrap(), "--yes"]);
    let people = sandbox.done(["people", "Event"]);
    assert_eq!(people["people"].as_array().unwrap().len(), 1, "{people}");
    let shown = sandbox.done(["collections", "show", "Event"]);
    assert_eq!(
        (&shown["photos"], &shown["faces"], &shown["people"]),
        (&2.into(), &2.into(), &1.into()),
        "{shown}"
    );
}

#[test]
fn photos_without_faces_are_kept_and_counted() {
    let sandbox = sandbox!();
    std::fs::write(sandbox.path("wall.png"), Drawing::blank(800, 600).png()).unwrap();
    let indexed = sandbox.event(&[sandbox.path("wall.png"), sample("obama2.jpg")]);
    assert_eq!((&indexed["photos"], &indexed["faces"]), (&2.into(), &1.into()), "{indexed}");
    assert_eq!(sandbox.done(["collections", "show", "Event"])["photos_without_faces"], 1);
    assert_eq!(sandbox.index(&[sandbox.path("wall.png")])["already_indexed"], 1);
}

#[test]
fn the_owners_corrections_of_people_are_applied() {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let sizes = |more: &[&str]| {
        let people = sandbox.done([&["people", "Event"], more].concat())["people"].clone();
        people
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["faces"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let people = sandbox.done(["people", "Event"])["people"].clone();
    let best = |nth: usize| people[nth]["best"]["face_id"].as_str().unwrap().to_owned();
    let (one, other) = (best(0), best(1));
    let merged = sandbox.done(["people", "Event", "--merge", &one, &other]);
    assert_eq!((merged["faces"].as_array().unwrap().len(), sizes(&[])), (3, vec![3]));
    assert_eq!(merged["faces"][0]["face_id"], *other, "the least similar face comes first");
    let split = sandbox.done(["people", "Event", "--split", &other]);
    assert_eq!((split["faces"].as_array().unwrap().len(), sizes(&[])), (1, vec![2, 1]));
    sandbox.done(["people", "Event", "--hide", &one]);
    assert_eq!((sizes(&[]), sizes(&["--all"])), (vec![1], vec![2, 1]));
    let text = sandbox.run(["people", "Event"]);
    assert!(text.stdout.contains("1 person hidden"), "{}", text.stdout);
    assert_eq!(sandbox.done(["people", "Event", "--show", &one])["hidden"], true);
    sandbox.done(["people", "Event", "--unhide", &one]);
    assert_eq!(sizes(&[]), [2, 1]);
    let all = [&["people", "Event", "--split", &other][..]].concat();
    assert!(sandbox.run(all).failed(1).contains("must stay"));
    let help = sandbox.run(["people", "--help"]).stdout;
    assert_eq!(help.lines().find(|line| line.chars().count() > 80), None, "80 columns");
}
