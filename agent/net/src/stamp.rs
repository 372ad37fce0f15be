//! When a packet left and when it came. The kernel stamps packets on its wall clock (`SO_TIMESTAMPING`, `CLOCK_REALTIME`),
//! close to the driver; this program reads a monotonic clock beside each call. A round trip is the difference of two
//! stamps of one clock, never of both.

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

/// Which clock gave a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clocking {
    /// The kernel's stamps of both packets.
    Kernel,
    /// The monotonic clock, read just before sending and just after receiving.
    Monotonic,
}

impl Clocking {
    /// Word for records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Monotonic => "monotonic",
        }
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds of `CLOCK_MONOTONIC_RAW`.
    pub monotonic_ns: u64,
    /// Nanoseconds since the Unix epoch by the kernel's stamp of the packet, where there is one.
    pub kernel_ns: Option<i64>,
}

/// How much longer the kernel may say a round trip was than the monotonic clock, which encloses it: the wall clock is
/// slewed by up to 0.05 %, and the two are read at different ticks. More means that the wall clock was set in between.
const SLEW_DIVISOR: u64 = 1_000;
const TICK_NS: u64 = 50_000;

impl Stamp {
    /// The moment by the monotonic clock alone.
    pub const fn monotonic(monotonic_ns: u64) -> Self {
        Self {
            monotonic_ns,
            kernel_ns: None,
        }
    }

    /// Nanoseconds from `sent` to `self` by the monotonic clock; 0 when `sent` is later.
    pub const fn monotonic_since(&self, sent: &Self) -> u64 {
        self.monotonic_ns.saturating_sub(sent.monotonic_ns)
    }

    /// Nanoseconds from `sent` to `self` by the kernel's stamps. `None` when one of them is missing, or when the figure is
    /// impossible beside the monotonic one because the wall clock was set in between.
    pub fn kernel_since(&self, sent: &Self) -> Option<u64> {
        let kernel = u64::try_from(self.kernel_ns?.checked_sub(sent.kernel_ns?)?).ok()?;
        let enclosing = self.monotonic_since(sent);
        (kernel
            <= enclosing
                .saturating_add(enclosing / SLEW_DIVISOR)
                .saturating_add(TICK_NS))
        .then_some(kernel)
    }

    /// The best figure there is from `sent` to `self`, in nanoseconds, and its clock.
    pub fn since(&self, sent: &Self) -> (u64, Clocking) {
        match self.kernel_since(sent) {
            Some(kernel) => (kernel, Clocking::Kernel),
            None => (self.monotonic_since(sent), Clocking::Monotonic),
        }
    }
}

/// Reads `CLOCK_MONOTONIC_RAW`, in nanoseconds: not slewed by time synchronisation. 0 on a kernel without it, which none
/// of this century is.
pub fn monotonic_ns() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC_RAW)
        .ok()
        .and_then(|time| nanoseconds(&time))
        .and_then(|time| u64::try_from(time).ok())
        .unwrap_or_default()
}

/// A kernel time stamp in nanoseconds; `None` for the all-zero one that stands for "not stamped".
pub(crate) fn nanoseconds(time: &TimeSpec) -> Option<i64> {
    #[allow(
        clippy::useless_conversion,
        reason = "both are narrower on 32-bit targets"
    )]
    let (seconds, rest) = (i64::from(time.tv_sec()), i64::from(time.tv_nsec()));
    let total = seconds.checked_mul(1_000_000_000)?.checked_add(rest)?;
    (total != 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(monotonic_ns: u64, kernel_ns: i64) -> Stamp {
        Stamp {
            monotonic_ns,
            kernel_ns: Some(kernel_ns),
        }
    }

    #[test]
    fn kernel_stamps_are_preferred_and_clocks_never_mixed() {
        let sent = stamp(1_000, 5_000_000);
        assert_eq!(
            stamp(101_000, 5_080_000).since(&sent),
            (80_000, Clocking::Kernel)
        );
        assert_eq!(
            Stamp::monotonic(101_000).since(&sent),
            (100_000, Clocking::Monotonic)
        );
        assert_eq!(
            stamp(101_000, 5_080_000).since(&Stamp::monotonic(1_000)),
            (100_000, Clocking::Monotonic)
        );
    }

    #[test]
    fn a_wall_clock_that_was_set_in_between_is_not_believed() {
        let sent = stamp(1_000, 5_000_000_000);
        // Set back by a second: negative. Set forward by a second: longer than the enclosing interval.
        assert_eq!(
            stamp(101_000, 4_000_000_000).since(&sent),
            (100_000, Clocking::Monotonic)
        );
        assert_eq!(
            stamp(101_000, 6_000_080_000).since(&sent),
            (100_000, Clocking::Monotonic)
        );
        assert_eq!(
            stamp(1, i64::MIN).since(&stamp(0, i64::MAX)),
            (1, Clocking::Monotonic)
        );
    }

    #[test]
    fn the_clock_advances() {
        let first = monotonic_ns();
        assert!(first > 0);
        assert!(monotonic_ns() >= first);
    }
}
