//! `cargo xtask cross-test`: the agent as routers have it, built for each kind of them and run by Debian's emulators: it tells its
//! version, enrols with a real controller over HTTPS, pulls an instruction, pings, and sends what it measured.

mod controller;

use crate::packages::{self, PYTHON, QEMU};
use crate::size::{Target, Variant, Weight, build_for};
use crate::{clock, process};
use anyhow::{Context, Result, bail, ensure};
use controller::Controller;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an emulated agent may take until its first result has arrived.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often the controller is asked for it.
const LOOK: Duration = Duration::from_secs(1);
/// Starts a program that gets no netlink sockets. Debian's emulator (7.2) does not turn all of an answer of netlink round for
/// big-endian MIPS, and the C library there reads it for ever.
const WITHOUT_NETLINK: &str = "\
import ctypes, os, struct, sys
# socket (41) of the family netlink (16) fails with EAFNOSUPPORT (97); the emulator's calls are those of x86_64.
rules = [(0x20, 0, 0, 0), (0x15, 0, 3, 41), (0x20, 0, 0, 16), (0x15, 0, 1, 16), (0x06, 0, 0, 0x50061), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b''.join(struct.pack('HBBI', *rule) for rule in rules))
program = ctypes.create_string_buffer(struct.pack('HxxxxxxQ', len(rules), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program):
    raise OSError(ctypes.get_errno(), 'prctl')
os.execvp(sys.argv[1], sys.argv[1:])
";

/// What `cargo xtask cross-test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Kinds of routers [default: all]
    #[arg(value_enum)]
    targets: Vec<Target>,
}

/// Builds and runs, and prints a table of it.
///
/// # Errors
/// When one of them does not build or run; the others are tried first.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure(&[QEMU, PYTHON])?;
    ensure!(
        std::env::consts::ARCH == "x86_64",
        "the emulators are held to the system calls of x86_64: run this on such a machine"
    );
    let targets = if arguments.targets.is_empty() {
        &Target::ALL[..]
    } else {
        &arguments.targets
    };
    let controller = Controller::start()?;
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for &target in targets {
        match test(target, &controller) {
            Ok(row) => rows.push(row),
            Err(error) => {
                eprintln!("{target}: {error:#}");
                failed.push(target.name());
            }
        }
    }
    println!("| target | program | tar.gz | runs |");
    println!("|---|---|---|---|");
    for row in &rows {
        println!("{row}");
    }
    ensure!(
        failed.is_empty(),
        "these did not run: {}",
        failed.join(", ")
    );
    Ok(())
}

/// One target, as a row of the table.
fn test(target: Target, controller: &Controller) -> Result<String> {
    let built = build_for(target, Variant::Full)?;
    let full = Weight::of(target, Variant::Full, &built)?;
    let agent = Emulated {
        target,
        program: &built.program,
    };
    let said = process::read(agent.command().arg("--version"))?;
    let version = String::from_utf8_lossy(&said).trim().to_owned();
    ensure!(
        version.contains(env!("CARGO_PKG_VERSION")),
        "it calls itself {version}"
    );
    let sent = measured(&agent, controller)?;
    Ok(format!(
        "| {target} | {} | {} | {version}; enrolled, pulled, {sent} |",
        full.program, full.package
    ))
}

/// Lets the agent enrol and work until a ping of it has arrived; says what arrived.
fn measured(agent: &Emulated<'_>, controller: &Controller) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let config = folder.join("glimpse");
    fs::write(&config, settings(&controller.url, folder))?;
    let token = folder.join("token");
    fs::write(&token, controller.invite()?)?;
    let enrolled = process::read(
        agent
            .command()
            .args(["enrol", "--json", "--controller", &controller.url])
            .args(["--ca-fingerprint", &controller.fingerprint, "--token-file"])
            .arg(&token)
            .arg("--config")
            .arg(&config),
    )?;
    let enrolled: Value = serde_json::from_slice(&enrolled)?;
    let name = enrolled["agent"].as_str().context("no agent's id")?;
    controller.instruct(&json!({
        "id": format!("cross-{}", agent.target), "timing": {"periodic": {"interval": 2000}},
        "task": {"id": "t", "method": "ping", "options": {"host": "127.0.0.1", "type": "Udp", "count": 3, "interval": 100}},
    }))?;
    let log = folder.join("log");
    let mut daemon = agent.command();
    daemon
        .arg("daemon")
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let mut daemon = Running(daemon.spawn().context("the emulator did not start")?);
    let started = clock::now();
    while started.elapsed() < PATIENCE {
        if let Some(record) = controller.result_of(name)? {
            let probe = &record["probe_result"];
            let (sent, back) = (&probe["round_trip_sent"], &probe["round_trip_received"]);
            return Ok(format!("ping: {back} of {sent} came back"));
        }
        if let Some(status) = daemon.0.try_wait()? {
            bail!("the daemon ended ({status}): {}", end_of(&log));
        }
        clock::pause(LOOK);
    }
    bail!("no ping arrived within {PATIENCE:?}: {}", end_of(&log))
}

fn settings(url: &str, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "config controller 'controller'\n\toption url '{url}'\n\toption state_dir '{folder}/state'\n\n\
         config consent 'consent'\n\toption enabled '1'\n\n\
         config limits 'limits'\n\toption target_rate '600'\n\toption target_parallel '8'\n\n\
         config storage 'storage'\n\toption spool_dir '{folder}/spool'\n\toption history_dir '{folder}/history'\n\n\
         config local 'local'\n\toption socket '{folder}/agent.sock'\n\toption ubus '{folder}/ubus.sock'\n\n\
         config lab 'lab'\n\toption targets '1'\n"
    )
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}

/// The agent of another processor.
struct Emulated<'a> {
    target: Target,
    program: &'a Path,
}

impl Emulated<'_> {
    fn command(&self) -> Command {
        let mut command = match self.target {
            Target::X86_64 => return Command::new(self.program),
            Target::Mips24kc => {
                let mut command = Command::new(PYTHON.program);
                command
                    .args(["-c", WITHOUT_NETLINK])
                    .arg(self.target.emulator());
                command
            }
            _ => Command::new(self.target.emulator()),
        };
        command.arg(self.program);
        command
    }
}

/// A program that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // What has ended by itself is only to be waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_netlink_is_refused() {
        let script = "import socket\nsocket.socket().close()\ntry:\n    socket.socket(socket.AF_NETLINK)\nexcept OSError as e:\n    print(e.errno)";
        let said = process::read(Command::new(PYTHON.program).args([
            "-c",
            WITHOUT_NETLINK,
            PYTHON.program,
            "-c",
            script,
        ]))
        .unwrap();
        assert_eq!(String::from_utf8_lossy(&said).trim(), "97");
    }
}
