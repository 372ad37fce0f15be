//! A controller of its own directory and ports.

use crate::program::{self, Running};
use crate::{eventually, program::json};
use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A controller on loopback.
#[derive(Debug)]
pub struct Controller {
    dir: TempDir,
    ports: [u16; 3],
    /// Fingerprint of its root.
    pub fingerprint: String,
    running: Option<Running>,
}

impl Controller {
    /// Makes a controller; `sections` are further TOML sections of its configuration.
    ///
    /// # Panics
    /// When `init` fails.
    pub fn init(sections: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let made = json(
            Command::new(program::path("glimpse-controller"))
                .args(["init", "--json", "--dir"])
                .arg(dir.path())
                .args(["--name", "localhost", "--name", "127.0.0.1"]),
        )
        .expect("init");
        let ports = free_ports();
        let controller = Self {
            ports,
            fingerprint: made["ca_fingerprint"]
                .as_str()
                .expect("a fingerprint")
                .to_owned(),
            running: None,
            dir,
        };
        controller.configure(sections);
        controller
    }

    /// A controller that serves, with short waits and open limits.
    pub fn serving() -> Self {
        let mut controller = Self::init(LAB);
        controller.serve();
        controller
    }

    /// Writes the configuration anew.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn configure(&self, sections: &str) {
        let [agent, alto, admin] = self.ports;
        let listen = format!(
            "[listen]\nagent = \"127.0.0.1:{agent}\"\nalto = \"127.0.0.1:{alto}\"\nadmin = \"127.0.0.1:{admin}\"\n\n"
        );
        fs::write(self.config(), listen + sections).expect("the configuration");
    }

    /// Starts serving and waits until agents can connect.
    pub fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        self.running = Some(Running::start(&mut command, &self.log_path()));
        let agent = self.ports[0];
        eventually("the controller listens", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", agent)).ok()
        });
    }

    /// Starts serving agents on another port, to take somebody's place.
    pub fn serve_on(&mut self, port: u16) {
        self.ports[0] = port;
        self.configure(LAB);
        self.serve();
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// Process id of the server, if it serves.
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Running::pid)
    }

    /// Where agents call.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[0])
    }

    /// Port where agents call.
    pub fn agent_port(&self) -> u16 {
        self.ports[0]
    }

    /// Port of the ALTO maps.
    pub fn alto_port(&self) -> u16 {
        self.ports[1]
    }

    /// Port of health and metrics.
    pub fn admin_port(&self) -> u16 {
        self.ports[2]
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// A one-time token; `words` are further arguments of `agent invite`.
    ///
    /// # Panics
    /// When there is none.
    pub fn invite(&self, words: &[&str]) -> String {
        let mut arguments = vec!["agent", "invite", "--json"];
        arguments.extend(words);
        let invited = self.ask(&arguments).expect("an invitation");
        invited["token"].as_str().expect("a token").to_owned()
    }

    /// Adds instructions for all agents.
    ///
    /// # Panics
    /// When they are refused.
    pub fn instruct(&self, document: &Value) {
        let path = self.dir().join("instruction.json");
        fs::write(&path, document.to_string()).expect("a file");
        let path = path.to_str().expect("a path of ours").to_owned();
        self.ask(&["instruction", "add", "--json", &path])
            .expect("admitted");
    }

    /// Runs a command of the controller and gives its JSON.
    ///
    /// # Errors
    /// What it said when it failed.
    pub fn ask(&self, words: &[&str]) -> Result<Value, String> {
        json(&mut self.command(words))
    }

    /// All stored records, in the order of the export, each with the id of its `agent`.
    ///
    /// # Panics
    /// When the export fails or is not JSON Lines.
    pub fn results(&self) -> Vec<Value> {
        let output = self
            .command(&["results", "export", "--format", "jsonl"])
            .output()
            .expect("export runs");
        assert!(output.status.success(), "{}", program::words(&output));
        output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                let mut line: Value = serde_json::from_slice(line).expect("a line of JSON");
                let mut record = line["record"].take();
                record["agent"] = line["agent"].take();
                record
            })
            .collect()
    }

    /// A command of the controller with its configuration named.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program::path("glimpse-controller"));
        command.args(words).arg("--config").arg(self.config());
        command
    }

    fn config(&self) -> PathBuf {
        self.dir().join("controller.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.dir().join("log")
    }
}

/// Sections for tests: what is new reaches agents by the long poll alone, everything is admitted and published,
/// on a machine that is busy with other tests too.
pub const LAB: &str = r"
[agents]
wait_s = 20
pull = { periodic = { interval = 3600000 } }

[limits]
runs_per_hour = 1e9
packets_per_second = 1e9

[alto]
interval_s = 1
lab = true
trust = { cpu_percent = 100, cross_traffic_bps = 1000000000 }
";

/// Ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let listeners = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").expect("a port on loopback"));
    listeners.map(|listener| listener.local_addr().expect("a bound port").port())
}
