//! Controllers and agents for the figures.

use anyhow::{Context, Result, anyhow, ensure};
use glimpse_tests::program::{self, Running};
use glimpse_tests::{Agent, Controller};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `cargo xtask size` leaves the program that goes on a router, below cargo's target directory.
const SMALL: [&str; 2] = [
    "x86_64-unknown-linux-musl/small/glimpse-agent",
    "x86_64-unknown-linux-gnu/small/glimpse-agent",
];

/// Agents hold a request for instructions open all the time, and everything is admitted.
const SECTIONS: &str = "\
[agents]
pull = { periodic = { interval = 1000 } }
wait_s = 60

[limits]
runs_per_hour = 1e9
packets_per_second = 1e9

[uploads]
daily_bytes = 1000000000000
";

/// A controller that serves.
pub(crate) fn controller() -> Controller {
    let mut controller = Controller::init(SECTIONS);
    controller.serve();
    controller
}

/// An agent that is enrolled and does not run.
pub(crate) fn enrolled(controller: &Controller) -> Result<Agent> {
    let agent = Agent::new(&controller.url(), "");
    agent
        .enrol(
            &controller.url(),
            &controller.invite(&[]),
            &controller.fingerprint,
        )
        .map_err(|error| anyhow!("enrolment: {error}"))?;
    Ok(agent)
}

/// The agent's program that is measured: `given`, or the router's, or the one beside this program.
pub(crate) fn agent_program(given: Option<&Path>) -> Result<PathBuf> {
    if let Some(given) = given {
        ensure!(given.exists(), "{} is not there", given.display());
        return Ok(given.to_owned());
    }
    let beside = program::path("glimpse-agent");
    let target = beside.parent().and_then(Path::parent);
    let small = target
        .into_iter()
        .flat_map(|target| SMALL.map(|path| target.join(path)))
        .find(|path| path.exists());
    Ok(small.unwrap_or(beside))
}

/// Starts `program` as the daemon of `agent`.
pub(crate) fn start(program: &Path, agent: &Agent) -> Running {
    let mut command = Command::new(program);
    command.args(["daemon", "--config"]).arg(agent.config());
    Running::start(&mut command, &agent.dir().join("log"))
}

/// Size of a program, for people.
pub(crate) fn describe(program: &Path) -> Result<String> {
    let bytes = std::fs::metadata(program)
        .with_context(|| program.display().to_string())?
        .len();
    Ok(format!("agent {} ({bytes} bytes)", program.display()))
}

/// An instruction to ping this machine `count` times per firing.
pub(crate) fn ping(id: &str, timing: &Value, count: u32) -> Value {
    json!({"id": id, "timing": timing, "task": {"id": "ping", "method": "ping", "options": {
        "host": "127.0.0.1", "type": "Udp", "count": count, "interval": 10, "timeout": 200}}})
}

/// Takes an instruction back.
pub(crate) fn cancel(controller: &Controller, id: &str) -> Result<()> {
    controller
        .ask(&["instruction", "cancel", id, "--json"])
        .map(drop)
        .map_err(|error| anyhow!("cancel: {error}"))
}
