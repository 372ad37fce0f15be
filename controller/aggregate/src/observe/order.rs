//! A state in one order.

use super::{ELSEWHERE, Entry, Subject};

/// The numbers in one state of another one's subscribers and destinations.
pub(super) struct Numbers {
    pub(super) subscribers: Vec<u32>,
    pub(super) destinations: Vec<u32>,
}

impl Numbers {
    pub(super) fn give(&self, entries: &mut [Entry]) {
        for entry in entries {
            *entry = self.of(*entry);
        }
    }

    pub(super) fn of(&self, entry: Entry) -> Entry {
        let destination = entry.destination();
        let destination = match entry.subject() {
            Subject::Figure { .. } => self
                .destinations
                .get(destination as usize)
                .copied()
                .unwrap_or(ELSEWHERE),
            Subject::Filtered(_) | Subject::Seen => destination,
        };
        entry.with(destination, self.subscribers[entry.subscriber()])
    }
}

/// The new index of each old one, and the items in their new order.
pub(super) fn ranked<T>(
    items: Vec<T>,
    compare: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> (Vec<u32>, Vec<T>) {
    let mut order: Vec<(u32, T)> = (0..).zip(items).collect();
    order.sort_unstable_by(|(_, a), (_, b)| compare(a, b));
    let mut ranks = vec![0; order.len()];
    for (rank, (index, _)) in (0..).zip(&order) {
        ranks[*index as usize] = rank;
    }
    (ranks, order.into_iter().map(|(_, item)| item).collect())
}

/// Brings items of equal numbers together, in the order of numbers, which are below `count`: each item is moved once.
pub(super) fn group<T>(items: &mut [T], count: usize, number: impl Fn(&T) -> usize) {
    let mut ends = vec![0; count];
    for item in items.iter() {
        ends[number(item)] += 1;
    }
    let mut next = Vec::with_capacity(count);
    let mut end = 0;
    for of_one in &mut ends {
        next.push(end);
        end += *of_one;
        *of_one = end;
    }
    for own in 0..count {
        while next[own] < ends[own] {
            let at = next[own];
            let wanted = number(&items[at]);
            if wanted != own {
                items.swap(at, next[wanted]);
            }
            next[wanted] += 1;
        }
    }
}

/// Sorts entries.
pub(super) fn by_key(entries: &mut [Entry]) {
    // As one number each: twice as fast as by fields.
    entries.sort_unstable_by_key(|e| u128::from(e.key) << 64 | u128::from(e.measured.0));
}

/// Subscribers whose entries are brought together first: what each of them has then lies within the processor's reach.
const NEIGHBOURS: usize = 256;
/// Fewer entries are sorted faster by comparing.
const WORTH_COUNTING: usize = 64;

/// Brings the entries of one metric and destination into the order of subscribers. That of the entries of one is free: values are
/// sorted where they are used, without the rest of their entries.
pub(super) fn by_subscriber(run: &mut [Entry], subscribers: usize) {
    if run.is_sorted_by_key(|entry| entry.subscriber()) {
        return;
    }
    let neighbours = |entry: &Entry| entry.subscriber() / NEIGHBOURS;
    group(run, subscribers.div_ceil(NEIGHBOURS), neighbours);
    for some in run.chunk_by_mut(|a, b| neighbours(a) == neighbours(b)) {
        if some.len() < WORTH_COUNTING {
            some.sort_unstable_by_key(|entry| entry.subscriber());
        } else {
            group(some, NEIGHBOURS, |e| e.subscriber() % NEIGHBOURS);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::observe::Measured;

    proptest! {
        #[test]
        fn grouped_items_are_those_of_before(mut items in prop::collection::vec((0_usize..7, any::<u8>()), 0..60)) {
            let mut sorted = items.clone();
            group(&mut items, 7, |(number, _)| *number);
            prop_assert!(items.is_sorted_by_key(|(number, _)| *number));
            items.sort_unstable();
            sorted.sort_unstable();
            prop_assert_eq!(items, sorted);
        }

        #[test]
        fn runs_come_into_the_order_of_subscribers(run in prop::collection::vec((0_u32..600, any::<bool>(), 0_u64..5), 0..300)) {
            let entry = |(subscriber, late, value)| Entry::new(0, 3, subscriber, late, Measured::new(value, 1));
            let mut run: Vec<Entry> = run.into_iter().map(entry).collect();
            let mut expected = run.clone();
            expected.sort();
            by_subscriber(&mut run, 600);
            prop_assert!(run.is_sorted_by_key(|e| e.subscriber()));
            by_key(&mut run);
            prop_assert_eq!(run, expected);
        }
    }
}
