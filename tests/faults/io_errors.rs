//! Injects a fault into one system call of a child: an error, an abort, or a delay. The calls are those that
//! change the disk: the first of each kind on each kind of file, and `PICPICK_TEST_FAULT_POINTS` more
//! (default 20; the long run is 100). A power cut follows every second fault. The child must report the error
//! with its path, or continue; the data folder must open with all acknowledged changes.

use std::collections::{BTreeMap, BTreeSet};

use picpick_tests::harness::{Ending, Harness, Job};
use picpick_tests::power_cut::{Cut, Power};
use picpick_tests::shim::{Call, FaultKind, Faults, read_trace};
use picpick_tests::{Rng, harness, times};

const OPS: usize = 14;
const ABORTED: Option<i32> = Some(6);
const DELAY_MS: u64 = 30;

/// A harness with a filled data folder, and a job whose system calls were recorded.
struct FaultScene {
    harness: Harness,
    job: Job,
    calls: Vec<Call>,
}

impl FaultScene {
    fn new(rng: &mut Rng) -> Self {
        let mut harness = harness!();
        let job = Job { seed: rng.number(), ops: 3 * OPS, purges: false };
        harness.run(job, None, None).unwrap();
        harness.check().unwrap();
        Self::with(harness, Job { seed: rng.number(), ops: OPS, purges: true })
    }

    /// Creates a scene with an empty disk and a job that creates the data folder and a collection.
    fn empty(rng: &mut Rng) -> Self {
        Self::with(harness!(), Job { seed: rng.number(), ops: 2, purges: false })
    }

    fn with(harness: Harness, job: Job) -> Self {
        let mut rehearsal = harness.twin();
        let trace = rehearsal.path("trace");
        let faults = Faults { trace: Some(trace.clone()), ..Faults::default() };
        rehearsal.run(job, Some(&faults), None).unwrap();
        Self { harness, job, calls: read_trace(&trace).0 }
    }

    /// Returns the numbers of the first call of each kind on each kind of file, and of `more` calls, evenly
    /// spread.
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

    /// Runs the job with one fault and, if `cut`, a power cut after it. Errors if the data folder lacks an
    /// acknowledged change, or the message of a failed operation names no path.
    fn play(
        &self,
        call: u64,
        fault: FaultKind,
        cut: bool,
    ) -> Result<(Ending, Option<Call>), String> {
        let mut harness = self.harness.twin();
        let power = Power::new(&harness.disk(), &harness.path("shadow"));
        let trace = harness.path("trace");
        let faults = Faults {
            shadow: Some(power.shadow().to_path_buf()),
            trace: Some(trace.clone()),
            at: Some((call, fault)),
            forget: None,
        };
        let ending = harness.run(self.job, Some(&faults), None);
        let hit = read_trace(&trace).1;
        let about = |wrong: String| format!("{fault:?} at {hit:?}: {wrong}");
        let ending = ending.map_err(about)?;
        for (op, why) in ending.failures() {
            // The engine completes a deletion that met the fault before the next deletion, which may then
            // name a photo that no longer exists.
            let gone = why.starts_with("there is no ");
            if !gone && !why.contains(harness.path("disk").to_str().unwrap()) {
                return Err(about(format!("{op} names no path: {why}")));
            }
        }
        if cut {
            power.cut(Cut::Strict);
        }
        harness.check().map_err(about)?;
        Ok((ending, hit))
    }
}

/// Returns a call's kind and its path below the disk without hexadecimal digits, so that numbered and random
/// names are equal.
fn kind_of(call: &Call) -> String {
    let mut kind = format!("{} ", call.kind);
    for part in call.path.split('/').skip_while(|part| *part != "disk") {
        let name: String = part.chars().filter(|letter| !letter.is_ascii_hexdigit()).collect();
        kind.push('/');
        kind.push_str(&name);
    }
    kind
}

/// Runs the job once for each point with `fault` and calls `judge` with the results.
fn play_all(fault: FaultKind, mut judge: impl FnMut(&Ending, &Option<Call>)) {
    let mut rng = Rng::seeded("faults");
    let scene = FaultScene::new(&mut rng);
    let points = scene.points(times("PICPICK_TEST_FAULT_POINTS", 20));
    let (mut kinds, mut failed) = (BTreeMap::new(), 0);
    for (i, point) in points.iter().enumerate() {
        let (ending, hit) = scene.play(*point, fault, i % 2 == 1).unwrap();
        judge(&ending, &hit);
        failed += usize::from(ending.failures().next().is_some());
        let kind = hit.map_or_else(|| "none".to_owned(), |hit| hit.kind);
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let calls = scene.calls.len();
    println!(
        "{fault:?} at {} of {calls} calls: {failed} children met an error; hit: {kinds:?}",
        points.len()
    );
    assert!(kinds.len() > 2, "more than two kinds of calls are hit: {kinds:?}");
}

fn goes_on(ending: &Ending, hit: &Option<Call>) {
    let orderly = ending.signal().is_none() && !ending.complaints.contains("panicked");
    assert!(orderly, "{hit:?}: {} {}", ending.status, ending.complaints);
}

#[test]
fn an_io_error_is_reported_and_harms_nothing() {
    play_all(FaultKind::Eio, goes_on);
}

#[test]
fn a_permanent_io_error_is_reported_and_harms_nothing() {
    play_all(FaultKind::EioFromThenOn, goes_on);
}

#[test]
fn a_temporarily_full_disk_is_reported_and_harms_nothing() {
    play_all(FaultKind::Enospc, goes_on);
}

#[test]
fn an_error_at_any_call_of_the_first_run_harms_nothing() {
    let mut rng = Rng::seeded("first run");
    let scene = FaultScene::empty(&mut rng);
    let most = 10 * times("PICPICK_TEST_FAULT_POINTS", 20);
    let step = scene.calls.len().div_ceil(most);
    let mut wrong = Vec::new();
    for call in scene.calls.iter().step_by(step) {
        for cut in [false, true] {
            wrong.extend(scene.play(call.number, FaultKind::Eio, cut).err());
        }
    }
    println!("{} calls, a fault was injected at one in {step}", scene.calls.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_abort_harms_nothing() {
    play_all(FaultKind::Abort, |ending, hit| {
        assert!(hit.is_none() || ending.signal() == ABORTED, "{hit:?}: {}", ending.status);
    });
}

#[test]
fn a_slow_call_changes_nothing() {
    play_all(FaultKind::Delay(DELAY_MS), |ending, hit| {
        goes_on(ending, hit);
        assert_eq!((ending.failures().next(), ending.status.code()), (None, Some(0)), "{hit:?}");
    });
}
