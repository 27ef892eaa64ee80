use std::path::{Path, PathBuf};

use picpick_tests::harness::copy;
use picpick_tests::{Outcome, Sandbox, sample, sandbox};
use serde_json::Value;

const PASSPHRASE: &str = "walrus lantern quartz meadow";

/// Returns a sandbox with two photos of one man in the collection "Event".
fn event() -> Sandbox {
    let sandbox = sandbox!();
    assert_eq!(sandbox.event(&["obama2.jpg", "obama3.jpg"].map(sample))["photos"], 2);
    sandbox
}

/// Runs `picpick` on the data folder `data` with a passphrase in the environment.
fn run_with(sandbox: &Sandbox, data: &Path, passphrase: &str, arguments: &[&str]) -> Outcome {
    let mut command = sandbox.command_for(data);
    command.env("PICPICK_KEYS_PASSPHRASE", passphrase).arg("--json").args(arguments);
    Outcome::of(&mut command)
}

fn done(outcome: &Outcome) -> Value {
    assert_eq!(outcome.status, 0, "{outcome:?}");
    outcome.document()
}

/// Exports the keyring. Returns the file and the document of the command.
fn export(sandbox: &Sandbox, name: &str, days: &str) -> (PathBuf, Value) {
    let file = sandbox.path(name);
    let arguments = ["keys", "backup", file.to_str().unwrap(), "--expires", days];
    let made = done(&run_with(sandbox, &sandbox.data(), PASSPHRASE, &arguments));
    (file, made)
}

fn restore(sandbox: &Sandbox, data: &Path, file: &Path) -> Outcome {
    run_with(sandbox, data, PASSPHRASE, &["keys", "restore", file.to_str().unwrap()])
}

fn found(sandbox: &Sandbox, data: &Path) -> usize {
    let mut command = sandbox.command_for(data);
    command.args(["--json", "search", "Event"]).arg(sample("obama.jpg"));
    done(&Outcome::of(&mut command))["matches"].as_array().unwrap().len()
}

#[test]
fn an_export_restores_a_lost_keyring_and_nothing_else_opens_it() {
    let sandbox = event();
    let (file, made) = export(&sandbox, "keys.export", "10");
    assert_eq!((&made["collections"], &made["export"]["number"]), (&1.into(), &1.into()));
    let bytes = std::fs::read(&file).unwrap();
    let keyring = sandbox.data().join("keyring");
    let keys = std::fs::read(keyring.join("kek.1")).unwrap();
    for key in [&keys[..], hex(&keys).as_bytes()] {
        assert!(!bytes.windows(key.len()).any(|window| window == key), "no key is readable");
    }
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let listed = sandbox.done(["keys", "list"]);
    assert_eq!(listed["exports"][0]["collections"][0], listed["keys"][0]["id"]);
    // No export overwrites a file, and no restore replaces a keyring.
    let again = ["keys", "backup", file.to_str().unwrap()];
    let refused = run_with(&sandbox, &sandbox.data(), PASSPHRASE, &again).failed(2);
    assert!(refused.contains("exists already"), "{refused}");
    let refused = restore(&sandbox, &sandbox.data(), &file).failed(1);
    assert!(refused.contains("exists already"), "{refused}");
    std::fs::rename(&keyring, sandbox.path("lost")).unwrap();
    let path = file.to_str().unwrap();
    let wrong = run_with(&sandbox, &sandbox.data(), "another one", &["keys", "restore", path]);
    assert!(wrong.failed(1).contains("passphrase"));
    assert!(!keyring.join("keys.toml").exists(), "a refused restore leaves no keyring");
    let text = String::from_utf8(bytes).unwrap();
    let last = made["export"]["expires_unix_s"].as_u64().unwrap();
    let later =
        text.replace(&format!("\"expires_unix_s\":{last}"), "\"expires_unix_s\":4102444800");
    assert_ne!(later, text);
    let changed = sandbox.path("changed.export");
    std::fs::write(&changed, later).unwrap();
    assert!(restore(&sandbox, &sandbox.data(), &changed).failed(1).contains("changed"));
    let restored = done(&restore(&sandbox, &sandbox.data(), &file));
    assert_eq!(restored["collections"], 1);
    assert_eq!(found(&sandbox, &sandbox.data()), 2);
    assert_eq!(sandbox.done(["receipt", "verify"])["valid"], true);
    assert_eq!(keyring.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    // The restored keyring presumes exports that it cannot know.
    let exports = sandbox.done(["keys", "list"])["exports"].clone();
    assert_eq!((&exports[0]["presumed"], &exports[1]["presumed"]), (&false.into(), &true.into()));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The finding S5: an export made before a purge opens a backup afterwards, and the receipt says so.
#[test]
fn a_receipt_names_the_exports_that_open_the_purged_data() {
    let sandbox = event();
    let place = sandbox.path("place");
    sandbox.done(["backup", place.to_str().unwrap()]);
    let (file, first) = export(&sandbox, "first.export", "10");
    let (_, second) = export(&sandbox, "second.export", "20");
    sandbox.done(["keys", "rotate"]);
    sandbox.done(["collections", "create", "Later"]);
    let copy = sandbox.path("receipt.json");
    let delete = ["collections", "delete", "Event", "--yes", "--receipt", copy.to_str().unwrap()];
    let receipt = sandbox.done(delete)["receipt"].clone();
    assert_eq!(
        receipt["key_exports"],
        Value::from(vec![first["export"].clone(), second["export"].clone()])
    );
    let names = receipt["not_covered"].to_string();
    assert!(names.contains("foreign_copies") && names.contains("library_buffers"), "{names}");
    let shown = sandbox.run(["receipt", "verify", copy.to_str().unwrap()]);
    assert!(shown.stdout.contains("2 keyring exports may be restored"), "{shown:?}");
    assert!(!shown.stdout.contains("nothing left"), "{shown:?}");
    // A collection that is newer than the exports is in none of them.
    let later = sandbox.done(["collections", "delete", "Later", "--yes"])["receipt"].clone();
    assert_eq!(later["key_exports"], Value::Array(Vec::new()));
    // Elsewhere, the export and the backup open what was purged: the receipt promises nothing else.
    let elsewhere = sandbox.path("elsewhere");
    assert_eq!(done(&restore(&sandbox, &elsewhere, &file))["collections"], 1);
    let mut command = sandbox.command_for(&elsewhere);
    done(&Outcome::of(command.args(["--json", "restore"]).arg(&place).arg("Event")));
    assert_eq!(found(&sandbox, &elsewhere), 2);
    // In the data folder, whose erasure log names the purge, the key is destroyed again.
    std::fs::rename(sandbox.data().join("keyring"), sandbox.path("lost")).unwrap();
    let restored = restore(&sandbox, &sandbox.data(), &file);
    assert!(restored.stderr.contains("purged again"), "{restored:?}");
    assert_eq!(done(&restored)["collections"], 0);
    assert_eq!(sandbox.done(["collections", "list"])["collections"], Value::Array(Vec::new()));
}

/// A sibling of S5: erasures inside a collection leave its key, so their receipts name the exports too.
#[test]
fn receipts_of_photos_and_persons_name_the_exports_too() {
    let sandbox = event();
    let (_, made) = export(&sandbox, "keys.export", "10");
    let photo = sample("obama2.jpg");
    let deleted = sandbox.done(["photos", "delete", "Event", photo.to_str().unwrap(), "--yes"]);
    assert_eq!(deleted["receipt"]["key_exports"][0], made["export"]);
    let selfie = sample("obama.jpg");
    let erased = sandbox.done(["erase", "Event", "--selfie", selfie.to_str().unwrap(), "--yes"]);
    assert_eq!(erased["receipt"]["key_exports"][0], made["export"]);
    assert_eq!(sandbox.done(["receipt", "verify"])["valid"], true);
}

/// The reproduction of S5: a copied folder of keys opens a backup after a purge, and no output denies it.
#[test]
fn no_output_denies_that_a_copied_keyring_opens_what_was_purged() {
    let sandbox = event();
    let place = sandbox.path("place");
    sandbox.done(["backup", place.to_str().unwrap()]);
    let elsewhere = sandbox.path("elsewhere");
    copy(&sandbox.data().join("keyring"), &elsewhere.join("keyring"));
    let rotated = sandbox.run(["keys", "rotate"]);
    assert!(rotated.stdout.contains("still open"), "{rotated:?}");
    let kept = sandbox.path("receipt.json");
    let receipt = ["--receipt", kept.to_str().unwrap()];
    let deleted = sandbox.run(["collections", "delete", "Event", "--yes"].iter().chain(&receipt));
    for shown in [deleted, sandbox.run(["receipt", "verify", kept.to_str().unwrap()])] {
        assert_eq!(shown.status, 0, "{shown:?}");
        let (promises, limits) = ("nothing left", "copies by other programs, also of the keyring");
        assert!(!shown.stdout.contains(promises) && shown.stdout.contains(limits), "{shown:?}");
    }
    let mut command = sandbox.command_for(&elsewhere);
    done(&Outcome::of(command.args(["--json", "restore"]).arg(&place).arg("Event")));
    assert_eq!(found(&sandbox, &elsewhere), 2);
}

#[test]
fn weak_missing_and_misplaced_passphrases_are_refused() {
    let sandbox = event();
    let file = sandbox.path("keys.export");
    let backup = ["keys", "backup", file.to_str().unwrap()];
    for weak in ["short", "passwordpassword"] {
        let refused = run_with(&sandbox, &sandbox.data(), weak, &backup).failed(2);
        assert!(refused.contains("weak"), "{refused}");
    }
    for days in ["0", "367"] {
        let arguments = [&backup[..], &["--expires", days]].concat();
        run_with(&sandbox, &sandbox.data(), PASSPHRASE, &arguments).failed(2);
    }
    assert!(!file.exists());
    assert_eq!(sandbox.done(["keys", "list"])["exports"], Value::Array(Vec::new()));
    // A file with the passphrase, as a nightly job has it.
    let secret = sandbox.path("passphrase");
    std::fs::write(&secret, format!("{PASSPHRASE}\n")).unwrap();
    let mut command = sandbox.command();
    command.env("PICPICK_KEYS_PASSPHRASE_FILE", &secret).arg("--json").args(backup);
    done(&Outcome::of(&mut command));
    std::fs::rename(sandbox.data().join("keyring"), sandbox.path("lost")).unwrap();
    done(&restore(&sandbox, &sandbox.data(), &file));
    let stray = sandbox.path("stray");
    std::fs::write(&stray, "no export").unwrap();
    assert!(restore(&sandbox, &sandbox.path("new"), &stray).failed(1).contains("no export"));
}

#[test]
fn a_keyring_inside_the_data_folder_is_reported() {
    let sandbox = sandbox!();
    sandbox.done(["collections", "create", "Event"]);
    let advice = |arguments: &[&str]| {
        let mut command = sandbox.command();
        command.args(arguments).args(["--json", "doctor"]);
        Outcome::of(&mut command).document()["advice"].to_string()
    };
    assert!(advice(&[]).contains("the keyring lies inside the data folder"));
    let outside = sandbox.path("keys");
    std::fs::rename(sandbox.data().join("keyring"), &outside).unwrap();
    let told = advice(&["--keyring", outside.to_str().unwrap()]);
    assert!(!told.contains("lies inside"), "{told}");
}
