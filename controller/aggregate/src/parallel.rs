//! The same work over many values, on all processors. The results do not depend on how many there are.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Shorter slices are sorted faster alone.
const WORTH_DIVIDING: usize = 1 << 16;

/// How many threads can run at once.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Does the work for each item and gives the results in the order of the items. Large ones should come first. Each thread has
/// something of its own to work with.
pub(crate) fn map<T: Sync, O: Default, R: Send>(
    items: &[T],
    work: impl Fn(&mut O, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let (mut own, mut done) = (O::default(), Vec::new());
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, work(&mut own, item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..processors().min(items.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        let mut done = worker();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Sorts in so many parts.
pub(crate) fn sort<T: Send, K: Ord>(
    items: &mut [T],
    parts: usize,
    key: &(impl Fn(&T) -> K + Sync),
) {
    if parts < 2 || items.len() < WORTH_DIVIDING {
        items.sort_unstable_by_key(key);
        return;
    }
    let middle = items.len() / parts * (parts / 2);
    let (low, _, high) = items.select_nth_unstable_by_key(middle, key);
    thread::scope(|scope| {
        scope.spawn(|| sort(low, parts / 2, key));
        sort(high, parts - parts / 2, key);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1_000).collect();
        let squares = map(&items, |seen: &mut u64, item| {
            *seen += 1;
            item * item
        });
        assert!(squares.iter().zip(&items).all(|(s, i)| *s == i * i));
        assert_eq!((squares.len(), map(&[0; 0], |(), i| *i)), (1_000, vec![]));
    }

    #[test]
    fn parts_make_a_sorted_whole() {
        let mixed = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        for parts in [1, 2, 3, 8] {
            let mut items: Vec<u64> = (0..200_000).map(mixed).collect();
            sort(&mut items, parts, &|n| *n);
            assert!(items.is_sorted(), "{parts}");
        }
    }
}
