//! Roll-ups: figures per target, for each hour and each day UTC. Pure.
//!
//! Medians and the 5th and 95th percentiles come from at most 128 values per period, evenly thinned when there are more;
//! up to that number they are exact. Everything is bounded: 64 pairs of figure and target, 31 days of hours, 400 days,
//! 64 events, and the bytes of the file, for which the oldest hours go first and days last. When all pairs are taken, one
//! that was not measured for a week makes room.
//!
//! The file: magic and version, pairs of figure and target, finished hours and days, running periods with their values,
//! events, CRC32; all integers little-endian. Files of version 1 are read too: their rows are round trips, with the
//! least and the greatest in the place of the percentiles.

mod file_format;

use crate::local::series::Figure;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What the roll-ups need of one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<'a> {
    /// What was measured; losses are those of [`Figure::Delay`].
    pub figure: Figure,
    /// To what, as the instruction names it.
    pub target: &'a str,
    /// Packets sent (or tries made).
    pub sent: u32,
    /// Of these, answered.
    pub received: u32,
    /// The values, in the figure's unit.
    pub values: &'a [u32],
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
    /// What was measured.
    #[serde(serialize_with = "figure_name")]
    pub figure: Figure,
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
    /// Median; `None` when nothing answered.
    pub median: Option<u32>,
    /// 5th percentile; of rows that an older agent made, the least.
    pub low: Option<u32>,
    /// 95th percentile; of rows that an older agent made, the greatest.
    pub high: Option<u32>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn figure_name<S: serde::Serializer>(figure: &Figure, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(figure.as_str())
}

impl RollUp<'_> {
    /// Share of packets without an answer, in thousandths; `None` when none was sent.
    pub fn loss_permille(&self) -> Option<u32> {
        loss(self.sent, self.received, 1000)
    }

    /// The same in millionths.
    pub fn loss_ppm(&self) -> Option<u32> {
        loss(self.sent, self.received, 1_000_000)
    }
}

/// Lost packets in parts of `whole`; `None` when none was sent.
pub fn loss(sent: u32, received: u32, whole: u32) -> Option<u32> {
    let lost = u64::from(sent.saturating_sub(received)) * u64::from(whole);
    u32::try_from(lost.checked_div(u64::from(sent))?).ok()
}

/// What happened to the line or to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The agent started.
    Restart,
    /// The address of the line changed.
    Address,
    /// The way to the Internet changed.
    Path,
}

impl EventKind {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Address => "address",
            Self::Path => "path",
        }
    }
}

/// Something that explains a step in a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// When, microseconds UTC.
    pub time_us: i64,
    /// What.
    pub kind: EventKind,
    /// In words.
    pub text: String,
}

/// The hours and days of all figures and targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rollups {
    keys: BTreeMap<u16, Key>,
    closed: BTreeMap<Place, Figures>,
    open: BTreeMap<Place, Running>,
    events: VecDeque<Happening>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    figure: Figure,
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
    low: Option<u32>,
    high: Option<u32>,
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
const MAX_TARGET: usize = 255;
const MAX_EVENTS: usize = 64;
const MAX_EVENT_TEXT: usize = 120;
/// A pair that was not measured for so long makes room for another.
const FORGOTTEN_HOURS: u32 = 7 * 24;
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
        let Some(key) = self.key(sample.figure, sample.target, hour) else {
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
            self.finish(place, &figures);
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

    /// Puts the figures of a period that is over beside those it may have already.
    fn finish(&mut self, place: Place, figures: &Figures) {
        self.closed
            .entry(place)
            .and_modify(|closed| closed.merge(figures))
            .or_insert(*figures);
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

    /// Notes what happened; the oldest gives way.
    pub fn note(&mut self, mut event: Happening) {
        let end = event.text.floor_char_boundary(MAX_EVENT_TEXT);
        event.text.truncate(end);
        self.events.push_back(event);
        if self.events.len() > MAX_EVENTS {
            self.events.pop_front();
        }
    }

    /// What happened, in the order in which it was noted.
    pub fn events(&self) -> impl Iterator<Item = &Happening> {
        self.events.iter()
    }

    fn key(&mut self, figure: Figure, target: &str, hour: u32) -> Option<u16> {
        let target = &target[..target.floor_char_boundary(MAX_TARGET)];
        let same = |key: &Key| key.figure == figure && key.target == target;
        if let Some((index, _)) = self.keys.iter().find(|(_, key)| same(key)) {
            return Some(*index);
        }
        if self.keys.len() >= MAX_KEYS {
            self.forget(hour)?;
        }
        let free = (0..=u16::MAX).find(|index| !self.keys.contains_key(index))?;
        self.keys.insert(
            free,
            Key {
                figure,
                target: target.to_owned(),
            },
        );
        Some(free)
    }

    /// Drops the pair that was measured longest ago, if that is long before `hour`.
    fn forget(&mut self, hour: u32) -> Option<()> {
        let mut last: BTreeMap<u16, u32> = BTreeMap::new();
        for place in self.closed.keys().chain(self.open.keys()) {
            let last = last.entry(place.key).or_default();
            *last = (*last).max(place.hour);
        }
        let (key, last) = last.into_iter().min_by_key(|(_, last)| *last)?;
        if last.saturating_add(FORGOTTEN_HOURS) >= hour {
            return None;
        }
        self.keys.remove(&key);
        self.closed.retain(|place, _| place.key != key);
        self.open.retain(|place, _| place.key != key);
        Some(())
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
        for &value in sample.values {
            if self.seen.is_multiple_of(1 << self.thinning) {
                self.values.push(value);
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
        let known = !self.values.is_empty();
        self.figures.median = median(&self.values);
        self.figures.low = known.then(|| percentile(&self.values, 5));
        self.figures.high = known.then(|| percentile(&self.values, 95));
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
        self.low = self.low.into_iter().chain(late.low).min();
        self.high = self.high.into_iter().chain(late.high).max();
    }

    fn shown<'a>(&self, key: &'a Key, place: Place) -> RollUp<'a> {
        RollUp {
            figure: key.figure,
            target: &key.target,
            start_us: start_us(place),
            n: self.n,
            sent: self.sent,
            received: self.received,
            median: self.median,
            low: self.low,
            high: self.high,
        }
    }
}

/// The middle of sorted values; of an even count the mean of the two in the middle.
pub fn median(sorted: &[u32]) -> Option<u32> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len().is_multiple_of(2) {
        sorted
            .get(middle.checked_sub(1)?)
            .map(|&lower| lower.midpoint(upper))
    } else {
        Some(upper)
    }
}

/// The value at so many percent of sorted values, by the nearest rank; 0 of none.
pub fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}
