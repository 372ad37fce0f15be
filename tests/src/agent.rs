//! An agent of its own directory.

use crate::controller::Controller;
use crate::eventually;
use crate::program::{self, Running, json, words};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// An agent on loopback.
#[derive(Debug)]
pub struct Agent {
    dir: TempDir,
    running: Option<Running>,
}

impl Agent {
    /// An agent that calls `url` once it is enrolled; `settings` are further UCI sections.
    ///
    /// # Panics
    /// When its directory cannot be made.
    pub fn new(url: &str, settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let agent = Self { dir, running: None };
        agent.configure(url, settings);
        agent
    }

    /// An agent that is enrolled with `controller` and runs.
    ///
    /// # Panics
    /// When it cannot be enrolled.
    pub fn enrolled(controller: &Controller, invitation: &[&str]) -> Self {
        let mut agent = Self::new(&controller.url(), "");
        let token = controller.invite(invitation);
        agent
            .enrol(&controller.url(), &token, &controller.fingerprint)
            .expect("enrolment");
        agent.start();
        agent
    }

    /// Writes the settings anew.
    ///
    /// # Panics
    /// When they cannot be written.
    pub fn configure(&self, url: &str, settings: &str) {
        let dir = self.dir().display();
        let text = format!(
            "config controller\n\toption url '{url}'\n\toption state_dir '{dir}/state'\n\
             config consent\n\toption enabled '1'\n\
             config local\n\toption socket '{dir}/run/agent.sock'\n\toption ubus '{dir}/ubus.sock'\n\
             config log\n\toption level 'debug'\n\
             config lab\n\toption targets '1'\n{settings}\n"
        );
        let storage = format!(
            "config storage\n\toption spool_dir '{dir}/spool'\n\toption history_dir '{dir}/history'\n"
        );
        let limits = "config limits\n\toption target_rate '6000'\n\toption target_parallel '16'\n\
                      \toption target_bytes '1000000000'\n\toption minute_bytes '1000000000'\n";
        let text = [
            (!settings.contains("config storage")).then_some(storage.as_str()),
            (!settings.contains("config limits")).then_some(limits),
        ]
        .into_iter()
        .flatten()
        .fold(text, |text, section| text + section);
        fs::write(self.config(), text).expect("the settings");
    }

    /// Enrols with a token handed over on standard input.
    ///
    /// # Errors
    /// What it said when it failed.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub fn enrol(&self, url: &str, token: &str, fingerprint: &str) -> Result<Value, String> {
        let mut command =
            self.command(&["enrol", "--json", "--token-file", "-", "--controller", url]);
        if !fingerprint.is_empty() {
            command.args(["--ca-fingerprint", fingerprint]);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the agent starts");
        let mut input = child.stdin.take().expect("a pipe");
        // An agent that refuses before reading closes its end.
        let _ = input.write_all(token.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("the agent ends");
        if !output.status.success() {
            return Err(words(&output));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        let mut command = self.command(&["daemon"]);
        self.running = Some(Running::start(&mut command, &self.log_path()));
    }

    /// Starts the daemon and waits until it answers.
    pub fn start_and_wait(&mut self) {
        self.start();
        eventually("the daemon answers", Duration::from_secs(10), || {
            self.status().ok()
        });
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// Asks it to stop and gives its exit code.
    ///
    /// # Panics
    /// When it does not stop within 5 s.
    pub fn stop(&mut self) -> Option<i32> {
        let mut running = self.running.take().expect("the daemon runs");
        running.signal(Signal::SIGTERM);
        eventually("the daemon stops", Duration::from_secs(5), || {
            running.exited()
        })
    }

    /// Sends the daemon a signal.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: Signal) {
        self.running
            .as_ref()
            .expect("the daemon runs")
            .signal(signal);
    }

    /// Process id of the daemon, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// What `status --json` says.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn status(&self) -> Result<Value, String> {
        self.ask(&["status", "--json"])
    }

    /// Runs a command of the agent and gives its JSON.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn ask(&self, words: &[&str]) -> Result<Value, String> {
        json(&mut self.command(words))
    }

    /// A command of the agent with its settings named.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program::path("glimpse-agent"));
        command.args(words).arg("--config").arg(self.config());
        command
    }

    /// Records that wait to be sent.
    pub fn waiting(&self) -> Option<u64> {
        self.status().ok()?["spool"]["waiting"].as_u64()
    }

    /// The ids of all records that reached its spool, by its log.
    pub fn spooled(&self) -> BTreeSet<String> {
        self.log()
            .lines()
            .filter_map(|line| line.strip_prefix("debug: spooled result="))
            .map(|id| id.trim().to_owned())
            .collect()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Where it looks for a system bus; there is none unless a test starts one.
    pub fn bus(&self) -> PathBuf {
        self.dir().join("ubus.sock")
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its settings.
    pub fn config(&self) -> PathBuf {
        self.dir().join("glimpse")
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("log")
    }
}
