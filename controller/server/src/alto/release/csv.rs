//! Figures as comma-separated values (RFC 4180): header, CR LF, quotes where they must be.
//!
//! Labels are what agents' operators and databases wrote, and spreadsheets take a cell that begins like a formula for one: such a text
//! gets an apostrophe in front, which they show as text. Numbers stay as they are.

use super::{File, unit};
use glimpse_alto::{Calendar, CalendarKind, Column, Cost, Edition, rfc3339};
use serde_json::Value;
use std::borrow::Cow;

const MEDIA_TYPE: &str = "text/csv";
const CELLS: [&str; 9] = [
    "network_map",
    "window_start",
    "window_end",
    "cost_type",
    "metric",
    "unit",
    "source",
    "destination",
    "value",
];
const CALENDARS: [&str; 11] = [
    "network_map",
    "cost_type",
    "metric",
    "unit",
    "source",
    "destination",
    "calendar",
    "interval",
    "interval_start",
    "interval_s",
    "value",
];
const PIDS: [&str; 4] = ["network_map", "pid", "property", "value"];

/// The cells of an edition, those of its calendars if it has any, and what is said of its PIDs.
pub(super) fn files(edition: &Edition) -> Vec<File> {
    let file = |end: &str, bytes| File {
        path: format!("{}{end}.csv", edition.id),
        media_type: MEDIA_TYPE,
        bytes,
    };
    let mut files = vec![file("", cells(edition)), file(".pids", pids(edition))];
    if edition
        .columns
        .iter()
        .any(|column| !column.calendars.is_empty())
    {
        files.push(file(".calendars", calendars(edition)));
    }
    files
}

fn cells(edition: &Edition) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, &CELLS);
    let window = [
        rfc3339(edition.provenance.window_start_us),
        rfc3339(edition.provenance.window_end_us),
    ];
    for column in &edition.columns {
        for (source, destination, cost) in column.costs.cells() {
            line(
                &mut out,
                &[
                    edition.id.as_str(),
                    &window[0],
                    &window[1],
                    &column.name,
                    column.metric.as_str(),
                    unit(&column.metric),
                    source.as_str(),
                    destination.as_str(),
                    &number(cost),
                ],
            );
        }
    }
    out
}

fn calendars(edition: &Edition) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, &CALENDARS);
    for column in &edition.columns {
        for calendar in &column.calendars {
            intervals(&mut out, edition, column, calendar);
        }
    }
    out
}

fn intervals(out: &mut Vec<u8>, edition: &Edition, column: &Column, calendar: &Calendar) {
    let kind = match calendar.kind {
        CalendarKind::HourOfDay => "hour-of-day",
        CalendarKind::DayOfWindow => "day-of-window",
    };
    for (source, destination, values) in calendar.cells.cells() {
        for (index, value) in values.iter().enumerate() {
            let passed = i64::try_from(index)
                .unwrap_or(i64::MAX)
                .saturating_mul(i64::from(calendar.interval_s))
                .saturating_mul(1_000_000);
            line(
                out,
                &[
                    edition.id.as_str(),
                    &column.name,
                    column.metric.as_str(),
                    unit(&column.metric),
                    source.as_str(),
                    destination.as_str(),
                    kind,
                    &index.to_string(),
                    &rfc3339(calendar.start_us.saturating_add(passed)),
                    &calendar.interval_s.to_string(),
                    &number(value),
                ],
            );
        }
    }
}

/// Prefixes are properties like any other here; a PID without anything has a row of its own.
fn pids(edition: &Edition) -> Vec<u8> {
    let map = serde_json::to_value(&*edition.map).unwrap_or_default();
    let mut out = Vec::new();
    line(&mut out, &PIDS);
    for pid in edition.map.pids() {
        let mut rows: Vec<(&str, &str)> = Vec::new();
        let families = map.get(pid.as_str()).and_then(Value::as_object);
        for (family, prefixes) in families.into_iter().flatten() {
            let prefixes = prefixes.as_array().into_iter().flatten();
            rows.extend(prefixes.filter_map(|prefix| Some((family.as_str(), prefix.as_str()?))));
        }
        let properties = edition.properties.get(pid).into_iter().flatten();
        rows.extend(properties.map(|(name, value)| (name.as_str(), value.as_str())));
        if rows.is_empty() {
            rows.push(("", ""));
        }
        for (property, value) in rows {
            line(
                &mut out,
                &[edition.id.as_str(), pid.as_str(), property, value],
            );
        }
    }
    out
}

/// A cost as it stands in documents.
fn number(cost: Cost) -> String {
    serde_json::to_string(&cost).unwrap_or_default()
}

fn line(out: &mut Vec<u8>, fields: &[&str]) {
    for (at, field) in fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let guard = if is_formula(field) { "'" } else { "" };
        // Some spreadsheets part cells at semicolons and tabs too.
        let (quote, text) = if field.contains(['"', ',', ';', '\t', '\n', '\r']) {
            ("\"", field.replace('"', "\"\"").into())
        } else {
            ("", Cow::Borrowed(*field))
        };
        for part in [quote, guard, &text, quote] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a spreadsheet would reckon with it.
fn is_formula(field: &str) -> bool {
    field.starts_with(['=', '+', '-', '@', '\t', '\r']) && field.parse::<f64>().is_err()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn no_cell_is_a_formula_or_two_cells() {
        for (field, written) in [
            ("a", "a"),
            ("", ""),
            ("-1.5", "-1.5"),
            ("-1e3", "-1e3"),
            ("=1+1", "'=1+1"),
            ("+49", "+49"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            (
                "=HYPERLINK(\"x\",\"y\")",
                "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"",
            ),
            ("a;=1", "\"a;=1\""),
            ("a\nb", "\"a\nb\""),
        ] {
            let mut out = Vec::new();
            line(&mut out, &["x", field]);
            assert_eq!(String::from_utf8_lossy(&out), format!("x,{written}\r\n"));
        }
    }
}
