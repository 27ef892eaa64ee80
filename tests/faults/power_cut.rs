//! Simulates power cuts at random system calls. A strict cut drops everything that was never fsynced; a
//! random cut keeps, drops or tears each such change independently. Acknowledged changes must be there,
//! deleted data must not. `PICPICK_TEST_POWER_CUTS` sets the number of cuts (default 100; the long run is
//! 2000).

use std::path::Path;
use std::process::Command;

use picpick_tests::harness::{Ending, Harness, Job};
use picpick_tests::power_cut::{Cut, Power};
use picpick_tests::shim::{FaultKind, Faults, Forget, read_trace};
use picpick_tests::{Rng, harness, times};

const OPS: usize = 20;
const KILL: Option<i32> = Some(9);
/// Cuts after which a new data folder is created, because receipts and the ledger's chain make each check
/// slower.
const CUTS_PER_FOLDER: usize = 100;

/// Runs a child on a random job. Fails the test if the child reports an error.
fn run(harness: &mut Harness, rng: &mut Rng, faults: &Faults) -> Result<Ending, String> {
    let job = Job { seed: rng.number(), ops: OPS, purges: false };
    let ending = harness.run(job, Some(faults), None)?;
    assert_eq!(ending.complaints, "", "a child complained");
    assert_eq!(ending.failures().next(), None, "an operation failed without a fault");
    assert!(ending.status.success() || ending.signal() == KILL, "{}", ending.status);
    Ok(ending)
}

/// Returns the number of calls of a complete run. Each cut happens at a random call up to this number.
fn calls_of_a_run(harness: &mut Harness, rng: &mut Rng, power: &Power) -> u64 {
    let trace = harness.path("trace");
    let faults = Faults {
        shadow: Some(power.shadow().to_path_buf()),
        trace: Some(trace.clone()),
        ..Faults::default()
    };
    let calls = |harness: &mut Harness, rng: &mut Rng| {
        run(harness, rng, &faults).unwrap();
        let calls = read_trace(&trace).0.len();
        std::fs::remove_file(&trace).unwrap();
        calls as u64
    };
    // The first run creates the data folder and is not typical.
    calls(harness, rng);
    calls(harness, rng)
}

/// Counts of several rounds.
#[derive(Debug, Default)]
struct PowerCutFigures {
    cuts: usize,
    strict: usize,
    after_a_kill: usize,
    in_the_middle: usize,
    ops: usize,
    faces_held: usize,
}

/// Runs children until the power is cut, `cuts` times. Checks after each cut that the data folder has all
/// acknowledged changes. Before about one cut in five, a child is killed without a power cut, and the next
/// child continues on the same folder.
fn cut_again_and_again(
    harness: &mut Harness,
    rng: &mut Rng,
    cuts: usize,
    forget: Option<Forget>,
    holes: bool,
) -> Result<PowerCutFigures, String> {
    let power = Power::new(&harness.disk(), &harness.path("shadow"));
    let calls = calls_of_a_run(harness, rng, &power);
    let mut figures = PowerCutFigures::default();
    let mut killed = false;
    while figures.cuts < cuts {
        let at = Some((1 + rng.throw(calls), FaultKind::Kill));
        let shadow = Some(power.shadow().to_path_buf());
        let ending = run(harness, rng, &Faults { shadow, at, forget, trace: None })?;
        figures.ops += ending.ops.len();
        if !killed && rng.one_in(5) {
            harness.look().map_err(|wrong| format!("after a kill: {wrong}"))?;
            killed = true;
            continue;
        }
        let strict = rng.one_in(2);
        power.cut(match (strict, holes) {
            (true, _) => Cut::Strict,
            (false, true) => Cut::Holes(rng),
            (false, false) => Cut::Random(rng),
        });
        let seen = harness.check().map_err(|wrong| {
            let kind = if strict { "strict" } else { "random" };
            format!("{kind} cut {}, {at:?}: {wrong}", figures.cuts)
        })?;
        figures.faces_held += seen.faces;
        figures.cuts += 1;
        figures.strict += usize::from(strict);
        figures.after_a_kill += usize::from(std::mem::take(&mut killed));
        figures.in_the_middle += usize::from(ending.signal() == KILL);
    }
    Ok(figures)
}

#[test]
fn nothing_acknowledged_is_lost_to_power_cuts() {
    let mut rng = Rng::seeded("power cuts");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 100);
    let (mut done, mut in_the_middle, mut faces_held) = (0, 0, 0);
    while done < cuts {
        let some = CUTS_PER_FOLDER.min(cuts - done);
        let figures = cut_again_and_again(&mut harness!(), &mut rng, some, None, false).unwrap();
        done += figures.cuts;
        println!("{done} cuts: {figures:?}");
        in_the_middle += figures.in_the_middle;
        faces_held += figures.faces_held;
    }
    assert!(in_the_middle * 2 > cuts, "most children are interrupted while working");
    assert!(faces_held > cuts, "there are faces to lose");
}

/// RocksDB is configured to treat damage before the log's last record as an error. A hole is such damage: the
/// collection does not open, although no acknowledged change is lost. About one cut in a thousand leaves a
/// hole.
#[test]
#[ignore = "a hole in unsynced data prevents a collection from opening"]
fn holes_in_unsynced_data_lose_nothing() {
    let mut rng = Rng::seeded("holes");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 2000);
    let figures = cut_again_and_again(&mut harness!(), &mut rng, cuts, None, true).unwrap();
    println!("{figures:?}");
}

/// Kills the first process while it creates the folders and files, and continues with a second process.
#[test]
fn nothing_is_lost_after_an_interrupted_creation() {
    let mut rng = Rng::seeded("making");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 100);
    let (mut wrong, mut made) = (Vec::new(), 0);
    for call in 1..=cuts as u64 / 2 {
        let mut harness = harness!();
        let power = Power::new(&harness.disk(), &harness.path("shadow"));
        let mut faults = Faults {
            shadow: Some(power.shadow().to_path_buf()),
            at: Some((call, FaultKind::Kill)),
            ..Faults::default()
        };
        let job = Job { seed: rng.number(), ops: 1, purges: false };
        harness.run(job, Some(&faults), None).unwrap();
        faults.at = None;
        let job = Job { seed: rng.number(), ops: 6, purges: false };
        let second = harness.run(job, Some(&faults), None).unwrap();
        made += second.ops.len();
        power.cut(Cut::Strict);
        wrong.extend(harness.check().err().map(|wrong| format!("killed at call {call}: {wrong}")));
    }
    println!("{made} operations after an interrupted creation");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Checks that the power cuts above detect a program with a missing fsync.
#[test]
fn a_missing_fsync_is_detected() {
    for forget in [Forget::Files, Forget::Folders] {
        let mut rng = Rng::seeded("forgetting");
        let mut harness = harness!();
        let noticed = cut_again_and_again(&mut harness, &mut rng, 100, Some(forget), false);
        let noticed = noticed.expect_err("a shadow without fsyncs loses acknowledged changes");
        println!("without the fsync of {forget:?}: {noticed}");
    }
}

/// Checks what a cut leaves of a file that was written under a temporary name and renamed.
#[test]
fn a_cut_drops_unsynced_data_and_keeps_the_rest() {
    let sandbox = tempfile::tempdir().unwrap();
    let (root, shadow) = (sandbox.path().join("root"), sandbox.path().join("shadow"));
    std::fs::create_dir(&root).unwrap();
    let write = |power: &Power, name: &str, synced: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picpick-unsynced-writer"));
        command.arg(root.canonicalize().unwrap()).arg(name).args(synced);
        let shadow = Some(power.shadow().to_path_buf());
        Faults { shadow, ..Faults::default() }.arm(&mut command, &root);
        assert!(command.status().unwrap().success());
    };
    let content = |name: &str| std::fs::read_to_string(root.join(Path::new(name))).ok();
    let power = Power::new(&root, &shadow);
    write(&power, "both", &["file", "folder"]);
    write(&power, "neither", &[]);
    write(&power, "content", &["file"]);
    power.cut(Cut::Strict);
    let found = ["both", "neither", "content", "neither.new"].map(content);
    assert_eq!(found, [Some("both".to_owned()), None, None, None]);
    write(&power, "name", &["folder"]);
    power.cut(Cut::Strict);
    let found = ["both", "name"].map(content);
    assert_eq!(found, [Some("both".to_owned()), Some(String::new())]);
    // An unsynced change survives some of many random cuts and is lost in the others.
    let mut rng = Rng::seeded("unsynced");
    let (mut kept, mut lost) = (0, 0);
    for number in 0..40 {
        let name = format!("{number}");
        write(&power, &name, &["file"]);
        power.cut(Cut::Random(&mut rng));
        assert_eq!(content("both").as_deref(), Some("both"));
        match content(&name) {
            Some(_) => kept += 1,
            None => lost += 1,
        }
    }
    println!("without the folder's fsync {kept} names kept, {lost} lost");
    assert!(kept > 0 && lost > 0);
}
