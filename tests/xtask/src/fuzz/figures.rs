//! What libFuzzer says of a run.

use std::path::PathBuf;

/// The head of the table.
pub(super) fn head() -> String {
    format!(
        "{:<20} {:>10} {:>9} {:>8} {:>8} {:>8} {:>5}",
        "target", "runs", "runs/s", "corpus", "coverage", "peak MB", "kept"
    )
}

/// The figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    runs: u64,
    runs_per_s: u64,
    corpus: u64,
    coverage: u64,
    peak_mb: u64,
}

impl Figures {
    /// Reads what it wrote on standard error; a figure that is not there is 0.
    pub(super) fn read(said: &str) -> Self {
        let total = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))
                .and_then(|rest| rest.trim_start_matches(':').trim().parse().ok())
                .unwrap_or_default()
        };
        // `#1048576 pulse  cov: 412 ft: 998 corp: 120/12Kb lim: 1200 exec/s: 262144 rss: 60Mb`
        let status = said
            .lines()
            .rev()
            .find(|line| line.starts_with('#') && line.contains(" cov: "))
            .unwrap_or_default();
        let shown = |name: &str| {
            let mut words = status.split_ascii_whitespace();
            words
                .find(|word| *word == name)
                .and_then(|_| words.next())
                .and_then(|word| word.split('/').next()?.parse().ok())
                .unwrap_or_default()
        };
        Self {
            runs: total("number_of_executed_units"),
            runs_per_s: total("average_exec_per_sec"),
            corpus: shown("corp:"),
            coverage: shown("cov:"),
            peak_mb: total("peak_rss_mb"),
        }
    }

    /// Its row in the table, with the number of inputs kept.
    pub(super) fn row(&self, target: &str, kept: usize) -> String {
        format!(
            "{target:<20} {:>10} {:>9} {:>8} {:>8} {:>8} {kept:>5}",
            self.runs, self.runs_per_s, self.corpus, self.coverage, self.peak_mb
        )
    }
}

/// The inputs that it kept because they were not borne.
pub(super) fn kept(said: &str) -> Vec<PathBuf> {
    said.lines()
        .filter_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| PathBuf::from(path.trim()))
        .collect()
}

/// Places of our own that are shown of a backtrace.
const PLACES: usize = 4;

/// The lines that say what went wrong: the panic, the innermost places of our own, and libFuzzer's verdict.
pub(super) fn fault(said: &str) -> String {
    let mut lines = Vec::new();
    let (mut message, mut places) = (0, 0);
    for line in said.lines() {
        if line.contains("panicked at") {
            (message, places) = (2, PLACES);
        }
        let place = line.trim_start().starts_with("at ./") && places > 0;
        let verdict = line.contains("ERROR: libFuzzer") || line.starts_with("SUMMARY:");
        if message > 0 || place || verdict {
            lines.push(line);
        }
        message = usize::saturating_sub(message, 1);
        places -= usize::from(place);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "INFO: Running with entropic power schedule (0xFF, 100).\n\
        #2\tINITED cov: 40 ft: 41 corp: 1/1b exec/s: 0 rss: 30Mb\n\
        #1048576\tpulse  cov: 412 ft: 998 corp: 120/12Kb lim: 1200 exec/s: 262144 rss: 60Mb\n\
        #1050000\tDONE   cov: 413 ft: 999 corp: 121/12Kb lim: 1200 exec/s: 105000 rss: 61Mb\n\
        Done 1050000 runs in 10 second(s)\n\
        stat::number_of_executed_units: 1050000\n\
        stat::average_exec_per_sec:     105000\n\
        stat::new_units_added:          120\n\
        stat::peak_rss_mb:              61\n";

    #[test]
    fn figures_are_those_of_the_end() {
        let figures = Figures::read(RUN);
        assert_eq!(
            figures,
            Figures {
                runs: 1_050_000,
                runs_per_s: 105_000,
                corpus: 121,
                coverage: 413,
                peak_mb: 61
            }
        );
        assert_eq!(
            figures.row("dns_answer", 0).len(),
            head().len(),
            "columns stand below their names"
        );
        assert_eq!(Figures::read("nothing"), Figures::default());
    }

    #[test]
    fn inputs_that_were_kept_are_named() {
        let said = "artifact_prefix='/x/uci-'; Test unit written to /x/uci-crash-1\nBase64: AA==\n";
        assert_eq!(kept(said), [PathBuf::from("/x/uci-crash-1")]);
        assert!(kept(RUN).is_empty());
    }

    #[test]
    fn a_crash_is_told_without_the_noise() {
        let said = "INFO: x\nthread '<unnamed>' panicked at /rustc/core.rs:1:2:\nattempt to add\nstack backtrace:\n   \
            0: begin\n   at /rustc/std.rs:3:4\n   1: ours\n   at ./agent/a.rs:5:6\n==1== ERROR: libFuzzer: deadly signal\n\
            NOTE: y\nSUMMARY: libFuzzer: deadly signal\n";
        let told = fault(said);
        assert_eq!(
            told.lines().map(str::trim).collect::<Vec<_>>(),
            [
                "thread '<unnamed>' panicked at /rustc/core.rs:1:2:",
                "attempt to add",
                "at ./agent/a.rs:5:6",
                "==1== ERROR: libFuzzer: deadly signal",
                "SUMMARY: libFuzzer: deadly signal",
            ]
        );
    }
}
