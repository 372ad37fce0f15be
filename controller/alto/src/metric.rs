//! Cost types (RFC 7285 §10.5–10.7, RFC 9274, RFC 9439 §3).

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Why a text is no metric or mode.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MetricError {
    /// Empty, longer than 32 characters, or with a character that is not allowed.
    #[error("malformed cost metric {0:?}")]
    Syntax(String),
    /// Neither registered nor private.
    #[error("cost metric {0:?} is not registered")]
    Unregistered(String),
    /// The part after the base is no statistical operator.
    #[error("unknown statistical operator in {0:?}")]
    Operator(String),
    /// Neither `numerical` nor `ordinal`.
    #[error("unknown cost mode {0:?}")]
    Mode(String),
}

/// The name of a metric: registered, with an optional statistical operator, or `priv:` and more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CostMetric(String);

const LONGEST: usize = 32;
const PRIVATE: &str = "priv:";
/// Metrics of RFC 9439, which take an operator.
const MEASURED: [&str; 8] = [
    "delay-ow",
    "delay-rt",
    "delay-variation",
    "lossrate",
    "hopcount",
    "tput",
    "bw-residual",
    "bw-available",
];
const OPERATORS: [&str; 7] = ["cur", "min", "max", "median", "mean", "stddev", "stdvar"];

impl CostMetric {
    /// Takes the name of a metric.
    pub fn new(text: &str) -> Result<Self, MetricError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '_' | '.');
        if text.is_empty() || text.len() > LONGEST || !text.chars().all(legal) {
            return Err(MetricError::Syntax(text.to_owned()));
        }
        let (base, operator) = split(text);
        if base.contains('.') {
            return Err(MetricError::Syntax(text.to_owned()));
        }
        let known = match base.strip_prefix(PRIVATE) {
            Some(rest) => !rest.is_empty(),
            None => MEASURED.contains(&base) || (base == "routingcost" && operator.is_none()),
        };
        if known {
            return Ok(Self(text.to_owned()));
        }
        match text.rsplit_once(':') {
            Some((base, _)) if MEASURED.contains(&base) => {
                Err(MetricError::Operator(text.to_owned()))
            }
            _ => Err(MetricError::Unregistered(text.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a statistical operator is named; else it is the metric's default (RFC 9439 §3.2).
    pub fn has_operator(&self) -> bool {
        split(&self.0).1.is_some()
    }

    /// `routingcost` (RFC 7285 §6.1.1.1), which every server must offer.
    pub fn routingcost() -> Self {
        Self("routingcost".to_owned())
    }

    /// `delay-rt` (RFC 9439 §4.2), microseconds; without an operator it is the median.
    pub fn delay_rt() -> Self {
        Self("delay-rt".to_owned())
    }
}

/// Base and operator. The operator follows the last colon; the colon of `priv:` is part of the base.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((base, operator)) if is_operator(operator) && base != "priv" => (base, Some(operator)),
        _ => (text, None),
    }
}

fn is_operator(text: &str) -> bool {
    OPERATORS.contains(&text) || text.strip_prefix('p').is_some_and(is_percentage)
}

/// A number between 0 and 100 with optional decimals.
fn is_percentage(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) {
        return false;
    }
    match whole.parse::<u32>() {
        Ok(100) => decimals.bytes().all(|b| b == b'0'),
        Ok(n) => n < 100,
        Err(_) => false,
    }
}

impl fmt::Display for CostMetric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How the numbers of a map are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CostMode {
    /// In the metric's unit.
    Numerical,
    /// As ranks, lower is preferred.
    Ordinal,
}

impl CostMode {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Numerical => "numerical",
            Self::Ordinal => "ordinal",
        }
    }

    /// Takes a registered name.
    pub fn new(text: &str) -> Result<Self, MetricError> {
        [Self::Numerical, Self::Ordinal]
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| MetricError::Mode(text.to_owned()))
    }
}

/// A value in `cost-context.parameters`, which may be any JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// A string.
    Text(String),
    /// A whole number.
    Number(u64),
    /// An object.
    Object(BTreeMap<String, Parameter>),
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for Parameter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_u64(*number),
            Self::Object(members) => members.serialize(serializer),
        }
    }
}

/// Where the numbers come from (RFC 9439 §3.1). Ours are measured: the source is always
/// `estimation`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostContext {
    parameters: BTreeMap<String, Parameter>,
}

impl CostContext {
    /// A context with the given parameters.
    pub fn new<'a>(parameters: impl IntoIterator<Item = (&'a str, Parameter)>) -> Self {
        Self {
            parameters: parameters
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }
}

impl Serialize for CostContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("cost-source", "estimation")?;
        if !self.parameters.is_empty() {
            map.serialize_entry("parameters", &self.parameters)?;
        }
        map.end()
    }
}

/// Metric and mode, with context and words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostType {
    metric: CostMetric,
    mode: CostMode,
    context: Option<CostContext>,
    description: Option<String>,
}

impl CostType {
    /// The metric in the given mode.
    pub fn new(metric: CostMetric, mode: CostMode) -> Self {
        Self {
            metric,
            mode,
            context: None,
            description: None,
        }
    }

    /// The same with a context.
    #[must_use]
    pub fn with_context(self, context: CostContext) -> Self {
        Self {
            context: Some(context),
            ..self
        }
    }

    /// The same with a description; it has no meaning for programs.
    #[must_use]
    pub fn with_description(self, description: &str) -> Self {
        Self {
            description: Some(description.to_owned()),
            ..self
        }
    }

    /// The metric.
    pub fn metric(&self) -> &CostMetric {
        &self.metric
    }

    /// The mode.
    pub fn mode(&self) -> CostMode {
        self.mode
    }

    /// What tells two cost types of one resource apart: the context does not (RFC 9439 §3.1).
    pub(crate) fn key(&self) -> (CostMetric, CostMode) {
        (self.metric.clone(), self.mode)
    }
}

impl Serialize for CostType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(context) = &self.context {
            map.serialize_entry("cost-context", context)?;
        }
        map.serialize_entry("cost-metric", self.metric.as_str())?;
        map.serialize_entry("cost-mode", self.mode.name())?;
        if let Some(description) = &self.description {
            map.serialize_entry("description", description)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alto_check_51_names_of_metrics() {
        let longest = format!("priv:{}", "x".repeat(27));
        for good in [
            "delay-rt",
            "delay-rt:p99.9",
            "delay-rt:median",
            "tput:mean",
            "lossrate:p0",
            "hopcount:p100",
            "routingcost",
            "priv:x",
            "priv:glimpse-dns-rt",
            "priv:glimpse-dns-rt:p95",
            "priv:median",
            longest.as_str(),
        ] {
            assert_eq!(
                CostMetric::new(good).map(|m| m.to_string()),
                Ok(good.to_owned())
            );
        }
        let too_long = format!("priv:{}", "x".repeat(28));
        for bad in [
            "delay-rt:p101",
            "delay-rt:p100.1",
            "delay-rt:avg",
            "delay-rt:",
            "delay-rt:p",
            "delay-rt:p1.",
            "priv:",
            "priv::median",
            too_long.as_str(),
            "",
            "delay rt",
            "shoesize",
            "routingcost:mean",
            "delay.rt",
            "priv:a.b",
            "median",
        ] {
            assert!(CostMetric::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn modes_are_the_registered_ones() {
        assert_eq!(CostMode::new("ordinal"), Ok(CostMode::Ordinal));
        assert_eq!(CostMode::new("foo"), Err(MetricError::Mode("foo".into())));
    }
}
