//! Simulates a disk that is full from a chosen system call on; `indexing.rs` fills a real disk. Reads must
//! still work. Once the disk has free space, all acknowledged changes must be there.
//! `PICPICK_TEST_FAULT_POINTS` sets the number of calls that are tried (default 20; the long run is 100).

use super::says_full;
use picpick_tests::harness::{Ending, Harness, Job};
use picpick_tests::shim::{FaultKind, Faults, read_trace};
use picpick_tests::workload::Op;
use picpick_tests::{Rng, harness, times};

const OPS: usize = 14;

#[derive(Debug, Default)]
struct FullDiskFigures {
    points: usize,
    /// Children that did not complete a single read.
    refused: usize,
    ops_failed: usize,
    reads_while_full: usize,
    purges_done: usize,
    purges_failed: usize,
    opens_done: usize,
    opens_failed: usize,
}

impl FullDiskFigures {
    fn count(&mut self, ending: &Ending) {
        self.points += 1;
        self.ops_failed += ending.failures().count();
        self.refused += usize::from(!ending.ops.iter().any(|(op, _)| matches!(op, Op::Read(_))));
        let full = ending.ops.iter().position(|(_, why)| why.is_some());
        for (op, why) in ending.ops.iter().skip(full.unwrap_or(usize::MAX)) {
            match (op, why) {
                (Op::Read(_), why) => {
                    assert_eq!(*why, None, "{op} on a full disk");
                    self.reads_while_full += 1;
                }
                (Op::Purge(_), None) => self.purges_done += 1,
                (Op::Purge(_), Some(_)) => self.purges_failed += 1,
                (Op::Open(_), None) => self.opens_done += 1,
                (Op::Open(_), Some(_)) => self.opens_failed += 1,
                _ => {}
            }
        }
    }
}

/// Runs a child whose disk is full from call `call` on, and then a child whose disk has free space. Checks the
/// data folder after each. Returns the result of the first child.
fn fill_at(before: &Harness, job: Job, call: u64) -> Ending {
    let mut harness = before.twin();
    let faults = Faults { at: Some((call, FaultKind::EnospcFromThenOn)), ..Faults::default() };
    let about = |wrong: String| format!("full from call {call}: {wrong}");
    let ending = harness.run(job, Some(&faults), None).map_err(about).unwrap();
    assert!(ending.status.code().is_some(), "{}: {}", ending.status, ending.complaints);
    for (op, why) in ending.failures() {
        let named = why.contains(harness.path("disk").to_str().unwrap());
        assert!(named && says_full(why), "full from call {call}: {op}: {why}");
    }
    harness.check().map_err(about).unwrap();
    let again = harness.run(Job { purges: false, ..job }, None, None).map_err(about).unwrap();
    assert_eq!(again.failures().next(), None, "full from call {call}, and then with free space");
    harness.check().map_err(about).unwrap();
    ending
}

fn fill_everywhere(test: &str, purges: bool) -> FullDiskFigures {
    let mut rng = Rng::seeded(test);
    let mut harness = harness!();
    harness.run(Job { seed: rng.number(), ops: 3 * OPS, purges: false }, None, None).unwrap();
    harness.check().unwrap();
    let job = Job { seed: rng.number(), ops: OPS, purges };
    let mut rehearsal = harness.twin();
    let trace = rehearsal.path("trace");
    let faults = Faults { trace: Some(trace.clone()), ..Faults::default() };
    rehearsal.run(job, Some(&faults), None).unwrap();
    let calls = read_trace(&trace).0.len();
    let points = times("PICPICK_TEST_FAULT_POINTS", 20);
    let mut figures = FullDiskFigures::default();
    for i in 0..points {
        figures.count(&fill_at(&harness, job, 1 + (i * calls / points) as u64));
    }
    println!("{figures:?}");
    figures
}

#[test]
fn a_disk_full_from_any_call_on_harms_nothing() {
    let figures = fill_everywhere("full disk", false);
    assert!(figures.ops_failed > 0 && figures.reads_while_full > 0, "{figures:?}");
}

/// Checks that a deletion on a full disk is atomic and that the other collections stay readable. The printed
/// figures show how many deletions succeed.
#[test]
fn a_collection_deleted_on_a_full_disk_leaves_the_others_readable() {
    let figures = fill_everywhere("purge on a full disk", true);
    assert!(figures.purges_done + figures.purges_failed > 0, "{figures:?}");
}
