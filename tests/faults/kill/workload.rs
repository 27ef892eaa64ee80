//! Killed with signal 9 at random moments of random work: what was acknowledged is there, what was deleted
//! is gone, and the index agrees with the store.
//!
//! `PICPICK_TEST_KILLS` sets how often, 200 unless told otherwise; the long form is 10000. `crash.rs` does the
//! same with photos and models.

use std::collections::BTreeMap;
use std::time::Duration;

use picpick_tests::harness::Errand;
use picpick_tests::{Rng, harness, times};

/// More than a child does before it is killed.
const ACTS: usize = 400;
/// Lines that a child may say before it is killed, and how long it may go on after that; drawn at random,
/// it is no waiting for something.
const LINES_MAX: u64 = 60;
const DELAY_US_MAX: u64 = 8000;
/// Kills after which a new data folder is begun: what cut-off work leaves behind makes each check slower.
const KILLS_PER_FOLDER: usize = 250;

#[test]
fn nothing_acknowledged_is_lost_to_kills() {
    let kills = times("PICPICK_TEST_KILLS", 200);
    let mut rng = Rng::seeded("kills");
    let mut harness = harness!();
    let mut ops: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut killed, mut finished, mut faces) = (0, 0, 0);
    while killed < kills {
        let errand = Errand { seed: rng.number(), ops: ACTS, purges: false };
        let delay = Duration::from_micros(rng.throw(DELAY_US_MAX));
        let lines = rng.throw(LINES_MAX) as usize;
        let ending = harness.run(errand, None, Some((lines, delay))).unwrap();
        assert_eq!(ending.complaints, "", "a child complained");
        assert_eq!(ending.failures().next(), None, "an act failed though nothing went wrong");
        match ending.signal() {
            Some(9) => killed += 1,
            _ => finished += 1,
        }
        assert!(finished <= kills, "children finish before they are killed: raise ACTS");
        ending.ops.iter().for_each(|(op, _)| *ops.entry(op.kind()).or_default() += 1);
        let seen = harness.check().unwrap_or_else(|wrong| panic!("kill {killed}: {wrong}"));
        faces += seen.faces;
        if killed % KILLS_PER_FOLDER == 0 {
            harness = harness!();
        }
    }
    println!("{killed} kills, {finished} children finished first, {faces} faces held, {acts:?}");
    assert!(faces > kills && ops.len() > 7, "there is work to lose, of every kind");
}
