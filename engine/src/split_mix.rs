//! A deterministic sequence of numbers: SplitMix64 (Steele, Lea and Flood, 2014). Not for secrets.

/// The increment of the state: 2^64 divided by the golden ratio, made odd.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns number `nth` of the sequence that begins with the state 0; the first one is number 1.
pub fn nth(nth: u64) -> u64 {
    mix(nth.wrapping_mul(STEP))
}

/// Returns the next number of a sequence and changes its state. Any first state is a seed.
pub fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(STEP);
    mix(*state)
}

fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    /// The first numbers of the reference implementation for this seed.
    #[test]
    fn numbers_are_those_of_the_reference() {
        let mut state = 1_234_567;
        let numbers = [super::next(&mut state), super::next(&mut state)];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let mut state = 0;
        assert_eq!([super::next(&mut state), super::next(&mut state)], [1, 2].map(super::nth));
    }
}
