//! Receipts and entries of the erasure log that are removed from the end, where no later record misses them.

use std::path::PathBuf;

use picpick_tests::{Sandbox, sandbox};
use serde_json::json;

/// Returns a sandbox in which two collections were purged, and a third one is left.
fn purged() -> Sandbox {
    let sandbox = sandbox!();
    for name in ["One", "Two", "Three"] {
        sandbox.done(["collections", "create", name]);
    }
    for name in ["One", "Two"] {
        sandbox.done(["collections", "delete", name, "--yes"]);
    }
    sandbox
}

fn receipts(sandbox: &Sandbox) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(sandbox.data().join("receipts")).unwrap().flatten();
    let mut files: Vec<PathBuf> = listing.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Verifies all records of the data folder. Returns the exit status and the faults.
fn verify(sandbox: &Sandbox) -> (i32, Vec<String>) {
    let (status, report) = sandbox.json(["receipt", "verify"]);
    assert_eq!(report["valid"], status == 0, "{report}");
    let faults = report["faults"].as_array().unwrap_or_else(|| panic!("{report}")).iter();
    (status, faults.map(|fault| fault.as_str().unwrap().to_owned()).collect())
}

/// Returns whether `picpick doctor` fails and says `text`.
fn doctor_says(sandbox: &Sandbox, text: &str) -> bool {
    let (status, report) = sandbox.json(["doctor"]);
    status == 1 && report["advice"].to_string().contains(text)
}

#[test]
fn a_removed_receipt_is_missed_wherever_it_stood() {
    let sandbox = purged();
    assert_eq!(verify(&sandbox), (0, Vec::new()));
    let files = receipts(&sandbox);
    assert_eq!(files.len(), 2);
    let whole: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for removed in [&files[..1], &files[1..], &files[..]] {
        removed.iter().for_each(|file| std::fs::remove_file(file).unwrap());
        let (status, faults) = verify(&sandbox);
        assert!(status == 1 && !faults.is_empty(), "{removed:?}: {faults:?}");
        assert!(doctor_says(&sandbox, "missing"), "{removed:?}");
        files.iter().zip(&whole).for_each(|(file, bytes)| std::fs::write(file, bytes).unwrap());
        assert_eq!(verify(&sandbox), (0, Vec::new()), "put back");
    }
    std::fs::write(&files[1], &whole[0]).unwrap();
    assert_eq!(verify(&sandbox).0, 1, "another valid receipt in its place");
}

#[test]
fn a_lost_receipt_can_be_accepted_and_its_number_is_not_given_again() {
    let sandbox = purged();
    std::fs::remove_file(receipts(&sandbox).pop().unwrap()).unwrap();
    assert_eq!(sandbox.run(["receipt", "accept"]).status, 2, "--yes is needed");
    assert_eq!(verify(&sandbox).0, 1);
    let accepted = sandbox.done(["receipt", "accept", "--yes"]);
    assert_eq!(accepted, json!({ "receipts_lost": [2], "erasures_lost": 0 }));
    assert_eq!(verify(&sandbox), (0, Vec::new()));
    let done = sandbox.done(["collections", "delete", "Three", "--yes"]);
    assert_eq!(done["receipt"]["number"], 3);
    assert_eq!(verify(&sandbox), (0, Vec::new()));
    // What is removed later is missed again.
    std::fs::remove_file(receipts(&sandbox).pop().unwrap()).unwrap();
    assert_eq!(verify(&sandbox).0, 1);
}

#[test]
fn a_receipt_issued_after_a_removal_does_not_hide_it() {
    let sandbox = purged();
    std::fs::remove_file(receipts(&sandbox).pop().unwrap()).unwrap();
    let done = sandbox.done(["collections", "delete", "Three", "--yes"]);
    assert_eq!(done["receipt"]["number"], 3);
    let (status, faults) = verify(&sandbox);
    assert!(
        status == 1 && faults.iter().any(|fault| fault.contains("between 2 and 2")),
        "{faults:?}"
    );
}

#[test]
fn entries_cut_from_both_erasure_logs_are_missed_and_block_further_erasures() {
    let sandbox = purged();
    let copies = ["keyring/ledger", "ledger"].map(|name| sandbox.data().join(name));
    let whole = std::fs::read_to_string(&copies[0]).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 2);
    let write = |text: &str| copies.iter().for_each(|copy| std::fs::write(copy, text).unwrap());
    for cut in [lines[0], ""] {
        write(cut);
        let (status, faults) = verify(&sandbox);
        assert!(status == 1 && faults[0].contains("erasure log"), "{faults:?}");
        assert!(doctor_says(&sandbox, "entries were removed or changed"));
    }
    // A new entry would take the number of the removed one.
    let refused = sandbox.run(["collections", "delete", "Three", "--yes"]).failed(1);
    assert!(refused.contains("picpick receipt accept"), "{refused}");
    write(&whole);
    // The key of the collection was destroyed before; the next command completes the purge.
    assert_eq!(verify(&sandbox), (0, Vec::new()));
    assert_eq!(receipts(&sandbox).len(), 3);
    write(lines[0]);
    let accepted = sandbox.done(["receipt", "accept", "--yes"]);
    assert_eq!(accepted, json!({ "receipts_lost": [], "erasures_lost": 2 }));
    assert_eq!(verify(&sandbox), (0, Vec::new()));
}

/// A copy of one folder that is older is normal: the other one has the newer records.
#[test]
fn older_copies_of_one_folder_are_not_tampering() {
    let sandbox = sandbox!();
    for name in ["One", "Two"] {
        sandbox.done(["collections", "create", name]);
    }
    sandbox.done(["collections", "delete", "One", "--yes"]);
    let ledger = sandbox.data().join("keyring/ledger");
    let old = std::fs::read(&ledger).unwrap();
    let keys = sandbox.data().join("keyring/keys.toml");
    sandbox.done(["collections", "delete", "Two", "--yes"]);
    std::fs::write(&ledger, old).unwrap();
    assert_eq!(verify(&sandbox), (0, Vec::new()));
    let text = std::fs::read_to_string(keys).unwrap();
    assert!(text.contains("[checkpoint.content.receipts]\nnumber = 2\n"), "{text}");
}
