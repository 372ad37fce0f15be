//! The figures of the line over time, as the household's graphs show them. Pure: history and time are arguments.
//!
//! A day comes out of the raw results, in buckets of 5 minutes at least; where those do not reach back (the agent was
//! started since), hours stand in their place. A week and a month are made of hours, a year of days. A bucket without a
//! result has no value.

mod figure;
pub mod line;
pub mod sample;
#[cfg(test)]
mod tests;
pub mod ways;

pub use figure::{Figure, Range};

use super::history::rollup::{loss, median};
use super::history::{History, RollUp, Span};
use super::service::SeriesQuery;
use glimpse_model::record::Status;
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Targets that are named at most.
const TARGETS: usize = 32;
/// Bytes of an event's text that are shown.
const EVENT_BYTES: usize = 200;
/// Events that are shown at most: the newest.
const EVENTS: usize = 64;
const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
/// What a bucket of a day may be, in seconds.
const DAY_STEPS: [i64; 7] = [300, 600, 900, 1800, HOUR_S, 2 * HOUR_S, 6 * HOUR_S];
/// What a bucket of a week or a month may be, in hours.
const HOUR_STEPS: [i64; 8] = [1, 2, 3, 4, 6, 12, 24, 72];
/// What a bucket of a year may be, in days.
const DAYS_STEPS: [i64; 6] = [1, 2, 3, 7, 14, 30];

/// Buckets of equal length, the last of which holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Grid {
    from_s: i64,
    step_s: i64,
    count: usize,
}

impl Grid {
    fn new(range: Range, points: usize, now: Timestamp) -> Self {
        let (length_s, unit_s, steps): (i64, i64, &[i64]) = match range {
            Range::Day => (DAY_S, 1, &DAY_STEPS),
            Range::Week => (7 * DAY_S, HOUR_S, &HOUR_STEPS),
            Range::Month => (30 * DAY_S, HOUR_S, &HOUR_STEPS),
            Range::Year => (365 * DAY_S, DAY_S, &DAYS_STEPS),
        };
        let points = i64::try_from(points.max(1)).unwrap_or(i64::MAX);
        let fits = |step: &&i64| {
            length_s.saturating_add(**step * unit_s - 1) / (**step * unit_s) <= points
        };
        let step_s = match steps.iter().find(fits) {
            Some(step) => step * unit_s,
            // Fewer points than the longest step has: as many of these in one as it takes.
            None => (length_s + points - 1) / points,
        };
        let count = (length_s + step_s - 1) / step_s;
        let now_s = now.as_micros().div_euclid(SECOND);
        let to_s = now_s
            .div_euclid(step_s)
            .saturating_add(1)
            .saturating_mul(step_s);
        Self {
            from_s: to_s.saturating_sub(count.saturating_mul(step_s)),
            step_s,
            count: usize::try_from(count).unwrap_or(0),
        }
    }

    fn begin_us(&self) -> i64 {
        self.from_s.saturating_mul(SECOND)
    }

    fn to(&self) -> Timestamp {
        let length_s = self
            .step_s
            .saturating_mul(i64::try_from(self.count).unwrap_or(i64::MAX));
        Timestamp::from_unix_seconds(self.from_s.saturating_add(length_s))
    }

    fn place(&self, time_us: i64) -> Option<usize> {
        let passed = time_us.div_euclid(SECOND).saturating_sub(self.from_s);
        let place = usize::try_from(passed.div_euclid(self.step_s)).ok()?;
        (place < self.count).then_some(place)
    }
}

/// What came into one bucket.
#[derive(Debug, Clone, Default)]
struct Bucket {
    n: u32,
    medians: Vec<u32>,
    lows: Option<u32>,
    highs: Option<u32>,
    sent: u32,
    received: u32,
}

/// What one result, or one period, adds to a bucket.
#[derive(Debug, Clone, Copy)]
struct Piece {
    n: u32,
    sent: u32,
    received: u32,
    median: Option<u32>,
    low: Option<u32>,
    high: Option<u32>,
}

impl Piece {
    fn of_row(row: &RollUp<'_>, figure: Figure) -> Self {
        let piece = Self {
            n: row.n,
            sent: row.sent,
            received: row.received,
            median: row.median,
            low: row.low,
            high: row.high,
        };
        piece.shown(figure, false)
    }

    /// Of losses the value is the share, whose spread only single results have.
    fn shown(self, figure: Figure, single: bool) -> Self {
        if figure != Figure::Loss {
            return self;
        }
        let share = loss(self.sent, self.received, 1_000_000);
        let spread = share.filter(|_| single);
        Self {
            median: share,
            low: spread,
            high: spread,
            ..self
        }
    }
}

impl Bucket {
    fn add(&mut self, piece: &Piece) {
        self.n = self.n.saturating_add(piece.n);
        self.medians.extend(piece.median);
        self.lows = self.lows.into_iter().chain(piece.low).min();
        self.highs = self.highs.into_iter().chain(piece.high).max();
        self.sent = self.sent.saturating_add(piece.sent);
        self.received = self.received.saturating_add(piece.received);
    }

    fn value(&mut self, figure: Figure) -> Option<u32> {
        if figure == Figure::Loss {
            return loss(self.sent, self.received, 1_000_000);
        }
        self.medians.sort_unstable();
        median(&self.medians)
    }
}

/// Pieces by target and bucket.
#[derive(Default)]
struct Found<'a>(BTreeMap<&'a str, (u64, BTreeMap<usize, Bucket>)>);

impl<'a> Found<'a> {
    fn add(&mut self, target: &'a str, place: usize, piece: &Piece) {
        let (n, buckets) = self.0.entry(target).or_default();
        *n += u64::from(piece.n);
        buckets.entry(place).or_default().add(piece);
    }

    /// The targets, the one that was measured most first.
    fn targets(&self) -> Vec<&'a str> {
        let mut targets: Vec<(&str, u64)> = self.0.iter().map(|(t, (n, _))| (*t, *n)).collect();
        targets.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        targets.into_iter().take(TARGETS).map(|(t, _)| t).collect()
    }
}

/// The figure in which the packets of another are counted.
const fn kept_as(figure: Figure) -> Figure {
    match figure {
        Figure::Loss => Figure::Delay,
        figure => figure,
    }
}

/// The answer to `query` at `now`; `contract` is what the household says that it pays for, in the figure's unit.
pub fn series(
    history: &History,
    query: &SeriesQuery,
    now: Timestamp,
    contract: Option<u64>,
) -> Value {
    let grid = Grid::new(query.range, query.points, now);
    let mut found = Found::default();
    let figure = query.figure;
    match query.range {
        Range::Day => of_raw(history, figure, &grid, &mut found),
        Range::Week | Range::Month => {
            of_rows(history, Span::Hour, i64::MAX, figure, &grid, &mut found);
        }
        Range::Year => of_rows(history, Span::Day, i64::MAX, figure, &grid, &mut found),
    }
    let targets = found.targets();
    let target = query.target.as_deref().or(targets.first().copied());
    let mut buckets = target
        .and_then(|target| found.0.remove(target))
        .map(|(_, buckets)| buckets)
        .unwrap_or_default();
    let mut columns: [Vec<Value>; 4] = Default::default();
    for place in 0..grid.count {
        let values = match buckets.get_mut(&place) {
            None => [Value::Null, Value::Null, Value::Null, Value::Null],
            Some(bucket) => [
                bucket.n.into(),
                bucket.value(figure).into(),
                bucket.lows.into(),
                bucket.highs.into(),
            ],
        };
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value);
        }
    }
    let [n, median, low, high] = columns;
    json!({
        "figure": figure.as_str(),
        "unit": figure.unit(),
        "from": Timestamp::from_unix_seconds(grid.from_s),
        "to": grid.to(),
        "step_s": grid.step_s,
        "target": target,
        "targets": targets,
        "points": {"n": n, "median": median, "low": low, "high": high},
        "contract": contract,
        "events": events(history, &grid, now),
    })
}

fn of_raw<'a>(history: &'a History, figure: Figure, grid: &Grid, found: &mut Found<'a>) {
    let mut oldest_us = i64::MAX;
    for raw in history.raw() {
        oldest_us = oldest_us.min(raw.time_us);
        let Some(place) = grid.place(raw.time_us) else {
            continue;
        };
        for point in raw.points.iter().filter(|p| p.figure == kept_as(figure)) {
            let piece = Piece {
                n: 1,
                sent: point.sent,
                received: point.received,
                median: point.median,
                low: point.low,
                high: point.high,
            };
            found.add(&raw.target, place, &piece.shown(figure, true));
        }
    }
    // The hour in which the oldest raw result stands is half theirs: it would count twice.
    let until_us = oldest_us.saturating_sub(HOUR_S * SECOND - 1);
    of_rows(history, Span::Hour, until_us, figure, grid, found);
}

/// Rows of periods that begin before `until_us`.
fn of_rows<'a>(
    history: &'a History,
    span: Span,
    until_us: i64,
    figure: Figure,
    grid: &Grid,
    found: &mut Found<'a>,
) {
    let kept = kept_as(figure);
    for row in history.rollups(span, grid.begin_us()) {
        if row.figure != kept || row.start_us >= until_us {
            continue;
        }
        if let Some(place) = grid.place(row.start_us) {
            found.add(row.target, place, &Piece::of_row(&row, figure));
        }
    }
}

/// What happened in that time, the oldest first.
fn events(history: &History, grid: &Grid, now: Timestamp) -> Vec<Value> {
    let seen = |time_us: i64| (grid.begin_us()..=now.as_micros()).contains(&time_us);
    let time = |time_us| Timestamp::from_micros(time_us);
    let noted = history.events().filter(|event| seen(event.time_us));
    let mut events: Vec<(i64, Value)> = noted
        .map(|event| {
            let value = json!({"time": time(event.time_us), "kind": event.kind.as_str(), "text": event.text});
            (event.time_us, value)
        })
        .collect();
    let skipped = history
        .raw()
        .rev()
        .filter(|raw| raw.status == Status::Skipped && seen(raw.time_us));
    for raw in skipped.take(EVENTS) {
        let record: Option<Value> = serde_json::from_str(&raw.json).ok();
        let text = record.as_ref().and_then(|record| record["error"].as_str());
        let text = text.map(|text| &text[..text.floor_char_boundary(EVENT_BYTES)]);
        let value = json!({"time": time(raw.time_us), "kind": "skipped", "text": text});
        events.push((raw.time_us, value));
    }
    events.sort_by_key(|(time_us, _)| *time_us);
    let excess = events.len().saturating_sub(EVENTS);
    events.drain(..excess);
    events.into_iter().map(|(_, value)| value).collect()
}
