//! One call of a child goes wrong: it fails, the process aborts, or it takes long.
//!
//! The calls are those that change the disk, on every path that a run takes through them: each kind of call
//! on each kind of file is tried, and then as many more as `PICPICK_TEST_FAULT_POINTS` says, 20 unless told
//! otherwise; the long form is 100. After the fault the power is cut every second time. The child says what
//! is wrong and with what, or goes on; the folder opens and holds what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use picpick_tests::harness::{Ending, Errand, Harness};
use picpick_tests::power_cut::{Cut, Power};
use picpick_tests::shim::{Call, Deed, Faults, read_trace};
use picpick_tests::{Rng, harness, times};

const ACTS: usize = 14;
const ABORTED: Option<i32> = Some(6);
const DELAY_MS: u64 = 30;

/// An arena with something in it, and an errand whose calls are known.
struct Scene {
    harness: Harness,
    errand: Errand,
    calls: Vec<Call>,
}

impl Scene {
    fn new(rng: &mut Rng) -> Self {
        let mut harness = harness!();
        let errand = Errand { seed: rng.number(), ops: 3 * ACTS, purges: false };
        harness.run(errand, None, None).unwrap();
        harness.check().unwrap();
        Self::with(harness, Errand { seed: rng.number(), ops: ACTS, purges: true })
    }

    /// With nothing on the disk yet, and an errand that makes the data folder and a collection.
    fn empty(rng: &mut Rng) -> Self {
        Self::with(harness!(), Errand { seed: rng.number(), ops: 2, purges: false })
    }

    fn with(harness: Harness, errand: Errand) -> Self {
        let mut rehearsal = harness.twin();
        let trace = rehearsal.path("trace");
        let faults = Faults { trace: Some(trace.clone()), ..Faults::default() };
        rehearsal.run(errand, Some(&faults), None).unwrap();
        Self { harness, errand, calls: read_trace(&trace).0 }
    }

    /// The number of the first call of each kind on each kind of file, and `more` evenly spread.
    fn points(&self, more: usize) -> BTreeSet<u64> {
        let mut seen = BTreeSet::new();
        let mut points: BTreeSet<u64> = self
            .calls
            .iter()
            .filter(|call| seen.insert(kind_of(call)))
            .map(|call| call.number)
            .collect();
        points.extend((0..more).map(|i| 1 + (i * self.calls.len() / more) as u64));
        points
    }

    /// Runs the errand with one fault and, where `cut` says so, a power cut after it. An error says what is
    /// wrong then.
    fn play(&self, call: u64, deed: Deed, cut: bool) -> Result<(Ending, Option<Call>), String> {
        let mut harness = self.harness.twin();
        let power = Power::new(&harness.disk(), &harness.path("shadow"));
        let trace = harness.path("trace");
        let faults = Faults {
            shadow: Some(power.shadow().to_path_buf()),
            trace: Some(trace.clone()),
            at: Some((call, deed)),
            forget: None,
        };
        let ending = harness.run(self.errand, Some(&faults), None);
        let hit = read_trace(&trace).1;
        let about = |wrong: String| format!("{deed:?} at {hit:?}: {wrong}");
        let ending = ending.map_err(about)?;
        for (op, why) in ending.failures() {
            // A deletion that met the fault is seen through before the next one, which may then ask for
            // what is gone.
            let gone = why.starts_with("there is no ");
            if !gone && !why.contains(harness.path("disk").to_str().unwrap()) {
                return Err(about(format!("{act} names no path: {why}")));
            }
        }
        if cut {
            power.cut(Cut::Strict);
        }
        harness.check().map_err(about)?;
        Ok((ending, hit))
    }
}

/// A call's kind and its file's, where numbers and random names do not count.
fn kind_of(call: &Call) -> String {
    let mut kind = format!("{} ", call.kind);
    for part in call.path.split('/').skip_while(|part| *part != "disk") {
        let name: String = part.chars().filter(|letter| !letter.is_ascii_hexdigit()).collect();
        kind.push('/');
        kind.push_str(&name);
    }
    kind
}

/// Plays every point with `deed`; what the children made of it.
fn play_all(deed: Deed, mut judge: impl FnMut(&Ending, &Option<Call>)) {
    let mut rng = Rng::seeded("faults");
    let scene = Scene::new(&mut rng);
    let points = scene.points(times("PICPICK_TEST_FAULT_POINTS", 20));
    let (mut kinds, mut failed) = (BTreeMap::new(), 0);
    for (i, point) in points.iter().enumerate() {
        let (ending, hit) = scene.play(*point, deed, i % 2 == 1).unwrap();
        judge(&ending, &hit);
        failed += usize::from(ending.failures().next().is_some());
        let kind = hit.map_or_else(|| "none".to_owned(), |hit| hit.kind);
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let calls = scene.calls.len();
    println!(
        "{deed:?} at {} of {calls} calls: {failed} children met an error; hit: {kinds:?}",
        points.len()
    );
    assert!(kinds.len() > 2, "several kinds of calls are hit: {kinds:?}");
}

fn goes_on(ending: &Ending, hit: &Option<Call>) {
    let orderly = ending.signal().is_none() && !ending.complaints.contains("panicked");
    assert!(orderly, "{hit:?}: {} {}", ending.status, ending.complaints);
}

#[test]
fn an_input_output_error_is_told_and_harms_nothing() {
    play_all(Deed::Eio, goes_on);
}

#[test]
fn a_disk_that_is_broken_from_then_on_is_told_and_harms_nothing() {
    play_all(Deed::EioFromThenOn, goes_on);
}

#[test]
fn a_disk_that_is_full_for_a_moment_is_told_and_harms_nothing() {
    play_all(Deed::Enospc, goes_on);
}

#[test]
fn an_error_at_any_call_of_the_first_run_harms_nothing() {
    let mut rng = Rng::seeded("first run");
    let scene = Scene::empty(&mut rng);
    let most = 10 * times("PICPICK_TEST_FAULT_POINTS", 20);
    let step = scene.calls.len().div_ceil(most);
    let mut wrong = Vec::new();
    for call in scene.calls.iter().step_by(step) {
        for cut in [false, true] {
            wrong.extend(scene.play(call.number, Deed::Eio, cut).err());
        }
    }
    println!("{} calls, every {step}. failed", scene.calls.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_abort_harms_nothing() {
    play_all(Deed::Abort, |ending, hit| {
        assert!(hit.is_none() || ending.signal() == ABORTED, "{hit:?}: {}", ending.status);
    });
}

#[test]
fn a_slow_call_changes_nothing() {
    play_all(Deed::Delay(DELAY_MS), |ending, hit| {
        goes_on(ending, hit);
        assert_eq!((ending.failures().next(), ending.status.code()), (None, Some(0)), "{hit:?}");
    });
}
