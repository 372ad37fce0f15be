//! Whether the line is fine: each figure of the last day against a table, and the worst of them. Pure.
//!
//! | figure | good | fair | poor |
//! |---|---|---|---|
//! | delay of the idle line | < 30 ms | < 80 ms | from there |
//! | delay that a full line adds | < 30 ms | < 100 ms | from there |
//! | lost packets | < 0.5 % | < 2 % | from there |
//! | speed, of the contract or else of this line's own median of 28 days | from 90 % | from 50 % | below |
//! | name look-ups, median | < 40 ms | < 120 ms | from there |
//!
//! A figure with fewer than [`NEEDED`] samples says nothing yet.

use crate::local::series::Figure;
use serde_json::{Value, json};

/// Samples within the last day from which a figure counts.
pub const NEEDED: usize = 5;

/// How a figure is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Good below the first bound, fair below the second.
    Below(u64, u64),
    /// Good from the first share of what it is held against, fair from the second, in percent.
    Percent(u64, u64),
}

impl Figure {
    const fn scale(self) -> Scale {
        match self {
            Self::Delay => Scale::Below(30_000, 80_000),
            Self::BusyDelay => Scale::Below(30_000, 100_000),
            Self::Loss => Scale::Below(5_000, 20_000),
            Self::Dns => Scale::Below(40_000, 120_000),
            Self::Down | Self::Up => Scale::Percent(90, 50),
        }
    }

    /// The verdict on one value; [`Verdict::Unknown`] of a speed that is held against nothing.
    pub fn judge(self, value: u64, against: Option<u64>) -> Verdict {
        let (good, fair) = match (self.scale(), against) {
            (Scale::Below(good, fair), _) => (value < good, value < fair),
            (Scale::Percent(good, fair), Some(whole @ 1..)) => {
                let share = percent(value, whole);
                (share >= good, share >= fair)
            }
            (Scale::Percent(..), _) => return Verdict::Unknown,
        };
        match (good, fair) {
            (true, _) => Verdict::Good,
            (_, true) => Verdict::Fair,
            _ => Verdict::Poor,
        }
    }
}

/// `value` of `whole`, in percent, rounded down; of nothing 0.
pub fn percent(value: u64, whole: u64) -> u64 {
    value.saturating_mul(100).checked_div(whole).unwrap_or(0)
}

/// The middle value; of an even number the lower of the two in the middle.
pub fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// A word about a figure, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Not enough is known.
    Unknown,
    /// As it should be.
    Good,
    /// It could be better.
    Fair,
    /// Not as it should be.
    Poor,
}

impl Verdict {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }
}

/// What a speed is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// What the household pays for, in kbit/s.
    Contract(u64),
    /// The median of the last 28 days, in kbit/s.
    Median(u64),
}

impl Against {
    /// The contract, or else the median, where one of them is known and not 0.
    pub fn of(contract: Option<u64>, median: Option<u64>) -> Option<Self> {
        let known = |speed: &u64| *speed > 0;
        let contract = contract.filter(known).map(Self::Contract);
        contract.or_else(|| median.filter(known).map(Self::Median))
    }

    /// In kbit/s.
    pub const fn kbps(self) -> u64 {
        match self {
            Self::Contract(kbps) | Self::Median(kbps) => kbps,
        }
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contract(_) => "contract",
            Self::Median(_) => "median",
        }
    }
}

/// The samples of one figure of the last 24 hours, and what they are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Samples<'a> {
    /// Which figure.
    pub figure: Figure,
    /// Its values, in any order; of loss, those of the last 15 minutes or, if there are fewer than [`NEEDED`], of the day.
    pub values: &'a [u64],
    /// Of a speed, what it is held against.
    pub against: Option<Against>,
}

/// A figure with its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Which figure.
    pub figure: Figure,
    /// The median of its samples, of loss their mean.
    pub value: Option<u64>,
    /// The word about it.
    pub verdict: Verdict,
    /// How many samples there are.
    pub samples: usize,
    /// Of a speed, what it was held against.
    pub against: Option<Against>,
}

/// The verdict on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The worst of those that count.
    pub overall: Verdict,
    /// Samples of the figure that has the most.
    pub samples: usize,
    /// All figures, in the order of [`Figure::ALL`].
    pub figures: Vec<Judged>,
}

/// Judges the line by what is there of the last day. A figure that is not in `day` has no samples.
pub fn line(day: &[Samples<'_>]) -> Line {
    let figures: Vec<Judged> = Figure::ALL
        .into_iter()
        .map(|figure| {
            let found = day.iter().find(|samples| samples.figure == figure);
            figure_verdict(figure, found)
        })
        .collect();
    let overall = figures.iter().map(|judged| judged.verdict).max();
    Line {
        overall: overall.unwrap_or(Verdict::Unknown),
        samples: figures.iter().map(|one| one.samples).max().unwrap_or(0),
        figures,
    }
}

fn figure_verdict(figure: Figure, samples: Option<&Samples<'_>>) -> Judged {
    let values = samples.map_or(&[][..], |samples| samples.values);
    let against = samples.and_then(|samples| samples.against);
    let value = match figure {
        // A median of losses is nearly always nothing.
        Figure::Loss => mean(values),
        _ => median(values.to_vec()),
    };
    let enough = value.filter(|_| values.len() >= NEEDED);
    Judged {
        figure,
        value,
        verdict: enough.map_or(Verdict::Unknown, |value| {
            figure.judge(value, against.map(Against::kbps))
        }),
        samples: values.len(),
        against,
    }
}

fn mean(values: &[u64]) -> Option<u64> {
    let sum = values.iter().fold(0_u64, |sum, &v| sum.saturating_add(v));
    sum.checked_div(values.len() as u64)
}

impl Line {
    /// As `status` has it.
    pub fn json(&self) -> Value {
        json!({
            "overall": self.overall.as_str(),
            "samples": self.samples,
            "needed": NEEDED,
            "figures": self.figures.iter().map(Judged::json).collect::<Vec<_>>(),
        })
    }
}

impl Judged {
    fn json(&self) -> Value {
        json!({
            "figure": self.figure.as_str(),
            "value": self.value,
            "unit": self.figure.unit(),
            "verdict": self.verdict.as_str(),
            "samples": self.samples,
            "needed": NEEDED,
            "against": self.against.map(Against::kbps),
            "against_what": self.against.map(Against::as_str),
        })
    }
}

#[cfg(test)]
mod tests;
