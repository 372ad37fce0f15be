//! Programs under test.

use serde_json::Value;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The program `name`, as cargo built it for this profile: beside the program that asks, or beside the tests.
///
/// # Panics
/// When it was not built.
pub fn path(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let dir = test
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "deps"))
        .or(Some(test.as_path()))
        .and_then(Path::parent)
        .expect("a program lies in a directory");
    let program = dir.join(name);
    assert!(
        program.exists(),
        "{} is not built: run `cargo xtask test`, or `cargo build --bins` before",
        program.display()
    );
    program
}

/// Runs a command to its end and gives its JSON, or its words when it failed.
pub fn json(command: &mut Command) -> Result<Value, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(words(&output));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// What a command said on standard error, and its exit code.
pub fn words(output: &Output) -> String {
    format!(
        "{} (exit code {:?})",
        String::from_utf8_lossy(&output.stderr).trim(),
        output.status.code()
    )
}

/// A program in the background, whose standard error goes to a file. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// Starts `command`; its standard error is added to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options()
            .append(true)
            .create(true)
            .open(log)
            .expect("a log in a directory of ours");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a program that was built starts");
        Self { child }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(mut self) {
        self.end();
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid().cast_signed());
        nix::sys::signal::kill(pid, signal).expect("the program is running");
    }

    /// Its exit code, if it has ended.
    pub fn exited(&mut self) -> Option<Option<i32>> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| status.code())
    }

    fn end(&mut self) {
        match self.child.kill() {
            Err(error) if error.kind() != io::ErrorKind::InvalidInput => {
                panic!("cannot end process {}: {error}", self.child.id());
            }
            _ => {}
        }
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exited().is_none() {
            self.end();
        }
    }
}
