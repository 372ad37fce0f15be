//! Figures as they are kept.
//!
//! ```text
//! file       = MARK window version k trust newest places clusters operators filtered cells
//! window     = start end                         newest = 0 / 1 moment
//! k          = 0 (the laboratory) / subscribers
//! trust      = load cross-traffic signal offset
//! places     = count *(level pid)                clusters  = count *(pid count *target)
//! operators  = count *name                       filtered  = subscribers count *(reason results)
//! cells      = count *(metric place cluster cell)
//! cluster    = 0 (TOTAL) / index + 1             cell      = see `cell.rs`
//! ```
//! Operators are those that were asked for, whether any figure is of them or not. Numbers are unsigned LEB128, moments and signals in
//! zigzag, texts their length and their bytes. Equal figures by equal rules have equal bytes.

use std::collections::BTreeMap;

use thiserror::Error;

use super::number::{Reader, Writer};
use super::{Filtered, Located, Public, PublicCluster, PublicPlace, cell};
use crate::{
    K, KError, Level, Metric, Reason, Statistic, Trust, UnknownStatistic, Window, WindowError,
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
        out.number(self.operators.len() as u64);
        for operator in &self.operators {
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
            out.number(located.metric as u64);
            out.number(located.place.into());
            out.number(located.cluster.map_or(0, |cluster| u64::from(cluster) + 1));
            out.0.extend_from_slice(self.bytes_of(index));
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
            operators,
            cells: Vec::new(),
            // Where and what a cell is of is kept beside them.
            bytes: Vec::with_capacity(from.0.len()),
            filtered: Filtered {
                subscribers,
                results: BTreeMap::from_iter(results),
            },
        };
        let cells: u64 = from.number()?;
        for _ in 0..cells {
            public.read_cell(&mut from)?;
        }
        if !public.cells.is_sorted_by_key(|cell| cell.metric) {
            return Err(Unreadable::Order);
        }
        public.cells.shrink_to_fit();
        public.bytes.shrink_to_fit();
        match from.0 {
            [] => Ok(public),
            _ => Err(Unreadable::Long),
        }
    }

    fn read_cell(&mut self, from: &mut Reader<'_>) -> Result<(), Unreadable> {
        let metric = from.one_of(&Metric::ALL)?;
        let place: u32 = from.number()?;
        let cluster = from.number::<u32>()?.checked_sub(1);
        if place as usize >= self.places.len()
            || cluster.is_some_and(|index| index as usize >= self.clusters.len())
        {
            return Err(Unreadable::Index);
        }
        let whole = from.0;
        cell::check(from, &self.window, &self.operators)?;
        let (own, _) = whole.split_at(whole.len() - from.0.len());
        self.bytes.extend_from_slice(own);
        self.cells.push(Located {
            metric,
            place,
            cluster,
            end: self.bytes.len(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
