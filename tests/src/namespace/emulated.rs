//! A namespace whose only way out is an emulated network.

use super::{Namespace, NamespaceError};
use crate::emulator::edge::{Report, Rest, read_log};
use crate::emulator::{Departure, Topology, topology};
use crate::program;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;
use tempfile::TempDir;

/// Name of the device in every emulated namespace.
pub const DEVICE: &str = "emulated0";

/// A namespace in which the emulator plays a topology. The emulator ends with this value, and also with this program: it
/// watches its standard input.
#[derive(Debug)]
pub struct Emulated {
    // Dropped first: a device in use keeps its namespace.
    emulator: Emulator,
    namespace: Namespace,
    far: Option<Namespace>,
    topology: Topology,
    dir: TempDir,
}

#[derive(Debug)]
struct Emulator {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Emulated {
    /// Plays the topology `name` of `tests/data/topologies`.
    pub fn start(name: &str, seed: u64) -> Result<Self, NamespaceError> {
        Self::play(name, seed, None, Rest::Sleep)
    }

    /// The same, exact to a few microseconds at the cost of a whole processor: where round trips are compared with the truth.
    pub fn exact(name: &str, seed: u64) -> Result<Self, NamespaceError> {
        Self::play(name, seed, None, Rest::Never)
    }

    /// The same, with a second namespace in the place of the outlet `host`: see [`Emulated::far`].
    pub fn with_outlet(name: &str, seed: u64, host: &str) -> Result<Self, NamespaceError> {
        Self::play(name, seed, Some(host), Rest::Sleep)
    }

    fn play(name: &str, seed: u64, host: Option<&str>, rest: Rest) -> Result<Self, NamespaceError> {
        let topology = Topology::load(name)?;
        let namespace = Namespace::new("glimpse-lab")?;
        // Whoever else wants the processor waits: time is what this program is about.
        let mut command = Command::new("nice");
        command
            .args(["-n", "-15"])
            .arg(program::path("glimpse-emulator"))
            .arg(topology::path(name))
            .args(["--device", DEVICE, "--seed", &seed.to_string()]);
        if rest == Rest::Never {
            command.arg("--busy");
        }
        let far = match host {
            None => None,
            Some(host) => {
                let far = Namespace::new("glimpse-far")?;
                command.args(["--outlet", &format!("{host}=outlet0@{}", far.name())]);
                Some(far)
            }
        };
        let failed = |what: std::io::Error| NamespaceError::Emulator(what.to_string());
        let dir = tempfile::tempdir().map_err(failed)?;
        command.arg("--log").arg(log_in(&dir));
        let mut child = namespace
            .inside(&command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let out = child.stdout.take().map(BufReader::new);
        let Some(out) = out else {
            return Err(NamespaceError::Emulator("no standard output".to_owned()));
        };
        let mut emulator = Emulator { child, out };
        let said = emulator.line();
        if said != "ready" {
            return Err(NamespaceError::Emulator(format!(
                "it said {said:?} instead of \"ready\"; see standard error"
            )));
        }
        Ok(Self {
            emulator,
            namespace,
            far,
            topology,
            dir,
        })
    }

    /// Where the vantage point is.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where the outlet is; for [`Emulated::with_outlet`].
    ///
    /// # Panics
    /// When there is none.
    pub fn far(&self) -> &Namespace {
        self.far
            .as_ref()
            .expect("the emulator was started with an outlet")
    }

    /// What is played.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Ends the emulator and gives what left its links with a rate, and how well it kept its time. Departures are on the
    /// clock `CLOCK_MONOTONIC_RAW`, which is that of [`glimpse_net::stamp::monotonic_ns`].
    ///
    /// # Panics
    /// When the emulator has failed meanwhile.
    pub fn stop(mut self) -> (Vec<Departure>, Report) {
        drop(self.emulator.child.stdin.take());
        let said = self.emulator.line();
        let report = Report::from_str(&said).expect("the emulator ends with its report");
        let departures = read_log(&log_in(&self.dir)).expect("the emulator has kept its log");
        (departures, report)
    }
}

fn log_in(dir: &TempDir) -> PathBuf {
    dir.path().join("departures")
}

impl Emulator {
    /// The next line it says; empty when it has ended.
    fn line(&mut self) -> String {
        let mut line = String::new();
        // A line that cannot be read is as good as none: the caller says what it expected.
        let _ = self.out.read_line(&mut line);
        line.trim().to_owned()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
