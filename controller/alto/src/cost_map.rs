//! Cost maps (RFC 7285 §11.2.3).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::{PidName, Tag};

/// A cost in the metric's unit, or a rank: a decimal number with at most four decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u64);

/// Parts of a unit that are told apart.
const PARTS: u64 = 10_000;

impl Cost {
    /// A cost of that many whole units; more than 10¹⁵ are as many as that.
    pub fn new(units: u64) -> Self {
        Self(units.min(1_000_000_000_000_000) * PARTS)
    }

    /// A cost of that many ten-thousandths of a unit: parts per million as percent.
    pub fn ten_thousandths(parts: u64) -> Self {
        Self(parts)
    }

    /// The number of whole units, decimals cut off.
    pub fn units(self) -> u64 {
        self.0 / PARTS
    }

    /// As constraints compare it (RFC 7285 §11.3.2.3).
    #[expect(
        clippy::cast_precision_loss,
        reason = "a number of JSON is a double for its readers"
    )]
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / PARTS as f64
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(PARTS) {
            serializer.serialize_u64(self.units())
        } else {
            serializer.serialize_f64(self.as_f64())
        }
    }
}

/// Which end of a metric's scale is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// Delays, losses, hops.
    Lower,
    /// Throughput and bandwidth.
    Higher,
}

/// Costs from sources to destinations. A pair without a cost is absent; there is no row without a cost.
///
/// Small: names are kept once, a cell is an index and a number, and maps made of each other, or by one [`CostMaps`], share the indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostMap {
    pairs: Arc<Pairs>,
    /// One for each pair, in their order.
    costs: Arc<[Cost]>,
}

/// Which pairs have a cost.
#[derive(Debug, Default, PartialEq, Eq)]
struct Pairs {
    /// PIDs in order, all that occur among them.
    names: Arc<[PidName]>,
    /// Sources that have cells, in order, each with the index of its first cell.
    rows: Box<[(u32, u32)]>,
    /// Destinations of all cells, in order within a row.
    destinations: Box<[u32]>,
}

/// An index of names or cells.
#[expect(
    clippy::cast_possible_truncation,
    reason = "2³² cells do not fit into the memory that holds their names"
)]
fn short(index: usize) -> u32 {
    index as u32
}

impl CostMap {
    /// A map of the given cells: source, destination, cost. Of two cells of one pair the last counts.
    pub fn new(cells: impl IntoIterator<Item = (PidName, PidName, Cost)>) -> Self {
        let cells: Vec<_> = cells.into_iter().collect();
        let names: BTreeSet<&PidName> = cells.iter().flat_map(|(s, d, _)| [s, d]).collect();
        let numbers: HashMap<&PidName, u32> =
            names.iter().zip(0..).map(|(name, n)| (*name, n)).collect();
        let numbered = cells
            .iter()
            .map(|(s, d, cost)| (numbers[s], numbers[d], *cost))
            .collect();
        CostMaps::new(names.into_iter().cloned()).map(numbered)
    }

    /// The cost of a pair, if it is defined.
    pub fn cost(&self, source: &PidName, destination: &PidName) -> Option<Cost> {
        self.row(source)?.cost(destination)
    }

    /// The costs from a source; `None` if it has none.
    pub fn row(&self, source: &PidName) -> Option<CostRow<'_>> {
        let source = short(self.pairs.names.binary_search(source).ok()?);
        let rows = &self.pairs.rows;
        let row = rows.binary_search_by_key(&source, |(s, _)| *s).ok()?;
        Some(self.row_at(row))
    }

    /// What rows call a PID; `None` if it does not occur.
    pub(crate) fn number(&self, pid: &PidName) -> Option<u32> {
        self.pairs.names.binary_search(pid).ok().map(short)
    }

    /// How many numbers there are, from 0.
    pub(crate) fn numbers(&self) -> usize {
        self.pairs.names.len()
    }

    fn row_at(&self, row: usize) -> CostRow<'_> {
        let Pairs {
            names,
            rows,
            destinations,
        } = &*self.pairs;
        let first = rows[row].1 as usize;
        let end = rows
            .get(row + 1)
            .map_or(destinations.len(), |(_, next)| *next as usize);
        CostRow {
            names,
            destinations: &destinations[first..end],
            costs: &self.costs[first..end],
        }
    }

    /// All rows in the order of their sources' names.
    pub fn rows(&self) -> impl Iterator<Item = (&PidName, CostRow<'_>)> {
        let Pairs { names, rows, .. } = &*self.pairs;
        let rows = rows.iter().enumerate();
        rows.map(|(row, (source, _))| (&names[*source as usize], self.row_at(row)))
    }

    /// All cells in the order of their names.
    pub fn cells(&self) -> impl Iterator<Item = (&PidName, &PidName, Cost)> {
        self.rows()
            .flat_map(|(source, row)| row.cells().map(move |(d, cost)| (source, d, cost)))
    }

    /// All PIDs that may be a source or a destination, in order.
    pub fn pids(&self) -> impl Iterator<Item = &PidName> {
        self.pairs.names.iter()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.costs.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.costs.is_empty()
    }

    /// The same pairs with other costs.
    #[must_use]
    pub fn map(&self, f: impl Fn(Cost) -> Cost) -> Self {
        Self {
            pairs: Arc::clone(&self.pairs),
            costs: self.costs.iter().map(|cost| f(*cost)).collect(),
        }
    }

    /// The ranks of the costs among each other, from 1 for the best; equal costs have equal ranks
    /// (RFC 7285 §6.1.2.2).
    #[must_use]
    pub fn ordinal(&self, preference: Preference) -> Self {
        let mut distinct = self.costs.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let rank = |cost: Cost| {
            let worse = distinct.partition_point(|other| *other < cost);
            match preference {
                Preference::Lower => worse + 1,
                Preference::Higher => distinct.len() - worse,
            }
        };
        self.map(|cost| Cost::new(rank(cost) as u64))
    }

    /// `routingcost` out of median round-trip times in microseconds: steps of a tenth of a millisecond,
    /// begun ones counted. It grows with the delay and claims no unit (RFC 7285 §6.1.1.1 has none).
    #[must_use]
    pub fn routingcost(&self) -> Self {
        const STEP_US: u64 = 100;
        self.map(|delay| Cost::new(delay.units().div_ceil(STEP_US)))
    }

    /// Keeps what is equal in the other map only once.
    pub(crate) fn share(&mut self, other: &Self) {
        if self.pairs == other.pairs {
            self.pairs = Arc::clone(&other.pairs);
        }
        if self.costs == other.costs {
            self.costs = Arc::clone(&other.costs);
        }
    }

    /// The tag of the content.
    pub fn tag(&self) -> Tag {
        Tag::of(&crate::publication::canonical(self))
    }
}

/// Makes maps of costs between PIDs that are known beforehand, and so without a look at their names.
#[derive(Debug)]
pub struct CostMaps {
    names: Arc<[PidName]>,
    /// Those of all maps made so far, each once.
    made: Vec<Arc<Pairs>>,
}

impl CostMaps {
    /// Maps between these PIDs, which are given in order, each once.
    pub fn new(names: impl IntoIterator<Item = PidName>) -> Self {
        Self {
            names: names.into_iter().collect(),
            made: Vec::new(),
        }
    }

    /// A map of the given cells: number of the source, that of the destination, cost. PIDs are numbered from 0, in order. Of two cells
    /// of one pair the last counts; one without such a PID is none.
    pub fn map(&mut self, mut cells: Vec<(u32, u32, Cost)>) -> CostMap {
        let count = short(self.names.len());
        cells.retain(|(source, destination, _)| *source.max(destination) < count);
        cells.sort_by_key(|(source, destination, _)| (*source, *destination));
        cells.dedup_by(|later, first| {
            let same = (later.0, later.1) == (first.0, first.1);
            if same {
                first.2 = later.2;
            }
            same
        });
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for (index, (source, ..)) in cells.iter().enumerate() {
            if rows.last().is_none_or(|(last, _)| last != source) {
                rows.push((*source, short(index)));
            }
        }
        let pairs = Pairs {
            names: Arc::clone(&self.names),
            rows: rows.into(),
            destinations: cells.iter().map(|(_, d, _)| *d).collect(),
        };
        CostMap {
            costs: cells.iter().map(|(.., cost)| *cost).collect(),
            pairs: self.once(pairs),
        }
    }

    fn once(&mut self, pairs: Pairs) -> Arc<Pairs> {
        if let Some(made) = self.made.iter().find(|made| ***made == pairs) {
            return Arc::clone(made);
        }
        let pairs = Arc::new(pairs);
        self.made.push(Arc::clone(&pairs));
        pairs
    }
}

impl Serialize for CostMap {
    /// The data member `cost-map`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.rows())
    }
}

/// The costs from one source.
#[derive(Clone, Copy, Debug)]
pub struct CostRow<'a> {
    names: &'a [PidName],
    destinations: &'a [u32],
    costs: &'a [Cost],
}

impl<'a> CostRow<'a> {
    /// The cost to a destination, if it is defined.
    pub fn cost(&self, destination: &PidName) -> Option<Cost> {
        let at = self
            .destinations
            .binary_search_by(|d| self.names[*d as usize].cmp(destination))
            .ok()?;
        Some(self.costs[at])
    }

    /// The cost to the destination with a [number](CostMap::number) of the row's map.
    pub(crate) fn cost_to(&self, number: u32) -> Option<Cost> {
        let at = self.destinations.binary_search(&number).ok()?;
        Some(self.costs[at])
    }

    /// Numbers of destinations, and costs, in order.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (u32, Cost)> + use<'a> {
        self.destinations
            .iter()
            .copied()
            .zip(self.costs.iter().copied())
    }

    /// Destinations and costs in the order of the destinations' names.
    pub fn cells(&self) -> impl Iterator<Item = (&'a PidName, Cost)> + use<'a> {
        let names = self.names;
        self.destinations
            .iter()
            .zip(self.costs)
            .map(move |(destination, cost)| (&names[*destination as usize], *cost))
    }
}

impl Serialize for CostRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.cells())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn map(costs: &[u64]) -> CostMap {
        let pid = |n: usize| PidName::new(&format!("p{n}")).unwrap();
        CostMap::new(
            costs
                .iter()
                .enumerate()
                .map(|(n, c)| (pid(0), pid(n), Cost(*c))),
        )
    }

    fn costs(map: &CostMap) -> Vec<u64> {
        map.cells().map(|(.., cost)| cost.units()).collect()
    }

    #[test]
    fn ranks_start_with_the_best() {
        assert_eq!(
            costs(&map(&[5, 1, 15, 5]).ordinal(Preference::Lower)),
            [2, 1, 3, 2]
        );
        assert_eq!(
            costs(&map(&[5, 1, 15, 5]).ordinal(Preference::Higher)),
            [2, 3, 1, 2]
        );
        assert!(costs(&map(&[]).ordinal(Preference::Lower)).is_empty());
    }

    proptest! {
        #[test]
        fn routingcost_and_ranks_keep_the_order_of_delays(delays in prop::collection::vec(0_u64..2_000, 1..10)) {
            let map = map(&delays);
            let (routing, ranks) = (costs(&map.routingcost()), costs(&map.ordinal(Preference::Lower)));
            for a in 0..delays.len() {
                for b in 0..delays.len() {
                    prop_assert_eq!(delays[a].cmp(&delays[b]), ranks[a].cmp(&ranks[b]));
                    prop_assert!(delays[a] > delays[b] || routing[a] <= routing[b]);
                }
            }
        }
    }
}
