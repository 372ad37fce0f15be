//! Costs of many moments for each pair.

use std::sync::Arc;

use super::list::{CostList, CostSlice};
use super::pairs::Pairs;
use super::{Cost, CostMaps, numbered};
use crate::PidName;

/// Values by source and destination, as many for each pair. Small: pairs are those of cost maps, values lie one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals {
    pairs: Arc<Pairs>,
    each: usize,
    costs: Arc<CostList>,
}

impl Intervals {
    /// `each` values for each of these pairs: source, destination, values. A cell with another number of values is none. Of two
    /// cells of one pair the last counts.
    pub fn new(
        each: usize,
        cells: impl IntoIterator<Item = (PidName, PidName, Vec<Cost>)>,
    ) -> Self {
        let cells = cells.into_iter();
        let (pairs, costs): (Vec<_>, Vec<_>) = cells
            .filter(|(.., costs)| costs.len() == each)
            .map(|(source, destination, costs)| ((source, destination), costs))
            .unzip();
        let (names, pairs) = numbered(pairs.iter().map(|(s, d)| (s, d)));
        CostMaps::new(names).intervals(each, &pairs, &costs.concat())
    }

    pub(super) fn of(pairs: Arc<Pairs>, each: usize, costs: CostList) -> Self {
        Self {
            pairs,
            each,
            costs: Arc::new(costs),
        }
    }

    /// How many values a pair has.
    pub fn each(&self) -> usize {
        self.each
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.pairs.len() == 0
    }

    /// The values of a pair, if it has any.
    pub fn costs(&self, source: &PidName, destination: &PidName) -> Option<CostSlice<'_>> {
        Some(self.at(self.pairs.index(source, destination)?))
    }

    /// All cells in the order of their names.
    pub fn cells(&self) -> impl Iterator<Item = (&PidName, &PidName, CostSlice<'_>)> {
        let pairs = &*self.pairs;
        pairs.rows().flat_map(move |(source, row)| {
            row.map(move |index| {
                let destination = pairs.name(pairs.destination(index));
                (pairs.name(source), destination, self.at(index))
            })
        })
    }

    /// All PIDs that may be a source or a destination, in order.
    pub fn pids(&self) -> impl Iterator<Item = &PidName> {
        self.pairs.names().iter()
    }

    /// Which pairs have values.
    pub(crate) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The values of the pair with the index.
    pub(crate) fn at(&self, index: usize) -> CostSlice<'_> {
        self.costs.slice(index * self.each, self.each)
    }

    /// Keeps what is equal in the other only once.
    pub(crate) fn share(&mut self, other: &Self) {
        if self.pairs == other.pairs {
            self.pairs = Arc::clone(&other.pairs);
        }
        if self.costs == other.costs {
            self.costs = Arc::clone(&other.costs);
        }
    }
}
