//! The programs of the demonstration: how each is set up, started and asked.

use super::Programs;
use super::fleet::Home;
use super::network::{self, Network};
use super::page::Address;
use super::stage::Stage;
use super::tally::Tally;
use crate::{clock, walker, workspace};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long a program may take until it answers.
const STARTING: Duration = Duration::from_secs(20);
/// How often a program that starts is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The running controller.
pub(super) struct Controller {
    program: PathBuf,
    folder: PathBuf,
    config: PathBuf,
    exports: PathBuf,
    address: SocketAddr,
    root: PathBuf,
    alto: String,
    /// Where agents find it.
    pub(super) url: String,
    fingerprint: String,
    admin: SocketAddr,
}

/// Sets a controller up and starts it on this machine.
pub(super) fn start_controller(programs: &Programs, stage: &mut Stage) -> Result<Controller> {
    let address = stage.network().controller();
    let [agents, alto, admin] = [address, address, Ipv4Addr::LOCALHOST].map(free);
    let (agents, alto, admin) = (agents?, alto?, admin?);
    let folder = stage.folder().join("controller");
    let mut init = Command::new(&programs.controller);
    init.args(["init", "--json", "--name", &address.to_string(), "--dir"])
        .arg(&folder);
    let made = json(&mut init)?;
    let fingerprint = made["ca_fingerprint"].as_str();
    let fingerprint =
        fingerprint.context("`glimpse-controller init --json` names no ca_fingerprint")?;
    let config = folder.join("controller.toml");
    fs::write(&config, configuration(agents, alto, admin))
        .with_context(|| config.display().to_string())?;
    let controller = Controller {
        program: programs.controller.clone(),
        folder: folder.clone(),
        config,
        exports: programs.exports.clone(),
        address: agents,
        root: folder.join("pki/root.pem"),
        url: format!("https://{agents}"),
        alto: format!("https://{alto}"),
        fingerprint: fingerprint.to_owned(),
        admin,
    };
    controller.serve(stage)?;
    Ok(controller)
}

/// The controller's configuration: ports of its own, and the pace and the publicity of a demonstration. Households that share one
/// machine are busy with each other, which says nothing against what they measure.
fn configuration(agents: SocketAddr, alto: SocketAddr, admin: SocketAddr) -> String {
    format!(
        "[listen]\n\
         agent = \"{agents}\"\n\
         alto = \"{alto}\"\n\
         admin = \"{admin}\"\n\n\
         [agents]\n\
         pull = {{ periodic = {{ interval = 2000 }} }}\n\
         wait_s = 20\n\n\
         [limits]\n\
         runs_per_hour = 200000\n\
         packets_per_second = 10000\n\n\
         [alto]\n\
         interval_s = 2\n\
         lab = true\n\n\
         [alto.trust]\n\
         cpu_percent = 100\n\
         cross_traffic_bps = 1000000000\n\n\
         [alto.limits]\n\
         requests_per_minute = 100000\n"
    )
}

/// Starts what is measured.
pub(super) fn start_targets(programs: &Programs, stage: &mut Stage) -> Result<()> {
    let mut echo = Command::new(&programs.this);
    echo.arg("echo")
        .args(stage.network().targets().map(|address| address.to_string()));
    let mut echo = stage.network().run_at("targets", &echo);
    stage.start("targets", &mut echo)
}

/// Enrols household number `index` and starts its agent.
pub(super) fn start_agent(
    programs: &Programs,
    stage: &mut Stage,
    controller: &Controller,
    index: usize,
) -> Result<Home> {
    let name = network::home(index);
    let (isp, region) = Network::provider(index);
    let folder = stage.folder().join(&name);
    fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
    let (config, token) = (folder.join("glimpse"), folder.join("token"));
    let settings = settings(
        &controller.url,
        &folder.display().to_string(),
        stage.network(),
    );
    fs::write(&config, settings).with_context(|| config.display().to_string())?;
    fs::write(&token, controller.invite(isp, region)?)
        .with_context(|| token.display().to_string())?;

    let mut enrol = Command::new(&programs.agent);
    enrol
        .args([
            "enrol",
            "--json",
            "--controller",
            &controller.url,
            "--ca-fingerprint",
            &controller.fingerprint,
        ])
        .arg("--token-file")
        .arg(&token)
        .arg("--config")
        .arg(&config);
    let enrolled = json(&mut stage.network().run_at(&name, &enrol));
    let enrolled = enrolled.with_context(|| format!("{name} could not enrol"))?;
    let agent = enrolled["agent"].as_str();
    let agent = agent
        .context("`glimpse-agent enrol --json` names no agent")?
        .to_owned();
    fs::remove_file(&token).context("the used token")?;

    let mut daemon = Command::new(&programs.agent);
    daemon.arg("daemon").arg("--config").arg(&config);
    let mut daemon = stage.network().run_at(&name, &daemon);
    stage.start(&name, &mut daemon)?;
    Ok(Home {
        name,
        agent,
        isp,
        region,
        address: stage.network().agent(index),
        config,
    })
}

/// The household's settings: it takes part, and allows what this machine's networks need.
fn settings(url: &str, folder: &str, network: &Network) -> String {
    let (lan, loopback) = match network {
        Network::Namespaces(_) => (1, 0),
        Network::Loopback(_) => (0, 1),
    };
    format!(
        "config controller 'controller'\n\
         \toption url '{url}'\n\
         \toption state_dir '{folder}/state'\n\n\
         config consent 'consent'\n\
         \toption enabled '1'\n\n\
         config limits 'limits'\n\
         \toption lan '{lan}'\n\
         \toption target_rate '600'\n\
         \toption target_parallel '8'\n\n\
         config storage 'storage'\n\
         \toption spool_dir '{folder}/spool'\n\
         \toption history_dir '{folder}/history'\n\n\
         config local 'local'\n\
         \toption socket '{folder}/agent.sock'\n\n\
         config lab 'lab'\n\
         \toption targets '{loopback}'\n"
    )
}

impl Controller {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).arg("--config").arg(&self.config);
        command
    }

    fn invite(&self, isp: &str, region: &str) -> Result<String> {
        let labels = [format!("isp={isp}"), format!("region={region}")];
        let mut invite = self.command(&["agent", "invite", "--json", "--group", "demo"]);
        invite.args(["--label", &labels[0], "--label", &labels[1]]);
        let made = json(&mut invite)?;
        made["token"]
            .as_str()
            .map(str::to_owned)
            .context("`agent invite --json` names no token")
    }

    /// Starts serving and waits until agents can connect.
    pub(super) fn serve(&self, stage: &mut Stage) -> Result<()> {
        stage.start("controller", &mut self.command(&["serve"]))?;
        wait_for(stage, self.address)
    }

    /// Gives the agents something to do.
    pub(super) fn instruct(&self, stage: &Stage, document: &Value) -> Result<()> {
        let path = stage.folder().join("campaign.json");
        fs::write(&path, document.to_string()).context("campaign")?;
        let mut add = self.command(&["instruction", "add", "--json"]);
        Stage::ask(add.arg(&path)).map(|_| ())
    }

    /// Brings the tally up to date with what was measured lately.
    pub(super) fn count(&self, tally: &mut Tally) -> Result<()> {
        let mut export = self.command(&["results", "export", "--format", "jsonl", "--since", "5m"]);
        tally.add(&Stage::ask(&mut export)?)
    }

    /// Writes results and ALTO documents beside the programs, and says where the latter are.
    pub(super) fn publish(&self) -> Result<PathBuf> {
        fs::create_dir_all(&self.exports).with_context(|| self.exports.display().to_string())?;
        for (format, file) in [("csv", self.csv()), ("jsonl", self.jsonl())] {
            let mut export = self.command(&["results", "export", "--format", format]);
            fs::write(&file, Stage::ask(&mut export)?)
                .with_context(|| file.display().to_string())?;
        }
        let published = self.exports.join("alto");
        if published.exists() {
            // Of another demonstration, with maps that are not in this one.
            fs::remove_dir_all(&published).with_context(|| published.display().to_string())?;
        }
        let mut export = self.command(&["alto", "export"]);
        Stage::ask(export.arg("--dir").arg(&published))?;
        Ok(published)
    }

    /// Lets the walker check everything that is published, and a change of it.
    pub(super) fn walk(&self, programs: &Programs, stage: &Stage) -> Result<()> {
        let url = format!("{}/", self.alto);
        let mut walk = walker::command(&workspace::root(), &programs.target, &url, &self.root);
        let own = format!("ipv4:{}", stage.network().controller());
        walk.args(["--changes", "60", "--address", &own]);
        crate::process::run(walk.process_group(0))
    }

    fn csv(&self) -> PathBuf {
        self.exports.join("results.csv")
    }

    fn jsonl(&self) -> PathBuf {
        self.exports.join("results.jsonl")
    }

    /// What a visitor can look at while the demonstration runs.
    pub(super) fn addresses(&self) -> Vec<Address> {
        vec![
            Address {
                what: "ALTO directory",
                at: format!("{}/", self.alto),
            },
            Address {
                what: "  trusted by",
                at: self.root.display().to_string(),
            },
            Address {
                what: "ALTO documents",
                at: workspace::shown(&self.exports.join("alto")),
            },
            Address {
                what: "results",
                at: format!(
                    "{}, {}",
                    workspace::shown(&self.csv()),
                    workspace::shown(&self.jsonl())
                ),
            },
            Address {
                what: "metrics, health",
                at: format!("http://{}/metrics", self.admin),
            },
            Address {
                what: "agents",
                at: format!(
                    "{} agent list --dir {}",
                    workspace::shown(&self.program),
                    self.folder.display()
                ),
            },
        ]
    }
}

fn json(command: &mut Command) -> Result<Value> {
    let answer = Stage::ask(command)?;
    serde_json::from_str(&answer)
        .with_context(|| format!("`{}` printed no JSON", crate::process::line(command)))
}

/// A port of `address` that nobody listens at. Somebody else may take it before we do; the program then says so.
fn free(address: Ipv4Addr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddrV4::new(address, 0))
        .with_context(|| format!("a port of {address}"))?;
    listener.local_addr().context("port")
}

/// Waits until somebody accepts connections at `address`.
fn wait_for(stage: &mut Stage, address: SocketAddr) -> Result<()> {
    let started = clock::now();
    while TcpStream::connect_timeout(&address, STARTING).is_err() {
        stage.check_children()?;
        if stage.interrupted() || started.elapsed() > STARTING {
            bail!("nothing answers at {address}");
        }
        stage.wait(LOOK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn loopback_is_allowed_on_loopback_only() {
        let text = settings("https://127.0.0.1:1", "/tmp/x", &Network::LOOPBACK);
        assert!(
            text.contains("option lan '0'") && text.contains("targets '1'"),
            "{text}"
        );
        assert!(text.contains("option state_dir '/tmp/x/state'"));
    }

    #[test]
    fn free_ports_can_be_taken() {
        TcpListener::bind(free(Ipv4Addr::LOCALHOST).unwrap()).unwrap();
    }
}
