use std::time::{SystemTime, UNIX_EPOCH};

/// A random number generator for tests (SplitMix64): neighbouring seeds give unrelated numbers.
#[derive(Clone)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Creates a generator with the seed of `PICPICK_TEST_SEED`, or of the clock. Prints the seed, so that a
    /// failed test can be repeated.
    pub fn seeded(test: &str) -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        let seed =
            std::env::var("PICPICK_TEST_SEED").map_or_else(|_| now(), |it| it.parse().unwrap());
        println!("{test}: PICPICK_TEST_SEED={seed}");
        Self(seed)
    }

    /// Returns a number from 0 to `below` − 1.
    pub fn throw(&mut self, below: u64) -> u64 {
        self.number() % below.max(1)
    }

    /// Returns true once in `times` calls, on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.throw(times) == 0
    }

    /// Returns a number from 0 to 1.
    pub fn share(&mut self) -> f32 {
        (self.number() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Returns one element of `among`, which must not be empty.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.throw(among.len() as u64) as usize]
    }

    /// Returns any 64-bit number, for instance a seed.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns the number of repetitions that the environment `variable` sets, or `otherwise`.
pub fn times(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).map_or(otherwise, |value| value.parse().unwrap())
}
