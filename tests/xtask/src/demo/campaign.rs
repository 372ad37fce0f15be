//! What the agents are asked to do.

use super::network::Network;
use super::target::{DOWNLOAD, HTTP_PORT, PORT};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// How often each target is measured by each agent.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// What one download may use, bytes: a little more than targets send within the time that it takes.
const DOWNLOAD_BYTES: u32 = 8_000_000;

/// How a ping is sent, by the names on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PingType {
    Udp,
    Tcp,
    Icmp,
    System,
}

impl PingType {
    /// All of them, in the order of the tables.
    const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Icmp, Self::System];

    /// The word on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udp => "Udp",
            Self::Tcp => "Tcp",
            Self::Icmp => "Icmp",
            Self::System => "System",
        }
    }

    /// The type of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The types that this user may send in this network, and a word on those that are left out.
    pub(super) fn possible(network: &Network) -> (Vec<Self>, Option<&'static str>) {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
        let root = nix::unistd::geteuid().is_root();
        if root || matches!(network, Network::Namespaces(_)) || group_may_ping(&range) {
            return (Self::ALL.to_vec(), None);
        }
        let others = Self::ALL.into_iter().filter(|kind| *kind != Self::Icmp);
        (
            others.collect(),
            Some(
                "No pings of the type Icmp: they need root, or a group within net.ipv4.ping_group_range.",
            ),
        )
    }
}

/// Whether our group lies in the kernel's range of those that may open ping sockets.
fn group_may_ping(range: &str) -> bool {
    let bounds: Vec<u32> = range
        .split_whitespace()
        .filter_map(|bound| bound.parse().ok())
        .collect();
    matches!(bounds[..], [low, high] if (low..=high).contains(&nix::unistd::getegid().as_raw()))
}

/// One instruction per target: all types in a row, again and again. And a short download from the first, once.
pub(super) fn document(network: &Network, types: &[PingType]) -> Value {
    let lan = matches!(network, Network::Namespaces(_));
    let targets = network.targets();
    let mut instructions: Vec<Value> = targets
        .iter()
        .enumerate()
        .map(|(i, target)| {
            let tasks: Vec<Value> = types
                .iter()
                .map(|kind| {
                    json!({"id": kind.name(), "method": "ping", "options": {"host": target.to_string(), "type": kind.name(),
                        "count": 3, "interval": 200, "timeout": 500, "destination_port": PORT, "source_port": 0}})
                })
                .collect();
            json!({"id": format!("demo-{}", i + 1), "lan": lan, "tasks": tasks,
                "timing": {"periodic": {"interval": INTERVAL.as_millis(), "randomSpread": 500}}})
        })
        .collect();
    let [first, _] = targets;
    // Pings wait while a line is filled: from one target only, so that none of them misses its turn.
    let download = json!({"id": "down", "method": "httpdownload", "options": {
        "url": format!("http://{first}:{HTTP_PORT}{DOWNLOAD}"), "target_time": 2000, "ramp_up_time": 1000,
        "slot_length": 500, "max_bytes": DOWNLOAD_BYTES}});
    instructions.push(
        json!({"id": "demo-down", "lan": lan, "task": download, "timing": {"immediate": {}}}),
    );
    json!({"schema": 2, "instructions": instructions})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_type_goes_to_every_target() {
        let campaign = document(&Network::LOOPBACK, &PingType::ALL);
        let instructions = campaign["instructions"].as_array().unwrap();
        assert_eq!(instructions.len(), 3);
        assert_eq!(instructions[1]["tasks"][2]["options"]["type"], "Icmp");
        assert_eq!(instructions[1]["tasks"][2]["options"]["host"], "127.0.0.3");
        assert_eq!(instructions[0]["timing"]["periodic"]["interval"], 5000);
        let url = &instructions[2]["task"]["options"]["url"];
        assert_eq!(url, "http://127.0.0.2:33480/down");
    }

    #[test]
    fn the_range_of_groups() {
        let own = nix::unistd::getegid().as_raw();
        assert!(group_may_ping(&format!("{own}\t{own}\n")));
        assert!(!group_may_ping("1\t0\n"));
        assert!(!group_may_ping(""));
    }
}
