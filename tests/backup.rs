//! Backups to a folder and back: incremental, sealed, while photos are indexed; never of what was purged.
//!
//! Real photos for what is found afterwards, a crowd of small ones for what is still being added.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use picpick_tests::{Room, cache, crowd, file_names, room, sample};
use serde_json::Value;

fn event() -> Room {
    let room = room!();
    room.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    room
}

fn backup(room: &Room) -> Value {
    room.done(["backup", room.path("backup").to_str().unwrap()])["backups"][0].clone()
}

fn restore(room: &Room, more: &[&str]) -> Vec<String> {
    let place = room.path("backup").to_str().unwrap().to_owned();
    [&["restore", place.as_str(), "Event"], more].concat().into_iter().map(str::to_owned).collect()
}

fn found(room: &Room) -> Vec<String> {
    let (_, answer) = room.json(["search", "Event", sample("obama.jpg").to_str().unwrap()]);
    let mut names = file_names(&answer["matches"], "photo");
    names.sort();
    names
}

/// The collection's files are gone, as after a broken disk; the keyring is not.
fn lose_files(room: &Room) {
    std::fs::remove_dir_all(room.data().join("collections")).unwrap();
    std::fs::create_dir(room.data().join("collections")).unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => all.extend(files(&entry.path())),
            false => all.push(entry.path()),
        }
    }
    all
}

#[test]
fn a_lost_collection_comes_back_and_later_backups_cost_what_is_new() {
    let room = event();
    let first = backup(&room);
    assert_eq!(first["removed"], 0);
    let again = backup(&room);
    let (all, nothing) = (first["bytes_written"].as_u64(), again["bytes_written"].as_u64());
    assert!(nothing < all, "nothing new costs a manifest only: {first} {again}");
    assert_eq!(first["rows"], again["rows"]);
    room.index(&[sample("sample4.jpg")]);
    assert!(backup(&room)["rows"].as_u64() > first["rows"].as_u64());
    let listed = room.done(["restore", room.path("backup").to_str().unwrap(), "--list"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 3, "{listed}");
    assert!(room.run(restore(&room, &[])).failed(1).contains("--replace"));
    lose_files(&room);
    assert!(room.run(["collections", "show", "Event"]).failed(1).contains("files are not in"));
    let restored = room.done(restore(&room, &[]));
    assert_eq!(restored["restored"][0]["photos"], 4, "{restored}");
    assert_eq!(found(&room), ["obama2.jpg", "obama3.jpg"]);
    assert_eq!(room.index(&[sample("biden.jpg")])["already_indexed"], 1);
    let before = listed["backups"][0]["created_unix_s"].to_string();
    let restored = room.done(restore(&room, &["--replace", "--until", &before]));
    assert!(restored["restored"][0]["photos"].as_u64() >= Some(3), "{restored}");
    assert_eq!(room.done(["scan"])["residue"], 0, "nothing stays beside it");
}

#[test]
fn no_key_and_no_bare_byte_is_in_a_backup() {
    let room = event();
    backup(&room);
    let place = room.path("backup");
    let kek = std::fs::read(room.data().join("keyring/kek.1")).unwrap();
    for file in files(&place) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(&kek) && !holds(b"obama") && !holds(b"Event"), "{}", file.display());
    }
    let scan = room.json(["scan", place.to_str().unwrap()]).1;
    assert!(scan["collections"][0]["unsealed"].as_array().unwrap().is_empty(), "{scan}");
}

#[test]
fn a_purged_collection_cannot_be_restored_and_its_receipt_names_the_backups() {
    let room = event();
    let expires = backup(&room)["expires_unix_s"].clone();
    let purged = room.done(["collections", "delete", "Event", "--yes"]);
    assert_eq!(purged["receipt"]["backups_expire_unix_s"], expires);
    assert!(room.run(restore(&room, &[])).failed(1).contains("no collection 'Event'"));
    let listed = room.done(["restore", room.path("backup").to_str().unwrap(), "--list"]);
    assert!(listed["backups"][0]["name"].is_null(), "{listed}");
    // A new collection of the same name has another key and finds no backup of its own.
    room.done(["collections", "create", "Event"]);
    assert!(room.run(restore(&room, &["--replace"])).failed(1).contains("there is none"));
}

#[test]
fn what_was_erased_after_the_backup_does_not_come_back_with_it() {
    let room = event();
    backup(&room);
    let selfie = sample("obama.jpg");
    room.done(["erase", "Event", "--selfie", selfie.to_str().unwrap(), "--yes"]);
    room.done(["photos", "delete", "Event", sample("biden.jpg").to_str().unwrap(), "--yes"]);
    let restored = room.done(restore(&room, &["--replace"]));
    assert_eq!(restored["restored"][0]["photos"], 3, "as the backup has it: {restored}");
    assert!(found(&room).is_empty());
    let shown = room.done(["collections", "show", "Event"]);
    assert_eq!((&shown["photos"], &shown["faces"]), (&2.into(), &0.into()), "{shown}");
    assert_eq!(room.done(["receipt", "list"])["receipts"].as_array().unwrap().len(), 2);
}

#[test]
fn damage_in_a_backup_is_named_and_changes_nothing() {
    let room = event();
    backup(&room);
    for file in files(&room.path("backup")) {
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(&file, changed).unwrap();
        let message = room.run(restore(&room, &["--replace"])).failed(1);
        assert!(message.contains("damaged") || message.contains("backup"), "{message}");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(room.run(restore(&room, &["--replace"])).status, 1);
        std::fs::write(&file, whole).unwrap();
        assert_eq!(found(&room), ["obama2.jpg", "obama3.jpg"]);
    }
    room.done(restore(&room, &["--replace"]));
    let nowhere = room.path("nowhere").to_str().unwrap().to_owned();
    let none = room.run(["restore", &nowhere, "Event", "--replace"]).failed(1);
    assert!(none.contains("there is none") && none.contains("nowhere"), "{none}");
    assert!(room.run(["backup", "gs://bucket"]).failed(1).contains("s3://"));
    let keyless = room.run(["backup", "s3://bucket/a"]).failed(2);
    assert!(keyless.contains("AWS_ACCESS_KEY_ID"), "{keyless}");
}

#[test]
fn a_backup_taken_while_photos_are_indexed_has_what_was_acknowledged() {
    let room = room!();
    let photos = crowd(&room, 120);
    room.done(["collections", "create", "Event"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_picpick-index-and-tell"));
    child.arg(room.data()).arg("Event").arg(&photos).arg(cache().join("models"));
    let mut child = child.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = BTreeSet::new();
    let mut backups = 0;
    let mut last_acknowledged = BTreeSet::new();
    for line in lines {
        let line = line.unwrap();
        acknowledged.insert(line.split(' ').next().unwrap().to_owned());
        if acknowledged.len().is_multiple_of(40) && backups < 3 {
            last_acknowledged = acknowledged.clone();
            backup(&room);
            backups += 1;
        }
    }
    assert!(child.wait().unwrap().success() && backups > 0);
    let restored = room.done(restore(&room, &["--replace"]));
    assert!(restored["restored"][0]["photos"].as_u64().unwrap() >= last_acknowledged.len() as u64);
    let listed = room.done(["photos", "list", "Event"]);
    let there: BTreeSet<String> = listed["photos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|photo| photo["photo_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(there.is_superset(&last_acknowledged), "an acknowledged photo is not in the backup");
}
