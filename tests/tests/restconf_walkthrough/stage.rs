//! A home, the router that hides it, and the town with the controller.

use glimpse_tests::namespace::{End, Namespace};
use glimpse_tests::program::{self, Running, words};
use glimpse_tests::{eventually, pause};
use nix::sys::signal::Signal;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Where the document has the controller's files.
const DIRECTORY: &str = "/etc/glimpse-controller";
/// The controller.
const NAME: &str = "c.example.net";
const ADDRESS: &str = "203.0.113.1";
/// The agent in its home.
const AGENT: &str = "192.168.1.2";
const PATIENCE: Duration = Duration::from_secs(20);

/// The names that a namespace knows (`ip netns exec` has them in the place of `/etc/hosts`).
struct Names(PathBuf);

impl Names {
    fn of(namespace: &Namespace) -> Self {
        let folder = Path::new("/etc/netns").join(namespace.name());
        fs::create_dir_all(&folder).expect("root may");
        let hosts = format!("127.0.0.1 localhost\n{ADDRESS} {NAME}\n");
        fs::write(folder.join("hosts"), hosts).unwrap();
        Self(folder)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) struct Stage {
    // Programs end before their namespaces are taken away.
    agent: Option<Running>,
    controller: Option<Running>,
    dir: TempDir,
    _names: [Names; 2],
    home: Namespace,
    router: Namespace,
    town: Namespace,
}

fn address(text: &str) -> (IpAddr, u8) {
    (text.parse().unwrap(), 24)
}

impl Stage {
    pub(crate) fn new() -> Self {
        let [home, router, town] =
            ["home", "router", "town"].map(|name| Namespace::new(name).unwrap());
        home.join(
            End {
                device: "eth0",
                addresses: &[address(AGENT)],
            },
            &router,
            End {
                device: "lan",
                addresses: &[address("192.168.1.1")],
            },
        )
        .unwrap();
        router
            .join(
                End {
                    device: "wan",
                    addresses: &[address("203.0.113.2")],
                },
                &town,
                End {
                    device: "eth0",
                    addresses: &[address(ADDRESS)],
                },
            )
            .unwrap();
        home.ip(&["route", "add", "default", "via", "192.168.1.1"])
            .unwrap();
        router
            .enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
            .unwrap()
            .unwrap();
        let stage = Self {
            agent: None,
            controller: None,
            dir: tempfile::tempdir().unwrap(),
            _names: [Names::of(&home), Names::of(&town)],
            home,
            router,
            town,
        };
        let rules = stage.path("nat");
        let text = "table ip nat {\n\tchain out {\n\t\ttype nat hook postrouting priority 100\n\t\toifname \"wan\" masquerade\n\t}\n}\n\
             table ip filter {\n\tchain in {\n\t\ttype filter hook forward priority 0\n\t\tiifname \"wan\" ct state new drop\n\t}\n}\n";
        fs::write(&rules, text).unwrap();
        stage
            .router
            .run(Command::new("nft").arg("-f").arg(&rules))
            .unwrap();
        let init = stage.town.run(
            Command::new(program::path("glimpse-controller"))
                .args(["init", "--json", "--name", NAME, "--dir"])
                .arg(stage.path("controller")),
        );
        init.unwrap();
        fs::create_dir(stage.path("olga")).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// With the certificate of the operator where the document leaves it open.
    fn filled(&self, text: &str) -> String {
        let shown = self.shell("openssl x509 -in olga.pem -noout -fingerprint -sha256");
        let (_, digits) = shown.trim().split_once('=').unwrap();
        assert!(text.contains('…'), "{text}");
        text.replace('…', digits)
    }

    /// Starts the controller with what the document says of its configuration.
    pub(crate) fn start_controller(&mut self, sections: &str) {
        let dir = self.path("controller");
        fs::write(dir.join("controller.toml"), self.filled(sections)).unwrap();
        let mut serve = Command::new(program::path("glimpse-controller"));
        serve.args(["serve", "--dir"]).arg(&dir);
        self.controller = Some(Running::start(
            &mut self.town.inside(&serve),
            &self.path("controller.log"),
        ));
        let door = (ADDRESS, 8443);
        eventually("the controller listens", PATIENCE, || {
            let connected = self.town.enter(|| std::net::TcpStream::connect(door));
            connected.unwrap().ok()
        });
    }

    fn controller(&self, words: &[&str]) -> serde_json::Value {
        let mut command = Command::new(program::path("glimpse-controller"));
        command.args(words).args(["--json", "--dir"]);
        command.arg(self.path("controller"));
        program::json(&mut self.town.inside(&command)).unwrap()
    }

    fn agent_command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program::path("glimpse-agent"));
        command
            .args(words)
            .arg("--config")
            .arg(self.path("glimpse"));
        self.home.inside(&command)
    }

    /// Enrols an agent that has the settings of the document, starts it, and gives its id.
    pub(crate) fn start_agent(&mut self, settings: &str) -> String {
        let dir = self.dir.path().display();
        // Its controller has an address for documentation, and nobody else measures.
        let text = format!(
            "config controller\n\toption url 'https://{NAME}:8440'\n\toption state_dir '{dir}/agent/state'\n\
             config consent\n\toption enabled '1'\n\
             config local\n\toption socket '{dir}/agent/run/agent.sock'\n\
             config storage\n\toption spool_dir '{dir}/agent/spool'\n\toption history_dir '{dir}/agent/history'\n\
             config limits\n\toption target_rate '6000'\n\
             config log\n\toption level 'debug'\n\
             config lab\n\toption targets '1'\n{}",
            self.filled(settings)
        );
        fs::write(self.path("glimpse"), text).unwrap();
        let invited = self.controller(&["agent", "invite", "--label", "isp=Aster"]);
        let token = self.path("token");
        fs::write(&token, invited["token"].as_str().unwrap()).unwrap();
        let [token, url] = [token.to_str().unwrap(), "https://c.example.net:8440"];
        let fingerprint = invited["ca_fingerprint"].as_str().unwrap();
        let enrolled = self
            .agent_command(&["enrol", "--token-file", token, "--controller", url])
            .args(["--ca-fingerprint", fingerprint])
            .output()
            .unwrap();
        assert!(enrolled.status.success(), "{}", words(&enrolled));
        self.restart_agent();
        fs::copy(
            self.path("controller/pki/root.pem"),
            self.path("olga/root.pem"),
        )
        .unwrap();
        let agents = self.controller(&["agent", "list"]);
        let agents = agents.as_array().or_else(|| agents["agents"].as_array());
        let id = agents.unwrap()[0]["id"].as_str().unwrap();
        id.to_owned()
    }

    /// Starts the agent and waits until it has called home.
    pub(crate) fn restart_agent(&mut self) {
        let calls = || {
            let log = fs::read_to_string(self.path("controller.log")).unwrap_or_default();
            log.matches("agent called home").count()
        };
        let before = calls();
        let mut daemon = self.agent_command(&["daemon"]);
        let daemon = Running::start(&mut daemon, &self.path("agent.log"));
        let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("the agent calls home", PATIENCE, || {
                (calls() > before).then_some(())
            });
        }));
        assert!(called.is_ok(), "{}", self.logs());
        self.agent = Some(daemon);
        // What waits for it is handed over.
        pause(Duration::from_secs(2));
    }

    /// Stops the agent and waits until the controller knows.
    pub(crate) fn stop_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.signal(Signal::SIGTERM);
        eventually("the agent stops", PATIENCE, || agent.exited());
        pause(Duration::from_secs(1));
    }

    /// Runs commands of the document where they belong, and gives what they print on both streams.
    pub(crate) fn shell(&self, text: &str) -> String {
        let programs = program::path("glimpse-controller");
        let programs = programs.parent().unwrap().to_owned();
        let system = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&system)));
        let text = text.replace(DIRECTORY, self.path("controller").to_str().unwrap());
        let mut sh = Command::new("sh");
        sh.args(["-e", "-c", &text]).env("PATH", path.unwrap());
        // What is at the agent's own address is asked from within its home.
        let place = if text.contains(AGENT) {
            &self.router
        } else {
            &self.town
        };
        let output = place
            .inside(&sh)
            .current_dir(self.path("olga"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{text}\n{printed}{}\n{}",
            words(&output),
            self.logs()
        );
        printed
    }

    /// The controller's side cannot reach the agent by itself.
    pub(crate) fn is_out_of_reach(&self) {
        let door: std::net::SocketAddr = format!("{AGENT}:8443").parse().unwrap();
        let limit = Duration::from_secs(1);
        let reach = || std::net::TcpStream::connect_timeout(&door, limit).is_ok();
        assert!(!self.town.enter(reach).unwrap());
        assert!(self.router.enter(reach).unwrap(), "the neighbours do");
    }

    /// What both said last.
    pub(crate) fn logs(&self) -> String {
        let last = |name: &str| {
            let log = fs::read_to_string(self.path(name)).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        format!(
            "controller:\n{}\nagent:\n{}",
            last("controller.log"),
            last("agent.log")
        )
    }
}
