//! Data folders of older programs: each opens, keeps what it holds, and is what a new one is.
//!
//! The fixtures were written by the programs of their time. They hold no faces.

use std::path::Path;

use picpick_tests::{Outcome, Sandbox, sandbox};

fn fixture(sandbox: &Sandbox, name: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let copied = std::process::Command::new("cp").arg("-r").arg(from).arg(sandbox.data()).status();
    assert!(copied.unwrap().success());
}

#[test]
fn format_1_had_no_canaries_receipts_or_end() {
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
fn a_format_1_keyring_with_a_wrong_key_is_told_and_left_alone() {
    let sandbox = sandbox!();
    fixture(&sandbox, "data-format-1");
    let keyring = sandbox.data().join("keyring");
    let before = std::fs::read(keyring.join("keys.toml")).unwrap();
    std::fs::write(keyring.join("kek.1"), [7; 32]).unwrap();
    let told = Outcome::of(sandbox.command().args(["collections", "list"])).failed(1);
    assert!(told.contains("keyring") && told.contains("does not open"), "{told}");
    assert_eq!(std::fs::read(keyring.join("keys.toml")).unwrap(), before);
}
