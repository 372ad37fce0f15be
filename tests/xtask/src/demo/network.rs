//! The networks of the demonstration: namespaces joined by virtual links, or loopback.
//!
//! Agents have addresses set aside for documents (RFC 5737), so that nothing of this machine's own is touched. The targets'
//! are private, because agents measure no address that is set aside; the instructions say so with `lan`.

use crate::process;
use anyhow::{Context, Result};
use std::net::Ipv4Addr;
use std::process::Command;

/// The providers: name, region, one-way delay of their uplink in milliseconds.
const PROVIDERS: [(&str, &str, u8); 2] = [("Aster", "north", 4), ("Borea", "south", 11)];

/// Where the programs run.
pub(super) enum Network {
    /// Each agent in a namespace of its own.
    Namespaces(Namespaces),
    /// Everything on this machine's loopback; the note says why.
    Loopback(&'static str),
}

/// Namespaces that are deleted when this is dropped, and with them the links between them.
pub(super) struct Namespaces {
    prefix: String,
    made: Vec<String>,
    delayed: bool,
}

impl Network {
    /// What a stage without a network has.
    pub(super) const LOOPBACK: Self = Self::Loopback("");

    /// Lays out namespaces for `agents` as root, loopback otherwise.
    pub(super) fn lay_out(prefix: &str, agents: usize, root: bool) -> Result<Self> {
        if !root {
            return Ok(Self::Loopback("not root"));
        }
        let mut namespaces = Namespaces {
            prefix: prefix.to_owned(),
            made: Vec::new(),
            delayed: false,
        };
        if namespaces.make("exchange").is_err() {
            return Ok(Self::Loopback(
                "this system gives root no network namespaces",
            ));
        }
        namespaces
            .lay_out(agents)
            .context("the networks of the demonstration")?;
        Ok(Self::Namespaces(namespaces))
    }

    /// What cannot be shown here, and why.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Self::Namespaces(namespaces) if namespaces.delayed => None,
            Self::Namespaces(_) => Some(
                "This kernel has no netem: the delays are this machine's own, not those of the providers' lines.".to_owned(),
            ),
            Self::Loopback(why) => Some(format!(
                "On loopback ({why}): the agents share one address, and there are no lines and paths to tell apart. \
                 As root they get networks of their own."
            )),
        }
    }

    /// Where agents find the controller.
    pub(super) fn controller(&self) -> Ipv4Addr {
        match self {
            Self::Namespaces(_) => Ipv4Addr::new(198, 51, 100, 1),
            Self::Loopback(_) => Ipv4Addr::LOCALHOST,
        }
    }

    /// What is measured.
    pub(super) fn targets(&self) -> [Ipv4Addr; 2] {
        match self {
            Self::Namespaces(_) => [Ipv4Addr::new(10, 77, 0, 10), Ipv4Addr::new(10, 77, 0, 20)],
            Self::Loopback(_) => [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)],
        }
    }

    /// The address of agent number `index`.
    pub(super) fn agent(&self, index: usize) -> Ipv4Addr {
        match self {
            Self::Namespaces(_) => agent_link(index).1,
            Self::Loopback(_) => Ipv4Addr::LOCALHOST,
        }
    }

    /// Provider and region of agent number `index`.
    pub(super) fn provider(index: usize) -> (&'static str, &'static str) {
        let (isp, region, _) = PROVIDERS[index % PROVIDERS.len()];
        (isp, region)
    }

    /// `command` as it runs at the place called `place` (`home-1`, `targets`).
    pub(super) fn run_at(&self, place: &str, command: &Command) -> Command {
        let mut moved = match self {
            Self::Loopback(_) => Command::new(command.get_program()),
            Self::Namespaces(namespaces) => {
                let mut ip = ip();
                ip.args(["netns", "exec", &namespaces.name(place)])
                    .arg(command.get_program());
                ip
            }
        };
        moved.args(command.get_args());
        moved
    }
}

/// Both ends of the link between a provider (first) and agent number `index`: a /30 of 203.0.113.0/24, half of which belongs
/// to each provider.
fn agent_link(index: usize) -> (Ipv4Addr, Ipv4Addr) {
    let [provider, place] = [index % PROVIDERS.len(), index / PROVIDERS.len()];
    let base = u8::try_from(128 * provider + 4 * place).unwrap_or(u8::MAX - 3);
    (
        Ipv4Addr::new(203, 0, 113, base + 1),
        Ipv4Addr::new(203, 0, 113, base + 2),
    )
}

/// Both ends of the link between the exchange (first) and a provider.
fn provider_link(provider: usize) -> (Ipv4Addr, Ipv4Addr) {
    let base = u8::try_from(16 + 4 * provider).unwrap_or(u8::MAX - 3);
    (
        Ipv4Addr::new(198, 51, 100, base + 1),
        Ipv4Addr::new(198, 51, 100, base + 2),
    )
}

fn ip() -> Command {
    Command::new(process::find("ip").unwrap_or_else(|| "ip".into()))
}

fn do_ip(arguments: &[&str]) -> Result<()> {
    process::read(ip().args(arguments)).map(|_| ())
}

impl Namespaces {
    fn name(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    /// This machine's end of its link to the exchange.
    fn outside(&self) -> String {
        format!("{}x", self.prefix)
    }

    fn make(&mut self, place: &str) -> Result<()> {
        let name = self.name(place);
        do_ip(&["netns", "add", &name])?;
        self.made.push(name.clone());
        do_ip(&["-n", &name, "link", "set", "lo", "up"])
    }

    /// A link between two places; `None` is this machine itself.
    fn link(&self, ends: &[(Option<&str>, &str, String); 2]) -> Result<()> {
        let [(first, near, _), (second, far, _)] = ends;
        let namespace = |place: Option<&str>| place.map(|place| self.name(place));
        let peer = ["type", "veth", "peer", "name", far];
        let mut make = ip();
        if let Some(name) = namespace(*first) {
            make.args(["-n", &name]);
        }
        make.args(["link", "add", near]).args(peer);
        if let Some(name) = namespace(*second) {
            make.args(["netns", &name]);
        }
        process::read(&mut make)?;
        for (place, device, address) in ends {
            for arguments in [
                ["address", "add", address, "dev", device],
                ["link", "set", "dev", device, "up"],
            ] {
                let mut set = ip();
                if let Some(name) = namespace(*place) {
                    set.args(["-n", &name]);
                }
                process::read(set.args(arguments))?;
            }
        }
        Ok(())
    }

    fn route(&self, place: Option<&str>, to: &str, via: Ipv4Addr) -> Result<()> {
        let mut add = ip();
        if let Some(place) = place {
            add.args(["-n", &self.name(place)]);
        }
        process::read(add.args(["route", "add", to, "via", &via.to_string()])).map(|_| ())
    }

    fn forward(&self, place: &str) -> Result<()> {
        do_ip(&[
            "netns",
            "exec",
            &self.name(place),
            "sh",
            "-c",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
        ])
    }

    fn lay_out(&mut self, agents: usize) -> Result<()> {
        self.forward("exchange")?;
        let outside = self.outside();
        self.link(&[
            (None, &outside, "198.51.100.1/30".to_owned()),
            (Some("exchange"), "outside", "198.51.100.2/30".to_owned()),
        ])?;
        self.route(None, "203.0.113.0/24", Ipv4Addr::new(198, 51, 100, 2))?;

        self.make("targets")?;
        self.link(&[
            (Some("exchange"), "targets", "10.77.0.1/24".to_owned()),
            (Some("targets"), "uplink", "10.77.0.10/24".to_owned()),
        ])?;
        do_ip(&[
            "-n",
            &self.name("targets"),
            "address",
            "add",
            "10.77.0.20/24",
            "dev",
            "uplink",
        ])?;
        self.route(Some("targets"), "default", Ipv4Addr::new(10, 77, 0, 1))?;

        self.delayed = true;
        for (provider, (isp, _, delay_ms)) in PROVIDERS.into_iter().enumerate() {
            self.make(isp)?;
            self.forward(isp)?;
            let (near, far) = provider_link(provider);
            self.link(&[
                (Some("exchange"), isp, format!("{near}/30")),
                (Some(isp), "uplink", format!("{far}/30")),
            ])?;
            self.route(Some(isp), "default", near)?;
            let half = u8::try_from(128 * provider).unwrap_or_default();
            self.route(Some("exchange"), &format!("203.0.113.{half}/25"), far)?;
            self.delayed &= self.delay(isp, delay_ms);
        }
        for index in 0..agents {
            let (isp, _) = Network::provider(index);
            let place = home(index);
            self.make(&place)?;
            let (near, far) = agent_link(index);
            self.link(&[
                (Some(isp), &place, format!("{near}/30")),
                (Some(&place), "uplink", format!("{far}/30")),
            ])?;
            self.route(Some(&place), "default", near)?;
        }
        Ok(())
    }

    /// Delays what the provider sends towards the exchange; false where the kernel cannot.
    fn delay(&self, isp: &str, delay_ms: u8) -> bool {
        process::find("tc").is_some_and(|tc| {
            process::succeeds(
                Command::new(tc)
                    .args([
                        "-n",
                        &self.name(isp),
                        "qdisc",
                        "add",
                        "dev",
                        "uplink",
                        "root",
                        "netem",
                    ])
                    .args(["delay", &format!("{delay_ms}ms")]),
            )
        })
    }
}

/// The name of agent number `index`, and of its namespace.
pub(super) fn home(index: usize) -> String {
    format!("home-{}", index + 1)
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        // The link to this machine would go with its other end, but only after a while, and its route with it.
        let _ = do_ip(&["link", "delete", &self.outside()]);
        for name in self.made.iter().rev() {
            if let Err(error) = do_ip(&["netns", "delete", name]) {
                eprintln!("{error:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_agents_share_an_address() {
        let addresses: BTreeSet<Ipv4Addr> = (0..32)
            .flat_map(|i| [agent_link(i).0, agent_link(i).1])
            .collect();
        assert_eq!(addresses.len(), 64);
        assert_eq!(agent_link(0).1, Ipv4Addr::new(203, 0, 113, 2));
        assert_eq!(agent_link(1).1, Ipv4Addr::new(203, 0, 113, 130));
    }

    #[test]
    fn loopback_says_what_it_cannot_show() {
        let network = Network::lay_out("x", 3, false).unwrap();
        assert!(network.note().unwrap().contains("not root"));
        let here = network.run_at("home-1", Command::new("true").arg("a"));
        assert_eq!(process::line(&here), "true a");
    }

    /// Needs root: `cargo xtask test` in continuous integration has it.
    #[test]
    fn namespaces_carry_packets_and_go_away() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("not root: namespaces were not tried");
            return;
        }
        let prefix = format!("glt{}", std::process::id());
        let network = Network::lay_out(&prefix, 3, true).unwrap();
        let Network::Namespaces(_) = &network else {
            eprintln!("{}", network.note().unwrap());
            return;
        };
        let route = network.run_at(
            "home-3",
            Command::new("ip").args(["route", "get", "10.77.0.20"]),
        );
        let mut route = route;
        let said = String::from_utf8(process::read(&mut route).unwrap()).unwrap();
        assert!(said.contains("via 203.0.113.5"), "{said}");
        let names =
            || String::from_utf8(process::read(ip().args(["netns", "list"])).unwrap()).unwrap();
        assert!(names().contains(&format!("{prefix}-home-3")));
        drop(network);
        assert!(!names().contains(&prefix));
    }
}
