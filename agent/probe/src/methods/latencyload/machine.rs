//! What the round trips of each phase come to, and by which probes they are taken. Pure.

use super::options::ProbeChoice;

/// A load of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Content comes.
    Down,
    /// Content goes.
    Up,
    /// Both at once.
    Both,
}

impl Phase {
    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
            Self::Both => "both",
        }
    }

    /// Whether content comes.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Down | Self::Both)
    }

    /// Whether content goes.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up | Self::Both)
    }
}

/// The round trips of a phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Probes sent.
    pub sent: u32,
    /// Probes answered.
    pub received: u32,
    /// Their round trips, in microseconds.
    pub trips_us: Vec<u32>,
}

impl Samples {
    /// Adds those of another batch.
    pub fn add(&mut self, batch: &Self) {
        self.sent = self.sent.saturating_add(batch.sent);
        self.received = self.received.saturating_add(batch.received);
        self.trips_us.extend_from_slice(&batch.trips_us);
    }

    /// The distribution; `None` when nothing was answered.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let mut trips = self.trips_us.clone();
        trips.sort_unstable();
        let rank = |percent: usize| {
            // Nearest rank: ⌈p·n⌉, counted from 1.
            let rank = (trips.len() * percent).div_ceil(100).max(1);
            trips.get(rank - 1).copied()
        };
        let sum: u64 = trips.iter().map(|&trip| u64::from(trip)).sum();
        Some(Quantiles {
            min_us: trips.first().copied()?,
            median_us: rank(50)?,
            p90_us: rank(90)?,
            p95_us: rank(95)?,
            p99_us: rank(99)?,
            max_us: trips.last().copied()?,
            avg_us: u32::try_from(sum.checked_div(trips.len() as u64)?).ok()?,
        })
    }
}

/// A distribution of round trips, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// The smallest.
    pub min_us: u32,
    /// Half are no longer.
    pub median_us: u32,
    /// 90 of 100 are no longer.
    pub p90_us: u32,
    /// 95 of 100 are no longer.
    pub p95_us: u32,
    /// 99 of 100 are no longer.
    pub p99_us: u32,
    /// The longest.
    pub max_us: u32,
    /// The mean.
    pub avg_us: u32,
}

/// Which probes are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prober {
    choice: ProbeChoice,
    icmp: bool,
}

impl Prober {
    pub(super) const fn new(choice: ProbeChoice) -> Self {
        let icmp = !matches!(choice, ProbeChoice::Tcp);
        Self { choice, icmp }
    }

    pub(super) const fn is_icmp(self) -> bool {
        self.icmp
    }

    /// A batch on the idle line has been answered so often; says whether the idle phase begins anew with other probes.
    pub(super) fn falls_back(&mut self, received: u32) -> bool {
        let other = received == 0 && self.icmp && self.choice == ProbeChoice::Auto;
        if other {
            self.icmp = false;
        }
        other
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn samples(trips_us: Vec<u32>) -> Samples {
        let received = u32::try_from(trips_us.len()).unwrap();
        Samples {
            sent: received + 1,
            received,
            trips_us,
        }
    }

    #[test]
    fn quantiles_are_nearest_ranks() {
        let quantiles = samples((1..=100).rev().collect()).quantiles().unwrap();
        assert_eq!(
            quantiles,
            Quantiles {
                min_us: 1,
                median_us: 50,
                p90_us: 90,
                p95_us: 95,
                p99_us: 99,
                max_us: 100,
                avg_us: 50,
            }
        );
        let one = samples(vec![7]).quantiles().unwrap();
        assert_eq!(
            (one.min_us, one.median_us, one.p99_us, one.max_us),
            (7, 7, 7, 7)
        );
        assert_eq!(Samples::default().quantiles(), None);
    }

    #[test]
    fn only_auto_falls_back_and_only_once() {
        let mut auto = Prober::new(ProbeChoice::Auto);
        assert!(auto.is_icmp() && !auto.falls_back(1) && auto.is_icmp());
        assert!(auto.falls_back(0) && !auto.is_icmp() && !auto.falls_back(0));
        let mut icmp = Prober::new(ProbeChoice::Icmp);
        assert!(!icmp.falls_back(0) && icmp.is_icmp());
        assert!(!Prober::new(ProbeChoice::Tcp).is_icmp());
    }

    proptest! {
        #[test]
        fn quantiles_are_in_order_and_of_the_samples(trips in proptest::collection::vec(any::<u32>(), 1..200)) {
            let q = samples(trips.clone()).quantiles().unwrap();
            let order = [q.min_us, q.median_us, q.p90_us, q.p95_us, q.p99_us, q.max_us];
            prop_assert!(order.is_sorted() && order.iter().all(|trip| trips.contains(trip)));
            prop_assert!((q.min_us..=q.max_us).contains(&q.avg_us));
        }
    }
}
