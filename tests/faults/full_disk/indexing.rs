//! Fills a real disk (tmpfs) while photos are indexed. Needs root and the right to mount; elsewhere the tests
//! print that they were left out.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::says_full;
use picpick_tests::pictures::Drawing;
use picpick_tests::{Outcome, Sandbox, Tmpfs, cache, sample, sandbox};

/// Creates a folder of `number` small photos with one face each, all different files.
fn photos(sandbox: &Sandbox, number: u32) -> std::path::PathBuf {
    let portrait = Drawing::open(&sample("obama2.jpg"));
    let folder = sandbox.folder("photos", &[]);
    for i in 0..number {
        std::fs::write(folder.join(format!("{i:03}.jpg")), portrait.within(200 + i).jpeg())
            .unwrap();
    }
    folder
}

fn known(sandbox: &Sandbox, data: &Path) -> BTreeSet<String> {
    let listed = Outcome::of(sandbox.command_for(data).args(["photos", "list", "Event", "--json"]));
    assert_eq!(listed.status, 0, "{listed:?}");
    let photos = listed.document()["photos"].as_array().unwrap().clone();
    photos.iter().map(|photo| photo["photo_id"].as_str().unwrap().to_owned()).collect()
}

/// Indexes with `free_kib` of free space, by the reporter and by the command line, and checks that no
/// acknowledged photo is lost. Returns whether the disk was too small.
fn index_on_nearly_full_disk(
    sandbox: &Sandbox,
    (disk, data): (&Tmpfs, &Path),
    photos: &Path,
    free_kib: u64,
) -> bool {
    disk.fill(free_kib);
    let mut command = Command::new(env!("CARGO_BIN_EXE_picpick-index-reporter"));
    command.arg(data).arg("Event").arg(photos).arg(cache().join("models"));
    let report = Outcome::of(&mut command);
    if report.status != 0 {
        let named = says_full(&report.stderr) && report.stderr.contains(data.to_str().unwrap());
        assert!(named, "the disk and the store are named: {report:?}");
    }
    let command_line = Outcome::of(sandbox.command_for(data).arg("index").arg("Event").arg(photos));
    assert!(command_line.status == 0 || says_full(&command_line.failed(1)), "{command_line:?}");
    disk.make_room();
    let known = known(sandbox, data);
    let acknowledged = report.stdout.lines().map(|line| line.split(' ').next().unwrap().to_owned());
    let acknowledged: BTreeSet<String> = acknowledged.collect();
    assert!(
        known.is_superset(&acknowledged),
        "acknowledged and lost with {free_kib} KiB: {report:?}"
    );
    println!("{free_kib} KiB free: {} acknowledged, status {}", acknowledged.len(), report.status);
    report.status != 0
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let sandbox = sandbox!();
    let at = sandbox.path("disk");
    let Some(disk) = Tmpfs::new(&at, 48) else { return };
    let (data, photos) = (at.join("data"), photos(&sandbox, 80));
    let created = Outcome::of(sandbox.command_for(&data).args(["collections", "create", "Event"]));
    assert_eq!(created.status, 0, "{created:?}");
    let first = Outcome::of(
        sandbox.command_for(&data).arg("index").arg("Event").arg(sample("sample4.jpg")),
    );
    assert_eq!(first.status, 0, "{first:?}");
    let before = known(&sandbox, &data);
    let full: Vec<bool> = [0, 48, 160]
        .map(|free_kib| index_on_nearly_full_disk(&sandbox, (&disk, &data), &photos, free_kib))
        .to_vec();
    assert!(full[0], "a disk without a free byte is too small");
    // With free space again, the rest is indexed and no photo is indexed twice.
    let index = ["index", "Event", photos.to_str().unwrap(), "--json"];
    let rest = Outcome::of(sandbox.command_for(&data).args(index));
    assert_eq!(rest.status, 0, "{rest:?}");
    let rest = rest.document();
    assert_eq!(
        rest["photos"].as_u64().unwrap() + rest["already_indexed"].as_u64().unwrap(),
        80,
        "{rest}"
    );
    let known = known(&sandbox, &data);
    assert!(known.len() == 81 && known.is_superset(&before), "{} photos", known.len());
}

#[test]
fn a_collection_cannot_be_created_on_a_full_disk() {
    let sandbox = sandbox!();
    let at = sandbox.path("disk");
    let Some(disk) = Tmpfs::new(&at, 16) else { return };
    disk.fill(0);
    let data = at.join("data");
    let create = ["collections", "create", "Event"];
    let message = Outcome::of(sandbox.command_for(&data).args(create)).failed(1);
    assert!(message.contains(data.to_str().unwrap()) && says_full(&message), "{message}");
    disk.make_room();
    let created = Outcome::of(sandbox.command_for(&data).args(create));
    assert_eq!(created.status, 0, "{created:?}");
}

#[test]
fn a_collection_is_purged_with_a_receipt_on_a_full_disk() {
    let sandbox = sandbox!();
    let at = sandbox.path("disk");
    let Some(disk) = Tmpfs::new(&at, 48) else { return };
    let data = at.join("data");
    for name in ["Event", "Other"] {
        let create = ["collections", "create", name];
        let created = Outcome::of(sandbox.command_for(&data).args(create));
        assert_eq!(created.status, 0, "{created:?}");
        let index = Outcome::of(
            sandbox.command_for(&data).arg("index").arg(name).arg(sample("sample4.jpg")),
        );
        assert_eq!(index.status, 0, "{index:?}");
    }
    disk.fill(0);
    // Reads still work.
    assert_eq!(known(&sandbox, &data).len(), 1);
    // A purge completes with its receipt.
    let delete = ["--json", "collections", "delete", "Event", "--yes"];
    let purged = Outcome::of(sandbox.command_for(&data).args(delete));
    assert_eq!(purged.status, 0, "{purged:?}");
    assert_eq!(purged.document()["receipt"]["residue"], 0);
    let scan = Outcome::of(sandbox.command_for(&data).args(["--json", "scan"]));
    assert_eq!((scan.status, &scan.document()["residue"]), (0, &0.into()), "{scan:?}");
    disk.make_room();
    let list = ["--json", "receipt", "list"];
    let receipts = Outcome::of(sandbox.command_for(&data).args(list)).document();
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 1, "{receipts}");
    let show = ["--json", "collections", "show", "Other"];
    let other = Outcome::of(sandbox.command_for(&data).args(show));
    assert_eq!((other.status, &other.document()["photos"]), (0, &1.into()), "{other:?}");
}
