//! Votes in order.

/// Bits of a value that are looked at in one pass.
const DIGIT: u32 = 11;
/// Fewer are sorted faster by comparing.
const WORTH_COUNTING: usize = 1 << 11;

/// The votes of one place in one interval, in order if they were needed so.
#[derive(Default)]
pub(super) struct Ascending {
    votes: Vec<u64>,
    spare: Vec<u64>,
}

impl Ascending {
    /// Forgets the votes.
    pub(super) fn clear(&mut self) {
        self.votes.clear();
    }

    /// Sorts the votes, unless that is done.
    pub(super) fn of(&mut self, votes: &[u64]) -> &[u64] {
        if self.votes.is_empty() {
            self.votes.extend_from_slice(votes);
            if votes.len() < WORTH_COUNTING {
                self.votes.sort_unstable();
            } else {
                sort(&mut self.votes, &mut self.spare);
            }
        }
        &self.votes
    }
}

/// Sorts many numbers, the lowest digits first: the passes are as many as the largest number has digits.
fn sort(numbers: &mut Vec<u64>, spare: &mut Vec<u64>) {
    let digit = |number: u64, shift: u32| (number >> shift & ((1 << DIGIT) - 1)) as usize;
    let largest = numbers.iter().copied().max().unwrap_or(0);
    spare.clear();
    spare.resize(numbers.len(), 0);
    for shift in (0..u64::BITS - largest.leading_zeros()).step_by(DIGIT as usize) {
        let mut next = [0_usize; 1 << DIGIT];
        for number in &*numbers {
            next[digit(*number, shift)] += 1;
        }
        let mut end = 0;
        for next in &mut next {
            end += std::mem::replace(next, end);
        }
        for number in &*numbers {
            let next = &mut next[digit(*number, shift)];
            spare[*next] = *number;
            *next += 1;
        }
        std::mem::swap(numbers, spare);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_of_any_size_come_into_order(numbers in prop::collection::vec(any::<u64>(), 0..300), shift in 0_u32..64) {
            let mut numbers: Vec<u64> = numbers.into_iter().map(|n| n >> shift).collect();
            let mut expected = numbers.clone();
            expected.sort_unstable();
            sort(&mut numbers, &mut vec![7; 9]);
            prop_assert_eq!(numbers, expected);
        }
    }

    #[test]
    fn votes_are_sorted_once() {
        let votes: Vec<u64> = (0..5_000).rev().collect();
        let mut ascending = Ascending::default();
        assert!(ascending.of(&votes).is_sorted());
        assert_eq!(ascending.of(&[1]).len(), 5_000);
        ascending.clear();
        assert_eq!(ascending.of(&[3, 1]), [1, 3]);
    }
}
