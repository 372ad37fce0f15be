//! The same work over many values, on all processors. What comes of it does not depend on how many there are.
//! `glimpse-alto` has the same: the two may not use each other.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does the work on each item and gives the results in the order of the items; large ones should come first. Each thread has
/// something of its own to work with, which it takes from one item to the next.
pub(crate) fn map<T: Send, O: Default, R: Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(&mut O, T) -> R + Sync,
) -> Vec<R> {
    let items: Vec<T> = items.into_iter().collect();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(items.len());
    let items = Mutex::new(items.into_iter().enumerate());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || {
        let (mut own, mut done) = (O::default(), Vec::new());
        while let Some((index, item)) = next() {
            done.push((index, work(&mut own, item)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
        let mut done = worker();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let squares = map(0..1_000_u64, |count: &mut u64, n| {
            *count += 1;
            (n * n, *count)
        });
        assert!(
            squares
                .iter()
                .zip(0..)
                .all(|((square, _), n)| *square == n * n)
        );
        assert!(squares.iter().all(|(_, count)| *count >= 1));
        assert!(map(Vec::<u8>::new(), |(): &mut (), n| n).is_empty());
    }
}
