//! An agent with nothing to do.

use crate::report::{Figure, Limit, Report};
use crate::{clock, fleet, machine};
use anyhow::{Context, Result, ensure};
use clap::Args;
use glimpse_tests::{Agent, Controller, eventually, pause};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// Resident memory after enrolment and the measurements, bytes.
const MEMORY_GATE: f64 = 8_000_000.0;
/// The same where the LMAP door is open.
const DOOR_GATE: f64 = 9_000_000.0;
/// Share of one core, per cent.
const CPU_AIM: f64 = 0.1;
/// Measurements before it rests.
const MEASUREMENTS: usize = 100;
const PATIENCE: Duration = Duration::from_mins(1);
/// Between the last work and the window: buffers are written, connections settle.
const REST: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Idle {
    /// The agent's program [default: profile small where it was built, else the one beside this program].
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Length of the idle window; the default has one turn of the long poll in it.
    #[arg(long, value_name = "S", default_value_t = 60)]
    seconds: u64,
    /// With the LMAP door open: a RESTCONF listener, and calls home that nobody takes.
    #[arg(long)]
    door: bool,
}

/// What opens the door, on a port that was free a moment ago.
fn open_door(controller: &Controller, agent: &Agent) -> Result<SocketAddr> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let settings = format!(
        "config restconf\n\toption enabled '1'\n\tlist listen '{}'\n\toption port '{}'\n\tlist call_home '127.0.0.1:1'\n",
        address.ip(),
        address.port()
    );
    agent.configure(&controller.url(), &settings);
    Ok(address)
}

impl Idle {
    pub(crate) fn run(self) -> Result<Report> {
        let program = fleet::agent_program(self.agent.as_deref())?;
        let before = machine::describe()?;
        let controller = fleet::controller();
        let agent = fleet::enrolled(&controller)?;
        let door = self
            .door
            .then(|| open_door(&controller, &agent))
            .transpose()?;
        let daemon = fleet::start(&program, &agent);
        let every = json!({"periodic": {"interval": 100}});
        controller.instruct(&fleet::ping("idle", &every, 1));
        let measured = eventually("the measurements are stored", PATIENCE, || {
            let results = controller.results();
            let done = results.iter().filter(|r| r["status"] == "ok").count();
            (done >= MEASUREMENTS).then_some(done)
        });
        fleet::cancel(&controller, "idle")?;
        eventually("the agent has nothing to do", PATIENCE, || {
            let status = agent.status().ok()?;
            let idle = status["instructions"]["in_force"] == 0 && status["spool"]["waiting"] == 0;
            idle.then_some(())
        });
        pause(REST);
        let pid = daemon.pid();
        let (from, used) = (clock::steady(), machine::cpu_ns(pid)?);
        pause(Duration::from_secs(self.seconds));
        let used = machine::cpu_ns(pid)?
            .checked_sub(used)
            .context("a thread ended in the window")?;
        let window = from.elapsed();
        let memory = machine::memory(pid)?;
        let threads = machine::threads(pid)?;
        if let Some(door) = door {
            TcpStream::connect(door).context("the LMAP door is not open")?;
        }
        let status = agent.status().unwrap_or_default();
        ensure!(
            status["instructions"]["in_force"] == 0,
            "the agent did not stay idle: {status:#}"
        );
        Ok(Report {
            title: if self.door {
                "Agent, idle with the LMAP door open, after enrolment and measurements"
            } else {
                "Agent, idle after enrolment and measurements"
            },
            conditions: vec![
                fleet::describe(&program)?,
                before,
                format!(
                    "{measured} pings stored, then no instruction but a long poll of 60 s again and again; window of {} s",
                    self.seconds
                ),
            ],
            figures: figures(
                memory,
                used,
                window,
                threads,
                if self.door { DOOR_GATE } else { MEMORY_GATE },
            ),
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes and nanoseconds of a short run are below 2^52"
)]
fn figures(
    memory: machine::Memory,
    used_ns: u64,
    window: Duration,
    threads: usize,
    gate: f64,
) -> Vec<Figure> {
    let share = used_ns as f64 / window.as_nanos() as f64 * 100.0;
    vec![
        Figure::new("resident memory", memory.resident as f64, "bytes").gate(Limit::AtMost(gate)),
        Figure::new("peak resident memory", memory.peak as f64, "bytes"),
        Figure::new("CPU of one core", share, "%")
            .decimals(4)
            .aim(Limit::AtMost(CPU_AIM)),
        Figure::new("threads", threads as f64, ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_a_gate_and_cpu_is_a_share_of_the_window() {
        let second = Duration::from_secs(1);
        let report = |resident, used| Report {
            title: "",
            conditions: Vec::new(),
            figures: figures(
                machine::Memory { resident, peak: 0 },
                used,
                second * 30,
                1,
                MEMORY_GATE,
            ),
        };
        assert!(!report(8_000_001, 0).keeps_gates());
        let report = report(8_000_000, 30_000_000);
        assert!(report.keeps_gates());
        assert!((report.json()["figures"][2]["value"].as_f64().unwrap_or(0.0) - 0.1).abs() < 1e-9);
    }
}
