//! `glimpse-agent history` and `glimpse-agent export`.

use super::measure::plain;
use super::{Exit, Failure, answer, print};
use crate::local::service::{ExportFormat, Request};
use glimpse_model::time::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

/// Columns of the longest bar.
const BAR: u64 = 30;
/// Characters of a target or an event that are shown.
const WORDS: usize = 60;

/// A row for each time with a result, the oldest first.
pub(super) fn table(answer: &Value) -> String {
    let mut text = String::new();
    let field = |name: &str| answer[name].as_str().unwrap_or("");
    let scale = Scale::of(field("unit"));
    let column = |name: &str| {
        answer["points"][name]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
    };
    let medians = column("median");
    let Some(target) = answer["target"].as_str() else {
        let _ = writeln!(text, "{}: nothing has been measured yet", field("figure"));
        return text;
    };
    let target = plain(target, WORDS);
    let _ = writeln!(text, "{} to {target}, in {}", field("figure"), scale.unit);
    let _ = writeln!(
        text,
        "{:<20} {:>7} {:>10} {:>10} {:>10}",
        "time", "results", "median", "low", "high"
    );
    let most = medians
        .iter()
        .filter_map(Value::as_u64)
        .max()
        .unwrap_or(0)
        .max(1);
    let begin = Timestamp::parse(field("from")).unwrap_or_default();
    let step = answer["step_s"].as_i64().unwrap_or(0);
    for (place, n) in (0_i64..).zip(column("n")) {
        let Some(n) = n.as_u64() else {
            continue;
        };
        let at = usize::try_from(place).unwrap_or(0);
        let value = |name: &str| column(name).get(at).and_then(Value::as_u64);
        let shown = |name: &str| value(name).map_or_else(|| "-".to_owned(), |it| scale.shown(it));
        let time = begin.plus_micros(place.saturating_mul(step).saturating_mul(1_000_000));
        let bar = value("median").map_or(0, |median| median.saturating_mul(BAR).div_ceil(most));
        let line = format!(
            "{:<20} {n:>7} {:>10} {:>10} {:>10}  {}",
            time.to_string(),
            shown("median"),
            shown("low"),
            shown("high"),
            "#".repeat(usize::try_from(bar).unwrap_or(0)),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for event in answer["events"].as_array().into_iter().flatten() {
        let (time, kind) = (event["time"].as_str(), event["kind"].as_str());
        let said = plain(event["text"].as_str().unwrap_or(""), WORDS);
        let time = plain(time.unwrap_or(""), 20);
        let _ = writeln!(text, "{time:<20} {:<8} {said}", kind.unwrap_or(""));
    }
    text
}

/// Everything that is kept, piece by piece.
pub(super) fn export(config: &Path, format: ExportFormat) -> Result<Exit, Failure> {
    let mut cursor = None;
    loop {
        let piece = answer(config, &Request::Export { format, cursor })?;
        print(piece["text"].as_str().unwrap_or(""))?;
        cursor = piece["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            return Ok(Exit::Ok);
        }
    }
}

/// How values are shown to people.
struct Scale {
    unit: &'static str,
    /// Of the unit on the wire in one of the shown.
    divisor: u64,
    digits: usize,
}

impl Scale {
    fn of(unit: &str) -> Self {
        let (unit, divisor, digits) = match unit {
            "us" => ("ms", 1000, 1),
            "ppm" => ("%", 10_000, 2),
            _ => ("Mbit/s", 1000, 1),
        };
        Self {
            unit,
            divisor,
            digits,
        }
    }

    fn shown(&self, value: u64) -> String {
        let digits = u32::try_from(self.digits).unwrap_or(0);
        let tens = 10_u64.pow(digits);
        let scaled = value.saturating_mul(tens).saturating_add(self.divisor / 2) / self.divisor;
        format!(
            "{}.{:0width$}",
            scaled / tens,
            scaled % tens,
            width = self.digits
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn times_without_results_have_no_row() {
        let answer = json!({"figure": "delay", "unit": "us", "from": "2026-11-22T00:00:00Z", "step_s": 3600,
            "target": "a.example", "points": {"n": [2, null, 1], "median": [14_250, null, 7_000],
            "low": [10_000, null, 7_000], "high": [90_000, null, 7_000]},
            "events": [{"time": "2026-11-22T01:10:00Z", "kind": "restart", "text": "the agent started\u{1b}"}]});
        let lines: Vec<String> = table(&answer).lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "delay to a.example, in ms",
                "time                 results     median        low       high",
                "2026-11-22T00:00:00Z       2       14.3       10.0       90.0  ##############################",
                "2026-11-22T02:00:00Z       1        7.0        7.0        7.0  ###############",
                "2026-11-22T01:10:00Z restart  the agent started\u{fffd}",
            ]
        );
        assert!(lines.iter().all(|line| line.chars().count() < 100));
    }

    #[test]
    fn each_unit_is_one_that_people_know() {
        assert_eq!(Scale::of("ppm").shown(12_345), "1.23");
        assert_eq!(Scale::of("kbps").shown(94_060), "94.1");
        assert_eq!(Scale::of("us").shown(14_049), "14.0");
        let nothing = json!({"figure": "dns", "target": null, "points": {"n": [null]}});
        assert_eq!(table(&nothing), "dns: nothing has been measured yet\n");
    }
}
