//! What the demonstration prints: readable on a slide, below 100 columns, colour only at a terminal and never alone.

use super::campaign::PingType;
use super::fleet::Home;
use super::map::{CostMap, Maps};
use super::tally::Tally;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

/// The widest line, in columns.
const COLUMNS: usize = 98;

/// Where the pages can be looked at.
pub(super) struct Address {
    /// What is there.
    pub(super) what: &'static str,
    /// URL, or a command.
    pub(super) at: String,
}

/// The output so far.
pub(super) struct Page {
    terminal: bool,
    colour: bool,
    /// Lines at the bottom that the next live lines replace.
    live: usize,
    /// What was said last about each agent, where there is no terminal to redraw.
    said: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Dim,
    Blue,
    Orange,
}

impl Page {
    /// A page on standard output.
    pub(super) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            terminal: terminal && !dumb,
            colour: terminal && !refused && !dumb,
            live: 0,
            said: Vec::new(),
        }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Bold => "1",
            Ink::Dim => "2",
            Ink::Blue => "34",
            Ink::Orange => "33",
        };
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn print(text: &str) {
        let mut out = io::stdout().lock();
        // A reader that went away (a pager, `head`) is no fault of the demonstration.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
    }

    /// The heading.
    pub(super) fn title(&self, agents: u8) {
        let title = self.ink(Ink::Bold, "GLIMPSE");
        let line = self.ink(Ink::Dim, &"─".repeat(78));
        let agents = if agents == 1 {
            "one agent".to_owned()
        } else {
            format!("{agents} agents")
        };
        Self::print(&format!(
            "\n{title}   one controller, {agents}, real measurements, an ALTO map\n{line}\n"
        ));
    }

    /// Something that the visitor should know about what cannot be shown.
    pub(super) fn note(&self, text: &str) {
        let mark = self.ink(Ink::Orange, "note");
        for (i, line) in wrapped(text, COLUMNS - 6).iter().enumerate() {
            let margin = if i == 0 {
                format!("{mark}: ")
            } else {
                " ".repeat(6)
            };
            Self::print(&format!("{margin}{line}\n"));
        }
    }

    /// Something that has been done.
    pub(super) fn step(&self, text: &str) {
        let mark = self.ink(Ink::Blue, "✓");
        Self::print(&format!("{mark} {text}\n"));
    }

    /// An empty line.
    pub(super) fn gap() {
        Self::print("\n");
    }

    /// One line per agent, redrawn at a terminal; elsewhere a line whenever an agent has delivered a new type.
    pub(super) fn live(&mut self, homes: &[Home], tally: &Tally, types: &[PingType]) {
        let mut text = String::new();
        if self.terminal && self.live > 0 {
            let _ = write!(text, "\x1b[{}A", self.live);
        }
        self.said.resize(homes.len(), 0);
        for (home, said) in homes.iter().zip(&mut self.said) {
            let known = types
                .iter()
                .filter(|kind| tally.cell(home, **kind).results > 0)
                .count();
            if self.terminal {
                let _ = writeln!(text, "\x1b[2K{}", live_line(home, tally, types));
            } else if known > *said {
                *said = known;
                let _ = writeln!(text, "{}", live_line(home, tally, types));
            }
        }
        self.live = homes.len();
        Self::print(&text);
    }

    /// The addresses, the table and the maps.
    pub(super) fn result(
        &mut self,
        homes: &[Home],
        tally: &Tally,
        types: &[PingType],
        addresses: &[Address],
        maps: &Maps,
    ) {
        let mut text = format!("\n{}\n", self.ink(Ink::Bold, "Open"));
        for address in addresses {
            let _ = writeln!(text, "  {:<16} {}", address.what, address.at);
        }
        let _ = writeln!(
            text,
            "\n{}",
            self.ink(Ink::Bold, "Results: median delay in ms, by type of ping")
        );
        text.push_str(&results(homes, tally, types).print());
        for (map, what, shown) in [
            (
                &maps.delay_rt,
                "delay-rt in ms, from provider and region to targets",
                milliseconds as fn(_) -> _,
            ),
            (
                &maps.tput,
                "tput in Mbit/s, from targets to provider and region",
                megabits,
            ),
        ] {
            let heading = format!("ALTO cost map: {what}");
            let _ = writeln!(text, "\n{}", self.ink(Ink::Bold, &heading));
            text.push_str(&costs(map, shown).print());
        }
        let tag = maps.delay_rt.tag();
        let _ = writeln!(
            text,
            "{}",
            self.ink(Ink::Dim, &format!("  network map {tag}"))
        );
        Self::print(&text);
        self.live = 0;
    }

    /// After the first full result, without `--once`.
    pub(super) fn going_on() {
        Self::print("\nGoing on; Ctrl-C ends it and clears everything away.\n\n");
    }

    /// The end.
    pub(super) fn farewell(stored: usize) {
        Self::print(&format!(
            "\nEnding. {stored} records were stored; the temporary folder and networks go now.\n"
        ));
    }
}

fn live_line(home: &Home, tally: &Tally, types: &[PingType]) -> String {
    let mut line = format!("{:<8} {:<6} {:<6}", home.name, home.isp, home.region);
    let mut results = 0;
    for kind in types {
        let cell = tally.cell(home, *kind);
        results += cell.results;
        let _ = write!(
            line,
            "  {} {:>7}",
            kind.name(),
            milliseconds(cell.median_us())
        );
    }
    let _ = write!(line, "   {results:>5} stored");
    if let Some((count, last)) = tally.others(home) {
        let _ = write!(line, ", {count} {last}");
    }
    shortened(&line, COLUMNS)
}

/// Lines of at most `columns`, broken at blanks.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn shortened(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    text.chars().take(columns - 1).chain(['…']).collect()
}

/// Two or three digits that count; a dash where there is none.
fn milliseconds(micros: Option<u32>) -> String {
    match micros {
        None => "–".to_owned(),
        Some(us) if us < 10_000 => format!("{}.{:02}", us / 1000, us % 1000 / 10),
        Some(us) => format!("{}.{}", us / 1000, us % 1000 / 100),
    }
}

/// Bytes per second as megabits, with one decimal.
fn megabits(bytes_per_s: Option<u32>) -> String {
    match bytes_per_s {
        None => "–".to_owned(),
        Some(bytes) => {
            let tenths = (u64::from(bytes) * 8 + 50_000) / 100_000;
            format!("{}.{}", tenths / 10, tenths % 10)
        }
    }
}

fn results(homes: &[Home], tally: &Tally, types: &[PingType]) -> Table {
    let mut heads = vec!["agent", "provider", "region"];
    heads.extend(types.iter().map(|kind| kind.name()));
    heads.extend(["sent", "lost", "results"]);
    let mut table = Table::new(&heads, 3);
    for home in homes {
        let cells: Vec<_> = types.iter().map(|kind| tally.cell(home, *kind)).collect();
        let sent: u32 = cells.iter().map(|cell| cell.sent).sum();
        let received: u32 = cells.iter().map(|cell| cell.received).sum();
        let results: u32 = cells.iter().map(|cell| cell.results).sum();
        let mut row = vec![
            home.name.clone(),
            home.isp.to_owned(),
            home.region.to_owned(),
        ];
        row.extend(cells.iter().map(|cell| milliseconds(cell.median_us())));
        row.extend([
            sent.to_string(),
            per_cent(sent.saturating_sub(received), sent),
            results.to_string(),
        ]);
        table.row(row);
    }
    table
}

fn per_cent(part: u32, whole: u32) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let tenths = (u64::from(part) * 1000 + u64::from(whole) / 2) / u64::from(whole);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn costs(map: &CostMap, shown: fn(Option<u32>) -> String) -> Table {
    let destinations = map.destinations();
    let mut heads = vec!["from \\ to"];
    heads.extend(&destinations);
    let mut table = Table::new(&heads, 1);
    for (source, costs) in map.rows() {
        let mut row = vec![source.to_owned()];
        row.extend(destinations.iter().map(|to| {
            let cost = costs.get(*to).copied();
            shown(cost.map(|cost| u32::try_from(cost).unwrap_or(u32::MAX)))
        }));
        table.row(row);
    }
    table
}

/// Columns of even width: the first `left` of them to the left, the others to the right.
struct Table {
    rows: Vec<Vec<String>>,
    left: usize,
}

impl Table {
    fn new(heads: &[&str], left: usize) -> Self {
        Self {
            rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()],
            left,
        }
    }

    fn row(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    fn print(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for (i, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let blanks = " ".repeat(width - cell.chars().count());
                line.push_str("  ");
                if column < self.left {
                    line.push_str(cell);
                    line.push_str(&blanks);
                } else {
                    line.push_str(&blanks);
                    line.push_str(cell);
                }
            }
            let _ = writeln!(text, "{}", line.trim_end());
            if i == 0 {
                let all: usize = widths.iter().map(|width| width + 2).sum();
                let _ = writeln!(text, "  {}", "─".repeat(all.saturating_sub(2)));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::net::Ipv4Addr;

    fn home(n: u8) -> Home {
        Home {
            name: format!("home-{n}"),
            agent: format!("agent-{n}"),
            isp: "Aster",
            region: "north",
            address: Ipv4Addr::LOCALHOST,
            config: "home".into(),
        }
    }

    #[test]
    fn figures_have_the_digits_that_count() {
        for (us, shown) in [
            (None, "–"),
            (Some(45), "0.04"),
            (Some(4321), "4.32"),
            (Some(43_210), "43.2"),
            (Some(1_043_210), "1043.2"),
        ] {
            assert_eq!(milliseconds(us), shown);
        }
        assert_eq!(
            [None, Some(1_650_000), Some(6)].map(megabits),
            ["–", "13.2", "0.0"]
        );
        assert_eq!(
            [per_cent(0, 0), per_cent(1, 3), per_cent(3, 3)],
            ["–", "33.3 %", "100.0 %"]
        );
    }

    #[test]
    fn notes_are_broken_at_blanks() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("", 7), [""; 0]);
    }

    #[test]
    fn tables_are_aligned_and_narrow() {
        let types = [
            PingType::Udp,
            PingType::Tcp,
            PingType::Icmp,
            PingType::System,
        ];
        let mut tally = Tally::default();
        for (i, kind) in types.iter().enumerate() {
            let row = json!({"agent": "agent-1", "record": {"id": i.to_string(), "task_id": kind.name(), "status": "ok",
                "probe_result": {"round_trip_ms": [1234.5], "round_trip_sent": 3, "round_trip_received": 1}}});
            tally.add(&row.to_string()).unwrap();
        }
        let text = results(&[home(1), home(10)], &tally, &types).print();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(
            lines[2].starts_with("  home-1   Aster     north   1234.5"),
            "{text}"
        );
        assert!(lines[2].ends_with("  12  66.7 %        4"), "{text}");
        assert!(
            lines.iter().all(|line| line.chars().count() < 100),
            "{text}"
        );
        let live = live_line(&home(1), &tally, &types);
        assert!(live.chars().count() < 100, "{live}");
        assert_eq!(shortened(&"x".repeat(200), 98).chars().count(), 98);
    }
}
