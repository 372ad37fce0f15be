//! What must be cleared away at the end, however it ends: programs, namespaces, files.

use super::network::Network;
use crate::{clock, process};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long programs may take to stop by themselves.
const STOPPING: Duration = Duration::from_secs(6);
/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when its program fails.
const LOG_LINES: usize = 8;

/// A temporary folder, the programs started in it, and the networks they run in. All of it goes when this is dropped.
pub(super) struct Stage {
    folder: tempfile::TempDir,
    name: String,
    actors: Vec<Actor>,
    network: Option<Network>,
    stop: Arc<AtomicBool>,
}

struct Actor {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Stage {
    /// An empty stage. From now on Ctrl-C is a wish, see [`Self::interrupted`].
    pub(super) fn new() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).context("signals")?;
        }
        let folder = tempfile::Builder::new()
            .prefix("glimpse-")
            .tempdir()
            .context("temporary folder")?;
        Ok(Self {
            folder,
            name: format!("gl{}", std::process::id()),
            actors: Vec::new(),
            network: None,
            stop,
        })
    }

    /// A name for things outside the folder, different for each demonstration that runs.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The folder everything is kept in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes charge of the network.
    pub(super) fn keep(&mut self, network: Network) {
        self.network = Some(network);
    }

    /// The network; loopback while none was laid out.
    pub(super) fn network(&self) -> &Network {
        self.network.as_ref().unwrap_or(&Network::LOOPBACK)
    }

    /// Whether somebody asked us to stop.
    pub(super) fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for `time`, or until somebody asks us to stop.
    pub(super) fn wait(&self, time: Duration) {
        let started = clock::now();
        while !self.interrupted() && started.elapsed() < time {
            clock::pause(LOOK);
        }
    }

    /// Starts a program that goes on until the end; what it says goes to a log.
    pub(super) fn start(&mut self, name: &str, command: &mut Command) -> Result<()> {
        let log = self.folder().join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| log.display().to_string())?;
        // In a group of its own, Ctrl-C at the terminal reaches us alone and we end it in order.
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("log")?)
            .stderr(file)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("`{}` did not start", process::line(command)))?;
        self.actors.push(Actor {
            name: name.to_owned(),
            child,
            log,
        });
        Ok(())
    }

    /// Ends a program at once, as a crash would.
    pub(super) fn crash(&mut self, name: &str) -> Result<()> {
        let place = self.actors.iter().position(|actor| actor.name == name);
        let mut actor = self
            .actors
            .remove(place.with_context(|| format!("{name} does not run"))?);
        actor
            .child
            .kill()
            .with_context(|| format!("ending {name}"))?;
        actor
            .child
            .wait()
            .with_context(|| format!("ending {name}"))?;
        Ok(())
    }

    /// Runs a command to its end and returns what it printed. Ctrl-C at the terminal does not reach it.
    pub(super) fn ask(command: &mut Command) -> Result<String> {
        let answer = process::read(command.process_group(0))?;
        String::from_utf8(answer).context("the answer is not text")
    }

    /// Fails when one of the programs has ended, with the end of its log.
    pub(super) fn check_children(&mut self) -> Result<()> {
        for actor in &mut self.actors {
            if let Some(status) = actor.child.try_wait().context("waiting for a program")? {
                let log = fs::read_to_string(&actor.log).unwrap_or_default();
                bail!(
                    "{} ended by itself ({status}); it said:\n{}",
                    actor.name,
                    last_lines(&log)
                );
            }
        }
        Ok(())
    }

    /// Leaves the logs behind and says where.
    pub(super) fn keep_logs(&self) {
        let kept = std::env::temp_dir().join(format!("{}-logs", self.name));
        if fs::create_dir_all(&kept).is_err() {
            return;
        }
        for actor in &self.actors {
            // Without its log there is one thing less to look at, that is all.
            let _ = fs::copy(&actor.log, kept.join(format!("{}.log", actor.name)));
        }
        eprintln!("The logs are in {}", kept.display());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let started = clock::now();
        for actor in &self.actors {
            // It may have ended already; its pid stays ours until it is waited for.
            let _ = kill(pid_of(&actor.child), Signal::SIGTERM);
        }
        for actor in &mut self.actors {
            while matches!(actor.child.try_wait(), Ok(None)) {
                if started.elapsed() > STOPPING {
                    eprintln!(
                        "{} did not stop within {} s and is killed",
                        actor.name,
                        STOPPING.as_secs()
                    );
                    let _ = actor.child.kill();
                    let _ = actor.child.wait();
                    break;
                }
                clock::pause(LOOK);
            }
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES);
    lines[from..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn programs_end_with_the_stage() {
        let mut stage = Stage::new().unwrap();
        stage
            .start("sleeper", Command::new("sleep").arg("1000"))
            .unwrap();
        let pid = pid_of(&stage.actors[0].child);
        let folder = stage.folder().to_owned();
        stage.check_children().unwrap();
        assert!(kill(pid, None).is_ok());
        drop(stage);
        assert!(kill(pid, None).is_err());
        assert!(!folder.exists());
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_last_words() {
        let mut stage = Stage::new().unwrap();
        stage
            .start(
                "talker",
                Command::new("sh").args(["-c", "echo first; echo last words >&2; exit 7"]),
            )
            .unwrap();
        stage.actors[0].child.wait().unwrap();
        let said = stage.check_children().unwrap_err().to_string();
        assert!(
            said.contains("talker ended by itself (exit status: 7)"),
            "{said}"
        );
        assert!(said.ends_with("  first\n  last words"), "{said}");
    }
}
