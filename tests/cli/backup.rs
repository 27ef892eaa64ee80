use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use picpick_tests::{Sandbox, cache, crowd, file_names, sample, sandbox};
use serde_json::Value;

fn event() -> Sandbox {
    let sandbox = sandbox!();
    sandbox.event(&["obama2.jpg", "obama3.jpg", "biden.jpg"].map(sample));
    sandbox
}

fn backup(sandbox: &Sandbox) -> Value {
    sandbox.done(["backup", sandbox.path("backup").to_str().unwrap()])["backups"][0].clone()
}

fn restore(sandbox: &Sandbox, more: &[&str]) -> Vec<String> {
    let place = sandbox.path("backup").to_str().unwrap().to_owned();
    [&["restore", place.as_str(), "Event"], more].concat().into_iter().map(str::to_owned).collect()
}

fn found(sandbox: &Sandbox) -> Vec<String> {
    let (_, answer) = sandbox.json(["search", "Event", sample("obama.jpg").to_str().unwrap()]);
    let mut names = file_names(&answer["matches"], "photo");
    names.sort();
    names
}

/// Deletes the collections' files, as after a disk failure, and keeps the keyring.
fn lose_files(sandbox: &Sandbox) {
    std::fs::remove_dir_all(sandbox.data().join("collections")).unwrap();
    std::fs::create_dir(sandbox.data().join("collections")).unwrap();
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
fn a_lost_collection_is_restored_and_backups_are_incremental() {
    let sandbox = event();
    let first = backup(&sandbox);
    assert_eq!(first["removed"], 0);
    let again = backup(&sandbox);
    let (all, nothing) = (first["bytes_written"].as_u64(), again["bytes_written"].as_u64());
    assert!(nothing < all, "a backup without new photos writes only a manifest: {first} {again}");
    assert_eq!(first["rows"], again["rows"]);
    sandbox.index(&[sample("sample4.jpg")]);
    assert!(backup(&sandbox)["rows"].as_u64() > first["rows"].as_u64());
    let listed = sandbox.done(["restore", sandbox.path("backup").to_str().unwrap(), "--list"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 3, "{listed}");
    assert!(sandbox.run(restore(&sandbox, &[])).failed(1).contains("--replace"));
    lose_files(&sandbox);
    assert!(sandbox.run(["collections", "show", "Event"]).failed(1).contains("files are not in"));
    let restored = sandbox.done(restore(&sandbox, &[]));
    assert_eq!(restored["restored"][0]["photos"], 4, "{restored}");
    assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"]);
    assert_eq!(sandbox.index(&[sample("biden.jpg")])["already_indexed"], 1);
    let before = listed["backups"][0]["created_unix_s"].to_string();
    let restored = sandbox.done(restore(&sandbox, &["--replace", "--until", &before]));
    assert!(restored["restored"][0]["photos"].as_u64() >= Some(3), "{restored}");
    assert_eq!(sandbox.done(["scan"])["residue"], 0, "the restore leaves no residue");
}

#[test]
fn a_backup_contains_no_key_and_no_plaintext() {
    let sandbox = event();
    backup(&sandbox);
    let place = sandbox.path("backup");
    let kek = std::fs::read(sandbox.data().join("keyring/kek.1")).unwrap();
    for file in files(&place) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        assert!(!holds(&kek) && !holds(b"obama") && !holds(b"Event"), "{}", file.display());
    }
    let scan = sandbox.json(["scan", place.to_str().unwrap()]).1;
    assert!(scan["collections"][0]["unsealed"].as_array().unwrap().is_empty(), "{scan}");
}

#[test]
fn a_purged_collection_cannot_be_restored_and_its_receipt_names_the_backups() {
    let sandbox = event();
    let expires = backup(&sandbox)["expires_unix_s"].clone();
    let purged = sandbox.done(["collections", "delete", "Event", "--yes"]);
    assert_eq!(purged["receipt"]["backups_expire_unix_s"], expires);
    assert!(sandbox.run(restore(&sandbox, &[])).failed(1).contains("no collection 'Event'"));
    let listed = sandbox.done(["restore", sandbox.path("backup").to_str().unwrap(), "--list"]);
    assert!(listed["backups"][0]["name"].is_null(), "{listed}");
    // A new collection of this name has its own key, so the old backups are not restored into it.
    sandbox.done(["collections", "create", "Event"]);
    assert!(sandbox.run(restore(&sandbox, &["--replace"])).failed(1).contains("there is none"));
}

#[test]
fn erasures_after_the_backup_are_applied_to_the_restore() {
    let sandbox = event();
    backup(&sandbox);
    let selfie = sample("obama.jpg");
    sandbox.done(["erase", "Event", "--selfie", selfie.to_str().unwrap(), "--yes"]);
    sandbox.done(["photos", "delete", "Event", sample("biden.jpg").to_str().unwrap(), "--yes"]);
    let restored = sandbox.done(restore(&sandbox, &["--replace"]));
    assert_eq!(
        restored["restored"][0]["photos"], 3,
        "the receipt counts the photos of the backup: {restored}"
    );
    assert!(found(&sandbox).is_empty());
    let shown = sandbox.done(["collections", "show", "Event"]);
    assert_eq!((&shown["photos"], &shown["faces"]), (&2.into(), &0.into()), "{shown}");
    assert_eq!(sandbox.done(["receipt", "list"])["receipts"].as_array().unwrap().len(), 2);
}

#[test]
fn damage_in_a_backup_is_reported_and_changes_nothing() {
    let sandbox = event();
    backup(&sandbox);
    for file in files(&sandbox.path("backup")) {
        let whole = std::fs::read(&file).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(&file, changed).unwrap();
        let message = sandbox.run(restore(&sandbox, &["--replace"])).failed(1);
        assert!(message.contains("damaged") || message.contains("backup"), "{message}");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(sandbox.run(restore(&sandbox, &["--replace"])).status, 1);
        std::fs::write(&file, whole).unwrap();
        assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"]);
    }
    sandbox.done(restore(&sandbox, &["--replace"]));
    let nowhere = sandbox.path("nowhere").to_str().unwrap().to_owned();
    let none = sandbox.run(["restore", &nowhere, "Event", "--replace"]).failed(1);
    assert!(none.contains("there is none") && none.contains("nowhere"), "{none}");
    assert!(sandbox.run(["backup", "gs://bucket"]).failed(1).contains("s3://"));
    let keyless = sandbox.run(["backup", "s3://bucket/a"]).failed(2);
    assert!(keyless.contains("AWS_ACCESS_KEY_ID"), "{keyless}");
}

#[test]
fn a_backup_during_indexing_has_all_acknowledged_photos() {
    let sandbox = sandbox!();
    let photos = crowd(&sandbox, 120);
    sandbox.done(["collections", "create", "Event"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_picpick-index-reporter"));
    child.arg(sandbox.data()).arg("Event").arg(&photos).arg(cache().join("models"));
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
            backup(&sandbox);
            backups += 1;
        }
    }
    assert!(child.wait().unwrap().success() && backups > 0);
    let restored = sandbox.done(restore(&sandbox, &["--replace"]));
    assert!(restored["restored"][0]["photos"].as_u64().unwrap() >= last_acknowledged.len() as u64);
    let listed = sandbox.done(["photos", "list", "Event"]);
    let there: BTreeSet<String> = listed["photos"]
        .as_array()
        .unwrap()
        .iter()
        .map(|photo| photo["photo_id"].as_str().unwrap().to_owned())
        .collect();
    assert!(there.is_superset(&last_acknowledged), "an acknowledged photo is not in the backup");
}
