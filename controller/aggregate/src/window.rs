//! Half-open windows of time.

use thiserror::Error;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// `[start, end)` in microseconds UTC since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    start_us: i64,
    end_us: i64,
}

/// The end is not later than the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("window must end after it starts")]
pub struct WindowError;

impl Window {
    /// The window `[start_us, end_us)`.
    pub fn new(start_us: i64, end_us: i64) -> Result<Self, WindowError> {
        if start_us < end_us {
            Ok(Self { start_us, end_us })
        } else {
            Err(WindowError)
        }
    }

    /// The UTC hour that holds the given moment.
    pub fn hour_of(at_us: i64) -> Self {
        Self::aligned(at_us, HOUR_US)
    }

    /// The UTC day that holds the given moment.
    pub fn day_of(at_us: i64) -> Self {
        Self::aligned(at_us, DAY_US)
    }

    fn aligned(at_us: i64, length_us: i64) -> Self {
        let start_us = at_us.saturating_sub(at_us.rem_euclid(length_us));
        Self {
            start_us,
            end_us: start_us.saturating_add(length_us),
        }
    }

    /// First moment inside.
    pub fn start_us(&self) -> i64 {
        self.start_us
    }

    /// First moment after.
    pub fn end_us(&self) -> i64 {
        self.end_us
    }

    /// Whether a measurement started inside.
    pub fn contains(&self, at_us: i64) -> bool {
        self.start_us <= at_us && at_us < self.end_us
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_result_at_the_seam_belongs_to_the_later_window_only() {
        let first = Window::new(0, 10).unwrap();
        let second = Window::new(10, 20).unwrap();
        assert!(first.contains(0) && first.contains(9) && !first.contains(10));
        assert!(second.contains(10) && !second.contains(20));
        assert_eq!(Window::new(5, 5), Err(WindowError));
    }

    #[test]
    fn aligned_windows_hold_their_moment_before_1970_too() {
        for at in [-1, 0, 1, HOUR_US, DAY_US - 1, DAY_US, -DAY_US, -DAY_US - 1] {
            for window in [Window::hour_of(at), Window::day_of(at)] {
                assert!(window.contains(at), "{at} in {window:?}");
            }
        }
        assert_eq!(Window::hour_of(-1).start_us(), -HOUR_US);
        assert_eq!(Window::day_of(DAY_US).end_us(), 2 * DAY_US);
    }
}
