//! Random numbers from a seed (splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).

/// A generator; equal seeds give equal numbers on every machine.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The generator of `seed`.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `0..=limit`.
    pub(super) fn up_to(&mut self, limit: u64) -> u64 {
        scale(self.next(), limit.saturating_add(1))
    }

    /// True in `chance` of 2³² cases.
    pub(super) const fn happens(&mut self, chance: u64) -> bool {
        chance > 0 && self.next() >> 32 < chance
    }
}

/// Spreads every bit of `value` over the whole word.
pub(super) const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Maps an evenly spread `value` to `0..count` without the bias of a remainder.
pub(super) fn scale(value: u64, count: u64) -> u64 {
    ((u128::from(value) * u128::from(count)) >> 64) as u64
}
