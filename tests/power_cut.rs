//! The power is cut at random calls: what was acknowledged is there, what was deleted is gone.
//!
//! What a cut leaves is simulated: the strict one drops all that was never fsynced, the random one keeps,
//! drops or tears each such change by itself. `PICPICK_TEST_POWER_CUTS` sets how many, 100 unless told
//! otherwise; the long form is 2000.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use picpick_tests::arena::{Arena, Ending, Errand};
use picpick_tests::power::{Cut, Power};
use picpick_tests::shim::{Deed, Faults, Forget, read_trace};
use picpick_tests::{Dice, arena, times};

const ACTS: usize = 20;
const KILL: Option<i32> = Some(9);
/// Cuts after which a new data folder is begun: receipts and the ledger's chain make each check slower.
const CUTS_PER_FOLDER: usize = 100;

/// How a child ended; it may not complain.
fn run(arena: &mut Arena, dice: &mut Dice, faults: &Faults) -> Result<Ending, String> {
    let errand = Errand { seed: dice.number(), acts: ACTS, purges: false };
    let ending = arena.run(errand, Some(faults), None)?;
    assert_eq!(ending.complaints, "", "a child complained");
    assert_eq!(ending.failures().next(), None, "an act failed though nothing went wrong");
    assert!(ending.status.success() || ending.signal() == KILL, "{}", ending.status);
    Ok(ending)
}

/// The calls of a whole run, to draw the moment of a cut from.
fn calls_of_a_run(arena: &mut Arena, dice: &mut Dice, power: &Power) -> u64 {
    let trace = arena.path("trace");
    let faults = Faults {
        shadow: Some(power.shadow().to_path_buf()),
        trace: Some(trace.clone()),
        ..Faults::default()
    };
    let calls = |arena: &mut Arena, dice: &mut Dice| {
        run(arena, dice, &faults).unwrap();
        let calls = read_trace(&trace).0.len();
        std::fs::remove_file(&trace).unwrap();
        calls as u64
    };
    // The first run makes everything and is not typical.
    calls(arena, dice);
    calls(arena, dice)
}

/// What happened in a number of rounds.
#[derive(Debug, Default)]
struct Figures {
    cuts: usize,
    strict: usize,
    after_a_kill: usize,
    in_the_middle: usize,
    acts: usize,
    faces_held: usize,
}

/// A child works until the power is cut, again and again; each time the folder is held against what
/// was acknowledged. Now and then a child is killed first, and the next one works on what it left.
fn cut_again_and_again(
    arena: &mut Arena,
    dice: &mut Dice,
    cuts: usize,
    forget: Option<Forget>,
    holes: bool,
) -> Result<Figures, String> {
    let power = Power::new(&arena.disk(), &arena.path("shadow"));
    let calls = calls_of_a_run(arena, dice, &power);
    let mut figures = Figures::default();
    let mut killed = false;
    while figures.cuts < cuts {
        let at = Some((1 + dice.throw(calls), Deed::Kill));
        let shadow = Some(power.shadow().to_path_buf());
        let ending = run(arena, dice, &Faults { shadow, at, forget, trace: None })?;
        figures.acts += ending.acts.len();
        if !killed && dice.one_in(5) {
            arena.look().map_err(|wrong| format!("after a kill: {wrong}"))?;
            killed = true;
            continue;
        }
        let strict = dice.one_in(2);
        power.cut(match (strict, holes) {
            (true, _) => Cut::Strict,
            (false, true) => Cut::Holes(dice),
            (false, false) => Cut::Random(dice),
        });
        let seen = arena.check().map_err(|wrong| {
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
    let mut dice = Dice::seeded("power cuts");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 100);
    let (mut done, mut in_the_middle, mut faces_held) = (0, 0, 0);
    while done < cuts {
        let some = CUTS_PER_FOLDER.min(cuts - done);
        let figures = cut_again_and_again(&mut arena!(), &mut dice, some, None, false).unwrap();
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
    let mut dice = Dice::seeded("holes");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 2000);
    let figures = cut_again_and_again(&mut arena!(), &mut dice, cuts, None, true).unwrap();
    println!("{figures:?}");
}

/// The first folders and files are made by whoever comes first, and it may be killed while it does.
#[test]
fn nothing_is_lost_when_the_making_of_the_folder_was_cut_short() {
    let mut dice = Dice::seeded("making");
    let cuts = times("PICPICK_TEST_POWER_CUTS", 100);
    let (mut wrong, mut made) = (Vec::new(), 0);
    for call in 1..=cuts as u64 / 2 {
        let mut arena = arena!();
        let power = Power::new(&arena.disk(), &arena.path("shadow"));
        let mut faults = Faults {
            shadow: Some(power.shadow().to_path_buf()),
            at: Some((call, Deed::Kill)),
            ..Faults::default()
        };
        let errand = Errand { seed: dice.number(), acts: 1, purges: false };
        arena.run(errand, Some(&faults), None).unwrap();
        faults.at = None;
        let errand = Errand { seed: dice.number(), acts: 6, purges: false };
        let second = arena.run(errand, Some(&faults), None).unwrap();
        made += second.acts.len();
        power.cut(Cut::Strict);
        wrong.extend(arena.check().err().map(|wrong| format!("killed at call {call}: {wrong}")));
    }
    println!("{made} acts after a making that was cut short");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Shows that the cuts above would find a program that forgets to sync.
#[test]
fn a_forgotten_fsync_is_noticed() {
    for forget in [Forget::Files, Forget::Folders] {
        let mut dice = Dice::seeded("forgetting");
        let mut arena = arena!();
        let noticed = cut_again_and_again(&mut arena, &mut dice, 100, Some(forget), false);
        let noticed = noticed.expect_err("a shadow without fsyncs loses what was acknowledged");
        println!("without the fsync of {forget:?}: {noticed}");
    }
}

/// What a strict cut leaves of a file that was written beside its place and renamed into it.
#[test]
fn a_cut_drops_what_was_not_synced_and_keeps_the_rest() {
    let room = tempfile::tempdir().unwrap();
    let (root, shadow) = (room.path().join("root"), room.path().join("shadow"));
    std::fs::create_dir(&root).unwrap();
    let write = |power: &Power, name: &str, synced: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_picpick-careless-writer"));
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
    let mut dice = Dice::seeded("careless");
    let (mut kept, mut lost) = (0, 0);
    for number in 0..40 {
        let name = format!("{number}");
        write(&power, &name, &["file"]);
        power.cut(Cut::Random(&mut dice));
        assert_eq!(content("both").as_deref(), Some("both"));
        match content(&name) {
            Some(_) => kept += 1,
            None => lost += 1,
        }
    }
    println!("without the folder's fsync {kept} names kept, {lost} lost");
    assert!(kept > 0 && lost > 0);
}
