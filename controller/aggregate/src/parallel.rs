//! The same work over many values, on all processors. The results do not depend on how many there are.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

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

/// Does the work on each item. Large ones should come first.
pub(crate) fn each<T: Send>(items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync) {
    let items: Vec<T> = items.into_iter().collect();
    let threads = processors().min(items.len());
    let items = Mutex::new(items.into_iter());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        while let Some(item) = next() {
            work(item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(worker);
        }
        worker();
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
    fn each_item_is_worked_on_once() {
        let mut items = vec![1_u64; 1_000];
        each(&mut items, |item| *item += 1);
        each(&mut [0_u64; 0], |item| *item += 1);
        assert_eq!(items, vec![2; 1_000]);
    }
}
