//! The smallest group that may be published.

use thiserror::Error;

/// The number of distinct subscribers below which nothing is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct K {
    subscribers: usize,
    lab: bool,
}

/// The wished k is below the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("k must be at least {floor}, got {0}", floor = K::FLOOR)]
pub struct KError(pub usize);

impl K {
    /// No operator may go below this.
    pub const FLOOR: usize = 5;
    /// What is used unless the operator says otherwise: ten.
    pub const DEFAULT: Self = Self {
        subscribers: 10,
        lab: false,
    };
    /// Published counts are rounded down to a multiple of this.
    const COUNT_STEP: usize = 5;
    /// The smallest and the largest value are single households' values; with fewer than this many
    /// times k around them they are left out.
    const EXTREMES: usize = 5;

    /// A k of at least [`K::FLOOR`].
    pub fn new(subscribers: usize) -> Result<Self, KError> {
        if subscribers < Self::FLOOR {
            return Err(KError(subscribers));
        }
        Ok(Self {
            subscribers,
            lab: false,
        })
    }

    /// Lifts the rule, for demonstrations and tests; what is published must then say so.
    pub fn lab() -> Self {
        Self {
            subscribers: 1,
            lab: true,
        }
    }

    /// The least number of subscribers of a published group; 1 in the laboratory.
    pub fn subscribers(self) -> usize {
        self.subscribers
    }

    /// Whether the rule is lifted.
    pub fn is_lab(self) -> bool {
        self.lab
    }

    /// A count of subscribers as it may be published.
    pub(crate) fn rounded(self, count: usize) -> usize {
        if self.lab {
            count
        } else {
            count - count % Self::COUNT_STEP
        }
    }

    /// The least number of subscribers from which minimum and maximum are published.
    pub(crate) fn for_extremes(self) -> usize {
        if self.lab {
            1
        } else {
            self.subscribers.saturating_mul(Self::EXTREMES)
        }
    }
}

impl Default for K {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_has_a_floor_that_only_the_laboratory_lifts() {
        assert_eq!(K::new(4), Err(KError(4)));
        assert_eq!(
            K::new(4).map_err(|e| e.to_string()),
            Err("k must be at least 5, got 4".to_owned())
        );
        assert_eq!(K::new(5).map(K::subscribers), Ok(5));
        assert_eq!(K::default().subscribers(), 10);
        assert!(K::lab().is_lab() && K::lab().subscribers() == 1);
    }

    #[test]
    fn counts_are_rounded_down_to_fives_outside_the_laboratory() {
        assert_eq!([10, 14, 15].map(|n| K::DEFAULT.rounded(n)), [10, 10, 15]);
        assert_eq!(K::lab().rounded(13), 13);
    }
}
