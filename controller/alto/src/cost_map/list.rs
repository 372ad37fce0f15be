//! Many costs in little memory.

use super::{Cost, PARTS};

/// Costs in a fixed order, each in four bytes where all of them fit. Equal costs make equal lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CostList {
    /// Whole units.
    Units(Box<[u32]>),
    /// Ten-thousandths of a unit.
    Parts(Box<[u32]>),
    /// Anything.
    Any(Box<[Cost]>),
}

impl Default for CostList {
    fn default() -> Self {
        Self::Units(Box::default())
    }
}

impl CostList {
    /// A list of the given costs.
    pub(super) fn new(costs: impl ExactSizeIterator<Item = Cost> + Clone) -> Self {
        let units = |cost: Cost| {
            let whole = cost.0.is_multiple_of(PARTS).then_some(cost.0 / PARTS)?;
            u32::try_from(whole).ok()
        };
        let parts = |cost: Cost| u32::try_from(cost.0).ok();
        // Looked through beforehand, so that what is taken of memory is what is kept.
        if costs.clone().all(|cost| units(cost).is_some()) {
            Self::Units(costs.map(|cost| units(cost).unwrap_or_default()).collect())
        } else if costs.clone().all(|cost| parts(cost).is_some()) {
            Self::Parts(costs.map(|cost| parts(cost).unwrap_or_default()).collect())
        } else {
            Self::Any(costs.collect())
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Units(list) | Self::Parts(list) => list.len(),
            Self::Any(list) => list.len(),
        }
    }

    pub(super) fn get(&self, index: usize) -> Cost {
        match self {
            Self::Units(list) => Cost(u64::from(list[index]) * PARTS),
            Self::Parts(list) => Cost(u64::from(list[index])),
            Self::Any(list) => list[index],
        }
    }

    /// All costs in their order.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Cost> + Clone {
        self.slice(0, self.len()).iter()
    }

    /// `length` costs from an index on.
    pub(super) fn slice(&self, first: usize, length: usize) -> CostSlice<'_> {
        CostSlice {
            list: self,
            first,
            end: first + length,
        }
    }
}

/// Costs that stand one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct CostSlice<'a> {
    list: &'a CostList,
    first: usize,
    end: usize,
}

impl<'a> CostSlice<'a> {
    /// The costs in their order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Cost> + Clone + use<'a> {
        (self.first..self.end).map(move |index| self.list.get(index))
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.end - self.first
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.first == self.end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_takes_as_little_as_its_costs_let_it() {
        let list = |costs: &[u64]| CostList::new(costs.iter().map(|cost| Cost(*cost)));
        let most = u64::from(u32::MAX);
        assert!(matches!(list(&[0, most * PARTS]), CostList::Units(_)));
        assert!(matches!(list(&[1, most]), CostList::Parts(_)));
        assert!(matches!(list(&[1, most * PARTS]), CostList::Any(_)));
        assert!(matches!(list(&[(most + 1) * PARTS]), CostList::Any(_)));
        assert_eq!(list(&[]), CostList::default());
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out(bits in 0..64_u32, unit in prop::sample::select(vec![1, PARTS]), numbers in prop::collection::vec(any::<u64>(), 0..20)) {
            let costs: Vec<Cost> = numbers.iter().map(|n| Cost((n >> bits).saturating_mul(unit))).collect();
            let list = CostList::new(costs.iter().copied());
            prop_assert_eq!(list.iter().collect::<Vec<_>>(), costs.clone());
            prop_assert_eq!(list.len(), costs.len());
            let half = costs.len() / 2;
            prop_assert_eq!(list.slice(half, costs.len() - half).iter().collect::<Vec<_>>(), costs[half..].to_vec());
        }
    }
}
