//! Roll-ups: figures per method and target, for each hour and each day UTC. Pure.
//!
//! Medians come from at most 128 values per period, evenly thinned when there are more; up to that number they
//! are exact. Everything is bounded: 64 pairs of method and target, 31 days of hours, 400 days, and the bytes of the
//! file, for which the oldest hours go first and days last.
//!
//! The file: magic and version, method and target pairs, finished hours and days, running periods with their values,
//! CRC32; all integers little-endian.

mod file_format;

use std::collections::{BTreeMap, BTreeSet};

/// What the roll-ups need of one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// The method.
    pub method: &'a str,
    /// What was measured, as the instruction names it.
    pub target: &'a str,
    /// Packets sent (or tries made).
    pub sent: u32,
    /// Of these, answered.
    pub received: u32,
    /// Round-trip times, microseconds.
    pub rtts_us: &'a [u32],
}

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// An hour UTC.
    Hour,
    /// A day UTC.
    Day,
}

impl Span {
    /// Its length in hours.
    pub fn hours(self) -> u32 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// How long its rows are kept, hours.
    fn kept_hours(self) -> u32 {
        match self {
            Self::Hour => 31 * 24,
            Self::Day => 400 * 24,
        }
    }
}

/// One row, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RollUp<'a> {
    /// The method.
    pub method: &'a str,
    /// The target.
    pub target: &'a str,
    /// Begin of the period, microseconds UTC.
    pub start_us: i64,
    /// Results taken in.
    pub n: u32,
    /// Packets sent.
    pub sent: u32,
    /// Packets answered.
    pub received: u32,
    /// Median round-trip time, microseconds; `None` when nothing answered.
    pub rtt_median_us: Option<u32>,
    /// Smallest round-trip time.
    pub rtt_min_us: Option<u32>,
    /// Largest round-trip time.
    pub rtt_max_us: Option<u32>,
}

impl RollUp<'_> {
    /// Share of packets without an answer, in thousandths; `None` when none was sent.
    pub fn loss_permille(&self) -> Option<u32> {
        let lost = u64::from(self.sent.saturating_sub(self.received)) * 1000;
        u32::try_from(lost.checked_div(u64::from(self.sent))?).ok()
    }
}

/// The hours and days of all methods and targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rollups {
    keys: BTreeMap<u16, Key>,
    closed: BTreeMap<Place, Figures>,
    open: BTreeMap<Place, Running>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    method: String,
    target: String,
}

/// Which row: span, first hour since 1970, pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    span: Span,
    hour: u32,
    key: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Figures {
    n: u32,
    sent: u32,
    received: u32,
    median: Option<u32>,
    min: Option<u32>,
    max: Option<u32>,
}

/// A period that still takes in results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Running {
    figures: Figures,
    /// Every 2^`thinning`-th value.
    values: Vec<u32>,
    thinning: u8,
    seen: u32,
}

const MAX_KEYS: usize = 64;
const MAX_METHOD: usize = 64;
const MAX_TARGET: usize = 255;
const MAX_VALUES: usize = 128;
/// This hour, the one before, today and yesterday of every pair.
const MAX_OPEN: usize = 4 * MAX_KEYS;
const HOUR_US: i64 = 3_600_000_000;
/// A result is known only when its measurement has ended: hours stay open a while longer.
const GRACE_US: i64 = HOUR_US / 4;

impl Rollups {
    /// Takes in a result measured at `time_us`. `false` when it has no place: before 1970, or one pair too many.
    pub fn add(&mut self, time_us: i64, sample: &Sample<'_>) -> bool {
        let Some(hour) = u32::try_from(time_us.div_euclid(HOUR_US)).ok() else {
            return false;
        };
        let Some(key) = self.key(sample.method, sample.target) else {
            return false;
        };
        for span in [Span::Hour, Span::Day] {
            let place = Place {
                span,
                hour: hour - hour % span.hours(),
                key,
            };
            self.open.entry(place).or_default().add(sample);
        }
        true
    }

    /// Finishes periods that are over at `now_us`, drops what is too old or too much for `max_bytes` of file.
    pub fn close(&mut self, now_us: i64, max_bytes: usize) {
        // Periods that a wrong clock put into the future are never over; they are finished when they become many.
        let excess = self.open.len().saturating_sub(MAX_OPEN);
        let over = |place: &Place| end_us(*place).saturating_add(GRACE_US) <= now_us;
        let places = self
            .open
            .keys()
            .enumerate()
            .filter(|(index, place)| *index < excess || over(place));
        let places: Vec<Place> = places.map(|(_, place)| *place).collect();
        for place in places {
            let figures = self
                .open
                .remove(&place)
                .map(Running::finish)
                .unwrap_or_default();
            self.closed
                .entry(place)
                .and_modify(|closed| closed.merge(&figures))
                .or_insert(figures);
        }
        let now_hour = u32::try_from(now_us.div_euclid(HOUR_US)).unwrap_or(0);
        self.closed
            .retain(|place, _| place.hour.saturating_add(place.span.kept_hours()) >= now_hour);
        // Hours sort before days, the oldest first.
        for _ in 0..self
            .encoded_len()
            .saturating_sub(max_bytes)
            .div_ceil(file_format::ROW_LEN)
        {
            self.closed.pop_first();
        }
        let used: BTreeSet<u16> = self
            .closed
            .keys()
            .chain(self.open.keys())
            .map(|place| place.key)
            .collect();
        self.keys.retain(|key, _| used.contains(key));
    }

    /// Rows of periods that begin at or after `since_us`, oldest first.
    pub fn list(&self, span: Span, since_us: i64) -> Vec<RollUp<'_>> {
        let wanted = |place: &Place| place.span == span && start_us(*place) >= since_us;
        let closed = self.closed.iter().filter(|(place, _)| wanted(place));
        let mut rows: BTreeMap<Place, Figures> =
            closed.map(|(place, figures)| (*place, *figures)).collect();
        // A late result may have opened a finished period again: one row is shown.
        for (place, running) in self.open.iter().filter(|(place, _)| wanted(place)) {
            let figures = running.clone().finish();
            rows.entry(*place)
                .and_modify(|closed| closed.merge(&figures))
                .or_insert(figures);
        }
        rows.iter()
            .filter_map(|(place, figures)| Some(figures.shown(self.keys.get(&place.key)?, *place)))
            .collect()
    }

    fn key(&mut self, method: &str, target: &str) -> Option<u16> {
        let method = &method[..method.floor_char_boundary(MAX_METHOD)];
        let target = &target[..target.floor_char_boundary(MAX_TARGET)];
        let same = |key: &Key| key.method == method && key.target == target;
        if let Some((index, _)) = self.keys.iter().find(|(_, key)| same(key)) {
            return Some(*index);
        }
        if self.keys.len() >= MAX_KEYS {
            return None;
        }
        let free = (0..=u16::MAX).find(|index| !self.keys.contains_key(index))?;
        self.keys.insert(
            free,
            Key {
                method: method.to_owned(),
                target: target.to_owned(),
            },
        );
        Some(free)
    }
}

fn start_us(place: Place) -> i64 {
    // A damaged file may name any hour.
    i64::from(place.hour).saturating_mul(HOUR_US)
}

fn end_us(place: Place) -> i64 {
    start_us(place).saturating_add(i64::from(place.span.hours()).saturating_mul(HOUR_US))
}

impl Running {
    fn add(&mut self, sample: &Sample<'_>) {
        let figures = &mut self.figures;
        figures.n = figures.n.saturating_add(1);
        figures.sent = figures.sent.saturating_add(sample.sent);
        figures.received = figures.received.saturating_add(sample.received);
        for &rtt in sample.rtts_us {
            figures.min = Some(figures.min.map_or(rtt, |min| min.min(rtt)));
            figures.max = Some(figures.max.map_or(rtt, |max| max.max(rtt)));
            if self.seen.is_multiple_of(1 << self.thinning) {
                self.values.push(rtt);
            }
            self.seen = self.seen.wrapping_add(1);
            if self.values.len() > MAX_VALUES {
                let mut index = 0;
                self.values.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.thinning = (self.thinning + 1).min(31);
            }
        }
    }

    fn finish(mut self) -> Figures {
        self.values.sort_unstable();
        let middle = self.values.len() / 2;
        let upper = self.values.get(middle).copied();
        self.figures.median = match upper {
            Some(upper) if self.values.len().is_multiple_of(2) => self
                .values
                .get(middle - 1)
                .map(|&lower| lower.midpoint(upper)),
            upper => upper,
        };
        self.figures
    }
}

impl Figures {
    /// Adds the figures of results that came after the period was finished. The median becomes the mean of both, weighted
    /// by results: the values are gone.
    fn merge(&mut self, late: &Self) {
        self.median = match (self.median, late.median) {
            (Some(a), Some(b)) => {
                let (n, m) = (u64::from(self.n), u64::from(late.n));
                let mean = (u64::from(a) * n + u64::from(b) * m).checked_div(n + m);
                mean.and_then(|mean| u32::try_from(mean).ok())
            }
            (a, b) => a.or(b),
        };
        self.n = self.n.saturating_add(late.n);
        self.sent = self.sent.saturating_add(late.sent);
        self.received = self.received.saturating_add(late.received);
        self.min = self.min.into_iter().chain(late.min).min();
        self.max = self.max.into_iter().chain(late.max).max();
    }

    fn shown<'a>(&self, key: &'a Key, place: Place) -> RollUp<'a> {
        RollUp {
            method: &key.method,
            target: &key.target,
            start_us: start_us(place),
            n: self.n,
            sent: self.sent,
            received: self.received,
            rtt_median_us: self.median,
            rtt_min_us: self.min,
            rtt_max_us: self.max,
        }
    }
}
