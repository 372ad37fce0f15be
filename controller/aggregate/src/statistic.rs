//! Statistics over integers, in the words of RFC 9439 §3.2.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A statistical operator. All results are integers, rounded half up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statistic {
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
    /// The middle value; of an even count, the mean of the two middle ones.
    Median,
    /// The arithmetic mean.
    Mean,
    /// The standard deviation of the population (divided by n, not n − 1).
    Stddev,
    /// The nearest-rank percentile: the ⌈N/100·n⌉-th smallest value.
    Percentile(Percentile),
}

/// A percentage between 0 and 100 with up to three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentile {
    thousandths: u32,
}

impl Percentile {
    const WHOLE: u32 = 100_000;

    /// `percent` %, if it is at most 100.
    pub fn new(percent: u32) -> Option<Self> {
        let thousandths = percent.checked_mul(1_000)?;
        (thousandths <= Self::WHOLE).then_some(Self { thousandths })
    }

    /// Index, from 0, of the nearest rank among `count` ≥ 1 values.
    fn index(self, count: usize) -> usize {
        let rank = (u128::from(self.thousandths) * count as u128).div_ceil(u128::from(Self::WHOLE));
        usize::try_from(rank).unwrap_or(count).clamp(1, count) - 1
    }
}

impl Statistic {
    /// The statistic of the values, `None` if there are none. The order of the values is free.
    pub fn of(self, values: &[u64]) -> Option<u64> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        self.of_sorted(&sorted)
    }

    /// Whether it is the value at some rank between the first and the last.
    pub(crate) fn needs_order(self) -> bool {
        matches!(self, Self::Median | Self::Percentile(_))
    }

    /// The same of values that are in order if it [needs](Self::needs_order) one.
    pub(crate) fn of_ranked(self, values: &[u64]) -> Option<u64> {
        match self {
            Self::Min => values.iter().min().copied(),
            Self::Max => values.iter().max().copied(),
            _ => self.of_sorted(values),
        }
    }

    pub(crate) fn of_sorted(self, sorted: &[u64]) -> Option<u64> {
        let count = sorted.len();
        match self {
            Self::Min => sorted.first().copied(),
            Self::Max => sorted.last().copied(),
            Self::Median if count.is_multiple_of(2) => {
                let upper = *sorted.get(count / 2)?;
                Some(sorted[count / 2 - 1].midpoint(upper) + (sorted[count / 2 - 1] ^ upper) % 2)
            }
            Self::Median => sorted.get(count / 2).copied(),
            Self::Mean => mean(sorted),
            Self::Stddev => stddev(sorted),
            Self::Percentile(_) if count == 0 => None,
            Self::Percentile(percentile) => sorted.get(percentile.index(count)).copied(),
        }
    }

    /// What one subscriber brings to this statistic over subscribers: its own minimum, maximum or
    /// mean where the statistic is one of these (the mean also for the standard deviation), its
    /// median otherwise.
    pub(crate) fn of_subscriber(self) -> Self {
        match self {
            Self::Min => Self::Min,
            Self::Max => Self::Max,
            Self::Mean | Self::Stddev => Self::Mean,
            Self::Median | Self::Percentile(_) => Self::Median,
        }
    }

    /// Whether the result is some single subscriber's own value at the edge of a group of that many.
    pub(crate) fn is_extreme(self, count: usize) -> bool {
        match self {
            Self::Min | Self::Max => true,
            Self::Percentile(p) if count > 0 => {
                matches!(p.index(count), i if i == 0 || i + 1 == count)
            }
            Self::Percentile(_) | Self::Median | Self::Mean | Self::Stddev => false,
        }
    }

    /// The share of values at or below it, for a quantile.
    pub(crate) fn quantile(self) -> Option<f64> {
        match self {
            Self::Median => Some(0.5),
            Self::Percentile(p) => Some(f64::from(p.thousandths) / f64::from(Percentile::WHOLE)),
            Self::Min | Self::Max | Self::Mean | Self::Stddev => None,
        }
    }
}

fn mean(values: &[u64]) -> Option<u64> {
    let count = values.len() as u128;
    quotient(2 * sum(values) + count, 2 * count)
}

/// The sum, by halves of the values: additions of 64 bits go several at once.
fn sum(values: &[u64]) -> u128 {
    const HALF: u32 = u64::BITS / 2;
    values
        .chunks(1 << 16)
        .map(|some| {
            let (low, high) = some.iter().fold((0_u64, 0_u64), |(low, high), v| {
                (low + (v & u64::from(u32::MAX)), high + (v >> HALF))
            });
            (u128::from(high) << HALF) + u128::from(low)
        })
        .sum()
}

/// √(n·Σx² − (Σx)²) / n, taken over doubled values so that the last step can round.
fn stddev(values: &[u64]) -> Option<u64> {
    let count = values.len() as u128;
    let sum = sum(values);
    let squares = values.iter().try_fold(0_u128, |total, v| {
        // No square of 64 bits overflows 128.
        total.checked_add(u128::from(*v) * u128::from(*v))
    })?;
    let spread = count
        .checked_mul(squares)?
        .checked_sub(sum.checked_mul(sum)?)?;
    let doubled = spread.checked_mul(4)?;
    let doubled = u64::try_from(doubled).map_or_else(|_| doubled.isqrt(), |d| d.isqrt().into());
    quotient(doubled + count, 2 * count)
}

/// The whole part of a quotient. Most fit the processor's own division.
fn quotient(dividend: u128, divisor: u128) -> Option<u64> {
    match (u64::try_from(dividend), u64::try_from(divisor)) {
        (Ok(dividend), Ok(divisor)) => dividend.checked_div(divisor),
        _ => u64::try_from(dividend.checked_div(divisor)?).ok(),
    }
}

impl fmt::Display for Statistic {
    /// The operator as in a metric's name: `median`, `mean`, `p95`, `p99.9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("min"),
            Self::Max => f.write_str("max"),
            Self::Median => f.write_str("median"),
            Self::Mean => f.write_str("mean"),
            Self::Stddev => f.write_str("stddev"),
            Self::Percentile(Percentile { thousandths }) => {
                write!(f, "p{}", thousandths / 1_000)?;
                match thousandths % 1_000 {
                    0 => Ok(()),
                    rest => write!(f, ".{}", format!("{rest:03}").trim_end_matches('0')),
                }
            }
        }
    }
}

/// The text is no statistical operator that this crate computes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown statistic {0:?}")]
pub struct UnknownStatistic(String);

impl FromStr for Statistic {
    type Err = UnknownStatistic;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "min" => Ok(Self::Min),
            "max" => Ok(Self::Max),
            "median" => Ok(Self::Median),
            "mean" => Ok(Self::Mean),
            "stddev" => Ok(Self::Stddev),
            _ => text
                .strip_prefix('p')
                .and_then(percentile)
                .map(Self::Percentile)
                .ok_or_else(|| UnknownStatistic(text.to_owned())),
        }
    }
}

fn percentile(text: &str) -> Option<Percentile> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| {
        !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(whole) || !digits(decimals) {
        return None;
    }
    let thousandths =
        whole.parse::<u32>().ok()? * 1_000 + format!("{decimals:0<3}").parse::<u32>().ok()?;
    (thousandths <= Percentile::WHOLE).then_some(Percentile { thousandths })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::Metric;

    fn statistic(name: &str) -> Statistic {
        name.parse().unwrap()
    }

    #[test]
    fn alto_check_52_the_statistics_of_four_round_trips() {
        let samples = [40_000, 10_000, 30_000, 20_000];
        for (name, expected) in [
            ("mean", 25_000),
            ("median", 25_000),
            ("p95", 40_000),
            ("min", 10_000),
            ("max", 40_000),
            ("p25", 10_000),
            ("p25.1", 20_000),
            ("p0", 10_000),
            ("p100", 40_000),
            ("stddev", 11_180),
        ] {
            assert_eq!(statistic(name).of(&samples), Some(expected), "{name}");
            assert_eq!(statistic(name).of(&[]), None, "{name} of nothing");
        }
    }

    #[test]
    fn alto_check_52_the_median_of_four_hop_counts_is_the_lower_middle() {
        let of = |metric: Metric, values: &[u64]| metric.statistic(Statistic::Median)?.of(values);
        for (values, lower, between) in [
            ([40_000, 10_000, 30_000, 20_000], 20_000, 25_000),
            ([9, 3, 8, 4], 4, 6),
            ([7, 6, 6, 7], 6, 7),
            ([5, 4, 3, 3], 3, 4),
        ] {
            assert_eq!(of(Metric::HopCount, &values), Some(lower), "{values:?}");
            for metric in Metric::ALL {
                if metric != Metric::HopCount {
                    assert_eq!(of(metric, &values), Some(between), "{metric:?}");
                }
            }
        }
        assert_eq!(of(Metric::HopCount, &[9, 3, 8]), Some(8));
    }

    #[test]
    fn a_percentile_that_falls_on_the_edge_is_an_extreme() {
        assert!(statistic("p95").is_extreme(10), "the tenth of ten");
        assert!(!statistic("p95").is_extreme(21));
        assert!(statistic("p5").is_extreme(20) && !statistic("p5").is_extreme(21));
        assert!(statistic("min").is_extreme(1_000) && !statistic("median").is_extreme(10));
    }

    #[test]
    fn halves_are_rounded_up() {
        assert_eq!(Statistic::Median.of(&[1, 2]), Some(2));
        assert_eq!(Statistic::Median.of(&[1, 4]), Some(3));
        assert_eq!(Statistic::Median.of(&[2, 4]), Some(3));
        assert_eq!(Statistic::Mean.of(&[1, 2]), Some(2));
        assert_eq!(Statistic::Median.of(&[u64::MAX, u64::MAX]), Some(u64::MAX));
    }

    #[test]
    fn operators_are_read_and_written_alike() {
        for name in [
            "min", "max", "median", "mean", "stddev", "p0", "p5", "p99.9", "p99.999", "p100",
        ] {
            assert_eq!(statistic(name).to_string(), name);
        }
        for bad in [
            "", "p", "p101", "p100.001", "p.5", "p5.", "p1.2345", "p-1", "p+1", "avg", "p1000",
        ] {
            assert!(bad.parse::<Statistic>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_statistic_but_the_deviation_lies_between_the_extremes(values in prop::collection::vec(0_u64..5_000_000, 1..60), percent in 0_u32..=100) {
            let (low, high) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
            for s in [Statistic::Median, Statistic::Mean, Statistic::Percentile(Percentile::new(percent).unwrap())] {
                let value = s.of(&values).unwrap();
                prop_assert!(low <= value && value <= high);
            }
            prop_assert!(Statistic::Stddev.of(&values).unwrap() <= high - low);
        }

        #[test]
        fn the_nearest_rank_leaves_at_least_that_share_at_or_below(values in prop::collection::vec(0_u64..100, 1..60), percent in 1_u32..=100) {
            let value = Statistic::Percentile(Percentile::new(percent).unwrap()).of(&values).unwrap();
            let below = |limit: u64| values.iter().filter(|v| **v <= limit).count() * 100;
            prop_assert!(below(value) >= percent as usize * values.len());
            prop_assert!(value == 0 || below(value - 1) < percent as usize * values.len());
        }
    }
}
