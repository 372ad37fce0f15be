//! One comparison, and what it is held against.

use crate::lab::Cost;
use std::fmt;

/// A number with its unit, as it is printed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// The number; not a number where there is none.
    pub(crate) value: f64,
    /// Its unit; empty of counts.
    pub(crate) unit: &'static str,
    /// Digits behind the point.
    pub(crate) decimals: usize,
}

impl Figure {
    /// A figure of any unit.
    pub(crate) const fn new(value: f64, unit: &'static str, decimals: usize) -> Self {
        Self {
            value,
            unit,
            decimals,
        }
    }

    /// How many.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
    pub(crate) const fn count(count: u64) -> Self {
        Self::new(count as f64, "", 0)
    }

    /// Milliseconds, to the microsecond.
    pub(crate) const fn ms(value: f64) -> Self {
        Self::new(value, "ms", 3)
    }

    /// Microseconds.
    pub(crate) const fn us(value: f64) -> Self {
        Self::new(value, "µs", 0)
    }

    /// Seconds, to the millisecond.
    pub(crate) const fn seconds(value: f64) -> Self {
        Self::new(value, "s", 3)
    }

    /// How many times as much.
    pub(crate) const fn ratio(value: f64) -> Self {
        Self::new(value, "×", 3)
    }

    /// With this many digits behind the point.
    pub(crate) const fn decimals(self, decimals: usize) -> Self {
        Self { decimals, ..self }
    }

    /// Per cent.
    pub(crate) const fn percent(value: f64) -> Self {
        Self::new(value, "%", 2)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value.is_nan() {
            return f.write_str("none");
        }
        let decimals = self.decimals;
        write!(f, "{:.decimals$}", self.value)?;
        match self.unit {
            "" => Ok(()),
            unit => write!(f, " {unit}"),
        }
    }
}

/// What the error or the ratio of a row may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// No more.
    AtMost(f64),
    /// No less.
    AtLeast(f64),
}

impl Limit {
    /// Whether it is kept. What is not a number keeps none.
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }
}

/// How a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its limit holds.
    Kept,
    /// Its limit does not.
    Broken,
    /// It has none.
    Reported,
}

impl Verdict {
    /// As it is printed.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "BROKEN",
            Self::Reported => "-",
        }
    }
}

/// Something of ours and, where there is a reference tool, of theirs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair<T> {
    /// The agent's.
    pub(crate) ours: T,
    /// The tool's.
    pub(crate) theirs: Option<T>,
}

/// One line of the table: a figure of ours, what it is compared with, and one limit at most.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// What is compared; 24 characters at most, for the terminal's sake.
    pub(crate) name: String,
    /// What is true, where it is known.
    pub(crate) truth: Option<Figure>,
    /// The reference tool, and its figure.
    pub(crate) reference: Option<(String, Figure)>,
    /// The agent's figure.
    pub(crate) ours: Option<Figure>,
    /// The error against the truth or the ratio to the reference.
    pub(crate) error: Option<Figure>,
    /// What that may be.
    pub(crate) limit: Option<Limit>,
    /// Packets sent.
    pub(crate) packets: Option<Pair<u64>>,
    /// CPU time and memory.
    pub(crate) cost: Option<Pair<Cost>>,
    /// What a reader has to know, below the table.
    pub(crate) remark: Option<String>,
}

impl Row {
    /// A row that only reports.
    pub(crate) fn new(name: impl Into<String>, ours: Figure) -> Self {
        Self {
            ours: Some(ours),
            ..Self::empty(name.into())
        }
    }

    /// A row whose figures could not be taken: a broken one.
    pub(crate) fn failed(name: &str, why: &str) -> Self {
        Self {
            error: Some(Figure::count(0).absent()),
            limit: Some(Limit::AtMost(0.0)),
            remark: Some(why.to_owned()),
            ..Self::empty(name.to_owned())
        }
    }

    const fn empty(name: String) -> Self {
        Self {
            name,
            truth: None,
            reference: None,
            ours: None,
            error: None,
            limit: None,
            packets: None,
            cost: None,
            remark: None,
        }
    }

    /// What is true.
    pub(crate) fn truth(self, truth: Figure) -> Self {
        Self {
            truth: Some(truth),
            ..self
        }
    }

    /// What another tool says.
    pub(crate) fn reference(self, tool: &str, figure: Figure) -> Self {
        Self {
            reference: Some((tool.to_owned(), figure)),
            ..self
        }
    }

    /// The error or ratio, held against a limit.
    pub(crate) fn gate(self, error: Figure, limit: Limit) -> Self {
        Self {
            error: Some(error),
            limit: Some(limit),
            ..self
        }
    }

    /// The error or ratio, without a limit.
    pub(crate) fn error(self, error: Figure) -> Self {
        Self {
            error: Some(error),
            ..self
        }
    }

    /// Packets sent, by us and by the reference.
    pub(crate) fn packets(self, ours: u64, theirs: Option<u64>) -> Self {
        Self {
            packets: Some(Pair { ours, theirs }),
            ..self
        }
    }

    /// What it cost us and the reference.
    pub(crate) fn cost(self, ours: Cost, theirs: Option<Cost>) -> Self {
        Self {
            cost: Some(Pair { ours, theirs }),
            ..self
        }
    }

    /// A sentence below the table.
    pub(crate) fn remark(self, remark: impl Into<String>) -> Self {
        Self {
            remark: Some(remark.into()),
            ..self
        }
    }

    /// Another one behind it.
    pub(crate) fn further_remark(self, remark: &str) -> Self {
        let remark = match &self.remark {
            Some(before) => format!("{before}; {remark}"),
            None => remark.to_owned(),
        };
        self.remark(remark)
    }

    /// How far the error is beyond its limit, as a part of it.
    pub(crate) fn excess(&self) -> f64 {
        let error = self.error.map_or(f64::NAN, |error| error.value);
        let (beyond, limit) = match self.limit {
            Some(Limit::AtMost(limit)) => (error - limit, limit),
            Some(Limit::AtLeast(limit)) => (limit - error, limit),
            None => return 0.0,
        };
        // Of nothing, everything is too much; so is what is not known.
        let part = beyond.max(0.0) / limit;
        if beyond.is_nan() || part.is_nan() {
            f64::INFINITY
        } else {
            part
        }
    }

    /// How it ended.
    pub(crate) fn verdict(&self) -> Verdict {
        match (self.limit, self.error) {
            (None, _) => Verdict::Reported,
            (Some(limit), Some(error)) if limit.holds(error.value) => Verdict::Kept,
            _ => Verdict::Broken,
        }
    }
}

impl Figure {
    const fn absent(self) -> Self {
        Self {
            value: f64::NAN,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_decides_and_what_is_missing_breaks_it() {
        let row = Row::new("a", Figure::ms(5.1));
        assert_eq!(row.verdict(), Verdict::Reported);
        let with = |error, limit| row.clone().gate(Figure::us(error), limit).verdict();
        assert_eq!(with(100.0, Limit::AtMost(100.0)), Verdict::Kept);
        assert_eq!(with(100.1, Limit::AtMost(100.0)), Verdict::Broken);
        assert_eq!(with(0.94, Limit::AtLeast(0.95)), Verdict::Broken);
        assert_eq!(with(f64::NAN, Limit::AtMost(100.0)), Verdict::Broken);
        assert_eq!(with(f64::NAN, Limit::AtLeast(0.0)), Verdict::Broken);
        assert_eq!(Row::failed("a", "no such tool").verdict(), Verdict::Broken);
        let excess = |error, limit| row.clone().gate(Figure::ratio(error), limit).excess();
        assert!((excess(1.8, Limit::AtMost(1.5)) - 0.2).abs() < 1e-9);
        assert!((excess(0.76, Limit::AtLeast(0.95)) - 0.2).abs() < 1e-9);
        assert!(excess(1.0, Limit::AtMost(0.0)).is_infinite());
        assert!(excess(f64::NAN, Limit::AtMost(1.0)).is_infinite());
    }

    #[test]
    fn figures_are_printed_with_their_units() {
        assert_eq!(Figure::ms(5.0618).to_string(), "5.062 ms");
        assert_eq!(Figure::count(1000).to_string(), "1000");
        assert_eq!(Figure::us(f64::NAN).to_string(), "none");
    }
}
