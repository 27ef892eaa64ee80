use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use picpick_tests::{Outcome, Sandbox, file_names, sample, sandbox};
use serde_json::Value;

const PHOTOS: [&str; 4] = ["obama2.jpg", "obama3.jpg", "biden.jpg", "sample4.jpg"];

/// Returns a new sandbox whose collection has two portraits of one man, one of another, and a party photo.
fn event() -> Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    let sandbox = SANDBOX.get_or_init(|| {
        let sandbox = sandbox!();
        let indexed = sandbox.event(&PHOTOS.map(sample));
        assert_eq!(indexed["photos"], 4, "{indexed}");
        sandbox
    });
    sandbox.twin()
}

fn found(sandbox: &Sandbox) -> Vec<String> {
    let (status, answer) = sandbox.json(["search", "Event", sample("obama.jpg").to_str().unwrap()]);
    assert!(status == 0 || status == 3, "{answer}");
    let mut names = file_names(&answer["matches"], "photo");
    names.sort();
    names
}

fn key(sandbox: &Sandbox) -> String {
    sandbox.done(["receipt", "key"])["public_key"].as_str().unwrap().to_owned()
}

/// Verifies the receipt in `file` without a data folder, with the public key alone. Returns its content.
fn verified(sandbox: &Sandbox, file: &Path) -> Value {
    let nowhere = sandbox.path("no such folder");
    let mut command = sandbox.command_for(&nowhere);
    command.args(["--json", "receipt", "verify", "--key", &key(sandbox)]).arg(file);
    let outcome = Outcome::of(&mut command);
    assert_eq!(outcome.status, 0, "{outcome:?}");
    assert!(!nowhere.exists(), "verifying creates no data folder");
    outcome.document()["receipts"][0].clone()
}

fn purge(sandbox: &Sandbox, receipt: &Path) -> Value {
    let file = receipt.to_str().unwrap();
    sandbox.done(["collections", "delete", "Event", "--yes", "--receipt", file])
}

#[test]
fn a_purged_collection_leaves_a_receipt_and_nothing_else() {
    let sandbox = event();
    let faces = sandbox.done(["collections", "show", "Event"])["faces"].clone();
    let before = sandbox.done(["scan"]);
    let control = &before["collections"][0];
    assert!(control["canaries"].as_u64().unwrap() > 0, "{before}");
    assert_eq!(
        control["found"], control["canaries"],
        "the scan finds all canaries before the purge: {before}"
    );
    assert_eq!(before["residue"], 0);
    let file = sandbox.path("receipt.json");
    let done = purge(&sandbox, &file);
    let receipt = verified(&sandbox, &file);
    assert_eq!((&receipt, &receipt["photos"]), (&done["receipt"], &4.into()));
    assert_eq!((&receipt["faces"], &receipt["residue"]), (&faces, &0.into()));
    assert!(receipt["scanned"]["files"].as_u64().unwrap() > 0, "{receipt}");
    assert_eq!(std::fs::read_dir(sandbox.data().join("collections")).unwrap().count(), 0);
    let after = sandbox.done(["scan"]);
    assert_eq!((&after["residue"], &after["collections"][0]["purged"]), (&0.into(), &true.into()));
    let missing = sandbox.run(["search", "Event", sample("obama.jpg").to_str().unwrap()]).failed(1);
    assert!(missing.contains("Event"), "{missing}");
    // The name can be used again, and the new collection has none of the old photos.
    assert_eq!(sandbox.event(&[sample("biden.jpg")])["photos"], 1);
    assert!(found(&sandbox).is_empty());
    assert_eq!(sandbox.done(["receipt", "list"])["receipts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_changed_receipt_or_another_key_is_refused() {
    let sandbox = event();
    let file = sandbox.path("receipt.json");
    purge(&sandbox, &file);
    let text = std::fs::read_to_string(&file).unwrap();
    let verify = |file: &Path, key: &str| {
        sandbox.run(["receipt", "verify", file.to_str().unwrap(), "--key", key])
    };
    for (from, to) in
        [("\"photos\":4", "\"photos\":5"), ("{\"receipt\"", "{ \"receipt\""), ("}\n", "}")]
    {
        let changed = sandbox.path("changed.json");
        std::fs::write(&changed, text.replacen(from, to, 1)).unwrap();
        let message = verify(&changed, &key(&sandbox)).failed(1);
        assert!(message.contains("changed.json") && message.contains("not valid"), "{message}");
    }
    let other = event();
    other.done(["collections", "list"]);
    std::fs::remove_dir_all(other.data()).unwrap();
    other.done(["collections", "create", "Else"]);
    assert!(verify(&file, &key(&other)).failed(1).contains("public key"));
    assert!(verify(&file, "12").failed(2).contains("64 hexadecimal digits"));
    assert!(verify(&sandbox.path("none.json"), &key(&sandbox)).failed(1).contains("none.json"));
    let again = sandbox.run(["collections", "create", "Event"]);
    assert_eq!(again.status, 0, "{again:?}");
    let existing = ["collections", "delete", "Event", "--yes", "--receipt", file.to_str().unwrap()];
    assert!(sandbox.run(existing).failed(2).contains("already"), "no receipt is overwritten");
    assert_eq!(
        sandbox.done(["collections", "show", "Event"])["photos"],
        0,
        "the refused command purges nothing"
    );
}

#[test]
fn an_erased_person_is_listed_first_and_does_not_come_back() {
    let sandbox = event();
    let erase =
        ["erase", "Event", "--selfie", sample("obama.jpg").to_str().unwrap()].map(str::to_owned);
    let shown = sandbox.done(&erase);
    assert_eq!((&shown["erased"], shown["faces"].as_array().unwrap().len()), (&false.into(), 2));
    assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"], "listing erases nothing");
    let file = sandbox.path("person.json");
    let more = ["--yes".to_owned(), "--receipt".to_owned(), file.to_str().unwrap().to_owned()];
    let erased = sandbox.done(erase.iter().chain(&more));
    assert_eq!(erased["erased"], true);
    let receipt = verified(&sandbox, &file);
    assert_eq!((&receipt["subject"], &receipt["faces"]), (&"person".into(), &2.into()));
    assert!(receipt["key_destroyed_unix_s"].is_null() && receipt["photos"] == 2, "{receipt}");
    assert!(found(&sandbox).is_empty());
    let shown = sandbox.done(["collections", "show", "Event"]);
    assert_eq!(shown["photos"], 4, "the photos stay");
    let again = sandbox.index(&PHOTOS.map(sample));
    assert_eq!((&again["photos"], &again["faces"]), (&0.into(), &0.into()), "{again}");
    assert!(found(&sandbox).is_empty());
    let no_match = sandbox.run(&erase);
    assert_eq!(no_match.status, 3, "{no_match:?}");
    let ids = sandbox.done(["photos", "list", "Event"]);
    let photos = ids["photos"].as_array().unwrap();
    let theirs = photos.iter().find(|photo| photo["photo"].as_str().unwrap().contains("obama2"));
    // Even if the photo itself is deleted and indexed again, the face stays erased.
    let id = theirs.unwrap()["photo_id"].as_str().unwrap().to_owned();
    sandbox.done(["photos", "delete", "Event", &id, "--yes"]);
    let again = sandbox.index(&[sample("obama2.jpg")]);
    assert_eq!((&again["photos"], found(&sandbox).len()), (&1.into(), 0), "{again}");
}

#[test]
fn deleted_photos_and_faces_have_chained_receipts() {
    let sandbox = event();
    let photo = sample("obama2.jpg");
    let deleted = sandbox.done(["photos", "delete", "Event", photo.to_str().unwrap(), "--yes"]);
    assert_eq!(deleted["receipt"]["subject"], "photos");
    assert_eq!(found(&sandbox), ["obama3.jpg"]);
    let faces = sandbox.done(["faces", "list", "Event", sample("obama3.jpg").to_str().unwrap()]);
    let face = faces["faces"][0]["face_id"].as_str().unwrap();
    let deleted = sandbox.done(["faces", "delete", "Event", face, "--yes"]);
    assert_eq!(
        (&deleted["receipt"]["subject"], &deleted["receipt"]["number"]),
        (&"faces".into(), &2.into())
    );
    assert!(found(&sandbox).is_empty());
    let folder = sandbox.data().join("receipts");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut verify = sandbox.command();
    verify.args(["receipt", "verify"]).args(&files);
    let outcome = Outcome::of(&mut verify);
    assert!(
        outcome.status == 0 && outcome.stdout.contains("follows from the one before"),
        "{outcome:?}"
    );
    assert_eq!(sandbox.done(["scan"])["residue"], 0);
    // A deleted photo may be added again: deleting a photo is not an objection of a person in it.
    assert_eq!(sandbox.index(&[photo])["photos"], 1);
    assert_eq!(found(&sandbox), ["obama2.jpg"]);
}

#[test]
fn expired_collections_are_listed_refused_and_purged() {
    let sandbox = event();
    sandbox.done(["collections", "create", "Later", "--until", "2999-12-31"]);
    sandbox.done(["collections", "keep", "Event", "--until", "2001-01-01", "--basis", "contract"]);
    let refused = sandbox.run(["search", "Event", sample("obama.jpg").to_str().unwrap()]).failed(1);
    assert!(refused.contains("retention run") && refused.contains("Event"), "{refused}");
    let listed = sandbox.done(["retention", "list"]);
    assert_eq!(listed["collections"][0]["name"], "Event");
    assert_eq!(listed["collections"][0]["legal_basis"], "contract");
    let dry = sandbox.done(["retention", "run", "--dry-run"]);
    assert_eq!(
        (&dry["due"][0]["name"], dry["due"].as_array().unwrap().len()),
        (&"Event".into(), 1)
    );
    assert_eq!(sandbox.done(["collections", "list"])["collections"].as_array().unwrap().len(), 2);
    let run = sandbox.done(["retention", "run"]);
    assert_eq!(run["receipts"][0]["photos"], 4, "{run}");
    let left = sandbox.done(["collections", "list"]);
    assert_eq!(left["collections"][0]["name"], "Later");
    assert_eq!(sandbox.done(["retention", "run"])["due"].as_array().unwrap().len(), 0);
    assert!(sandbox.run(["collections", "keep", "Later"]).failed(2).contains("--until"));
    for bad in ["2027-02-30", "tomorrow", "1.1.2027"] {
        assert_eq!(sandbox.run(["collections", "keep", "Later", "--until", bad]).status, 2);
    }
}

#[test]
fn after_a_rotation_the_old_key_encryption_key_opens_nothing() {
    let sandbox = event();
    let keyring = sandbox.data().join("keyring");
    let old = sandbox.path("old keyring");
    std::fs::create_dir(&old).unwrap();
    for entry in std::fs::read_dir(&keyring).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), old.join(entry.file_name())).unwrap();
    }
    let before = sandbox.done(["keys", "list"]);
    let generation = sandbox.done(["keys", "rotate"])["generation"].as_u64().unwrap();
    assert_eq!(Some(generation), before["generation"].as_u64().map(|number| number + 1));
    let after = sandbox.done(["keys", "list"]);
    assert_eq!(after["keys"], before["keys"], "the data keys are the same");
    assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"]);
    // This keyring has the current keys file and the old key-encryption key.
    std::fs::copy(keyring.join("keys.toml"), old.join("keys.toml")).unwrap();
    let list = ["collections", "list", "--keyring", old.to_str().unwrap()];
    assert!(sandbox.run(list).failed(1).contains("old keyring"));
}

#[test]
fn a_stray_copy_of_a_store_is_found_by_the_scan() {
    let sandbox = event();
    let store =
        std::fs::read_dir(sandbox.data().join("collections")).unwrap().next().unwrap().unwrap();
    let stray = sandbox.path("stray");
    std::fs::create_dir(&stray).unwrap();
    for entry in std::fs::read_dir(store.path()).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), stray.join(entry.file_name())).unwrap();
    }
    assert_eq!(sandbox.done(["scan"])["residue"], 0);
    let (status, seen) = sandbox.json(["scan", stray.to_str().unwrap()]);
    assert_eq!(status, 1, "{seen}");
    assert!(!seen["collections"][0]["elsewhere"].as_array().unwrap().is_empty(), "{seen}");
    assert!(sandbox.run(["scan", "/no/such/folder"]).failed(1).contains("/no/such/folder"));
}

#[test]
fn a_damaged_keyring_entry_is_reported_and_the_others_work() {
    let sandbox = event();
    let id = sandbox.done(["collections", "create", "Second"])["id"].as_str().unwrap().to_owned();
    let path = sandbox.data().join("keyring/keys.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // Replaces a digit inside the second entry's wrapped key.
    let at = text.rfind("\nkey = \"").unwrap() + 60;
    let digit = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
    std::fs::write(&path, [&text[..at], digit, &text[at + 1..]].concat()).unwrap();
    assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"]);
    let shown = sandbox.run(["collections", "show", "Second"]);
    assert!(shown.stderr.contains(&id) && shown.stderr.contains("damaged"), "{shown:?}");
    let purged = sandbox.done(["collections", "delete", &id, "--yes"]);
    assert_eq!((&purged["id"], &purged["receipt"]["photos"]), (&id.into(), &Value::Null));
    assert_eq!(found(&sandbox), ["obama2.jpg", "obama3.jpg"]);
}
