//! Figures as they are kept.
//!
//! ```text
//! file       = MARK window version k trust newest places clusters operators filtered cells
//! window     = start end                         newest = 0 / 1 moment
//! k          = 0 (the laboratory) / subscribers
//! trust      = load cross-traffic signal offset
//! places     = count *(level pid)                clusters  = count *(pid count *target)
//! operators  = count *name                       filtered  = subscribers count *(reason results)
//! cells      = count *(metric place cluster subscribers samples figures calendars)
//! cluster    = 0 (TOTAL) / index + 1
//! figures    = count *(operator × 2 + interval? value [low high])
//! calendars  = count *(calendar operator *value)
//! ```
//! Numbers are unsigned LEB128, moments and signals in zigzag, texts their length and their bytes. Equal figures have equal bytes.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Calendar, Entries, Figure, Filtered, Located, Public, PublicCluster, PublicPlace};
use crate::{
    Interval, K, KError, Level, Metric, Reason, Statistic, Trust, UnknownStatistic, Window,
    WindowError,
};

/// What the bytes begin with: whose they are, and the number of the layout.
const MARK: &[u8] = b"glimpse-figures 3\n";
const LEVELS: [Level; 5] = [
    Level::Total,
    Level::Isp,
    Level::Region,
    Level::Technology,
    Level::Contract,
];
const CALENDARS: [Calendar; 2] = [Calendar::HourOfDay, Calendar::DayOfWindow];
/// Bits of a number that a byte carries.
const BITS: u32 = 7;

/// Why figures that were kept cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Of an older or later program, or no figures at all.
    #[error("the layout is not number 3, the one this program writes")]
    Layout,
    /// They end too early.
    #[error("the end is missing")]
    Short,
    /// Something follows that does not belong to them.
    #[error("there is more than one publication")]
    Long,
    /// A number that no program wrote.
    #[error("a number that is too large for what it says")]
    Number,
    /// A text that is not UTF-8.
    #[error("a text that is none")]
    Text,
    /// See [`WindowError`].
    #[error(transparent)]
    Window(#[from] WindowError),
    /// See [`KError`].
    #[error(transparent)]
    K(#[from] KError),
    /// See [`UnknownStatistic`].
    #[error(transparent)]
    Statistic(#[from] UnknownStatistic),
    /// An index of nothing.
    #[error("a cell of something that is not there")]
    Index,
    /// Cells of a metric do not stand together.
    #[error("the cells are not in the order of their metrics")]
    Order,
    /// The window has no such calendar.
    #[error("a calendar that the window does not have")]
    Calendar,
}

impl Public {
    /// The figures as they are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut operators: Vec<Statistic> = self.figures.iter().map(|f| f.statistic).collect();
        operators.extend(self.calendars.iter().map(|(_, statistic, _)| *statistic));
        operators.sort_unstable();
        operators.dedup();
        let operator = |s: Statistic| operators.partition_point(|known| *known < s) as u64;
        let mut out = Writer(MARK.to_vec());
        out.signed(self.window.start_us());
        out.signed(self.window.end_us());
        out.number(self.version as u64);
        let k = if self.k.is_lab() {
            0
        } else {
            self.k.subscribers()
        };
        out.number(k as u64);
        out.number(self.trust.cpu_percent.into());
        out.number(self.trust.cross_traffic_bps);
        out.signed(self.trust.wifi_dbm.into());
        out.number(self.trust.clock_offset_us);
        out.number(u64::from(self.newest_us.is_some()));
        if let Some(newest_us) = self.newest_us {
            out.signed(newest_us);
        }
        out.number(self.places.len() as u64);
        for place in &self.places {
            out.number(place.level as u64);
            out.text(&place.pid);
        }
        out.number(self.clusters.len() as u64);
        for cluster in &self.clusters {
            out.text(&cluster.pid);
            out.number(cluster.targets.len() as u64);
            cluster.targets.iter().for_each(|target| out.text(target));
        }
        out.number(operators.len() as u64);
        for operator in &operators {
            out.text(&operator.to_string());
        }
        out.number(self.filtered.subscribers as u64);
        out.number(self.filtered.results.len() as u64);
        for (reason, results) in &self.filtered.results {
            out.number(*reason as u64);
            out.number(*results);
        }
        out.number(self.cells.len() as u64);
        for (index, located) in self.cells.iter().enumerate() {
            let cell = self.whole(index);
            out.number(located.metric as u64);
            out.number(located.place.into());
            out.number(located.cluster.map_or(0, |cluster| u64::from(cluster) + 1));
            out.number(cell.subscribers as u64);
            out.number(cell.samples);
            out.number(cell.figures.len() as u64);
            for figure in cell.figures {
                let told = u64::from(figure.confidence.is_some());
                out.number(operator(figure.statistic) * 2 + told);
                out.number(figure.value);
                if let Some(Interval { low, high }) = figure.confidence {
                    out.number(low);
                    out.number(high);
                }
            }
            out.number(cell.calendars.len() as u64);
            for (calendar, statistic, values) in cell.calendars {
                out.number(*calendar as u64);
                out.number(operator(*statistic));
                values.iter().for_each(|value| out.number(*value));
            }
        }
        out.0
    }

    /// Figures that were kept. What they take is bounded by a multiple of the bytes.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let mut from = Reader(bytes.strip_prefix(MARK).ok_or(Unreadable::Layout)?);
        let window = Window::new(from.signed()?, from.signed()?)?;
        let version = from.number()?;
        let k = match from.number()? {
            0 => K::lab(),
            subscribers => K::new(subscribers)?,
        };
        let trust = Trust {
            cpu_percent: from.number()?,
            cross_traffic_bps: from.number()?,
            wifi_dbm: i32::try_from(from.signed()?).map_err(|_| Unreadable::Number)?,
            clock_offset_us: from.number()?,
        };
        let newest_us = match from.number::<u8>()? {
            0 => None,
            _ => Some(from.signed()?),
        };
        let places = from.many(|from| {
            Ok(PublicPlace {
                level: from.one_of(&LEVELS)?,
                pid: from.text()?.to_owned(),
            })
        })?;
        let clusters = from.many(|from| {
            Ok(PublicCluster {
                pid: from.text()?.to_owned(),
                targets: from.many(|from| Ok(from.text()?.to_owned()))?,
            })
        })?;
        let operators: Vec<Statistic> = from.many(|from| Ok(from.text()?.parse()?))?;
        let subscribers = from.number()?;
        let results = from.many(|from| Ok((from.one_of(&Reason::ALL)?, from.number()?)))?;
        let mut public = Self {
            window,
            version,
            k,
            trust,
            newest_us,
            places,
            clusters,
            cells: Vec::new(),
            figures: Vec::new(),
            calendars: Vec::new(),
            filtered: Filtered {
                subscribers,
                results: BTreeMap::from_iter(results),
            },
        };
        let cells: u64 = from.number()?;
        for _ in 0..cells {
            public.read_cell(&mut from, &operators)?;
        }
        if !public.cells.is_sorted_by_key(|cell| cell.metric) {
            return Err(Unreadable::Order);
        }
        public.cells.shrink_to_fit();
        public.figures.shrink_to_fit();
        match from.0 {
            [] => Ok(public),
            _ => Err(Unreadable::Long),
        }
    }

    fn read_cell(
        &mut self,
        from: &mut Reader<'_>,
        operators: &[Statistic],
    ) -> Result<(), Unreadable> {
        let metric = from.one_of(&Metric::ALL)?;
        let place: u32 = from.number()?;
        let cluster = from.number::<u32>()?.checked_sub(1);
        if place as usize >= self.places.len()
            || cluster.is_some_and(|index| index as usize >= self.clusters.len())
        {
            return Err(Unreadable::Index);
        }
        let (subscribers, samples) = (from.number()?, from.number()?);
        let figures: u64 = from.number()?;
        for _ in 0..figures {
            let operator: usize = from.number()?;
            let statistic = operators.get(operator / 2).ok_or(Unreadable::Index)?;
            let value = from.number()?;
            let mut interval = || {
                let (low, high) = (from.number()?, from.number()?);
                Ok::<_, Unreadable>(Interval { low, high })
            };
            let confidence = (operator % 2 == 1).then(&mut interval).transpose()?;
            self.figures.push(Figure {
                statistic: *statistic,
                value,
                confidence,
            });
        }
        let calendars: u64 = from.number()?;
        for _ in 0..calendars {
            let entries = self.calendar(from, operators)?;
            self.calendars.push(entries);
        }
        let end = |length| u32::try_from(length).map_err(|_| Unreadable::Number);
        self.cells.push(Located {
            metric,
            place,
            cluster,
            subscribers,
            samples,
            figures: end(self.figures.len())?,
            calendars: end(self.calendars.len())?,
        });
        Ok(())
    }

    fn calendar(
        &self,
        from: &mut Reader<'_>,
        operators: &[Statistic],
    ) -> Result<Entries, Unreadable> {
        let calendar = from.one_of(&CALENDARS)?;
        let operator: usize = from.number()?;
        let statistic = operators.get(operator).ok_or(Unreadable::Index)?;
        let intervals = calendar.intervals(&self.window);
        let values: Result<Box<[u64]>, Unreadable> = (0..intervals.ok_or(Unreadable::Calendar)?)
            .map(|_| from.number())
            .collect();
        Ok((calendar, *statistic, values?))
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn number(&mut self, mut number: u64) {
        while number >> BITS > 0 {
            self.0.push(number.to_le_bytes()[0] | 1 << BITS);
            number >>= BITS;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn signed(&mut self, number: i64) {
        self.number((number << 1 ^ number >> (i64::BITS - 1)).cast_unsigned());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Unreadable> {
        let mut number = 0_u64;
        for place in 0..u64::BITS.div_ceil(BITS) {
            let (byte, rest) = self.0.split_first().ok_or(Unreadable::Short)?;
            self.0 = rest;
            let part = u64::from(byte & !(1 << BITS));
            let shifted = part << (place * BITS);
            if shifted >> (place * BITS) != part {
                break;
            }
            number |= shifted;
            if byte >> BITS == 0 {
                return T::try_from(number).map_err(|_| Unreadable::Number);
            }
        }
        Err(Unreadable::Number)
    }

    fn signed(&mut self) -> Result<i64, Unreadable> {
        let number: u64 = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = self.number()?;
        let (text, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Short)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Unreadable::Text)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T, Unreadable> {
        let number: usize = self.number()?;
        all.get(number).copied().ok_or(Unreadable::Number)
    }

    /// A count and so many things. Each takes a byte at least, so that a wrong count ends soon.
    fn many<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        let count: u64 = self.number()?;
        (0..count).map(|_| one(self)).collect()
    }
}

#[cfg(test)]
mod tests;
