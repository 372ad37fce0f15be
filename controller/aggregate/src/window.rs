//! Half-open windows of time, aligned in UTC.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Microseconds of an hour, the grain of calendars.
pub(crate) const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;
/// Beyond this many microseconds from 1970 (some 30 000 years) calendar arithmetic stops.
const EDGE_US: i64 = 1_000_000_000_000_000_000;

/// `[start, end)` in microseconds UTC since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    start_us: i64,
    end_us: i64,
}

/// The end is not later than the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("window must end after it starts")]
pub struct WindowError;

/// The lengths of windows that are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Span {
    /// One hour.
    Hour,
    /// One day, from midnight UTC.
    Day,
    /// Seven days that end at a midnight; there is one for every day.
    SevenDays,
    /// One month of the Gregorian calendar.
    Month,
}

impl Span {
    /// All four, shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::SevenDays, Self::Month];

    /// The name in paths and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::SevenDays => "7-days",
            Self::Month => "month",
        }
    }

    /// The newest window that is closed at the given moment.
    pub fn closed_at(self, now_us: i64) -> Window {
        let now_us = now_us.clamp(-EDGE_US, EDGE_US);
        match self {
            Self::Hour => Window::hour_of(now_us - HOUR_US),
            Self::Day => Window::day_of(now_us - DAY_US),
            Self::SevenDays => Window::days(now_us.div_euclid(DAY_US) - 7, 7),
            Self::Month => Window::month_of(Window::month_of(now_us).start_us - 1),
        }
    }

    /// All windows of this length that hold the given moment, oldest first: those a late result of that moment
    /// concerns. One, but seven for [`Span::SevenDays`].
    pub fn holding(self, at_us: i64) -> Vec<Window> {
        let at_us = at_us.clamp(-EDGE_US, EDGE_US);
        match self {
            Self::Hour => vec![Window::hour_of(at_us)],
            Self::Day => vec![Window::day_of(at_us)],
            Self::SevenDays => {
                let day = at_us.div_euclid(DAY_US);
                (day - 6..=day)
                    .map(|first| Window::days(first, 7))
                    .collect()
            }
            Self::Month => vec![Window::month_of(at_us)],
        }
    }
}

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

    /// The month of the Gregorian calendar that holds the given moment.
    pub fn month_of(at_us: i64) -> Self {
        let at_us = at_us.clamp(-EDGE_US, EDGE_US);
        let (year, month) = month(at_us.div_euclid(DAY_US));
        let (next_year, next_month) = if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        };
        Self {
            start_us: first_day(year, month) * DAY_US,
            end_us: first_day(next_year, next_month) * DAY_US,
        }
    }

    /// Whole days from the given day after 1970-01-01.
    fn days(first: i64, count: i64) -> Self {
        Self {
            start_us: first * DAY_US,
            end_us: (first + count) * DAY_US,
        }
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

    /// Which hour of the window a moment inside lies in, from 0. Windows of more than seven years share the last number.
    pub(crate) fn hour_index(&self, at_us: i64) -> u16 {
        let first = self.start_us.div_euclid(HOUR_US);
        u16::try_from(at_us.div_euclid(HOUR_US) - first).unwrap_or(u16::MAX)
    }

    /// The hour of the day at which the window starts, 0 to 23.
    pub(crate) fn first_hour_of_day(&self) -> usize {
        usize::try_from(self.start_us.div_euclid(HOUR_US).rem_euclid(24)).unwrap_or(0)
    }

    /// The number of UTC days that the window touches, at least one.
    pub(crate) fn day_count(&self) -> usize {
        let first = self.start_us.div_euclid(DAY_US);
        let last = (self.end_us - 1).div_euclid(DAY_US);
        usize::try_from(last - first + 1).unwrap_or(1)
    }
}

/// Year and month of a day after 1970-01-01 (days are counted from March, so that leap days end a year).
fn month(day: i64) -> (i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month)
}

/// The first day of a month, in days after 1970-01-01.
fn first_day(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

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
            for window in [
                Window::hour_of(at),
                Window::day_of(at),
                Window::month_of(at),
            ] {
                assert!(window.contains(at), "{at} in {window:?}");
            }
        }
        assert_eq!(Window::hour_of(-1).start_us(), -HOUR_US);
        assert_eq!(Window::day_of(DAY_US).end_us(), 2 * DAY_US);
    }

    #[test]
    fn months_have_their_days() {
        // 2024-02-01, 2026-01-01, 2000-02-01, 1900-02-01 and 1969-12-01, by `date -u -d … +%s`.
        for (start_s, days) in [
            (1_706_745_600, 29),
            (1_767_225_600, 31),
            (949_363_200, 29),
            (-2_206_310_400, 28),
            (-2_678_400, 31),
        ] {
            let start_us = start_s * 1_000_000;
            let window = Window::month_of(start_us + 13 * DAY_US);
            assert_eq!(
                (window.start_us(), window.end_us()),
                (start_us, start_us + days * DAY_US)
            );
            assert_eq!(window.day_count(), usize::try_from(days).unwrap());
        }
    }

    #[test]
    fn the_newest_closed_window_ends_at_or_before_now() {
        // 2026-03-01 00:00:00.000001 UTC, a Sunday.
        let now = 1_772_323_200_000_001;
        let midnight = now - 1;
        assert_eq!(
            Span::Hour.closed_at(now),
            Window::new(midnight - HOUR_US, midnight).unwrap()
        );
        assert_eq!(
            Span::Day.closed_at(now),
            Window::new(midnight - DAY_US, midnight).unwrap()
        );
        assert_eq!(
            Span::SevenDays.closed_at(now),
            Window::new(midnight - 7 * DAY_US, midnight).unwrap()
        );
        assert_eq!(
            Span::Month.closed_at(now),
            Window::new(midnight - 28 * DAY_US, midnight).unwrap()
        );
        assert_eq!(
            Span::Day.closed_at(midnight - 1).end_us(),
            midnight - DAY_US
        );
    }

    proptest! {
        #[test]
        fn windows_of_every_span_follow_each_other_without_gap(at in -4_000_000_000_000_000_i64..8_000_000_000_000_000) {
            for span in Span::ALL {
                let holding = span.holding(at);
                prop_assert_eq!(holding.len(), if span == Span::SevenDays { 7 } else { 1 });
                for window in holding {
                    prop_assert!(window.contains(at));
                    // At the moment it ends a window is the newest closed one, and a moment before it is not closed.
                    prop_assert_eq!(span.closed_at(window.end_us()), window);
                    prop_assert!(span.closed_at(window.end_us() - 1).end_us() < window.end_us());
                    prop_assert!(!span.holding(window.end_us()).contains(&window));
                }
            }
        }
    }
}
