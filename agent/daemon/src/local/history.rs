//! The history of the household's line.
//!
//! Two layers. The raw results of the last 48 hours stay in RAM, as the JSON they were made as and with their figures, within
//! a limit of bytes. Roll-ups, one row per figure and target for each hour and each day, go to flash: one file of at most 256 kB, written
//! at most four times a day and at a clean stop. A crash costs the roll-ups since the last write, at most six hours.
//!
//! [`rollup`] holds the arithmetic and the file's format and is pure; time is an argument everywhere.

mod file;
pub mod rollup;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;

pub use rollup::{EventKind, Happening, RollUp, Rollups, Sample, Span};

use crate::local::series::Figure;
use glimpse_model::id::ResultId;
use glimpse_model::record::{Record, Status};

/// Time between two writes, microseconds: four a day.
pub const WRITE_INTERVAL_US: i64 = 6 * HOUR_US;
const HOUR_US: i64 = 3_600_000_000;

/// How much history is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Where the roll-ups are kept over restarts; `None`: nowhere.
    pub dir: Option<PathBuf>,
    /// RAM for raw results, bytes.
    pub raw_bytes: usize,
    /// Age at which raw results go, microseconds.
    pub raw_age_us: i64,
    /// Longest file of roll-ups, bytes.
    pub rollup_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            raw_bytes: 1024 * 1024,
            raw_age_us: 48 * HOUR_US,
            rollup_bytes: 256 * 1024,
        }
    }
}

/// One raw result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// When it was measured, microseconds UTC.
    pub time_us: i64,
    /// Its id.
    pub id: ResultId,
    /// What became of the run.
    pub status: Status,
    /// It is of the household's own measurements.
    pub own: bool,
    /// Name of the method.
    pub method: Option<Box<str>>,
    /// What was measured; empty where that has no name.
    pub target: Box<str>,
    /// What it says of the line.
    pub points: Box<[Point]>,
    /// The record as JSON.
    pub json: Box<str>,
}

/// One figure of one result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Which.
    pub figure: Figure,
    /// Packets sent.
    pub sent: u32,
    /// Of these, answered.
    pub received: u32,
    /// Median of its values.
    pub median: Option<u32>,
    /// 5th percentile of its values.
    pub low: Option<u32>,
    /// 95th percentile of its values.
    pub high: Option<u32>,
}

impl Point {
    fn of(sample: &Sample<'_>) -> Self {
        let mut values = sample.values.to_vec();
        values.sort_unstable();
        let known = !values.is_empty();
        Self {
            figure: sample.figure,
            sent: sample.sent,
            received: sample.received,
            median: rollup::median(&values),
            low: known.then(|| rollup::percentile(&values, 5)),
            high: known.then(|| rollup::percentile(&values, 95)),
        }
    }
}

impl Raw {
    /// The result of `record`, measured at `time_us`, with the JSON by which it is shown.
    pub fn new(record: &Record, time_us: i64, own: bool, json: String) -> Self {
        Self {
            time_us,
            id: record.id,
            status: record.status,
            own,
            method: record.method.as_deref().map(Into::into),
            target: Box::default(),
            points: Box::default(),
            json: json.into_boxed_str(),
        }
    }

    /// The same with what its record says of the line to `target`.
    #[must_use]
    pub fn with_samples(mut self, target: &str, samples: &[Sample<'_>]) -> Self {
        self.target = target.into();
        self.points = samples.iter().map(Point::of).collect();
        self
    }

    fn size(&self) -> usize {
        self.json.len()
            + self.target.len()
            + self.method.as_ref().map_or(0, |method| method.len())
            + size_of_val::<[Point]>(&self.points)
            + size_of::<Self>()
    }
}

/// What went wrong with the file of roll-ups. The history goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read or written.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file is not what was written: roll-ups begin anew.
    #[error("{path} is damaged, the history begins anew")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// Raw results and roll-ups.
pub struct History {
    options: Options,
    raw: VecDeque<Raw>,
    raw_used: usize,
    rollups: Rollups,
    next_write_us: i64,
    unwritten: bool,
}

impl History {
    /// Opens the history. A missing file is fine; any other trouble with it is handed back for the log.
    pub fn open(options: Options, now_us: i64) -> (Self, Option<Error>) {
        let read = options
            .dir
            .as_ref()
            .map(|dir| file::read(dir, options.rollup_bytes))
            .transpose();
        let (rollups, error) = match read {
            Ok(rollups) => (rollups.flatten().unwrap_or_default(), None),
            Err(e) => (Rollups::default(), Some(e)),
        };
        let next_write_us = now_us.saturating_add(WRITE_INTERVAL_US);
        let history = Self {
            options,
            raw: VecDeque::new(),
            raw_used: 0,
            rollups,
            next_write_us,
            unwritten: false,
        };
        (history, error)
    }

    /// Takes in a result; `samples` is what the roll-ups need of it.
    pub fn record(&mut self, now_us: i64, raw: Raw, samples: &[Sample<'_>]) {
        for sample in samples {
            self.unwritten |= self.rollups.add(raw.time_us, sample);
        }
        let size = raw.size();
        if size <= self.options.raw_bytes {
            self.raw_used += size;
            self.raw.push_back(raw);
        }
        self.drop_old(now_us);
    }

    /// Notes what explains a step in a graph.
    pub fn note(&mut self, event: Happening) {
        self.rollups.note(event);
        self.unwritten = true;
    }

    /// What was noted, in its order.
    pub fn events(&self) -> impl Iterator<Item = &Happening> {
        self.rollups.events()
    }

    /// All raw results, in the order they came in.
    pub fn raw(&self) -> impl DoubleEndedIterator<Item = &Raw> + ExactSizeIterator {
        self.raw.iter()
    }

    /// Raw results measured at or after `time_us`, in the order they came in.
    pub fn since(&self, time_us: i64) -> impl Iterator<Item = &Raw> {
        self.raw.iter().filter(move |raw| raw.time_us >= time_us)
    }

    /// Bytes of RAM that raw results take.
    pub fn raw_bytes(&self) -> usize {
        self.raw_used
    }

    /// Roll-ups of periods that begin at or after `since_us`, oldest first, the running period included.
    pub fn rollups(&self, span: Span, since_us: i64) -> Vec<RollUp<'_>> {
        self.rollups.list(span, since_us)
    }

    /// To be called every few minutes: drops what is old, writes when it is time. Returns whether it wrote.
    pub fn tick(&mut self, now_us: i64) -> Result<bool, Error> {
        self.drop_old(now_us);
        self.rollups.close(now_us, self.options.rollup_bytes);
        // The clock was set back: wait a whole interval from now, neither for years nor at once.
        self.next_write_us = self
            .next_write_us
            .min(now_us.saturating_add(WRITE_INTERVAL_US));
        if now_us < self.next_write_us {
            return Ok(false);
        }
        self.write(now_us)
    }

    /// Writes what is unwritten, for a clean stop. Returns whether there was anything to write.
    pub fn stop(&mut self, now_us: i64) -> Result<bool, Error> {
        self.rollups.close(now_us, self.options.rollup_bytes);
        self.write(now_us)
    }

    fn write(&mut self, now_us: i64) -> Result<bool, Error> {
        let Some(dir) = self.options.dir.as_ref().filter(|_| self.unwritten) else {
            return Ok(false);
        };
        // Also after a failure: a full flash is not to be tried at every tick.
        self.next_write_us = now_us.saturating_add(WRITE_INTERVAL_US);
        file::write(dir, &self.rollups.encode())?;
        self.unwritten = false;
        Ok(true)
    }

    fn drop_old(&mut self, now_us: i64) {
        let oldest_us = now_us.saturating_sub(self.options.raw_age_us);
        while self.raw_used > self.options.raw_bytes
            || self.raw.front().is_some_and(|raw| raw.time_us < oldest_us)
        {
            let Some(raw) = self.raw.pop_front() else {
                break;
            };
            self.raw_used -= raw.size();
        }
    }
}
