//! Chance: a small deterministic generator, so that a seed names a whole simulation.
//!
//! Owns SplitMix64 and nothing else. Refuses the machine's randomness.

/// SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Generator(u64);

impl Generator {
    /// A stream of its own for one `name`, so that one provider's moves never shift another's.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        let mut state = seed;
        for byte in name.bytes() {
            state = Self(state ^ u64::from(byte)).next();
        }
        Self(state)
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, and not including, `end`; 0 where `end` is 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// A position in a list of `length`; 0 where it is empty.
    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(u64::try_from(length).unwrap_or(0))).unwrap_or(0)
    }

    /// One of several values; `None` where there are none.
    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> Option<T> {
        values.get(self.index(values.len())).copied()
    }

    /// True so many times in a thousand.
    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_name_give_one_stream() {
        let stream = |seed, name| {
            let mut generator = Generator::new(seed, name);
            (0..8).map(|_| generator.next()).collect::<Vec<_>>()
        };
        assert_eq!(stream(1, "RM1"), stream(1, "RM1"));
        assert_ne!(stream(1, "RM1"), stream(2, "RM1"));
        assert_ne!(stream(1, "RM1"), stream(1, "RGP"));
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The reference implementation's first outputs for seed 1234567.
        let mut generator = Generator(1_234_567);
        assert_eq!([generator.next(), generator.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn nothing_to_choose_from_is_no_panic() {
        let mut generator = Generator::new(0, "");
        assert_eq!(generator.below(0), 0);
        assert_eq!(generator.pick::<u8>(&[]), None);
    }
}
