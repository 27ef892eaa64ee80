//! Kills a child that does random operations with signal 9 at random times. Acknowledged changes must be
//! there, deleted data must not, and the index must agree with the store. `indexing.rs` does this with photos
//! and models. `PICPICK_TEST_KILLS` sets the number of kills (default 200; the long run is 10000).

use std::collections::BTreeMap;
use std::time::Duration;

use picpick_tests::harness::Job;
use picpick_tests::{Rng, harness, times};

/// Number of operations of a child; more than a child completes before it is killed.
const OPS: usize = 400;
/// Upper bound of the lines that a child prints before it is killed.
const LINES_MAX: u64 = 60;
/// Upper bound of the random time between the last of these lines and the kill, µs.
const DELAY_US_MAX: u64 = 8000;
/// Kills after which a new data folder is created, because files of interrupted operations make each check
/// slower.
const KILLS_PER_FOLDER: usize = 250;

#[test]
fn nothing_acknowledged_is_lost_to_kills() {
    let kills = times("PICPICK_TEST_KILLS", 200);
    let mut rng = Rng::seeded("kills");
    let mut harness = harness!();
    let mut ops: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut killed, mut finished, mut faces) = (0, 0, 0);
    while killed < kills {
        let job = Job { seed: rng.number(), ops: OPS, purges: false };
        let delay = Duration::from_micros(rng.throw(DELAY_US_MAX));
        let lines = rng.throw(LINES_MAX) as usize;
        let ending = harness.run(job, None, Some((lines, delay))).unwrap();
        assert_eq!(ending.complaints, "", "a child complained");
        assert_eq!(ending.failures().next(), None, "an operation failed without a fault");
        match ending.signal() {
            Some(9) => killed += 1,
            _ => finished += 1,
        }
        assert!(finished <= kills, "children finish before they are killed: raise OPS");
        ending.ops.iter().for_each(|(op, _)| *ops.entry(op.kind()).or_default() += 1);
        let seen = harness.check().unwrap_or_else(|wrong| panic!("kill {killed}: {wrong}"));
        faces += seen.faces;
        if killed % KILLS_PER_FOLDER == 0 {
            harness = harness!();
        }
    }
    println!("{killed} kills, {finished} children finished first, {faces} faces held, {ops:?}");
    assert!(faces > kills && ops.len() > 7, "there is work to lose, of every kind");
}
