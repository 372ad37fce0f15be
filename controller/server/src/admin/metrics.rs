//! Counters, and their text in the Prometheus exposition format 0.0.4.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts up.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Some more.
    pub fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many are inside at the moment.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// One that is inside until it is dropped.
#[derive(Debug)]
pub struct Inside<'a>(&'a Gauge);

impl Gauge {
    /// Goes in.
    pub fn enter(&self) -> Inside<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Inside(self)
    }

    /// How many are inside.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the program counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Batches whose receipt was sent.
    pub batches: Counter,
    /// Records stored.
    pub stored: Counter,
    /// Records that were there before.
    pub duplicates: Counter,
    /// Records that are never stored.
    pub rejected: Counter,
    /// Requests for instructions.
    pub polls: Counter,
    /// Requests for instructions held open.
    pub waiting: Gauge,
    /// Publications computed.
    pub publications: Counter,
    /// Publications that could not be computed.
    pub publication_failures: Counter,
}

impl Metrics {
    /// The text for a scraper; `queued` is what waits for the database's writer, `connected` agents have called home.
    pub fn to_text(&self, queued: usize, connected: usize) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: &[(&str, u64)]| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in rows {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        family(
            "glimpse_repository_records_total",
            "counter",
            "Records received, by what became of them.",
            &[
                ("{status=\"stored\"}", self.stored.value()),
                ("{status=\"duplicate\"}", self.duplicates.value()),
                ("{status=\"rejected\"}", self.rejected.value()),
            ],
        );
        for (name, kind, help, value) in [
            (
                "glimpse_repository_batches_total",
                "counter",
                "Batches whose receipt was sent.",
                self.batches.value(),
            ),
            (
                "glimpse_repository_queued_jobs",
                "gauge",
                "Jobs that wait for the writer of the database.",
                queued as u64,
            ),
            (
                "glimpse_supervisor_polls_total",
                "counter",
                "Requests for instructions.",
                self.polls.value(),
            ),
            (
                "glimpse_supervisor_waiting_agents",
                "gauge",
                "Requests for instructions held open.",
                self.waiting.value(),
            ),
            (
                "glimpse_callhome_connected_agents",
                "gauge",
                "Agents that have called home and are connected.",
                connected as u64,
            ),
            (
                "glimpse_alto_publications_total",
                "counter",
                "Publications computed.",
                self.publications.value(),
            ),
            (
                "glimpse_alto_publication_failures_total",
                "counter",
                "Publications that could not be computed.",
                self.publication_failures.value(),
            ),
        ] {
            family(name, kind, help, &[("", value)]);
        }
        text
    }
}
