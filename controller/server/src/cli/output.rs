//! What is printed, and how.

use crate::alto::client::is_unprintable;
use glimpse_model::time::{SECOND, Timestamp};
use serde::Serialize;
use std::io::{self, Write};

/// Where a command prints.
pub(super) struct Output<'a> {
    /// What was asked for.
    pub(super) out: &'a mut dyn Write,
    /// Everything else.
    pub(super) err: &'a mut dyn Write,
    /// JSON instead of text.
    pub(super) json: bool,
}

/// Widest column; a table of six stays under 100 columns with ids in one of them.
const WIDEST: usize = 36;

impl Output<'_> {
    /// Prints `document` as one line of JSON.
    pub(super) fn json(&mut self, document: &impl Serialize) -> io::Result<()> {
        self.text_of_json(&serde_json::to_string(document)?)
    }

    /// Prints a text of JSON and a line end. What a terminal might obey instead of showing it is escaped, which changes no value: it can
    /// be in strings only.
    pub(super) fn text_of_json(&mut self, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest
            .char_indices()
            .find(|(_, c)| *c != '\n' && is_unprintable(*c))
        {
            write!(self.out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writeln!(self.out, "{rest}")
    }

    /// Prints an aligned table.
    pub(super) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
        let width = |column: usize| {
            rows.iter()
                .chain([&header])
                .filter_map(|row| row.get(column))
                .map(|cell| cut(cell).chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        for row in [&header].into_iter().chain(rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{:width$}", cut(cell)))
                .collect();
            writeln!(self.out, "{}", cells.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// A cell without what would break the table, cut to the widest column.
fn cut(cell: &str) -> String {
    let mut clean: String = cell
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if clean.chars().count() > WIDEST {
        clean = clean.chars().take(WIDEST - 1).chain(['…']).collect();
    }
    clean
}

/// How long ago `at` was, in words.
pub(super) fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else {
        return "never".to_owned();
    };
    match now.since(at) / SECOND {
        s if s < 5 => "just now".to_owned(),
        s if s < 120 => format!("{s} s ago"),
        s if s < 7200 => format!("{} min ago", s / 60),
        s if s < 172_800 => format!("{} h ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}

/// How long until `at`, in words.
pub(super) fn ahead(at: Timestamp, now: Timestamp) -> String {
    match at.since(now) / SECOND {
        s if s <= 0 => "expired".to_owned(),
        s if s < 7200 => format!("{} min", s / 60),
        s if s < 172_800 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}
