//! A controller on loopback that the emulated agents call.

use super::Running;
use crate::{clock, process, workspace};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long it may take until it answers.
const STARTING: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(100);

/// A controller in a folder of its own. It ends with this value.
pub(super) struct Controller {
    program: PathBuf,
    folder: TempDir,
    _serving: Running,
    /// Where agents find it.
    pub(super) url: String,
    /// Of its root.
    pub(super) fingerprint: String,
}

impl Controller {
    /// Builds it as programs are built for tests, and starts it.
    pub(super) fn start() -> Result<Self> {
        process::run(process::cargo().args([
            "build",
            "--locked",
            "--package",
            "glimpse-controller",
            "--bins",
        ]))?;
        let target = workspace::Metadata::read(&workspace::host()?)?.target_directory;
        let program = target.join("debug/glimpse-controller");
        let folder = tempfile::tempdir()?;
        let init = process::read(
            Command::new(&program)
                .args(["init", "--json", "--name", "127.0.0.1", "--dir"])
                .arg(folder.path()),
        )?;
        let init: Value = serde_json::from_slice(&init)?;
        let fingerprint = init["ca_fingerprint"]
            .as_str()
            .context("`glimpse-controller init` names no fingerprint")?
            .to_owned();
        let [agents, alto, admin] = free_ports()?;
        let config = folder.path().join("controller.toml");
        fs::write(
            &config,
            format!(
                "[listen]\nagent = \"{agents}\"\nalto = \"{alto}\"\nadmin = \"{admin}\"\n\n\
                 [agents]\npull = {{ periodic = {{ interval = 2000 }} }}\n\n\
                 [limits]\nruns_per_hour = 200000\npackets_per_second = 10000\n"
            ),
        )?;
        let serving = Command::new(&program)
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()
            .context("the controller did not start")?;
        let controller = Self {
            program,
            folder,
            _serving: Running(serving),
            url: format!("https://{agents}"),
            fingerprint,
        };
        let started = clock::now();
        while TcpStream::connect(agents).is_err() {
            ensure!(
                started.elapsed() < STARTING,
                "the controller does not answer at {agents}"
            );
            clock::pause(LOOK);
        }
        Ok(controller)
    }

    /// A one-time token.
    pub(super) fn invite(&self) -> Result<String> {
        let invited: Value = serde_json::from_slice(&self.ask(&["agent", "invite", "--json"])?)?;
        Ok(invited["token"].as_str().context("no token")?.to_owned())
    }

    /// Gives all agents something to do.
    pub(super) fn instruct(&self, document: &Value) -> Result<()> {
        let path = self.folder.path().join("instruction.json");
        fs::write(&path, document.to_string())?;
        let path = path.to_str().context("a folder's name is no text")?;
        self.ask(&["instruction", "add", "--json", path])
            .map(|_| ())
    }

    /// A good record of the agent, if one has arrived.
    pub(super) fn result_of(&self, agent: &str) -> Result<Option<Value>> {
        let lines = self.ask(&["results", "export", "--format", "jsonl"])?;
        for line in lines.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let mut line: Value = serde_json::from_slice(line)?;
            if line["agent"] == agent && line["record"]["status"] == "ok" {
                return Ok(Some(line["record"].take()));
            }
        }
        Ok(None)
    }

    fn ask(&self, words: &[&str]) -> Result<Vec<u8>> {
        process::read(
            Command::new(&self.program)
                .args(words)
                .arg("--config")
                .arg(self.folder.path().join("controller.toml")),
        )
    }
}

/// Ports of loopback that nobody listens at. Somebody else may take one before we do; the controller then says so.
fn free_ports() -> Result<[SocketAddr; 3]> {
    let listeners = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
    let mut ports = Vec::new();
    for listener in &listeners {
        let listener = listener.as_ref().ok().context("no free port")?;
        ports.push(listener.local_addr()?);
    }
    ports.try_into().ok().context("three ports")
}
