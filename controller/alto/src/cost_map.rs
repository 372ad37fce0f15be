//! Cost maps (RFC 7285 §11.2.3).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use crate::{PidName, Tag};

/// A cost: a whole number in the metric's unit, or a rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(u64);

impl Cost {
    /// A cost of that many units.
    pub fn new(units: u64) -> Self {
        Self(units)
    }

    /// The number of units.
    pub fn units(self) -> u64 {
        self.0
    }
}

impl Serialize for Cost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostMap {
    rows: BTreeMap<PidName, BTreeMap<PidName, Cost>>,
}

impl CostMap {
    /// A map of the given cells: source, destination, cost. Of two cells of one pair the last counts.
    pub fn new(cells: impl IntoIterator<Item = (PidName, PidName, Cost)>) -> Self {
        let mut map = Self::default();
        for (source, destination, cost) in cells {
            map.rows
                .entry(source)
                .or_default()
                .insert(destination, cost);
        }
        map
    }

    /// The cost of a pair, if it is defined.
    pub fn cost(&self, source: &PidName, destination: &PidName) -> Option<Cost> {
        self.rows.get(source)?.get(destination).copied()
    }

    /// All cells in the order of their names.
    pub fn cells(&self) -> impl Iterator<Item = (&PidName, &PidName, Cost)> {
        self.rows.iter().flat_map(|(source, row)| {
            row.iter()
                .map(move |(destination, cost)| (source, destination, *cost))
        })
    }

    /// The same pairs with other costs.
    #[must_use]
    pub fn map(&self, f: impl Fn(Cost) -> Cost) -> Self {
        Self::new(
            self.cells()
                .map(|(source, destination, cost)| (source.clone(), destination.clone(), f(cost))),
        )
    }

    /// The ranks of the costs among each other, from 1 for the best; equal costs have equal ranks
    /// (RFC 7285 §6.1.2.2).
    #[must_use]
    pub fn ordinal(&self, preference: Preference) -> Self {
        let distinct: BTreeSet<Cost> = self.cells().map(|(.., cost)| cost).collect();
        let best_first: Vec<Cost> = match preference {
            Preference::Lower => distinct.into_iter().collect(),
            Preference::Higher => distinct.into_iter().rev().collect(),
        };
        let ranks: BTreeMap<Cost, Cost> = best_first.into_iter().zip((1..).map(Cost)).collect();
        self.map(|cost| ranks[&cost])
    }

    /// `routingcost` out of median round-trip times in microseconds: steps of a tenth of a millisecond,
    /// begun ones counted. It grows with the delay and claims no unit (RFC 7285 §6.1.1.1 has none).
    #[must_use]
    pub fn routingcost(&self) -> Self {
        const STEP_US: u64 = 100;
        self.map(|delay| Cost(delay.0.div_ceil(STEP_US)))
    }

    /// The tag of the content.
    pub fn tag(&self) -> Tag {
        Tag::of(&crate::publication::canonical(self))
    }
}

impl Serialize for CostMap {
    /// The data member `cost-map`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.rows.serialize(serializer)
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
