//! The laboratory: programs run to their end in a network namespace, with what they cost.

mod cost;

pub(crate) use cost::Cost;

use anyhow::{Context, Result, anyhow, bail, ensure};
use cost::{Watch, children_cpu};
use glimpse_net::stamp::monotonic_ns;
use glimpse_tests::namespace::Namespace;
use glimpse_tests::program;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// From one look at a service to the next.
const LOOK: Duration = Duration::from_millis(50);
/// How long a service may take to stop.
const STOPPED: Duration = Duration::from_secs(10);

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// Minutes for all rows.
    Quick,
    /// What the documentation shows.
    Full,
}

impl Scale {
    /// One of two numbers.
    pub(crate) fn of<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

/// Where a program runs: a namespace, or this one.
pub(crate) type Place<'a> = Option<&'a Namespace>;

/// Now, in nanoseconds of the monotonic clock.
pub(crate) fn now() -> u64 {
    monotonic_ns()
}

/// The time since [`now`] said so.
pub(crate) fn since(start_ns: u64) -> Duration {
    Duration::from_nanos(now().saturating_sub(start_ns))
}

/// A program that has run to its end.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) out: String,
    /// Its standard error.
    pub(crate) err: String,
    /// What it cost.
    pub(crate) cost: Cost,
    /// Bytes resident after each second.
    pub(crate) resident: Vec<u64>,
}

/// A measurement of ours.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// The record's member `probe_result`.
    pub(crate) result: Value,
    /// What it cost, the program's start included.
    pub(crate) cost: Cost,
}

/// The programs that are compared.
#[derive(Clone, Debug)]
pub(crate) struct Lab {
    agent: PathBuf,
}

impl Lab {
    /// With the agent's program `agent`, or the one beside this program.
    ///
    /// # Errors
    /// When it is not there, or this user may not lay out networks.
    pub(crate) fn new(agent: Option<PathBuf>) -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "the laboratory lays out network namespaces: run it as root"
        );
        let agent = agent.unwrap_or_else(|| program::path("glimpse-agent"));
        ensure!(agent.exists(), "{} is not there", agent.display());
        Ok(Self { agent })
    }

    /// The agent's program.
    pub(crate) fn agent_program(&self) -> &Path {
        &self.agent
    }

    /// `glimpse-agent measure METHOD NAME=VALUE… --json`; `options` is a JSON object.
    pub(crate) fn measuring(&self, method: &str, options: &Value) -> Command {
        let mut command = Command::new(&self.agent);
        command.args(["measure", method]);
        for (name, value) in options.as_object().into_iter().flatten() {
            command.arg(match value {
                Value::String(text) => format!("{name}={text}"),
                other => format!("{name}={other}"),
            });
        }
        // No daemon is told of it, and no file of this machine is read.
        command.args(["--json", "--config", "/nonexistent"]);
        command
    }

    /// Measures, and gives the record of a run that came to its end.
    ///
    /// # Errors
    /// When the agent failed, or its record says so.
    pub(crate) fn measure(
        &self,
        place: Place<'_>,
        method: &str,
        options: &Value,
    ) -> Result<Measured> {
        let finished = run(place, &mut self.measuring(method, options))?;
        let record: Value = serde_json::from_str(&finished.out)
            .with_context(|| format!("{method} {options}: no record: {}", finished.err.trim()))?;
        ensure!(
            record["status"] == "ok",
            "{method} {options}: {} {}",
            record["status"],
            record["error"]
        );
        Ok(Measured {
            result: record["probe_result"].clone(),
            cost: finished.cost,
        })
    }
}

/// Starts `command` in `place`, without `ip netns exec` between, whose cost would be counted as the program's.
pub(crate) fn spawn(place: Place<'_>, command: &mut Command) -> Result<Child> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = match place {
        // A child belongs to the namespace of the thread that starts it.
        Some(namespace) => namespace.enter(|| command.spawn())?,
        None => command.spawn(),
    };
    started.with_context(|| format!("{name} cannot be started: is its package installed?"))
}

/// Runs `command` in `place` to its end, whatever its exit code. Costs are right while no other thread of this program
/// waits for a child that ends meanwhile.
pub(crate) fn run(place: Place<'_>, command: &mut Command) -> Result<Finished> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let (before, start) = (children_cpu()?, now());
    let child = spawn(place, command)?;
    let (output, seen) = Watch::over(&child).during(|| child.wait_with_output());
    let wall = since(start);
    let output = output?;
    let cpu = children_cpu()?.saturating_sub(before);
    if seen.overdue {
        bail!(
            "{command:?} did not end within {} s",
            cost::LONGEST.as_secs()
        );
    }
    Ok(Finished {
        status: output.status,
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        cost: Cost {
            wall,
            cpu,
            peak: seen.peak,
        },
        resident: seen.resident,
    })
}

/// A service that was told to stop when it had done its work.
#[derive(Clone, Debug)]
pub(crate) struct Served<T> {
    /// What its work came to.
    pub(crate) done: T,
    /// What it cost from start to end.
    pub(crate) cost: Cost,
    /// Bytes resident after each second.
    pub(crate) resident: Vec<u64>,
}

/// Runs `command` in `place` until `done` says that its work is done, and what it came to; then it is told to stop. `done`
/// must start no programs: their cost would be counted.
pub(crate) fn serve<T>(
    place: Place<'_>,
    command: &mut Command,
    mut done: impl FnMut() -> Result<Option<T>>,
) -> Result<Served<T>> {
    let (before, start) = (children_cpu()?, now());
    let mut child = spawn(place, command)?;
    let (found, seen) = Watch::over(&child).during(|| {
        loop {
            match done() {
                Ok(None) if matches!(child.try_wait(), Ok(None)) => glimpse_tests::pause(LOOK),
                Ok(None) => bail!("{command:?} ended before its work was done"),
                Ok(Some(found)) => return Ok(found),
                Err(error) => return Err(error),
            }
        }
    });
    // It may have ended by itself.
    let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
    let ended = ended(&mut child);
    let wall = since(start);
    let cpu = children_cpu()?.saturating_sub(before);
    let done = found?;
    ensure!(ended?.success(), "{command:?} did not stop as it was told");
    Ok(Served {
        done,
        cost: Cost {
            wall,
            cpu,
            peak: seen.peak,
        },
        resident: seen.resident,
    })
}

/// Waits until a program that was told to stop has done so, and ends it when it does not.
fn ended(child: &mut Child) -> Result<ExitStatus> {
    let start = now();
    while since(start) < STOPPED {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        glimpse_tests::pause(LOOK);
    }
    child.kill()?;
    Ok(child.wait()?)
}

/// The same, of a program that has to succeed.
pub(crate) fn run_well(place: Place<'_>, command: &mut Command) -> Result<Finished> {
    let finished = run(place, command)?;
    if finished.status.success() {
        return Ok(finished);
    }
    Err(anyhow!(
        "{command:?}: {} ({})",
        finished.err.trim(),
        finished.status
    ))
}

#[cfg(test)]
mod tests;
