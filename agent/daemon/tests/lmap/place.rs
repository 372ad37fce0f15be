//! Authorities, and an enrolled agent in a directory of its own.

use crate::client::Client;
use glimpse_agent::clock::steady;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_glimpse-agent");
/// The name the agent is pinned to.
pub(crate) const CONTROLLER: &str = "controller.example";

/// An authority.
pub(crate) struct Signer {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
}

/// As our controller makes them: each side is client and server.
const USAGES: [ExtendedKeyUsagePurpose; 2] = [
    ExtendedKeyUsagePurpose::ServerAuth,
    ExtendedKeyUsagePurpose::ClientAuth,
];

fn pem(label: &str, der: &[u8]) -> String {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap()
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    params
}

fn authority(name: &str, unit: Option<&str>) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    if let Some(unit) = unit {
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.extended_key_usages = USAGES.to_vec();
    }
    params
}

impl Signer {
    pub(crate) fn root() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority("GLIMPSE root", None);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: pem("CERTIFICATE", certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }

    fn intermediate(&self, unit: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority(&format!("GLIMPSE {unit}"), Some(unit));
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: pem("CERTIFICATE", certificate.der()),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate, with a name that can be looked up or without.
    pub(crate) fn leaf(&self, common_name: &str, san: Option<&str>) -> Leaf {
        let mut params = params(common_name);
        let names: Vec<String> = san.into_iter().map(str::to_owned).collect();
        params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
        self.sign(params)
    }

    /// An agent's, as our controller makes it.
    fn agent(&self, id: &str) -> Leaf {
        let mut params = params(id);
        let uri = format!("urn:glimpse:agent:{id}").try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(uri)];
        self.sign(params)
    }

    /// A certificate for the next seconds.
    pub(crate) fn brief(&self, common_name: &str, seconds: i64) -> Leaf {
        let end = glimpse_agent::clock::now().as_micros() / 1_000_000 + seconds;
        let mut params = params(common_name);
        params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end.unsigned_abs());
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        params.extended_key_usages = USAGES.to_vec();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            der: certificate.der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            pem: pem("CERTIFICATE", certificate.der()),
            key_pem: pem("PRIVATE KEY", &key.serialize_der()),
        }
    }
}

impl Leaf {
    /// As the household lists it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.der);
        digest
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect()
    }
}

/// An installation's authorities.
pub(crate) struct Authorities {
    pub(crate) root: Signer,
    pub(crate) controllers: Signer,
    pub(crate) agents: Signer,
}

impl Authorities {
    pub(crate) fn new() -> Self {
        let root = Signer::root();
        Self {
            controllers: root.intermediate("controllers"),
            agents: root.intermediate("agents"),
            root,
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// An enrolled agent.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) authorities: Authorities,
    pub(crate) agent: Leaf,
    pub(crate) controller: Leaf,
    /// A reader.
    pub(crate) olga: Leaf,
    /// An operator.
    pub(crate) otto: Leaf,
    pub(crate) port: u16,
    /// Where its controller is, and with it the controller's collector.
    pub(crate) controller_port: u16,
    child: Option<Child>,
}

impl Place {
    /// An agent that listens on loopback; `more` are further lines of `config restconf`.
    pub(crate) fn new(more: &str) -> Self {
        let authorities = Authorities::new();
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            agent: authorities.agents.agent("agent-7"),
            controller: authorities.controllers.leaf("controller", Some(CONTROLLER)),
            olga: Signer::root().leaf("olga", None),
            otto: Signer::root().leaf("otto", None),
            port: free_port(),
            controller_port: free_port(),
            authorities,
            child: None,
        };
        let identity = place.path("state/identity");
        fs::create_dir_all(&identity).unwrap();
        let write = |name: &str, text: &str| fs::write(identity.join(name), text).unwrap();
        write("key.pem", &place.agent.key_pem);
        write("certificate.pem", &place.agent.pem);
        let Authorities {
            root,
            controllers,
            agents,
        } = &place.authorities;
        let authorities = [&root.pem, &controllers.pem, &agents.pem].map(String::as_str);
        write("ca.pem", &authorities.concat());
        write("controller", CONTROLLER);
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(identity.join("key.pem"), private).unwrap();
        place.configure(more);
        place
    }

    /// Writes the settings anew.
    pub(crate) fn configure(&self, more: &str) {
        let dir = self.dir.path().display();
        let text = format!(
            "config controller\n\toption state_dir '{dir}/state'\n\toption url 'https://127.0.0.1:{}'\n\
             config consent\n\toption enabled '1'\n\
             config local\n\toption socket '{dir}/run/agent.sock'\n\
             config log\n\toption level 'debug'\n\
             config lab\n\toption targets '1'\n\
             config limits\n\toption target_rate '6000'\n\toption target_parallel '16'\n\
             config storage\n\toption spool_dir '{dir}/spool'\n\toption history_dir '{dir}/history'\n\
             config restconf\n\toption enabled '1'\n\tlist listen '127.0.0.1'\n\toption port '{}'\n\
             \tlist client 'olga {}'\n\tlist client 'otto operator {}'\n{more}\n",
            self.controller_port,
            self.port,
            self.olga.fingerprint(),
            self.otto.fingerprint(),
        );
        fs::write(self.path("glimpse"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where reports to the controller go.
    pub(crate) fn collector(&self) -> String {
        format!("https://127.0.0.1:{}/restconf", self.controller_port)
    }

    /// A command of its program.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(AGENT);
        command
            .args(words)
            .arg("--config")
            .arg(self.path("glimpse"));
        command
    }

    /// Adds a plug-in, a shell script that runs `run`, with further members of its description.
    pub(crate) fn plugin(&self, name: &str, longest_ms: u32, more: &str, run: &str) {
        let mode = |path: &PathBuf, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&self.dir.path().to_owned(), 0o755);
        let plugins = self.path("plugins");
        fs::create_dir_all(&plugins).unwrap();
        mode(&plugins, 0o755);
        let text = format!(
            "#!/bin/sh\ncase \"$1\" in\ndescribe) echo '{{\"contract\":1,\"name\":\"{name}\",\
             \"worst_case_bytes\":1000,\"longest_run_ms\":{longest_ms}{more}}}' ;;\nrun)\n{run}\n;;\nesac\n"
        );
        let path = plugins.join(format!("{name}.sh"));
        fs::write(&path, text).unwrap();
        mode(&path, 0o755);
        let settings = fs::read_to_string(self.path("glimpse")).unwrap();
        if !settings.contains("config plugins") {
            let dir = plugins.display();
            let more = format!(
                "config plugins\n\toption enabled '1'\n\toption directory '{dir}'\n\toption user 'nobody'\n"
            );
            fs::write(self.path("glimpse"), settings + &more).unwrap();
        }
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub(crate) fn start(&mut self) {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path("log"))
            .unwrap();
        let child = Command::new(AGENT)
            .arg("daemon")
            .arg("--config")
            .arg(self.path("glimpse"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Tells it to stop, or kills it, and waits.
    pub(crate) fn stop(&mut self, kindly: bool) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        if kindly {
            let id = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).unwrap();
        } else {
            child.kill().unwrap();
        }
        child.wait().unwrap();
    }

    /// Has it read its settings again.
    pub(crate) fn reload(&self) {
        let id = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        let id = nix::unistd::Pid::from_raw(id);
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGHUP).unwrap();
    }

    /// A started agent.
    pub(crate) async fn started(more: &str) -> Self {
        let mut place = Self::new(more);
        place.start();
        place.ready().await;
        place
    }

    /// Waits until it listens.
    pub(crate) async fn ready(&self) {
        let began = steady();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .is_err()
        {
            assert!(began.elapsed() < Duration::from_secs(45), "{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The controller's connection.
    pub(crate) async fn controller(&self) -> Client {
        self.connect(&self.controller).await
    }

    /// A connection of anybody who may make one.
    pub(crate) async fn connect(&self, leaf: &Leaf) -> Client {
        Client::connect(self.port, Some(leaf), &self.agent.der)
            .await
            .unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
