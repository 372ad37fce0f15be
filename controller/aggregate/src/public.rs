//! Figures that may be published.

use std::collections::BTreeMap;

use crate::{K, Level, Metric, Reason, Statistic, TOTAL, Trust, Window};

mod cell;
mod number;
mod packed;

pub(crate) use cell::Contents;
pub use cell::{Figure, PublicCell};
pub(crate) use number::Writer;
pub use packed::Unreadable;

/// Which intervals of a window are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Calendar {
    /// Twenty-four hours of the day, from midnight UTC, each over all days of the window.
    HourOfDay,
    /// The UTC days of the window. Windows of a day or less, and of more than 64 days, have none.
    DayOfWindow,
}

impl Calendar {
    /// Seconds of one interval.
    pub fn interval_s(self) -> u32 {
        match self {
            Self::HourOfDay => 3_600,
            Self::DayOfWindow => 86_400,
        }
    }

    /// How many intervals it has in a window; `None` if the window has no such calendar.
    pub fn intervals(self, window: &Window) -> Option<usize> {
        match self {
            Self::HourOfDay => Some(24),
            Self::DayOfWindow => Some(window.day_count()).filter(|days| (2..=64).contains(days)),
        }
    }
}

/// What is to be computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// The smallest group.
    pub k: K,
    /// The statistics of each metric. A metric that is not here is not looked at.
    pub statistics: BTreeMap<Metric, Vec<Statistic>>,
    /// The calendars of each metric, for all its statistics.
    pub calendars: BTreeMap<Metric, Vec<Calendar>>,
}

/// The publishable result of one window. Made by [`Ledger::release`](crate::Ledger::release) alone; what was kept of it as
/// [bytes](Public::to_bytes) can be read back, if it holds together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Public {
    pub(crate) window: Window,
    pub(crate) version: usize,
    pub(crate) k: K,
    pub(crate) trust: Trust,
    pub(crate) newest_us: Option<i64>,
    pub(crate) places: Vec<PublicPlace>,
    pub(crate) clusters: Vec<PublicCluster>,
    /// The statistics that were asked for, in order.
    pub(crate) operators: Vec<Statistic>,
    /// In the order of metrics.
    pub(crate) cells: Vec<Located>,
    /// Those of all cells, in their order.
    pub(crate) bytes: Vec<u8>,
    pub(crate) filtered: Filtered,
}

/// A cell and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    pub(crate) metric: Metric,
    /// Index into the places.
    pub(crate) place: u32,
    /// Index into the clusters; `None` is `TOTAL`.
    pub(crate) cluster: Option<u32>,
    /// Where its bytes end among all; they begin where those of the cell before end.
    pub(crate) end: usize,
}

/// A group of subscribers with its PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicPlace {
    /// For instance `as3320:de-by`, or `TOTAL`.
    pub pid: String,
    /// How large it is. A network map of ISP × region takes those up to [`Level::Region`].
    pub level: Level,
}

/// A measurement cluster with its PID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicCluster {
    /// `MSMNT-CL1` and so on.
    pub pid: String,
    /// The targets, addresses or names, as normalised text.
    pub targets: Vec<String>,
}

/// What was not counted among the results of everybody published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    pub(crate) subscribers: usize,
    pub(crate) results: BTreeMap<Reason, u64>,
}

impl Filtered {
    /// Distinct subscribers whose results were looked at, rounded like every count.
    pub fn subscribers(&self) -> usize {
        self.subscribers
    }

    /// Results that were not counted for the reason, rounded down to a multiple of five; `None` if fewer than k
    /// subscribers had such.
    pub fn results(&self, reason: Reason) -> Option<u64> {
        self.results.get(&reason).copied()
    }
}

impl Public {
    /// The window all figures are about.
    pub fn window(&self) -> Window {
        self.window
    }

    /// 1 for the first publication of the window, one more for each that late results changed.
    pub fn version(&self) -> usize {
        self.version
    }

    /// The rule that was applied.
    pub fn k(&self) -> K {
        self.k
    }

    /// Beyond which limits results were not counted; equal in all versions of the window.
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Start of the newest measurement of anybody whose vote counts, microseconds UTC since 1970.
    pub fn newest_us(&self) -> Option<i64> {
        self.newest_us
    }

    /// The groups of subscribers with figures, larger ones before those inside them; `TOTAL` is the first if there is any.
    pub fn places(&self) -> &[PublicPlace] {
        &self.places
    }

    /// The clusters: those with figures, and all that the operator listed.
    pub fn clusters(&self) -> &[PublicCluster] {
        &self.clusters
    }

    /// The filtered results.
    pub fn filtered(&self) -> &Filtered {
        &self.filtered
    }

    /// PID of the subscribers, PID of the cluster or `TOTAL`, and figures of one metric. Which of the two is the source in
    /// ALTO's sense is the metric's matter ([`Metric::is_from_cluster`]).
    pub fn cells(
        &self,
        metric: Metric,
    ) -> impl Iterator<Item = (&PublicPlace, &str, PublicCell<'_>)> {
        let first = self.cells.partition_point(|c| c.metric < metric);
        let located = self.cells[first..].iter().enumerate();
        located
            .take_while(move |(_, c)| c.metric == metric)
            .map(move |(nth, c)| {
                let place = &self.places[c.place as usize];
                (place, self.cluster_pid(c.cluster), self.whole(first + nth))
            })
    }

    fn cluster_pid(&self, cluster: Option<u32>) -> &str {
        cluster.map_or(TOTAL, |index| &self.clusters[index as usize].pid)
    }

    fn whole(&self, index: usize) -> PublicCell<'_> {
        PublicCell::of(self.bytes_of(index), self.window, &self.operators)
    }

    fn bytes_of(&self, index: usize) -> &[u8] {
        let before = index.checked_sub(1).map(|before| &self.cells[before]);
        let begin = before.map_or(0, |cell| cell.end);
        &self.bytes[begin..self.cells[index].end]
    }

    /// The figures of one pair.
    pub fn cell(&self, metric: Metric, place: &str, cluster: &str) -> Option<PublicCell<'_>> {
        self.cells(metric)
            .find(|(p, c, _)| p.pid == place && *c == cluster)
            .map(|(_, _, cell)| cell)
    }

    /// Distinct subscribers behind all figures of a metric, rounded like every count.
    pub fn subscribers(&self, metric: Metric) -> usize {
        self.cell(metric, TOTAL, TOTAL)
            .map_or(0, PublicCell::subscribers)
    }

    /// Measured figures behind all figures of a metric, rounded likewise.
    pub fn samples(&self, metric: Metric) -> u64 {
        self.cell(metric, TOTAL, TOTAL)
            .map_or(0, PublicCell::samples)
    }
}
