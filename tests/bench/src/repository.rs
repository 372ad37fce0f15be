//! Records stored per second, against what plain inserts reach.
//!
//! Rounds alternate, so that both sides see the same machine; medians are compared. What each side is given is made
//! before its round: the clock covers sending, storing and answering, and on the other side binding and inserting.

mod client;
mod plain;
mod rows;

use crate::report::{Figure, Limit, Report, quantile};
use crate::{clock, fleet, machine};
use anyhow::{Context, Result, ensure};
use clap::Args;
use client::Client;
use glimpse_tests::{Agent, Controller, eventually};
use plain::Plain;
use rows::{Rows, Template};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
/// Records in a batch.
const BATCH: usize = 100;
/// Ours to plain.
const RATIO_GATE: f64 = 0.2;
/// Records per second.
const RATE_AIM: f64 = 5000.0;
const PATIENCE: Duration = Duration::from_secs(30);

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// Rounds of each side that count; one more of each comes before.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Batches of 100 that each of the 8 clients sends in a round.
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    batches: u32,
}

impl Load {
    pub(crate) fn run(self) -> Result<Report> {
        let before = machine::describe()?;
        let controller = fleet::controller();
        let agents = (0..CLIENTS)
            .map(|_| fleet::enrolled(&controller))
            .collect::<Result<Vec<_>>>()?;
        let measured = measure_once(&controller, &agents)?;
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(self.alternate(&controller, &agents, measured, before))
    }

    async fn alternate(
        self,
        controller: &Controller,
        agents: &[Agent],
        measured: usize,
        before: String,
    ) -> Result<Report> {
        let database = controller.dir().join("glimpse.db");
        let template = Template::read(&database).await?;
        let size = template.document_bytes();
        let mut rows = Rows::new(template, clock::civil()?);
        let mut clients = Vec::new();
        for agent in agents {
            clients.push(Client::connect(controller, agent).await?);
        }
        let beside = tempfile::tempdir()?;
        let mut plain = Plain::open(&beside.path().join("plain.db")).await?;
        let batches = CLIENTS * usize::try_from(self.batches)?;
        let (mut stored, mut inserted) = (Vec::new(), Vec::new());
        for _ in 0..=self.rounds {
            let work = rows.bodies(batches, BATCH)?;
            let began = clock::steady();
            clients = upload(clients, work).await?;
            stored.push(rate(batches * BATCH, began));
            let work: Vec<_> = (0..batches).map(|_| rows.batch(BATCH)).collect();
            let began = clock::steady();
            for batch in &work {
                plain.insert(rows.template(), batch).await?;
            }
            inserted.push(rate(batches * BATCH, began));
        }
        let sent = stored.len() * batches * BATCH;
        for (side, found, expected) in [
            (
                "the repository",
                rows::count(&database).await?,
                sent + measured,
            ),
            ("the plain table", plain.count().await?, sent),
        ] {
            ensure!(found == expected, "{side} has {found} rows of {expected}");
        }
        Ok(Report {
            title: "Repository, records durable per second",
            conditions: vec![
                before,
                format!(
                    "{CLIENTS} clients over mTLS, batches of {BATCH} records of {size} bytes, gzip"
                ),
                format!(
                    "{} rounds of {} records on each side in turn, after one round to warm up; medians",
                    self.rounds,
                    batches * BATCH
                ),
                format!(
                    "both databases on {}, WAL, synchronous=FULL",
                    machine::file_system(beside.path())?
                ),
            ],
            figures: figures(&stored[1..], &inserted[1..]),
        })
    }
}

/// One measurement by a real agent, whose record is the pattern of all. Gives how many were stored.
fn measure_once(controller: &Controller, agents: &[Agent]) -> Result<usize> {
    let agent = agents.first().context("no agent")?;
    let daemon = fleet::start(&fleet::agent_program(None)?, agent);
    controller.instruct(&fleet::ping("pattern", &json!({"immediate": {}}), 10));
    eventually("a record is stored", PATIENCE, || {
        (!controller.results().is_empty() && agent.waiting() == Some(0)).then_some(())
    });
    fleet::cancel(controller, "pattern")?;
    daemon.kill();
    Ok(controller.results().len())
}

/// Sends the batches, an equal part by each client, and gives the clients back.
async fn upload(clients: Vec<Client>, mut work: Vec<rows::Body>) -> Result<Vec<Client>> {
    let each = work.len() / clients.len();
    let mut sending = JoinSet::new();
    for mut client in clients {
        let part = work.split_off(work.len() - each);
        sending.spawn(async move {
            for body in part {
                client.upload(body).await?;
            }
            anyhow::Ok(client)
        });
    }
    sending.join_all().await.into_iter().collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn rate(records: usize, began: Instant) -> f64 {
    records as f64 / began.elapsed().as_secs_f64()
}

fn figures(stored: &[f64], inserted: &[f64]) -> Vec<Figure> {
    let median = |rates: &[f64]| {
        let mut rates = rates.to_vec();
        rates.sort_by(f64::total_cmp);
        quantile(&rates, 0.5)
    };
    let (ours, plain) = (median(stored), median(inserted));
    let spread = |name: &str, rates: &[f64]| {
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        Figure::new(name, least, "/s")
    };
    vec![
        Figure::new("ratio to plain inserts", ours / plain, "")
            .decimals(3)
            .gate(Limit::AtLeast(RATIO_GATE)),
        Figure::new("records stored", ours, "/s").aim(Limit::AtLeast(RATE_AIM)),
        spread("records stored, slowest round", stored),
        Figure::new("rows by plain inserts", plain, "/s"),
        spread("rows by plain inserts, slowest round", inserted),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_compared() {
        let report = |stored: &[f64]| Report {
            title: "",
            conditions: Vec::new(),
            figures: figures(stored, &[100.0, 90.0, 5.0]),
        };
        assert!(report(&[18.0, 1000.0, 1.0]).keeps_gates());
        assert!(!report(&[17.9, 1000.0, 1.0]).keeps_gates());
    }
}
