//! What an edition can be asked for.

use std::sync::Arc;

use crate::directory::{CalendarAttributes, Constraints, Costs};
use crate::{Calendar, CalendarKind, Column, CostMode, Edition, VersionTag};

/// Most cost types in one answer (RFC 8189 §4.1.1).
const MOST_COST_TYPES: usize = 16;

/// An edition as those look at it who are asked about its costs. Columns are named by their index.
#[derive(Debug)]
pub(crate) struct Offer {
    edition: Arc<Edition>,
    kind: CalendarKind,
    network_map: VersionTag,
    constrained: bool,
}

impl Offer {
    /// The offer of an edition, with its calendars of one kind.
    pub(crate) fn new(edition: &Arc<Edition>, kind: CalendarKind) -> Self {
        Self {
            kind,
            network_map: edition.vtag(),
            edition: Arc::clone(edition),
            constrained: true,
        }
    }

    /// The same for questions without constraints.
    pub(crate) fn without_constraints(self) -> Self {
        Self {
            constrained: false,
            ..self
        }
    }

    /// Whether pairs may be chosen by their costs.
    pub(super) fn takes_constraints(&self) -> bool {
        self.constrained
    }

    /// Version of the network map.
    pub(crate) fn network_map(&self) -> &VersionTag {
        &self.network_map
    }

    /// The edition.
    pub(crate) fn edition(&self) -> &Edition {
        &self.edition
    }

    /// What the directory says of it: all metrics in both modes, of which the numerical ones can be tested, if any can.
    pub(crate) fn costs(&self) -> Costs {
        let names = |mode| {
            let columns = self.edition.columns.iter();
            columns.map(move |column| column.cost_type_name(mode))
        };
        Costs {
            cost_type_names: names(CostMode::Numerical)
                .chain(names(CostMode::Ordinal))
                .collect(),
            constraints: if self.constrained {
                Constraints::Testable(names(CostMode::Numerical).collect())
            } else {
                Constraints::None
            },
            max_cost_types: self.most_cost_types(),
            calendars: self.calendar_attributes(),
        }
    }

    fn calendar_attributes(&self) -> Vec<CalendarAttributes> {
        let mut all: Vec<CalendarAttributes> = Vec::new();
        for column in &self.edition.columns {
            let Some(calendar) = column.calendar(self.kind) else {
                continue;
            };
            let name = column.cost_type_name(CostMode::Numerical);
            let intervals = (calendar.interval_s, calendar.intervals);
            match all
                .iter_mut()
                .find(|alike| (alike.interval_s, alike.intervals) == intervals)
            {
                Some(alike) => alike.cost_type_names.push(name),
                None => all.push(CalendarAttributes {
                    cost_type_names: vec![name],
                    interval_s: calendar.interval_s,
                    intervals: calendar.intervals,
                }),
            }
        }
        all
    }

    pub(super) fn most_cost_types(&self) -> usize {
        MOST_COST_TYPES.min(2 * self.edition.columns.len())
    }

    /// The index of the column of a metric.
    pub(super) fn find(&self, metric: &str) -> Option<usize> {
        let mut columns = self.edition.columns.iter();
        columns.position(|column| column.metric.as_str() == metric)
    }

    /// A column by its index, which came out of this offer.
    pub(super) fn column(&self, index: usize) -> &Column {
        &self.edition.columns[index]
    }

    /// The calendar of a column, of the kind that is offered.
    pub(crate) fn calendar(&self, column: usize) -> Option<&Calendar> {
        self.column(column).calendar(self.kind)
    }
}
