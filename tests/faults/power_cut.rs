//! The power is cut at random calls: what was acknowledged is there, what was deleted is gone.
//!
//! What a cut leaves is simulated: the strict one drops all that was never fsynced, the random one keeps,
//! drops or tears each such change by itself. `PICPICK_TEST_POWER_CUTS` sets how many, 100 unless told
//! otherwise; the long form is 2000.

use std::path::Path;
use std::process::Command;

use picpick_tests::harness::{Ending, Errand, Harness};
use picpick_tests::power_cut::{Cut, Power};
use picpick_tests::shim::{Deed, Faults, Forget, read_trace};
use picpick_tests::{Rng, harness, times};

const ACTS: usize = 20;
const KILL: Option<i32> = Some(9);
/// Cuts after which a new data folder is begun: receipts and the ledger's chain make each check slower.
const CUTS_PER_FOLDER: usize = 100;

/// How a child ended; it may not complain.
fn run(harness: &mut Harness, rng: &mut Rng, faults: &Faults) -> Result<Ending, String> {
    let errand = Errand { seed: rng.number(), ops: ACTS, purges: false };
    let ending = harness.run(errand, Some(faults), None)?;
    assert_eq!(ending.complaints, "", "a child complained");
    assert_eq!(ending.failures().next(), None, "an act failed though nothing went wrong");
    assert!(ending.status.success() || ending.signal() == KILL, "{}", ending.status);
    Ok(ending)
}

/// The calls of a whole run, to draw the moment of a cut from.
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
    // The first run makes everything and is not typical.
    calls(harness, rng);
    calls(harness, rng)
}

/// What happened in a number of rounds.
#[derive(Debug, Default)]
struct Figures {
    cuts: usize,
    strict: usize,
    after_a_kill: usize,
    in_the_middle: usize,
    ops: usize,
    faces_held: usize,
}

/// A child works until the power is cut, again and again; each time the folder is held against what
/// was acknowledged. Now and then a child is killed first, and the next one works on what it left.
fn cut_again_and_again(
    harness: &mut Harness,
    rng: &mut Rng,
    cuts: usize,
    forget: Option<Forget>,
    holes: bool,
) -> Result<Figures, String> {
    let power = Power::new(&harness.disk(), &harness.path("shadow"));
    let calls = calls_of_a_run(harness, rng, &power);
    let mut figures = Figures::default();
    let mut killed = false;
    while figures.cuts < cuts {
        let at = Some((1 + rng.throw(calls), Deed::Kill));
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
    assert!(in_the_middle * 2 > cuts, "most children are cut off at work");
    assert!(faces_held > cuts, "there are faces to lose");
}

/// RocksDB is asked to take damage before the log's last record for an error, and such a hole is that: the
/// collection does not open, though nothing acknowledged is lost. About one cut in a thousand meets it.
#[test]
#[ignore = "a hole in what was not synced keeps a collection from opening"]
fn holes_in_what_was_not_synced_lose_nothing() {
    let mut rng = Rng::seeded("holes");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 2000);
    let figures = cut_again_and_again(&mut harness!(), &mut rng, cuts, None, true).unwrap();
    println!("{figures:?}");
}

/// The first folders and files are made by whoever comes first, and it may be killed while it does.
#[test]
fn nothing_is_lost_when_the_making_of_the_folder_was_cut_short() {
    let mut rng = Rng::seeded("making");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 100);
    let (mut wrong, mut made) = (Vec::new(), 0);
    for call in 1..=cuts as u64 / 2 {
        let mut harness = harness!();
        let power = Power::new(&harness.disk(), &harness.path("shadow"));
        let mut faults = Faults {
            shadow: Some(power.shadow().to_path_buf()),
            at: Some((call, Deed::Kill)),
            ..Faults::default()
        };
        let errand = Errand { seed: rng.number(), ops: 1, purges: false };
        harness.run(errand, Some(&faults), None).unwrap();
        faults.at = None;
        let errand = Errand { seed: rng.number(), ops: 6, purges: false };
        let second = harness.run(errand, Some(&faults), None).unwrap();
        made += second.ops.len();
        power.cut(Cut::Strict);
        wrong.extend(harness.check().err().map(|wrong| format!("killed at call {call}: {wrong}")));
    }
    println!("{made} acts after a making that was cut short");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Shows that the cuts above would find a program that forgets to sync.
#[test]
fn a_forgotten_fsync_is_noticed() {
    for forget in [Forget::Files, Forget::Folders] {
        let mut rng = Rng::seeded("forgetting");
        let mut harness = harness!();
        let noticed = cut_again_and_again(&mut harness, &mut rng, 100, Some(forget), false);
        let noticed = noticed.expect_err("a shadow without fsyncs loses what was acknowledged");
        println!("without the fsync of {forget:?}: {noticed}");
    }
}

/// What a strict cut leaves of a file that was written beside its place and renamed into it.
#[test]
fn a_cut_drops_what_was_not_synced_and_keeps_the_rest() {
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
    // What is not synced may happen all the same, and does so in some of many cuts.
    let mut rng = Rng::seeded("careless");
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
