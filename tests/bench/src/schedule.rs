//! How far from plan measurements start.
//!
//! Before each run the agent notes it down, by replacing a file. On a router that directory is in RAM; on a disk the
//! replacing itself costs milliseconds. `TMPDIR=/dev/shm` gives the agent here what it has there.

use crate::report::{Figure, Limit, Report, quantile};
use crate::{clock, fleet, machine};
use anyhow::{Context, Result, ensure};
use clap::Args;
use glimpse_model::time::{MILLISECOND, SECOND, Timestamp};
use glimpse_tests::{eventually, pause};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Errors up to this count as on time, milliseconds.
const ON_TIME_MS: f64 = 5.0;
/// Share of firings that are to be on time, per cent.
const AIM: f64 = 99.0;
/// Before the first firing: the agent must have the instruction by then.
const LEAD_S: i64 = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Schedule {
    /// The agent's program [default: profile small where it was built, else the one beside this program].
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Firings.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    firings: u32,
    /// Milliseconds between them.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    interval: u32,
}

impl Schedule {
    pub(crate) fn run(self) -> Result<Report> {
        let program = fleet::agent_program(self.agent.as_deref())?;
        let before = machine::describe()?;
        let controller = fleet::controller();
        let agent = fleet::enrolled(&controller)?;
        let _daemon = fleet::start(&program, &agent);
        eventually("the agent has called", PATIENCE, || {
            agent.status().ok()?["controller"]["instructions"]["last_success"]
                .as_str()
                .map(drop)
        });
        let start = clock::civil()?.plus_micros(LEAD_S * SECOND);
        let length_us = i64::from(self.firings - 1) * i64::from(self.interval) * MILLISECOND;
        let end = start.plus_micros(length_us);
        let timing = json!({"periodic": {"interval": self.interval, "start": start, "end": end}});
        controller.instruct(&fleet::ping("schedule", &timing, 1));
        // Nobody asks anything meanwhile: the machine is to be idle.
        let length = u64::try_from(length_us + LEAD_S * SECOND)?;
        pause(Duration::from_micros(length));
        let firings = eventually("all firings are accounted for", PATIENCE, || {
            let firings = Firings::read(&controller.results());
            (firings.count() >= u64::from(self.firings)).then_some(firings)
        });
        ensure!(
            firings.count() == u64::from(self.firings),
            "{} records of {} firings",
            firings.count(),
            self.firings
        );
        Ok(Report {
            title: "Agent, start of measurements against plan",
            conditions: vec![
                fleet::describe(&program)?,
                before,
                format!(
                    "{} firings, one each {} ms, ping of 127.0.0.1",
                    self.firings, self.interval
                ),
                format!(
                    "spool and notes of runs under way on {}",
                    machine::file_system(agent.dir())?
                ),
            ],
            figures: firings.figures().context("no firing was started")?,
        })
    }
}

/// What became of the firings.
#[derive(Debug, Default)]
struct Firings {
    /// Start minus plan of those that started, milliseconds.
    errors_ms: Vec<f64>,
    /// Those that did not.
    skipped: u64,
}

impl Firings {
    fn read(records: &[Value]) -> Self {
        let mut firings = Self::default();
        let time = |record: &Value, name: &str| {
            record[name]
                .as_str()
                .and_then(Timestamp::parse)
                .map(Timestamp::as_micros)
        };
        for record in records {
            match (time(record, "planned_time"), time(record, "start_time")) {
                (Some(planned), Some(start)) if record["status"] != "skipped" => {
                    let error = Duration::from_micros((start - planned).unsigned_abs());
                    firings.errors_ms.push(error.as_secs_f64() * 1e3);
                }
                _ => firings.skipped += record["skip"]["count"].as_u64().unwrap_or(1),
            }
        }
        firings.errors_ms.sort_by(f64::total_cmp);
        firings
    }

    fn count(&self) -> u64 {
        self.errors_ms.len() as u64 + self.skipped
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn figures(&self) -> Option<Vec<Figure>> {
        let max = self.errors_ms.last()?;
        let on_time = self.errors_ms.partition_point(|error| *error <= ON_TIME_MS);
        let share = on_time as f64 / self.count() as f64 * 100.0;
        let error = |name: &str, value| Figure::new(name, value, "ms").decimals(3);
        let at = |share| quantile(&self.errors_ms, share);
        Some(vec![
            Figure::new(format!("started within {ON_TIME_MS} ms"), share, "%")
                .decimals(2)
                .aim(Limit::AtLeast(AIM)),
            error("error, median", at(0.5)),
            error("error, 90th percentile", at(0.9)),
            error("error, 99th percentile", at(0.99)),
            error("error, greatest", *max),
            Figure::new("firings skipped", self.skipped as f64, ""),
        ])
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn a_skip_counts_as_late() {
        let ran = |start: &str| {
            json!({"status": "ok", "planned_time": "2026-01-01T00:00:00Z",
                "start_time": start})
        };
        let firings = Firings::read(&[
            ran("2026-01-01T00:00:00.000250Z"),
            ran("2026-01-01T00:00:00.006Z"),
            json!({"status": "skipped", "planned_time": "2026-01-01T00:00:00Z", "skip": {"count": 2}}),
        ]);
        assert_eq!(firings.errors_ms, [0.25, 6.0]);
        assert_eq!(firings.count(), 4);
        let report = Report {
            title: "",
            conditions: Vec::new(),
            figures: firings.figures().unwrap(),
        };
        assert_eq!(report.json()["figures"][0]["value"], 25.0);
        assert!(Firings::default().figures().is_none());
    }
}
