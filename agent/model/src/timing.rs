//! When an instruction fires: the five timings of the paper.
//!
//! A timing has *slots*, the planned points in time, and each slot a *firing*: the slot plus a
//! random spread drawn fresh from the seed handed in. [`Timing::first`] and [`Timing::next`] give
//! slots; [`Timing::fire_at`] the firing of a slot.

mod calendar;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, CivilTimes};

use crate::read::{Cursor, Members, Refused};
use crate::time::{MILLISECOND, SECOND, Timestamp};
use serde::Serialize;

/// Longest interval and spread accepted: 400 days, in milliseconds.
pub const MAX_DURATION_MS: i64 = 400 * 86_400 * 1000;

/// When an instruction fires. On the wire: an object with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// Once, when first seen.
    Immediate {},
    /// Once at a time. Written `oneoff`; `onoff`, the original's word, is read too.
    OneOff {
        /// The planned time.
        time: Timestamp,
        /// Upper bound of the random delay, in milliseconds.
        #[serde(rename = "randomSpread")]
        spread_ms: i64,
        /// What a time in the past means.
        #[serde(skip)]
        past: Past,
    },
    /// Again and again.
    Periodic(Periodic),
    /// At civil times.
    Calendar(Calendar),
    /// Only when the household or the local interface asks.
    OnDemand {},
}

/// What becomes of a one-off whose time had passed when it was first seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Past {
    /// It runs once, at once (the JSON door).
    #[default]
    RunAtOnce,
    /// It never runs (RFC 8194).
    Never,
}

/// A periodic timing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Periodic {
    /// Milliseconds between slots, > 0.
    #[serde(rename = "interval")]
    pub interval_ms: i64,
    /// First slot; when missing, the moment the instruction was first seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// No slot and no firing after this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// Upper bound of the random delay, in milliseconds.
    #[serde(rename = "randomSpread")]
    pub spread_ms: i64,
}

impl Timing {
    /// Reads the one-key object.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let outer = cursor.object()?;
        let mut keys = outer.map().keys();
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(cursor.refuse("must have exactly one member"));
        };
        let inner = outer.required(key)?.object();
        match key.as_str() {
            "immediate" => inner?.only(&[]).map(|()| Self::Immediate {}),
            "ondemand" => inner?.only(&[]).map(|()| Self::OnDemand {}),
            "oneoff" | "onoff" => {
                let inner = inner?;
                inner.only(&["time", "randomSpread"])?;
                Ok(Self::OneOff {
                    time: Timestamp::read(&inner.required("time")?)?,
                    spread_ms: read_spread(&inner)?,
                    past: Past::RunAtOnce,
                })
            }
            "periodic" => Periodic::read(&inner?).map(Self::Periodic),
            "calendar" => Calendar::read(&inner?).map(Self::Calendar),
            _ => {
                Err(cursor.refuse("must be one of immediate, oneoff, periodic, calendar, ondemand"))
            }
        }
    }

    /// The first slot of an instruction first seen at `seen`.
    pub fn first(&self, seen: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Immediate {} => Some(seen),
            Self::OneOff { time, past, .. } => match past {
                Past::Never if *time < seen => None,
                _ => Some(*time),
            },
            Self::Periodic(periodic) => periodic.slot_after(seen.plus_micros(-1), seen),
            Self::Calendar(calendar) => calendar.slot_after(seen.plus_micros(-1)),
            Self::OnDemand {} => None,
        }
    }

    /// The slot strictly after `after` of an instruction first seen at `seen`; `None` when there is
    /// no further one. Immediate and one-off timings have a first slot only.
    pub fn next(&self, after: Timestamp, seen: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Periodic(periodic) => periodic.slot_after(after, seen),
            Self::Calendar(calendar) => calendar.slot_after(after),
            Self::Immediate {} | Self::OneOff { .. } | Self::OnDemand {} => None,
        }
    }

    /// Slots in `(after, until]`, counted up to `limit`.
    pub fn count(&self, after: Timestamp, until: Timestamp, seen: Timestamp, limit: u32) -> u32 {
        if let Self::Periodic(periodic) = self {
            return periodic.count(after, until, seen).min(limit);
        }
        let mut slots = 0;
        let mut at = after;
        while slots < limit {
            match self.next(at, seen) {
                Some(slot) if slot <= until => at = slot,
                _ => break,
            }
            slots += 1;
        }
        slots
    }

    /// When the slot fires: up to the spread later, uniform over `0..=spread`, fresh per slot from
    /// `seed`, never after `end`.
    pub fn fire_at(&self, slot: Timestamp, seed: u64) -> Timestamp {
        let (spread_ms, end) = match self {
            Self::OneOff { spread_ms, .. } => (*spread_ms, None),
            Self::Periodic(p) => (p.spread_ms, p.end),
            Self::Calendar(c) => (c.spread_ms, c.end),
            Self::Immediate {} | Self::OnDemand {} => (0, None),
        };
        let room = end.map_or(i64::MAX, |end| end.since(slot).max(0));
        let spread = spread_ms.saturating_mul(MILLISECOND).clamp(0, room);
        slot.plus_micros(uniform(seed, slot, spread))
    }

    /// Whether there is a first slot at most, so that the instruction is done once it has fired.
    pub fn fires_once(&self) -> bool {
        matches!(self, Self::Immediate {} | Self::OneOff { .. })
    }

    /// Firings per hour at most, for admission by rate; one-shots count as one.
    pub fn per_hour(&self) -> f64 {
        match self {
            Self::Immediate {} | Self::OneOff { .. } => 1.0,
            Self::OnDemand {} => 0.0,
            // An interval is at most 3.5e10 ms: exact in a double.
            #[expect(clippy::cast_precision_loss, reason = "bounded by MAX_DURATION_MS")]
            Self::Periodic(p) => 3_600_000.0 / p.interval_ms as f64,
            Self::Calendar(c) => f64::from(c.per_hour()),
        }
    }
}

impl Periodic {
    fn read(members: &Members<'_>) -> Result<Self, Refused> {
        members.only(&["interval", "start", "end", "randomSpread"])?;
        let (start, end) = read_bounds(members)?;
        Ok(Self {
            interval_ms: members.required("interval")?.integer(1, MAX_DURATION_MS)?,
            start,
            end,
            spread_ms: read_spread(members)?,
        })
    }

    fn origin(&self, seen: Timestamp) -> Timestamp {
        self.start.unwrap_or(seen)
    }

    fn interval(&self) -> i64 {
        self.interval_ms.max(1).saturating_mul(MILLISECOND)
    }

    fn slot_after(&self, after: Timestamp, seen: Timestamp) -> Option<Timestamp> {
        let origin = self.origin(seen);
        let passed = after.since(origin);
        let slot = if passed < 0 {
            origin
        } else {
            origin.plus_micros((passed / self.interval() + 1).checked_mul(self.interval())?)
        };
        (slot > after && self.end.is_none_or(|end| slot <= end)).then_some(slot)
    }

    fn count(&self, after: Timestamp, until: Timestamp, seen: Timestamp) -> u32 {
        let until = self.end.map_or(until, |end| end.min(until));
        let Some(first) = self.slot_after(after, seen).filter(|slot| *slot <= until) else {
            return 0;
        };
        u32::try_from(until.since(first) / self.interval() + 1).unwrap_or(u32::MAX)
    }
}

fn read_spread(members: &Members<'_>) -> Result<i64, Refused> {
    members
        .optional("randomSpread")
        .map_or(Ok(0), |spread| spread.integer(0, MAX_DURATION_MS))
}

fn read_bounds(members: &Members<'_>) -> Result<(Option<Timestamp>, Option<Timestamp>), Refused> {
    let bound = |name| {
        members
            .optional(name)
            .map(|at| Timestamp::read(&at))
            .transpose()
    };
    let (start, end) = (bound("start")?, bound("end")?);
    if let (Some(start), Some(end)) = (start, end)
        && end < start
    {
        return Err(Refused::new(
            members.path_of("end"),
            "must not be before start",
        ));
    }
    Ok((start, end))
}

/// The random delay of a slot: uniform over `0..=spread` (microseconds), a function of seed and slot. For doors whose bounds hold
/// for slots and not for firings (RFC 8194 `random-spread`); else [`Timing::fire_at`].
pub fn draw_spread(seed: u64, slot: Timestamp, spread: i64) -> i64 {
    uniform(seed, slot, spread.max(0))
}

/// Uniform over `0..=spread`, a function of seed and slot (`SplitMix64`, then the high half of a
/// 128-bit product: the bias is below 2⁻²⁰ for the longest spread).
fn uniform(seed: u64, slot: Timestamp, spread: i64) -> i64 {
    let Ok(width) = u64::try_from(spread) else {
        return 0;
    };
    let mut x = seed
        ^ slot
            .as_micros()
            .cast_unsigned()
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    let scaled = (u128::from(x) * (u128::from(width) + 1)) >> 64;
    i64::try_from(scaled).unwrap_or(0)
}

/// The start of the second that holds `at`, or the next one when `at` is within a second.
fn ceil_second(at: Timestamp) -> Timestamp {
    let micros = at.as_micros();
    Timestamp::from_micros(micros.div_euclid(SECOND).saturating_mul(SECOND)).plus_micros(
        if micros.rem_euclid(SECOND) == 0 {
            0
        } else {
            SECOND
        },
    )
}
