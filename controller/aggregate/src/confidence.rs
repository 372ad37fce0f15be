//! 95 % confidence intervals. Only +, −, ×, ÷ and √ on doubles, so that every machine has the same bits.

use crate::Statistic;

/// Half of what may lie outside: 2.5 % on each side.
const TAIL: f64 = 0.025;
/// The normal distribution's 97.5 % point.
const Z: f64 = 1.959_963_984_540_054;

/// A confidence interval, in the metric's unit, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Lower end.
    pub low: u64,
    /// Upper end.
    pub high: u64,
}

/// Indices, from 0, of the order statistics that hold the quantile with 95 % (distribution-free: from the binomial
/// distribution alone); `None` if so few values cannot tell.
pub(crate) fn ranks(count: usize, quantile: f64) -> Option<(usize, usize)> {
    if count == 0 || !(quantile > 0.0 && quantile < 1.0) {
        return None;
    }
    let (first, density) = binomial(count, quantile);
    // The j-th smallest value lies above the quantile with P(B ≤ j − 1).
    let mut below = 0.0;
    let mut low = first.checked_sub(1);
    for (j, p) in (first..count).zip(&density) {
        below += p;
        if below > TAIL {
            break;
        }
        low = Some(j);
    }
    // The j-th smallest value lies below the quantile with P(B ≥ j).
    let last = first + density.len() - 1;
    let mut above = 0.0;
    let mut high = (last < count).then_some(last);
    for (j, p) in (first..first + density.len()).zip(&density).rev() {
        above += p;
        if above > TAIL || j == 0 {
            break;
        }
        high = Some(j - 1);
    }
    low.zip(high)
}

/// Below this share of the most likely number a number does not count.
const NEVER: f64 = 1e-18;

/// The probabilities of numbers of successes that are not next to impossible, with the least such number: from the
/// most likely one outwards, so that nothing overflows.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are far below 2^52"
)]
fn binomial(count: usize, p: f64) -> (usize, Vec<f64>) {
    let n = count as f64;
    let mode = (((n + 1.0) * p) as usize).min(count);
    let mut density = vec![1.0];
    let mut value = 1.0;
    let mut first = mode;
    while first > 0 && value > NEVER {
        value *= (first as f64 / (n - first as f64 + 1.0)) * ((1.0 - p) / p);
        first -= 1;
        density.push(value);
    }
    density.reverse();
    value = 1.0;
    let mut last = mode;
    while last < count && value > NEVER {
        value *= ((n - last as f64) / (last as f64 + 1.0)) * (p / (1.0 - p));
        last += 1;
        density.push(value);
    }
    let sum: f64 = density.iter().sum();
    for d in &mut density {
        *d /= sum;
    }
    (first, density)
}

/// Indices of order statistics; `None` if they cannot tell.
type Ranks = Option<(usize, usize)>;

/// The ranks of the quantiles that one release needs.
#[derive(Debug, Default)]
pub(crate) struct Confidence {
    /// By quantile and by count, as far as they were needed.
    ranks: Vec<(Statistic, Vec<Option<Ranks>>)>,
}

impl Confidence {
    /// The interval of a statistic: of a quantile between two order statistics, of the mean by Student's t. `None` for a single
    /// value's statistic (minimum, maximum), the deviation, and where there are too few values. Unless `extremes` may be
    /// told, also where an end is the smallest or largest value. Only quantiles need the values in order.
    pub(crate) fn interval(
        &mut self,
        statistic: Statistic,
        values: &[u64],
        extremes: bool,
    ) -> Option<Interval> {
        if statistic == Statistic::Mean {
            return mean(values);
        }
        let quantile = statistic.quantile()?;
        let count = values.len();
        let of = |(known, _): &(Statistic, _)| *known == statistic;
        let index = self.ranks.iter().position(of).unwrap_or_else(|| {
            self.ranks.push((statistic, Vec::new()));
            self.ranks.len() - 1
        });
        let by_count = &mut self.ranks[index].1;
        by_count.resize(by_count.len().max(count + 1), None);
        let known = by_count[count].get_or_insert_with(|| ranks(count, quantile));
        let (low, high) = (*known)?;
        if !extremes && (low == 0 || high + 1 == count) {
            return None;
        }
        Some(Interval {
            low: *values.get(low)?,
            high: *values.get(high)?,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "values are far below 2^52, and ends are cut at zero"
)]
fn mean(values: &[u64]) -> Option<Interval> {
    if values.len() < 5 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|v| *v as f64).sum::<f64>() / n;
    let squares: f64 = values
        .iter()
        .map(|v| (*v as f64 - mean) * (*v as f64 - mean))
        .sum();
    let half = student(n - 1.0) * (squares / (n - 1.0) / n).sqrt();
    Some(Interval {
        low: (mean - half).max(0.0).round() as u64,
        high: (mean + half).round() as u64,
    })
}

/// The 97.5 % point of Student's t with at least four degrees of freedom (Cornish and Fisher, good to 0.01).
fn student(degrees: f64) -> f64 {
    let (z3, z5, z7) = (Z * Z * Z, Z * Z * Z * Z * Z, Z * Z * Z * Z * Z * Z * Z);
    Z + (z3 + Z) / (4.0 * degrees)
        + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * degrees * degrees)
        + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * degrees * degrees * degrees)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ranks_are_those_of_the_tables() {
        // Conover, Practical Nonparametric Statistics: the sign-test intervals of the median.
        for (count, low, high) in [
            (6, 1, 6),
            (10, 2, 9),
            (20, 6, 15),
            (25, 8, 18),
            (50, 18, 33),
            (100, 40, 61),
        ] {
            assert_eq!(ranks(count, 0.5), Some((low - 1, high - 1)), "{count}");
        }
        assert_eq!(ranks(5, 0.5), None, "1/32 on each side is too much");
        assert_eq!(
            ranks(40, 0.95),
            None,
            "the maximum of forty may well lie below"
        );
        assert!(ranks(100, 0.95).is_some());
        assert_eq!(
            (ranks(0, 0.5), ranks(9, 0.0), ranks(9, 1.0)),
            (None, None, None)
        );
    }

    #[test]
    fn a_large_count_neither_overflows_nor_vanishes() {
        let (low, high) = ranks(200_000, 0.99).unwrap();
        // ±1.96·√(n·p·q) around n·p = 198 000.
        assert!(
            (197_911..=197_913).contains(&low) && (198_086..=198_088).contains(&high),
            "{low} {high}"
        );
    }

    #[test]
    fn student_is_that_of_the_tables() {
        for (degrees, t) in [(4.0, 2.776), (9.0, 2.262), (29.0, 2.045), (1e9, 1.960)] {
            assert!((student(degrees) - t).abs() < 0.01, "{degrees}");
        }
    }

    #[test]
    fn the_interval_of_a_mean_is_symmetric_about_it() {
        let values = [10, 20, 30, 40, 50];
        // s = 15.81, s/√5 = 7.07, t = 2.776.
        assert_eq!(
            Confidence::default().interval(Statistic::Mean, &values, true),
            Some(Interval { low: 10, high: 50 })
        );
        assert_eq!(
            Confidence::default().interval(Statistic::Mean, &values[..4], true),
            None
        );
        assert_eq!(
            Confidence::default().interval(Statistic::Max, &values, true),
            None
        );
    }

    /// The promise of the word "95 %", on numbers of a distribution with a long tail.
    #[test]
    fn ninety_five_of_a_hundred_intervals_hold_the_quantile() {
        let mut state = 1_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let unit = (state >> 40) + 1;
            (1_u64 << 48) / unit
        };
        let mut known = Confidence::default();
        for (quantile, statistic) in [(50, "median"), (90, "p90"), (25, "p25")] {
            // P(X ≤ x) = 1 − (2^24 / x): the draw is the reciprocal of a uniform one.
            let truth = (1_u64 << 24) * 100 / (100 - quantile);
            let hits = (0..2_000)
                .filter(|_| {
                    let mut values: Vec<u64> = (0..60).map(|_| draw()).collect();
                    values.sort_unstable();
                    let interval = known
                        .interval(statistic.parse().unwrap(), &values, true)
                        .unwrap();
                    interval.low <= truth && truth <= interval.high
                })
                .count();
            assert!(
                (1_880..=1_990).contains(&hits),
                "{statistic}: {hits} of 2000"
            );
        }
    }
}
