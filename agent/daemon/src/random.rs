//! The edge to the system's randomness.

use ring::rand::{SecureRandom, SystemRandom};

/// Random bytes from the kernel.
///
/// # Panics
/// Where the kernel gives none. Ids and tokens rest on them, so there is no weaker source to fall
/// back on: a kernel without `getrandom` is not one this program runs on.
#[expect(
    clippy::expect_used,
    reason = "Linux 3.17 and later has getrandom; ring falls back to /dev/urandom"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the kernel gives random bytes");
    bytes
}

/// A random number, for jitter.
pub fn number() -> u32 {
    u32::from_le_bytes(bytes())
}

/// A random seed, for spreads.
pub fn seed() -> u64 {
    u64::from_le_bytes(bytes())
}
