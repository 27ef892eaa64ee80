//! Random numbers that a printed seed brings back.
//!
//! SplitMix64, for tests only: neighbouring seeds give unrelated numbers. Knows nothing of what they
//! decide.

use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A seed of `PICPICK_TEST_SEED`, or of the clock. Printed: a test that failed can be repeated.
    pub fn seeded(test: &str) -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed =
            std::env::var("PICPICK_TEST_SEED").map_or_else(|_| now(), |it| it.parse().unwrap());
        println!("{test}: PICPICK_TEST_SEED={seed}");
        Self(seed)
    }

    /// 0 to `below` − 1.
    pub fn throw(&mut self, below: u64) -> u64 {
        self.number() % below.max(1)
    }

    /// True once in `times`, on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.throw(times) == 0
    }

    /// 0 to 1.
    pub fn share(&mut self) -> f32 {
        (self.number() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// One of `among`, which must not be empty.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.throw(among.len() as u64) as usize]
    }

    /// Any number, for instance a seed.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How often: from the environment, or `otherwise`.
pub fn times(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}
