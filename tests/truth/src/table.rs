//! All rows, for the terminal and for the documentation.

use crate::lab::Cost;
use crate::row::{Figure, Limit, Pair, Row, Verdict};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Columns of the table.
const COLUMNS: usize = 11;
const HEAD: [&str; COLUMNS] = [
    "row", "truth", "tool", "theirs", "ours", "error", "limit", "verdict", "packets", "CPU s", "MB",
];
/// Columns that begin at the left.
const WORDS: [usize; 3] = [0, 2, 7];

/// The rows of one subject.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Its rows.
    pub(crate) rows: Vec<Row>,
    /// How long it took.
    pub(crate) took: Duration,
}

/// Everything that a run found, and under which conditions.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// Date, machine, programs.
    pub(crate) conditions: Vec<String>,
    /// Its parts.
    pub(crate) sections: Vec<Section>,
}

impl Table {
    /// Whether no limit is broken.
    pub(crate) fn keeps_gates(&self) -> bool {
        self.rows().all(|row| row.verdict() != Verdict::Broken)
    }

    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|section| &section.rows)
    }

    /// The last line.
    fn sum(&self) -> String {
        let count = |verdict| self.rows().filter(|row| row.verdict() == verdict).count();
        let took: Duration = self.sections.iter().map(|section| section.took).sum();
        format!(
            "{} limits kept, {} broken, {} rows without; {} s",
            count(Verdict::Kept),
            count(Verdict::Broken),
            count(Verdict::Reported),
            took.as_secs()
        )
    }

    /// The page `docs/truth.md`.
    pub(crate) fn markdown(&self) -> String {
        let mut page = String::from(PREFACE);
        for condition in &self.conditions {
            let _ = writeln!(page, "- {condition}");
        }
        let _ = writeln!(page, "- {}", self.sum());
        for section in &self.sections {
            let _ = writeln!(page, "\n## {}\n", section.title);
            let _ = writeln!(page, "| {} |", HEAD.join(" | "));
            let rule = (0..COLUMNS).map(|at| if WORDS.contains(&at) { "---" } else { "---:" });
            let _ = writeln!(page, "| {} |", rule.collect::<Vec<_>>().join(" | "));
            for row in &section.rows {
                let cells = cells(row).map(|cell| cell.replace('|', "\\|"));
                let _ = writeln!(page, "| {} |", cells.join(" | "));
            }
            for (number, remark) in remarks(&section.rows).enumerate() {
                let before = if number == 0 { "\n" } else { "" };
                let _ = writeln!(page, "{before}- {remark}");
            }
        }
        page
    }
}

const PREFACE: &str = "\
# Truth

What the agent measures, beside what is true and beside the tools of the field. Written by `cargo xtask truth`, which runs
everything side by side: ours and theirs in turn, in the same network. A broken limit makes the command fail.
Pairs are ours / theirs; CPU is user and system time of the whole run, MB the peak of resident memory.

";

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for condition in &self.conditions {
            writeln!(f, "{condition}")?;
        }
        let lines: Vec<[String; COLUMNS]> = std::iter::once(HEAD.map(str::to_owned))
            .chain(self.rows().map(cells))
            .collect();
        let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
            let lengths = lines.iter().map(|line| line[column].chars().count());
            lengths.max().unwrap_or(0)
        });
        writeln!(f, "\n{}", aligned(&lines[0], widths))?;
        let mut next = 1;
        for section in &self.sections {
            writeln!(f, "{} ({} s)", section.title, section.took.as_secs())?;
            for line in &lines[next..next + section.rows.len()] {
                writeln!(f, "{}", aligned(line, widths))?;
            }
            next += section.rows.len();
            for remark in remarks(&section.rows) {
                writeln!(f, "  {remark}")?;
            }
        }
        write!(f, "\n{}", self.sum())
    }
}

fn remarks(rows: &[Row]) -> impl Iterator<Item = String> {
    rows.iter().filter_map(|row| {
        let remark = row.remark.as_ref()?;
        Some(format!("{}: {remark}", row.name))
    })
}

fn aligned(line: &[String; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let cells: Vec<String> = line
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(column, (cell, width))| {
            if WORDS.contains(&column) {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        })
        .collect();
    cells.join(" ").trim_end().to_owned()
}

fn cells(row: &Row) -> [String; COLUMNS] {
    let figure = |figure: Option<Figure>| figure.map_or_else(String::new, |it| it.to_string());
    let (tool, theirs) = match &row.reference {
        Some((tool, figure)) => (tool.clone(), figure.to_string()),
        None => (String::new(), String::new()),
    };
    let cost = |what: fn(&Cost) -> String| {
        row.cost.as_ref().map_or_else(String::new, |cost| {
            let theirs = cost.theirs.as_ref().map(what);
            pair(&Pair {
                ours: what(&cost.ours),
                theirs,
            })
        })
    };
    [
        row.name.clone(),
        figure(row.truth),
        tool,
        theirs,
        figure(row.ours),
        figure(row.error),
        limit(row),
        row.verdict().as_str().to_owned(),
        row.packets.as_ref().map_or_else(String::new, pair),
        cost(|cost| seconds(cost.cpu)),
        cost(|cost| megabytes(cost.peak)),
    ]
}

fn limit(row: &Row) -> String {
    let (sign, value) = match row.limit {
        None => return String::new(),
        Some(Limit::AtMost(value)) => ('≤', value),
        Some(Limit::AtLeast(value)) => ('≥', value),
    };
    let like = row.error.unwrap_or(Figure::count(0));
    // The unit is that of the error beside it.
    format!(
        "{sign} {}",
        Figure {
            value,
            unit: "",
            ..like
        }
    )
}

fn pair<T: fmt::Display>(pair: &Pair<T>) -> String {
    match &pair.theirs {
        Some(theirs) => format!("{}/{theirs}", pair.ours),
        None => pair.ours.to_string(),
    }
}

fn seconds(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 9.995 {
        format!("{seconds:.2}")
    } else {
        format!("{seconds:.0}")
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is below 2^52 bytes")]
fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "?".to_owned(),
        |bytes| format!("{:.1}", bytes as f64 / 1e6),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let cost = |ms, bytes| Cost {
            cpu: Duration::from_millis(ms),
            peak: Some(bytes),
            ..Cost::default()
        };
        let row = Row::new("round trip 100 ms, Icmp", Figure::ms(100.0618))
            .truth(Figure::ms(100.0))
            .reference("scamper", Figure::ms(100.0931))
            .gate(Figure::us(61.8), Limit::AtMost(93.1))
            .packets(10_000, Some(10_000))
            .cost(cost(1230, 6_100_000), Some(cost(12_300, 2_345_000)));
        Table {
            conditions: vec!["a machine".to_owned()],
            sections: vec![Section {
                title: "Round trips",
                rows: vec![row, Row::failed("dns", "kdig is not there")],
                took: Duration::from_secs(3),
            }],
        }
    }

    #[test]
    fn a_full_line_fits_the_terminal() {
        let text = table().to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        assert!(text.contains(" 62 µs  ≤ 93 kept "), "{text}");
        assert!(
            text.contains("1.23/12") && text.contains("6.1/2.3"),
            "{text}"
        );
        assert!(text.contains("dns: kdig is not there"), "{text}");
        assert!(
            text.ends_with("1 limits kept, 1 broken, 0 rows without; 3 s"),
            "{text}"
        );
    }

    #[test]
    fn one_broken_row_breaks_the_table() {
        let mut table = table();
        assert!(!table.keeps_gates());
        table.sections[0].rows.pop();
        assert!(table.keeps_gates());
    }

    #[test]
    fn the_page_has_a_table_for_each_section() {
        let page = table().markdown();
        assert!(
            page.contains("\n## Round trips\n\n| row | truth |"),
            "{page}"
        );
        assert!(
            page.contains("| dns |  |  |  |  | none | ≤ 0 | BROKEN |  |  |  |\n"),
            "{page}"
        );
        assert!(page.contains("\n\n- dns: kdig is not there\n"), "{page}");
    }
}
