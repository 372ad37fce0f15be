//! Sets of items (metric and destination, whole calendars), numbered so that comparing two is comparing numbers.

use std::collections::HashMap;
use std::sync::Arc;

/// The number of a set in [`Patterns`].
pub(crate) type PatternId = u32;
/// The empty set.
pub(crate) const NOTHING: PatternId = 0;

/// All sets that occur in one release.
#[derive(Debug)]
pub(crate) struct Patterns {
    sets: Vec<Arc<[u64]>>,
    ids: HashMap<Arc<[u64]>, PatternId>,
    words: usize,
}

impl Patterns {
    /// For that many items.
    pub(crate) fn new(items: usize) -> Self {
        let words = items.div_ceil(64).max(1);
        let nothing: Arc<[u64]> = vec![0; words].into();
        Self {
            ids: HashMap::from([(nothing.clone(), NOTHING)]),
            sets: vec![nothing],
            words,
        }
    }

    /// Words of one set.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// The number of a set of [`Patterns::words`] words.
    pub(crate) fn id(&mut self, set: &[u64]) -> PatternId {
        if let Some(id) = self.ids.get(set) {
            return *id;
        }
        let id = PatternId::try_from(self.sets.len()).unwrap_or(NOTHING);
        let set: Arc<[u64]> = set.into();
        self.sets.push(Arc::clone(&set));
        self.ids.insert(set, id);
        id
    }

    /// How many sets there are.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The words of all sets, by number.
    pub(crate) fn sets(&self) -> impl Iterator<Item = &[u64]> {
        self.sets.iter().map(|set| &**set)
    }

    /// The words of a set; the order of sets is that of their words, first items first.
    pub(crate) fn set(&self, id: PatternId) -> &[u64] {
        &self.sets[id as usize]
    }

    pub(crate) fn contains(&self, id: PatternId, item: usize) -> bool {
        has(self.set(id), item)
    }

    /// What two sets share.
    pub(crate) fn common(&mut self, a: PatternId, b: PatternId) -> PatternId {
        if a == b {
            return a;
        }
        let common: Vec<u64> = self
            .set(a)
            .iter()
            .zip(self.set(b))
            .map(|(a, b)| a & b)
            .collect();
        self.id(&common)
    }

    /// How many items two sets share.
    pub(crate) fn shared(&self, a: PatternId, b: PatternId) -> u64 {
        let words = self.set(a).iter().zip(self.set(b));
        words.map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }
}

/// Puts an item into a set. Items are counted from the highest bit, so that sets sort by their first items.
pub(crate) fn put(set: &mut [u64], item: usize) {
    set[item / 64] |= 1 << (63 - item % 64);
}

/// Whether an item is in a set.
pub(crate) fn has(set: &[u64], item: usize) -> bool {
    set[item / 64] >> (63 - item % 64) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_have_equal_numbers_and_meet_in_what_they_share() {
        let mut patterns = Patterns::new(130);
        let mut id = |items: &[usize]| {
            let mut set = vec![0; 3];
            for item in items {
                put(&mut set, *item);
            }
            patterns.id(&set)
        };
        let (a, again, b, both) = (
            id(&[0, 64, 129]),
            id(&[129, 0, 64]),
            id(&[1, 64, 129]),
            id(&[64, 129]),
        );
        assert_eq!((a, id(&[])), (again, NOTHING));
        assert_eq!(patterns.common(a, b), both);
        assert_eq!(patterns.shared(a, b), 2);
        assert!(patterns.contains(both, 129) && !patterns.contains(both, 0));
        assert!(patterns.set(a) > patterns.set(b), "first items first");
    }
}
