use std::path::Path;

use picpick_tests::{Outcome, Sandbox, sandbox};

/// Copies a data folder written by an older release into the sandbox. The fixtures contain no faces.
fn fixture(sandbox: &Sandbox, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(sandbox.data()).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_format_1_folder_is_migrated_and_can_be_purged() {
    let sandbox = sandbox!();
    fixture(&sandbox, "data-format-1");
    let listed = sandbox.done(["collections", "list"]);
    let old = &listed["collections"][0];
    assert_eq!(
        (&old["name"], &old["ends_unix_s"]),
        (&"Old event".into(), &serde_json::Value::Null)
    );
    let keyring = sandbox.data().join("keyring");
    assert!(!keyring.join("kek.1").exists() && keyring.join("kek.2").exists());
    assert!(std::fs::read_to_string(keyring.join("keys.toml")).unwrap().contains("format = 2"));
    let scan = sandbox.done(["scan"]);
    assert_eq!((&scan["residue"], &scan["collections"][0]["canaries"]), (&0.into(), &0.into()));
    let kept = sandbox.done(["collections", "keep", "Old event", "--days", "30"]);
    assert!(kept["ends_unix_s"].is_u64(), "{kept}");
    let purged = sandbox.done(["collections", "delete", "Old event", "--yes"]);
    assert_eq!((&purged["receipt"]["photos"], &purged["receipt"]["faces"]), (&1.into(), &0.into()));
}

#[test]
fn a_format_1_keyring_with_a_wrong_key_is_reported_and_left_unchanged() {
    let sandbox = sandbox!();
    fixture(&sandbox, "data-format-1");
    let keyring = sandbox.data().join("keyring");
    let before = std::fs::read(keyring.join("keys.toml")).unwrap();
    std::fs::write(keyring.join("kek.1"), [7; 32]).unwrap();
    let message = Outcome::of(sandbox.command().args(["collections", "list"])).failed(1);
    assert!(message.contains("keyring") && message.contains("does not open"), "{message}");
    assert_eq!(std::fs::read(keyring.join("keys.toml")).unwrap(), before);
}
