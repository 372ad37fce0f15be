//! An enrolled agent whose household has an operator of its own, and curl.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use glimpse_tests::program::words;
use glimpse_tests::{Agent, Controller, eventually};
use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Home {
    pub(crate) controller: Controller,
    pub(crate) agent: Agent,
    pub(crate) port: u16,
    dir: TempDir,
}

fn fingerprint(der: &[u8]) -> String {
    let hash = digest(&SHA256, der);
    let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "otto");
        let certificate = params.self_signed(&key).unwrap();
        fs::write(
            dir.path().join("otto.pem"),
            pem("CERTIFICATE", certificate.der()),
        )
        .unwrap();
        fs::write(
            dir.path().join("otto.key"),
            pem("PRIVATE KEY", &key.serialize_der()),
        )
        .unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let controller = Controller::serving();
        let settings = format!(
            "config restconf\n\toption enabled '1'\n\tlist listen '127.0.0.1'\n\toption port '{port}'\n\
             \tlist client 'otto operator {}'\n",
            fingerprint(certificate.der())
        );
        let mut agent = Agent::new(&controller.url(), &settings);
        let token = controller.invite(&[]);
        agent
            .enrol(&controller.url(), &token, &controller.fingerprint)
            .unwrap();
        agent.start_and_wait();
        eventually("the door is open", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            controller,
            agent,
            port,
            dir,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// SHA-256 of the certificate by which the agent is known.
    pub(crate) fn agent_fingerprint(&self) -> String {
        let file = self.agent.dir().join("state/identity/certificate.pem");
        fingerprint(&CertificateDer::from_pem_file(file).unwrap())
    }

    fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--insecure",
            "--fail-with-body",
            "--cert",
        ])
        .arg(self.file("otto.pem"))
        .arg("--key")
        .arg(self.file("otto.key"))
        .arg(format!("https://127.0.0.1:{}{path}", self.port));
        curl
    }

    fn run(&self, curl: &mut Command) -> String {
        let output = curl.output().expect("curl runs");
        let body = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(
            output.status.success(),
            "{}\n{body}\n{}",
            words(&output),
            self.agent.log()
        );
        body
    }

    /// What is there, in `json` or `xml`.
    pub(crate) fn get(&self, path: &str, encoding: &str) -> String {
        let accept = format!("Accept: application/yang-data+{encoding}");
        self.run(self.curl(path).args(["-H", &accept]))
    }

    /// Writes a resource.
    pub(crate) fn put(&self, path: &str, body: &Value) {
        let file = self.file("body.json");
        fs::write(&file, body.to_string()).unwrap();
        let kind = "Content-Type: application/yang-data+json";
        let mut curl = self.curl(path);
        curl.args(["-X", "PUT", "-H", kind, "--data-binary"]);
        self.run(curl.arg(format!("@{}", file.display())));
    }

    /// Listens to the agent's notifications; the stream is open when this returns.
    pub(crate) fn listen(&self) -> Listening {
        let (head, events) = (self.file("head"), self.file("events"));
        let curl = self
            .curl("/restconf/streams/NETCONF/json")
            .args(["--no-buffer", "-H", "Accept: text/event-stream"])
            .arg("--dump-header")
            .arg(&head)
            .arg("--output")
            .arg(&events)
            .stderr(Stdio::null())
            .spawn()
            .expect("curl runs");
        let listening = Listening { curl, events };
        eventually("the stream of notifications", PATIENCE, || {
            let head = fs::read_to_string(&head).ok()?;
            head.ends_with("\r\n\r\n").then_some(())
        });
        listening
    }
}

/// A listener to an agent's notifications; it ends with this value.
pub(crate) struct Listening {
    curl: Child,
    events: PathBuf,
}

impl Listening {
    /// What was told so far: `data:` of each event that is whole.
    pub(crate) fn told(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.events).unwrap_or_default();
        let Some((whole, _)) = text.rsplit_once("\n\n") else {
            return Vec::new();
        };
        let data = whole.lines().filter_map(|line| line.strip_prefix("data:"));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _already_ended = self.curl.kill();
        let _status = self.curl.wait();
    }
}
