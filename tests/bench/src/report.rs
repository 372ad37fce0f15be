//! Figures, what they are held against, and how they are printed.

use serde_json::{Value, json};
use std::fmt;

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Limit {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(limit) => value <= limit,
            Self::AtLeast(limit) => value >= limit,
        }
    }

    fn number(self) -> f64 {
        match self {
            Self::AtMost(limit) | Self::AtLeast(limit) => limit,
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    decimals: usize,
    gate: Option<Limit>,
    aim: Option<Limit>,
}

impl Figure {
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            decimals: 0,
            gate: None,
            aim: None,
        }
    }

    pub(crate) fn decimals(self, decimals: usize) -> Self {
        Self { decimals, ..self }
    }

    pub(crate) fn gate(self, limit: Limit) -> Self {
        Self {
            gate: Some(limit),
            ..self
        }
    }

    pub(crate) fn aim(self, limit: Limit) -> Self {
        Self {
            aim: Some(limit),
            ..self
        }
    }

    fn keeps_gate(&self) -> bool {
        self.gate.is_none_or(|gate| gate.holds(self.value))
    }

    fn verdict(&self) -> &'static str {
        match (self.gate, self.aim) {
            _ if !self.keeps_gate() => "GATE MISSED",
            (_, Some(aim)) if aim.holds(self.value) => "aim reached",
            (_, Some(_)) => "aim missed",
            (Some(_), None) => "gate kept",
            (None, None) => "reported",
        }
    }

    fn limit(&self, limit: Option<Limit>) -> String {
        let decimals = self.decimals;
        match limit {
            None => "-".to_owned(),
            Some(Limit::AtMost(limit)) => format!("<= {limit:.decimals$}"),
            Some(Limit::AtLeast(limit)) => format!(">= {limit:.decimals$}"),
        }
    }

    fn cells(&self) -> [String; 5] {
        let decimals = self.decimals;
        [
            self.name.clone(),
            format!("{:.decimals$} {}", self.value, self.unit)
                .trim_end()
                .to_owned(),
            self.limit(self.gate),
            self.limit(self.aim),
            self.verdict().to_owned(),
        ]
    }
}

/// What one run found, and under which conditions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) title: &'static str,
    pub(crate) conditions: Vec<String>,
    pub(crate) figures: Vec<Figure>,
}

const HEAD: [&str; 5] = ["figure", "value", "gate", "aim", "verdict"];

impl Report {
    /// Whether no gate was missed.
    pub(crate) fn keeps_gates(&self) -> bool {
        self.figures.iter().all(Figure::keeps_gate)
    }

    pub(crate) fn json(&self) -> Value {
        let figures: Vec<Value> = self
            .figures
            .iter()
            .map(|figure| {
                json!({
                    "figure": figure.name, "value": figure.value, "unit": figure.unit,
                    "gate": figure.gate.map(Limit::number), "aim": figure.aim.map(Limit::number),
                    "verdict": figure.verdict(),
                })
            })
            .collect();
        json!({"title": self.title, "conditions": self.conditions, "figures": figures})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        for condition in &self.conditions {
            writeln!(f, "  {condition}")?;
        }
        let rows: Vec<[String; 5]> = std::iter::once(HEAD.map(str::to_owned))
            .chain(self.figures.iter().map(Figure::cells))
            .collect();
        let widths: [usize; 5] = std::array::from_fn(|column| {
            let lengths = rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        });
        for row in &rows {
            let line: Vec<String> = row
                .iter()
                .zip(widths)
                .enumerate()
                .map(|(column, (cell, width))| match column {
                    0 | 4 => format!("{cell:<width$}"),
                    _ => format!("{cell:>width$}"),
                })
                .collect();
            writeln!(f, "{}", line.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// The value below which `share` (0 to 1) of the sorted values lie, by the nearest rank; 0 of no values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are far below 2^52 and not negative"
)]
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    let last = sorted.len().saturating_sub(1);
    sorted
        .get(rank.saturating_sub(1).min(last))
        .copied()
        .unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    fn report(value: f64) -> Report {
        let ratio = Figure::new("ratio", value, "").decimals(2);
        Report {
            title: "figures",
            conditions: vec!["on a bench".into()],
            figures: vec![
                ratio.gate(Limit::AtLeast(0.2)),
                Figure::new("rate", 4000.4, "/s").aim(Limit::AtLeast(5000.0)),
                Figure::new("time", 7.0, "ms").aim(Limit::AtMost(8.0)),
                Figure::new("more", 1.0, ""),
            ],
        }
    }

    #[test]
    fn a_missed_gate_fails_and_a_missed_aim_does_not() {
        assert!(report(0.2).keeps_gates());
        assert!(!report(0.19).keeps_gates());
        let said = report(0.19).json();
        let verdicts: Vec<&str> = said["figures"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|figure| figure["verdict"].as_str())
            .collect();
        assert_eq!(
            verdicts,
            ["GATE MISSED", "aim missed", "aim reached", "reported"]
        );
    }

    #[test]
    fn the_table_is_aligned() {
        let table = report(0.25).to_string();
        let lines: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(lines[0], "figure    value     gate      aim  verdict");
        assert_eq!(lines[1], "ratio      0.25  >= 0.20        -  gate kept");
        assert_eq!(lines[2], "rate    4000 /s        -  >= 5000  aim missed");
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| quantile(&values, share)),
            [1.0, 50.0, 99.0, 100.0]
        );
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
