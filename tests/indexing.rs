//! Photos in, and out again: what counts as new, which files are taken, and deletion that is exact.
//!
//! Real photos in folders as people have them: copies, hidden files, names in old encodings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use picpick_tests::pictures::Drawing;
use picpick_tests::{Room, file_names, room, sample};
use serde_json::{Value, json};

fn photos(room: &Room) -> Vec<String> {
    file_names(&room.done(["photos", "list", "Event"])["photos"], "photo")
}

fn faces(room: &Room) -> Vec<Value> {
    room.done(["faces", "list", "Event"])["faces"].as_array().unwrap().clone()
}

/// The photos that a search for `selfie` brings.
fn found(room: &Room, selfie: &str) -> Vec<String> {
    let (status, document) = room.json(["search", "Event", sample(selfie).to_str().unwrap()]);
    let found = file_names(&document["matches"], "photo");
    assert_eq!(status, if found.is_empty() { 3 } else { 0 });
    found
}

#[test]
fn a_second_run_adds_nothing() {
    let room = room!();
    let folder = room.folder("photos", &["sample4.jpg", "obama2.jpg", "biden.jpg"].map(sample));
    let first = room.event(std::slice::from_ref(&folder));
    assert_eq!((&first["photos"], &first["already_indexed"]), (&3.into(), &0.into()), "{first}");
    let faces_before = faces(&room);
    assert_eq!(first["faces"], faces_before.len());
    let second = room.index(&[folder]);
    assert_eq!((&second["photos"], &second["faces"]), (&0.into(), &0.into()), "{second}");
    assert_eq!(second["already_indexed"], 3);
    assert_eq!(faces(&room), faces_before);
}

#[test]
fn one_photo_under_two_names_is_one_photo() {
    let room = room!();
    let folder = room.folder("photos", &[sample("obama2.jpg")]);
    std::fs::copy(sample("obama2.jpg"), folder.join("copy of obama2.jpg")).unwrap();
    let indexed = room.event(std::slice::from_ref(&folder));
    assert_eq!(
        (&indexed["photos"], &indexed["already_indexed"]),
        (&1.into(), &1.into()),
        "{indexed}"
    );
    let later = folder.join("later.jpg");
    std::fs::copy(sample("obama2.jpg"), &later).unwrap();
    let indexed = room.index(&[later]);
    assert_eq!(
        (&indexed["photos"], &indexed["already_indexed"]),
        (&0.into(), &1.into()),
        "{indexed}"
    );
    assert_eq!((photos(&room).len(), faces(&room).len()), (1, 1));
}

#[test]
fn folders_are_taken_with_all_below_and_without_what_is_hidden() {
    let room = room!();
    let folder = room.folder("photos", &[sample("obama2.jpg")]);
    room.folder("photos/deep/er", &[sample("obama3.jpg")]);
    room.folder("photos/.thumbnails", &[sample("biden.jpg")]);
    std::fs::copy(sample("biden.jpg"), folder.join(".hidden.jpg")).unwrap();
    let indexed = room.event(&[folder]);
    assert_eq!((&indexed["photos"], &indexed["skipped"]), (&2.into(), &json!([])), "{indexed}");
    assert_eq!(
        photos(&room).into_iter().collect::<BTreeSet<_>>(),
        ["obama2.jpg", "obama3.jpg"].map(String::from).into()
    );
}

#[test]
fn a_folder_without_photos_is_nothing_found() {
    let room = room!();
    room.done(["collections", "create", "Event"]);
    let empty = room.folder("empty", &[]);
    let (status, document) = room.json(["index".as_ref(), "Event".as_ref(), empty.as_os_str()]);
    assert_eq!((status, &document["photos"], &document["skipped"]), (3, &0.into(), &json!([])));
    std::fs::write(empty.join("notes.txt"), "no photo").unwrap();
    let (status, document) = room.json(["index".as_ref(), "Event".as_ref(), empty.as_os_str()]);
    assert_eq!(
        (status, file_names(&document["skipped"], "path")),
        (1, vec!["notes.txt".to_owned()])
    );
    let (status, document) = room.json(["index", "Event", "not/there"]);
    assert_eq!((status, &document["skipped"][0]["path"]), (1, &"not/there".into()), "{document}");
}

#[test]
fn a_name_that_is_not_utf8_is_kept_byte_for_byte() {
    let room = room!();
    let name = PathBuf::from(OsStr::from_bytes(b"caf\xe9 \xff.jpg"));
    let folder = room.folder("photos", &[sample("obama3.jpg")]);
    std::fs::copy(sample("obama2.jpg"), folder.join(&name)).unwrap();
    let indexed = room.event(std::slice::from_ref(&folder));
    assert_eq!((&indexed["photos"], &indexed["skipped"]), (&2.into(), &json!([])), "{indexed}");
    let found = found(&room, "obama.jpg");
    assert!(found.contains(&name.to_string_lossy().into_owned()), "{found:?}");
    let path = folder.join(&name);
    let arguments = [
        "photos".as_ref(),
        "delete".as_ref(),
        "Event".as_ref(),
        path.as_os_str(),
        "--yes".as_ref(),
    ];
    assert_eq!(room.done(arguments)["faces"], 1);
    assert_eq!(photos(&room), ["obama3.jpg"]);
}

#[test]
fn the_document_of_index_is_as_promised() {
    let room = room!();
    let folder = room.folder("photos", &[sample("obama2.jpg")]);
    std::fs::write(folder.join("broken.jpg"), "no").unwrap();
    let indexed = room.event(&[folder]);
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
fn a_photo_that_comes_later_is_found() {
    let room = room!();
    room.event(&["sample4.jpg", "biden.jpg"].map(sample));
    assert_eq!(found(&room, "obama.jpg"), Vec::<String>::new());
    assert_eq!(room.index(&[sample("obama2.jpg")])["photos"], 1);
    assert_eq!(found(&room, "obama.jpg"), ["obama2.jpg"]);
}

#[test]
fn a_deleted_photo_is_gone_and_can_come_back() {
    let room = room!();
    room.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let photo = sample("obama2.jpg");
    let refused = room
        .run(["photos".as_ref(), "delete".as_ref(), "Event".as_ref(), photo.as_os_str()])
        .failed(2);
    assert!(refused.contains("--yes") && refused.contains("1 photo with 1 face"), "{refused}");
    assert_eq!(photos(&room).len(), 3);
    let arguments = [
        "photos".as_ref(),
        "delete".as_ref(),
        "Event".as_ref(),
        photo.as_os_str(),
        "--yes".as_ref(),
    ];
    let deleted = room.done(arguments);
    assert_eq!((deleted["deleted"].as_array().unwrap().len(), &deleted["faces"]), (1, &1.into()));
    assert_eq!(photos(&room), ["biden.jpg", "obama3.jpg"]);
    assert_eq!(faces(&room).len(), 2);
    assert_eq!(found(&room, "obama.jpg"), ["obama3.jpg"]);
    for option in [["--min-similarity", "-1"], ["--expand", "--min-similarity=-1"]] {
        let selfie = sample("obama.jpg").to_str().unwrap().to_owned();
        let document = room.done(["search", "Event", &selfie].iter().chain(&option));
        assert!(
            !file_names(&document["matches"], "photo").contains(&"obama2.jpg".to_owned()),
            "{document}"
        );
    }
    let gone = room.run(arguments).failed(1);
    assert!(gone.contains("obama2.jpg"), "{gone}");
    assert_eq!(room.index(&[photo])["photos"], 1);
    assert_eq!(found(&room, "obama.jpg").len(), 2);
}

#[test]
fn a_deleted_face_is_gone_and_its_photo_stays() {
    let room = room!();
    room.event(&["obama2.jpg", "obama3.jpg", "sample1.jpg"].map(sample));
    let before = faces(&room);
    let face =
        before.iter().find(|face| face["photo"].as_str().unwrap().ends_with("obama2.jpg")).unwrap();
    let id = face["face_id"].as_str().unwrap();
    assert!(room.run(["faces", "delete", "Event", id]).failed(2).contains("--yes"));
    assert_eq!(room.done(["faces", "delete", "Event", id, "--yes"])["deleted"], json!([id]));
    let after: BTreeSet<String> =
        faces(&room).iter().map(|face| face["face_id"].to_string()).collect();
    assert_eq!(after.len(), before.len() - 1);
    assert!(!after.contains(&face["face_id"].to_string()));
    assert_eq!(photos(&room), ["obama2.jpg", "obama3.jpg", "sample1.jpg"]);
    assert_eq!(found(&room, "obama.jpg"), ["obama3.jpg"]);
    // The photo is known as it is: another run must not bring the face back.
    assert_eq!(room.index(&[sample("obama2.jpg")])["already_indexed"], 1);
    assert_eq!(found(&room, "obama.jpg"), ["obama3.jpg"]);
    let message = room.run(["faces", "delete", "Event", id, "--yes"]).failed(1);
    assert!(message.contains(id), "{message}");
    assert_eq!(room.run(["faces", "delete", "Event", "nonsense", "--yes"]).status, 2);
}

#[test]
fn people_are_listed_with_their_photos_and_shrink_with_them() {
    let room = room!();
    room.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let people = room.done(["people", "Event"]);
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
    room.done(["photos", "delete", "Event", sample("biden.jpg").to_str().unwrap(), "--yes"]);
    let people = room.done(["people", "Event"]);
    assert_eq!(people["people"].as_array().unwrap().len(), 1, "{people}");
    let shown = room.done(["collections", "show", "Event"]);
    assert_eq!(
        (&shown["photos"], &shown["faces"], &shown["people"]),
        (&2.into(), &2.into(), &1.into()),
        "{shown}"
    );
}

#[test]
fn photos_without_faces_are_kept_and_counted() {
    let room = room!();
    std::fs::write(room.path("wall.png"), Drawing::blank(800, 600).png()).unwrap();
    let indexed = room.event(&[room.path("wall.png"), sample("obama2.jpg")]);
    assert_eq!((&indexed["photos"], &indexed["faces"]), (&2.into(), &1.into()), "{indexed}");
    assert_eq!(room.done(["collections", "show", "Event"])["photos_without_faces"], 1);
    assert_eq!(room.index(&[room.path("wall.png")])["already_indexed"], 1);
}

#[test]
fn people_are_what_the_owner_says_they_are() {
    let room = room!();
    room.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    let sizes = |more: &[&str]| {
        let people = room.done([&["people", "Event"], more].concat())["people"].clone();
        people
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["faces"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let people = room.done(["people", "Event"])["people"].clone();
    let best = |nth: usize| people[nth]["best"]["face_id"].as_str().unwrap().to_owned();
    let (one, other) = (best(0), best(1));
    let merged = room.done(["people", "Event", "--merge", &one, &other]);
    assert_eq!((merged["faces"].as_array().unwrap().len(), sizes(&[])), (3, vec![3]));
    assert_eq!(merged["faces"][0]["face_id"], *other, "the worst fit comes first");
    let split = room.done(["people", "Event", "--split", &other]);
    assert_eq!((split["faces"].as_array().unwrap().len(), sizes(&[])), (1, vec![2, 1]));
    room.done(["people", "Event", "--hide", &one]);
    assert_eq!((sizes(&[]), sizes(&["--all"])), (vec![1], vec![2, 1]));
    let text = room.run(["people", "Event"]);
    assert!(text.stdout.contains("1 person hidden"), "{}", text.stdout);
    assert_eq!(room.done(["people", "Event", "--show", &one])["hidden"], true);
    room.done(["people", "Event", "--unhide", &one]);
    assert_eq!(sizes(&[]), [2, 1]);
    let all = [&["people", "Event", "--split", &other][..]].concat();
    assert!(room.run(all).failed(1).contains("must stay"));
    let help = room.run(["people", "--help"]).stdout;
    assert_eq!(help.lines().find(|line| line.chars().count() > 80), None, "80 columns");
}
