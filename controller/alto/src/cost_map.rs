//! Cost maps (RFC 7285 §11.2.3), and the values of calendars.

mod intervals;
mod list;
mod pairs;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::publication::{append, begin_member};
use crate::{PidName, Tag};
pub use intervals::Intervals;
use list::CostList;
pub use list::CostSlice;
pub(crate) use pairs::Pairs;

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
    costs: Arc<CostList>,
}

/// A pair as one number: source, destination.
fn joined(source: u32, destination: u32) -> u64 {
    (u64::from(source) << u32::BITS) | u64::from(destination)
}

/// The source and the destination of such a number.
#[expect(clippy::cast_possible_truncation, reason = "halves are meant")]
fn parted(pair: u64) -> (u32, u32) {
    ((pair >> u32::BITS) as u32, pair as u32)
}

/// An index of names or cells.
#[expect(
    clippy::cast_possible_truncation,
    reason = "2³² cells do not fit into the memory that holds their names"
)]
fn short(index: usize) -> u32 {
    index as u32
}

/// PIDs in order, each once, and pairs of them by their numbers.
fn numbered<'a>(
    pairs: impl Iterator<Item = (&'a PidName, &'a PidName)> + Clone,
) -> (Vec<PidName>, Vec<(u32, u32)>) {
    let names: BTreeSet<&PidName> = pairs.clone().flat_map(|(s, d)| [s, d]).collect();
    let numbers: HashMap<&PidName, u32> =
        names.iter().zip(0..).map(|(name, n)| (*name, n)).collect();
    let pairs = pairs.map(|(s, d)| (numbers[s], numbers[d])).collect();
    (names.into_iter().cloned().collect(), pairs)
}

impl CostMap {
    /// A map of the given cells: source, destination, cost. Of two cells of one pair the last counts.
    pub fn new(cells: impl IntoIterator<Item = (PidName, PidName, Cost)>) -> Self {
        let cells: Vec<_> = cells.into_iter().collect();
        let (names, pairs) = numbered(cells.iter().map(|(s, d, _)| (s, d)));
        let pairs = pairs.into_iter().zip(&cells);
        let cells: Vec<_> = pairs.map(|((s, d), (.., cost))| (s, d, *cost)).collect();
        CostMaps::new(names).map(&cells)
    }

    /// The cost of a pair, if it is defined.
    pub fn cost(&self, source: &PidName, destination: &PidName) -> Option<Cost> {
        Some(self.at(self.pairs.index(source, destination)?))
    }

    /// The costs from a source; `None` if it has none.
    pub fn row(&self, source: &PidName) -> Option<CostRow<'_>> {
        let row = self.pairs.row(self.pairs.number(source)?)?;
        Some(self.row_of(&row))
    }

    fn row_of(&self, row: &Range<usize>) -> CostRow<'_> {
        CostRow {
            map: self,
            first: row.start,
            end: row.end,
        }
    }

    /// What rows call a PID; `None` if it has no number.
    pub(crate) fn number(&self, pid: &PidName) -> Option<u32> {
        self.pairs.number(pid)
    }

    /// Which pairs have a cost.
    pub(crate) fn pairs(&self) -> &Pairs {
        &self.pairs
    }

    /// The cost of the pair with the index.
    pub(crate) fn at(&self, index: usize) -> Cost {
        self.costs.get(index)
    }

    /// All rows in the order of their sources' names.
    pub fn rows(&self) -> impl Iterator<Item = (&PidName, CostRow<'_>)> {
        let rows = self.pairs.rows();
        rows.map(|(source, row)| (self.pairs.name(source), self.row_of(&row)))
    }

    /// All cells in the order of their names.
    pub fn cells(&self) -> impl Iterator<Item = (&PidName, &PidName, Cost)> {
        self.rows()
            .flat_map(|(source, row)| row.cells().map(move |(d, cost)| (source, d, cost)))
    }

    /// All PIDs that may be a source or a destination, in order.
    pub fn pids(&self) -> impl Iterator<Item = &PidName> {
        self.pairs.names().iter()
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.costs.len()
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the data member `cost-map`: what it serialises to, in a fraction of the time. In names JSON escapes nothing.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (nth, (source, row)) in self.rows().enumerate() {
            begin_member(out, nth, source.as_str());
            out.push(b'{');
            for (nth, (destination, cost)) in row.cells().enumerate() {
                begin_member(out, nth, destination.as_str());
                append(out, &cost);
            }
            out.push(b'}');
        }
        out.push(b'}');
    }

    /// The same pairs with other costs.
    #[must_use]
    pub fn map(&self, f: impl Fn(Cost) -> Cost + Clone) -> Self {
        Self {
            pairs: Arc::clone(&self.pairs),
            costs: Arc::new(CostList::new(self.costs.iter().map(f))),
        }
    }

    /// The ranks of the costs among each other, from 1 for the best; equal costs have equal ranks
    /// (RFC 7285 §6.1.2.2).
    #[must_use]
    pub fn ordinal(&self, preference: Preference) -> Self {
        let mut distinct: Vec<Cost> = self.costs.iter().collect();
        distinct.sort_unstable();
        distinct.dedup();
        let distinct = &distinct;
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
    pub fn map(&mut self, cells: &[(u32, u32, Cost)]) -> CostMap {
        let (pairs, order) = self.order(cells.iter().map(|(s, d, _)| (*s, *d)));
        let costs = order.iter().map(|(_, cell)| cells[*cell as usize].2);
        CostMap {
            costs: Arc::new(CostList::new(costs)),
            pairs,
        }
    }

    /// `each` values for each of the given pairs, named as in [`CostMaps::map`]: those of the first pair, then those of the second, and
    /// so on.
    pub fn intervals(&mut self, each: usize, pairs: &[(u32, u32)], costs: &[Cost]) -> Intervals {
        let whole = costs.len().checked_div(each).unwrap_or(0);
        let (pairs, order) = self.order(pairs.iter().copied().take(whole));
        let sorted: Vec<Cost> = order
            .iter()
            .flat_map(|(_, cell)| &costs[*cell as usize * each..][..each])
            .copied()
            .collect();
        Intervals::of(pairs, each, CostList::new(sorted.iter().copied()))
    }

    /// Pairs in order, each once, and as which one each of them was given.
    fn order(&mut self, pairs: impl Iterator<Item = (u32, u32)>) -> (Arc<Pairs>, Vec<(u64, u32)>) {
        let count = short(self.names.len());
        let known = pairs.zip(0..).filter(|((s, d), _)| *s.max(d) < count);
        let mut order: Vec<(u64, u32)> = known.map(|((s, d), cell)| (joined(s, d), cell)).collect();
        order.sort_unstable();
        order.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 = later.1;
            }
            same
        });
        let pairs = order.iter().map(|(pair, _)| parted(*pair));
        let pairs = Pairs::new(&self.names, pairs);
        (self.once(pairs), order)
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
    map: &'a CostMap,
    /// Indices of its pairs.
    first: usize,
    end: usize,
}

impl<'a> CostRow<'a> {
    /// The cost to a destination, if it is defined.
    pub fn cost(&self, destination: &PidName) -> Option<Cost> {
        self.cost_to(self.map.number(destination)?)
    }

    /// The cost to the destination with a [number](CostMap::number) of the row's map.
    pub(crate) fn cost_to(&self, number: u32) -> Option<Cost> {
        let index = self.map.pairs.find(self.first..self.end, number)?;
        Some(self.map.at(index))
    }

    /// Destinations and costs in the order of the destinations' names.
    pub fn cells(&self) -> impl Iterator<Item = (&'a PidName, Cost)> + use<'a> {
        let map = self.map;
        (self.first..self.end).map(move |index| {
            let destination = map.pairs.destination(index);
            (map.pairs.name(destination), map.at(index))
        })
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

    #[test]
    fn what_is_written_is_what_is_serialised() {
        for map in [
            map(&[]),
            map(&[5, PARTS, 123_456_789, u64::from(u32::MAX) * PARTS]),
        ] {
            let mut written = Vec::new();
            map.write(&mut written);
            assert_eq!(written, serde_json::to_vec(&map).unwrap());
        }
    }

    #[test]
    fn intervals_stand_in_the_order_of_names_and_the_last_of_a_pair_counts() {
        let pid = |name: &str| PidName::new(name).unwrap();
        let cell = |s: &str, d: &str, costs: &[u64]| {
            let costs = costs.iter().map(|cost| Cost::new(*cost));
            (pid(s), pid(d), costs.collect::<Vec<_>>())
        };
        let given = [
            cell("b", "a", &[1, 2]),
            cell("a", "b", &[3, 4]),
            cell("a", "c", &[5]),
            cell("b", "a", &[6, 7]),
        ];
        let intervals = Intervals::new(2, given);
        let shown = intervals.cells().map(|(s, d, costs)| {
            let costs: Vec<u64> = costs.iter().map(Cost::units).collect();
            (s.as_str(), d.as_str(), costs)
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, [("a", "b", vec![3, 4]), ("b", "a", vec![6, 7])]);
        assert!(intervals.costs(&pid("b"), &pid("a")).is_some());
        assert!(intervals.costs(&pid("a"), &pid("c")).is_none());
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
