//! `glimpse-agent measure`, run to its end with a limit to its time.

use crate::program;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a run came to.
#[derive(Debug)]
pub struct Measured {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The record it printed, null when it printed none.
    pub record: Value,
    /// What it said on standard error.
    pub words: String,
}

impl Measured {
    /// The error that people see: that of the record, else what was said instead of one.
    pub fn error(&self) -> &str {
        self.record["error"].as_str().unwrap_or(&self.words)
    }
}

/// `glimpse-agent measure …` with the agent's own defaults, of the program that was built beside the tests.
pub fn command(words: &[&str]) -> Command {
    with(Command::new(program::path("glimpse-agent")), words)
}

/// The same for a `program` that is started in another way.
pub fn with(mut program: Command, words: &[&str]) -> Command {
    // No settings: what is measured does not depend on those of this machine.
    program
        .arg("measure")
        .args(words)
        .args(["--json", "--config", "/nowhere/glimpse"]);
    program
}

/// Runs it. It must end within `patience`.
///
/// # Panics
/// When it cannot be started, or does not end.
pub async fn run(command: Command, patience: Duration) -> Measured {
    let line = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .env("LC_ALL", "C");
    let output = tokio::time::timeout(patience, command.output())
        .await
        .unwrap_or_else(|_| panic!("not within {} s: {line}", patience.as_secs()))
        .expect("a program that was built starts");
    Measured {
        code: output.status.code(),
        record: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        words: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }
}
