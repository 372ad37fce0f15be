//! The household's data as a file, piece by piece: the days, the hours, then every result that is still in memory. Pure.
//!
//! The pieces put together are one JSON array, or one table by RFC 4180 with a row for each. A text that a spreadsheet would
//! take for a formula has an apostrophe in front.

mod csv;
#[cfg(test)]
mod tests;

use super::history::{History, Raw, RollUp, Span};
use super::results;
use super::series::Figure;
use super::service::ExportFormat;
use glimpse_model::id::ResultId;
use glimpse_model::read::Refused;
use glimpse_model::time::Timestamp;
use serde_json::{Value, json};

/// Bytes of one piece.
const PIECE_BYTES: usize = 48 << 10;
/// Bytes of one record: it has to fit into a piece.
const RECORD_BYTES: usize = 40 << 10;

/// Where a piece begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Days that begin at or after.
    Days(i64),
    /// Hours that begin at or after.
    Hours(i64),
    /// Results after this one; all where there is none such.
    After(Option<ResultId>),
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(':')?;
        match word {
            "day" => rest.parse().ok().map(Self::Days),
            "hour" => rest.parse().ok().map(Self::Hours),
            "after" if rest.is_empty() => Some(Self::After(None)),
            "after" => ResultId::parse(rest).ok().map(|id| Self::After(Some(id))),
            _ => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Days(start_us) => format!("day:{start_us}"),
            Self::Hours(start_us) => format!("hour:{start_us}"),
            Self::After(None) => "after:".to_owned(),
            Self::After(Some(id)) => format!("after:{id}"),
        }
    }
}

/// The piece that begins at `cursor`, or the first.
///
/// # Errors
/// [`Refused`] when the cursor is none that an earlier piece ended with.
pub fn piece(
    history: &History,
    format: ExportFormat,
    cursor: Option<&str>,
) -> Result<Value, Refused> {
    let begin = match cursor {
        None => Place::Days(i64::MIN),
        Some(text) => Place::parse(text).ok_or_else(|| {
            Refused::new("cursor", "must be what the piece before ended with (next)")
        })?,
    };
    let mut writer = Writer {
        format,
        text: String::new(),
        first: cursor.is_none(),
    };
    writer.begin();
    let next = writer.fill(history, begin);
    if next.is_none() {
        writer.end();
    }
    Ok(json!({
        "text": writer.text,
        "next": next.map(Place::text),
        "name": format!("glimpse.{}", format.as_str()),
    }))
}

struct Writer {
    format: ExportFormat,
    text: String,
    /// Nothing stands in the file yet.
    first: bool,
}

impl Writer {
    fn begin(&mut self) {
        if self.first {
            self.text.push_str(match self.format {
                ExportFormat::Json => "[",
                ExportFormat::Csv => csv::HEADER,
            });
        }
    }

    fn end(&mut self) {
        if self.format == ExportFormat::Json {
            self.text.push_str("\n]\n");
        }
    }

    /// Writes from `begin` on as much as there is room for; where the next piece begins.
    fn fill(&mut self, history: &History, begin: Place) -> Option<Place> {
        if let Place::Days(from) = begin
            && let Err(start) = self.rows(history, Span::Day, from)
        {
            return Some(Place::Days(start));
        }
        let hours = match begin {
            Place::Days(_) => Some(i64::MIN),
            Place::Hours(from) => Some(from),
            Place::After(_) => None,
        };
        if let Some(from) = hours
            && let Err(start) = self.rows(history, Span::Hour, from)
        {
            return Some(Place::Hours(start));
        }
        let last = match begin {
            Place::After(last) => last,
            _ => None,
        };
        self.records(history, last).err().map(Place::After)
    }

    /// Whole periods, so that each piece begins with one; `Err` has the first for which there is no room.
    fn rows(&mut self, history: &History, span: Span, from: i64) -> Result<(), i64> {
        let rows = history.rollups(span, from);
        for period in rows.chunk_by(|a, b| a.start_us == b.start_us) {
            let lines: Vec<String> = period.iter().map(|row| self.row(span, row)).collect();
            if !self.put(&lines) {
                return Err(period.first().map_or(from, |row| row.start_us));
            }
        }
        Ok(())
    }

    /// Results in the order in which they came; `Err` has the last for which there was room.
    fn records(
        &mut self,
        history: &History,
        last: Option<ResultId>,
    ) -> Result<(), Option<ResultId>> {
        let place = last.and_then(|last| history.raw().position(|raw| raw.id == last));
        let mut written = last;
        for raw in history.raw().skip(place.map_or(0, |place| place + 1)) {
            let Some(line) = self.record(raw) else {
                continue;
            };
            if !self.put(&[line]) {
                return Err(written);
            }
            written = Some(raw.id);
        }
        Ok(())
    }

    /// Writes lines if there is room for all of them.
    fn put(&mut self, lines: &[String]) -> bool {
        let length: usize = lines.iter().map(|line| line.len() + 2).sum();
        // What does not fit into an empty piece fits into none.
        if self.text.len() + length > PIECE_BYTES && self.text.len() > csv::HEADER.len() {
            return false;
        }
        for line in lines {
            match self.format {
                ExportFormat::Json => {
                    self.text.push_str(if self.first { "\n" } else { ",\n" });
                    self.text.push_str(line);
                }
                ExportFormat::Csv => {
                    self.text.push_str(line);
                    self.text.push_str("\r\n");
                }
            }
            self.first = false;
        }
        true
    }

    fn row(&self, span: Span, row: &RollUp<'_>) -> String {
        let word = match span {
            Span::Hour => "hour",
            Span::Day => "day",
        };
        let time = Timestamp::from_micros(row.start_us);
        match self.format {
            ExportFormat::Csv => csv::of_row(word, time, row),
            ExportFormat::Json => {
                let loss = (row.figure == Figure::Delay)
                    .then(|| row.loss_ppm())
                    .flatten();
                json!({"span": word, "time": time, "figure": row.figure.as_str(),
                    "unit": row.figure.unit(), "target": row.target, "n": row.n,
                    "median": row.median, "low": row.low, "high": row.high, "loss_ppm": loss})
                .to_string()
            }
        }
    }

    fn record(&self, raw: &Raw) -> Option<String> {
        let mut record = results::record(raw, RECORD_BYTES)?;
        match self.format {
            ExportFormat::Csv => Some(csv::of_record(raw, &record)),
            ExportFormat::Json => {
                record["span"] = "result".into();
                Some(record.to_string())
            }
        }
    }
}
