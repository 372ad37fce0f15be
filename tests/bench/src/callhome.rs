//! A fleet that has called home.
//!
//! ```text
//!  this process                                   controller
//!  2000 agents: TLS and RESTCONF servers ──dial──▶ call home   → resident memory for each
//!  operator ─────────────────────────────────────▶ apply to all → time until the last has it
//!           ─────────────────────────────────────▶ GET /lmap of the one with 100 schedules
//! ```

mod agents;
mod identities;
mod operator;

use crate::report::{Figure, Limit, Report, quantile};
use crate::{clock, machine};
use agents::{Counts, Town};
use anyhow::{Context, Result, ensure};
use clap::Args;
use glimpse_tests::Controller;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use operator::Operator;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes of the controller's resident memory for one connection.
const MEMORY_AIM: f64 = 60_000.0;
/// Seconds for an edit of all agents.
const EDIT_AIM: f64 = 20.0;
/// Milliseconds for a whole `/lmap`.
const READ_AIM: f64 = 20.0;
/// Schedules of the agent that is read.
const SCHEDULES: usize = 100;
/// Reads of it.
const READS: usize = 21;
/// How long agents may take to be read for the first time, or to be edited.
const PATIENCE: Duration = Duration::from_mins(10);
/// Until memory that was needed in passing has been given back.
const REST: Duration = Duration::from_secs(10);
/// Files a process needs beside its connections.
const OTHER_FILES: u64 = 200;

/// How much to measure.
#[derive(Debug, Args)]
pub(crate) struct CallHome {
    /// Agents that call home.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    agents: u32,
}

impl CallHome {
    pub(crate) fn run(self) -> Result<Report> {
        let before = machine::describe()?;
        let count = usize::try_from(self.agents)?;
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
        ensure!(
            most >= u64::from(self.agents) + OTHER_FILES,
            "{count} connections need more files than the {most} that a process may open here"
        );
        setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let taken = runtime.block_on(measure(count))?;
        Ok(Report {
            title: "Controller, agents that have called home",
            conditions: vec![
                before,
                format!(
                    "{count} agents in one process, TLS 1.3 with certificates on both sides, RESTCONF over a datastore of one schedule each; one of {SCHEDULES}"
                ),
                format!(
                    "memory: resident {} s after the last was read, less that before the first called",
                    REST.as_secs()
                ),
            ],
            figures: figures(count, &taken),
        })
    }
}

/// What was found.
struct Taken {
    before: u64,
    after: u64,
    peak: u64,
    called_s: f64,
    edited_s: f64,
    read_ms: Vec<f64>,
    read_bytes: usize,
}

async fn measure(count: usize) -> Result<Taken> {
    let [restconf, callhome] = free_ports()?;
    let mut controller = Controller::init(&operator::sections(restconf, callhome));
    let made = identities::enrol(controller.dir(), count).await?;
    controller.serve();
    let pid = controller.pid().context("the controller runs")?;
    let operator = Operator::new(&controller, restconf)?;
    // The first request of all makes what every later one uses.
    operator.get("/restconf").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = machine::memory(pid)?.resident;

    let counts = Arc::new(Counts::default());
    let began = clock::steady();
    let town = Town::call(&controller, callhome, made, SCHEDULES, &counts).await?;
    until("all agents are read", || {
        town.check()?;
        Ok(counts.read.load(Ordering::Relaxed) >= count)
    })
    .await?;
    let called_s = began.elapsed().as_secs_f64();
    tokio::time::sleep(REST).await;
    let memory = machine::memory(pid)?;

    let began = clock::steady();
    let job = operator.apply(&slower()).await?;
    until("all agents are edited", || {
        town.check()?;
        Ok(counts.edited.load(Ordering::Relaxed) >= count)
    })
    .await?;
    let edited_s = began.elapsed().as_secs_f64();
    settled(&operator, job, count).await?;

    let path = format!(
        "/agents/{}/restconf/data/ietf-lmap-control:lmap",
        identities::name(0)
    );
    let mut read_ms = Vec::new();
    let mut read_bytes = 0;
    for _ in 0..READS {
        let began = clock::steady();
        read_bytes = operator.get(&path).await?.len();
        read_ms.push(began.elapsed().as_secs_f64() * 1e3);
    }
    read_ms.sort_by(f64::total_cmp);
    let peak = machine::memory(pid)?.peak;
    drop(town);
    controller.kill();
    Ok(Taken {
        before,
        after: memory.resident,
        peak,
        called_s,
        edited_s,
        read_ms,
        read_bytes,
    })
}

/// An edit that every agent can take.
fn slower() -> Value {
    json!({"glimpse-fleet:input": {"all": [null], "yang-patch": {"patch-id": "slower", "edit": [{
        "edit-id": "1", "operation": "merge", "target": "/ietf-lmap-control:lmap/events/event=often",
        "value": {"ietf-lmap-control:event": [{"name": "often", "periodic": {"interval": 7200}}]}}]}}})
}

/// The job, once nothing of it is pending; an agent that refused is an error.
async fn settled(operator: &Operator, job: u64, count: usize) -> Result<()> {
    let path =
        format!("/restconf/data/glimpse-fleet:fleet/job={job}?fields=delivered;refused;pending");
    let began = clock::steady();
    loop {
        let answer: Value = serde_json::from_slice(&operator.get(&path).await?)?;
        let job = &answer["glimpse-fleet:job"][0];
        ensure!(job["refused"] == 0, "an agent refused: {answer}");
        if job["delivered"] == count {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "not all have it: {answer}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn until(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = clock::steady();
    while !look()? {
        ensure!(
            began.elapsed() < PATIENCE,
            "{what}: not within {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Ports that were free a moment ago.
fn free_ports() -> Result<[u16; 2]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?];
    Ok([held[0].local_addr()?.port(), held[1].local_addr()?.port()])
}

#[expect(clippy::cast_precision_loss, reason = "bytes are below 2^52")]
fn figures(count: usize, taken: &Taken) -> Vec<Figure> {
    let each = taken.after.saturating_sub(taken.before) as f64 / count as f64;
    vec![
        Figure::new("resident memory for a connection", each, "bytes")
            .aim(Limit::AtMost(MEMORY_AIM)),
        Figure::new("resident memory before", taken.before as f64, "bytes"),
        Figure::new("resident memory with all", taken.after as f64, "bytes"),
        Figure::new("peak resident memory", taken.peak as f64, "bytes"),
        Figure::new("all called and were read", taken.called_s, "s").decimals(1),
        Figure::new("an edit of all, without a failure", taken.edited_s, "s")
            .decimals(1)
            .aim(Limit::AtMost(EDIT_AIM)),
        Figure::new(
            "GET of a whole /lmap, median",
            quantile(&taken.read_ms, 0.5),
            "ms",
        )
        .decimals(1)
        .aim(Limit::AtMost(READ_AIM)),
        Figure::new("bytes of it", taken.read_bytes as f64, "bytes"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_out_among_the_agents() {
        let taken = Taken {
            before: 10_000_000,
            after: 130_000_000,
            peak: 0,
            called_s: 0.0,
            edited_s: 21.0,
            read_ms: vec![1.0, 2.0, 30.0],
            read_bytes: 0,
        };
        let report = Report {
            title: "",
            conditions: Vec::new(),
            figures: figures(2000, &taken),
        };
        let report = report.json();
        assert_eq!(report["figures"][0]["value"], 60_000.0);
        assert_eq!(report["figures"][0]["verdict"], "aim reached");
        assert_eq!(report["figures"][5]["verdict"], "aim missed");
        assert_eq!(report["figures"][6]["value"], 2.0);
    }
}
