//! When events happen.
//!
//! An event has *nominal* times, computed one after the other and never polled, and an *occurrence* for each: the nominal time, and
//! a random delay drawn once, so that all schedules and suppressions that name the event see the same instant. Occurrences wait in
//! a queue on the steady clock; a delay longer than the interval is as good as any. The queue is bounded: what finds no place in it
//! is missed.

mod agenda;
mod clock;
mod entry;
mod restored;
#[cfg(test)]
mod tests;

pub use agenda::Agenda;
pub use entry::timing;

use glimpse_model::sorted::SortedSet;
use glimpse_model::time::{SECOND, Timestamp};

/// How late a nominal time may be noticed and still count; later ones are missed.
pub const GRACE: i64 = 2 * SECOND;

/// Most occurrences of one event that wait for their delay; the earliest nominal ones are kept.
pub const EVENT_LIMIT: usize = 64;

/// Most occurrences that wait in all. Events that are not planned again and again always find a place.
pub const LIMIT: usize = 2_000;

/// The controller is not lost sooner than this after it was heard again: both events together happen once a minute at most.
pub const TURN: i64 = 60 * SECOND;

/// An event that happens now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Its name.
    pub event: String,
    /// When it was due, without its delay: the `event` of reports.
    pub nominal: Timestamp,
    /// The cycle that is nearest, where the event has cycles.
    pub cycle: Option<String>,
    /// Who alone is meant, where others have had it before.
    pub only: Option<SortedSet<String>>,
}

impl Occurrence {
    /// Whether it is meant for `referrer`.
    pub fn is_for(&self, referrer: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(referrer))
    }
}

/// Nominal times that passed without an occurrence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The event.
    pub event: String,
    /// How many.
    pub count: u32,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// They were seen, and too many others waited for their delay; else nobody looked in time.
    pub crowded: bool,
    /// A former process may have seen some of them: it ended without notice.
    pub unsure: bool,
}

/// What time brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// In order of their delayed times.
    pub occurrences: Vec<Occurrence>,
    /// What did not come of nominal times. Those that found no place are told once a minute.
    pub missed: Vec<Missed>,
    /// The controller has just been lost.
    pub lost: bool,
}

/// What a later process must know of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Of its definition, the same in every build: another one is another event.
    pub digest: u64,
    /// When it was configured.
    pub since: Timestamp,
    /// The last nominal time dealt with.
    pub cursor: Timestamp,
    /// It was to happen once, and that is over.
    pub done: bool,
    /// Who has had its only occurrence.
    pub served: SortedSet<String>,
    /// Its occurrences that wait for their delay.
    pub waiting: Vec<Delayed>,
}

/// An occurrence that waits for its delay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    /// When it was due without its delay.
    pub nominal: Timestamp,
    /// When it is due.
    pub due: Timestamp,
    /// As [`Occurrence::only`].
    pub only: Option<SortedSet<String>>,
}

/// `cycle-number` of RFC 8194: the multiple of `interval_s` since 1970 that is nearest to `event`, in UTC; the later one of two that
/// are as near. `None` without an interval.
pub fn cycle_number(event: Timestamp, interval_s: Option<u32>) -> Option<String> {
    let interval = i64::from(interval_s.filter(|seconds| *seconds > 0)?) * SECOND;
    let micros = event.as_micros().saturating_add(interval / 2);
    let cycle = Timestamp::from_micros(micros.div_euclid(interval) * interval).to_string();
    // `2026-11-22T10:00:00Z`: years of RFC 3339 have four digits.
    let digits: String = cycle.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits.get(..14)?.split_at(8);
    Some(format!("{day}.{time}"))
}
