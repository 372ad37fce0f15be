//! One network map in one window, with everything that is said about its PIDs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{
    CostContext, CostMap, CostMetric, CostMode, CostType, Intervals, NetworkMap, PidName,
    Preference, Provenance, ResourceId, VersionTag,
};

/// One network map in one window: what the current map, that of the last hour, or the archive of a month is about. RFC 7285
/// §11.2.3.5 allows one cost map for a metric and a network map, so each window has a network map of its own.
#[derive(Clone, Debug)]
pub struct Edition {
    /// Id of the network map, for instance `nm` or `nm-2026-10`; the ids of all its other resources begin with it.
    pub id: ResourceId,
    /// The groups of addresses.
    pub map: Arc<NetworkMap>,
    /// Costs between them, by name.
    pub columns: Vec<Column>,
    /// Properties of PIDs (RFC 9240 §4.6): PID, name of the property without a resource and with its dot (`.priv:glimpse-subs`), value.
    pub properties: BTreeMap<PidName, BTreeMap<String, String>>,
    /// How the figures came about.
    pub provenance: Provenance,
}

impl Edition {
    /// Version of the network map.
    pub fn vtag(&self) -> VersionTag {
        VersionTag {
            resource_id: self.id.clone(),
            tag: self.map.tag(),
        }
    }

    /// Names and cost types of all columns, numerical and ordinal, as directories list them.
    pub fn cost_types(&self) -> impl Iterator<Item = (String, CostType)> {
        self.columns.iter().flat_map(|column| {
            [CostMode::Numerical, CostMode::Ordinal]
                .map(|mode| (column.cost_type_name(mode), column.cost_type(mode)))
        })
    }

    /// Names of all properties that some PID has, with their dots.
    pub fn property_names(&self) -> BTreeSet<&str> {
        self.properties
            .values()
            .flat_map(|properties| properties.keys().map(String::as_str))
            .collect()
    }

    /// Keeps what is equal in the edition before only once. What is published of that can then be taken over.
    pub fn share(&mut self, before: &Self) {
        if self.map.tag() == before.map.tag() {
            self.map = Arc::clone(&before.map);
        }
        for column in &mut self.columns {
            let same = before.columns.iter().find(|b| b.name == column.name);
            if let Some(before) = same {
                column.share(before);
            }
        }
    }

    /// Whether some column has a calendar of the kind.
    pub fn has_calendar(&self, kind: CalendarKind) -> bool {
        self.columns
            .iter()
            .any(|column| column.calendar(kind).is_some())
    }
}

/// The costs of one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name of the cost type in directories, and end of ids and URIs: letters, digits, `-` and `_`. The ordinal form has `-ordinal`
    /// behind it. [`Publication::new`](crate::Publication::new) puts the edition's id before it on other shelves than the
    /// current one, where several windows, and so contexts, meet in one directory.
    pub name: String,
    /// The metric.
    pub metric: CostMetric,
    /// Which end of its scale is the better one.
    pub preference: Preference,
    /// What stays the same from window to window; clients compare cost types as a whole.
    pub context: CostContext,
    /// Words for people.
    pub description: String,
    /// The costs. Which side is the source is the metric's matter (RFC 9439: the sender of the data).
    pub costs: CostMap,
    /// The same by intervals, at most one of each kind.
    pub calendars: Vec<Calendar>,
    /// Whether it can be fetched by GET; else only asked for in filtered maps.
    pub fetched: bool,
    /// Figures behind it, as they may be published.
    pub samples: u64,
    /// Subscribers behind it, as they may be published.
    pub subscribers: u64,
}

impl Column {
    /// Name of its cost type in directories.
    pub fn cost_type_name(&self, mode: CostMode) -> String {
        match mode {
            CostMode::Numerical => self.name.clone(),
            CostMode::Ordinal => format!("{}-ordinal", self.name),
        }
    }

    /// Its cost type, as directories and answers have it.
    pub fn cost_type(&self, mode: CostMode) -> CostType {
        let description = match mode {
            CostMode::Numerical => self.description.clone(),
            CostMode::Ordinal => format!("ranks: {}", self.description),
        };
        CostType::new(self.metric.clone(), mode)
            .with_context(self.context.clone())
            .with_description(&description)
    }

    /// Its calendar of the kind.
    pub fn calendar(&self, kind: CalendarKind) -> Option<&Calendar> {
        self.calendars.iter().find(|calendar| calendar.kind == kind)
    }

    /// Keeps what is equal in the column before only once.
    pub fn share(&mut self, before: &Self) {
        self.costs.share(&before.costs);
        for calendar in &mut self.calendars {
            if let Some(before) = before.calendar(calendar.kind) {
                calendar.cells.share(&before.cells);
            }
        }
    }

    /// Whether its ranks can be fetched too: those of a metric's default statistic.
    pub(crate) fn ranks_are_fetched(&self) -> bool {
        self.fetched && !self.metric.has_operator()
    }
}

/// Costs by intervals of time (RFC 8896).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Which intervals.
    pub kind: CalendarKind,
    /// Start of the first interval, microseconds UTC since 1970.
    pub start_us: i64,
    /// Length of an interval in seconds.
    pub interval_s: u32,
    /// Number of intervals; each cell has as many values.
    pub intervals: usize,
    /// Source, destination, values.
    pub cells: Intervals,
}

/// Kinds of calendars. A directory may name a cost type in one calendar of a resource only (RFC 8896 §4.1), so each kind has its own resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CalendarKind {
    /// 24 hours of the day, each over all days of the window.
    HourOfDay,
    /// The days of the window.
    DayOfWindow,
}
