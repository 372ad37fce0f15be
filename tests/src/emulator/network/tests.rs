//! What networks do, each thing on the smallest network that shows it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod answers;
mod links;
mod routers;

use super::Network;
use crate::emulator::packet::{Ip, encode_echo_request, encode_ip, encode_udp, udp};
use crate::emulator::{Topology, topology};
use glimpse_net::packet::{IcmpError, Message, PROTOCOL_UDP};
use glimpse_net::packet::{parse_icmpv4, parse_icmpv6, parse_ipv4, parse_ipv6};
use std::net::{IpAddr, SocketAddr};

const V4: [&str; 2] = ["192.0.2.1", "203.0.113.1"];
const V6: [&str; 2] = ["2001:db8::1", "2001:db8:2::1"];
const FAMILIES: [[&str; 2]; 2] = [V4, V6];
const MS: u64 = 1_000_000;

/// vantage – r1 – r2 – target, a millisecond each, of both families. `change` puts further fields into the file: a line
/// `r1: …` into that router, `target: …` into the host, `link: …` into the link between the routers, others at the end.
fn network(change: &str) -> Network {
    Network::new(&line(change), 1)
}

fn line(change: &str) -> Topology {
    let part = |name: &str| {
        let lines = change
            .lines()
            .filter_map(|line| line.trim().strip_prefix(name));
        lines.fold(String::new(), |text, fields| text + ", " + fields)
    };
    let link = change
        .lines()
        .filter_map(|line| line.trim().strip_prefix("link: "));
    let link: Vec<&str> = link.collect();
    let rest = change.lines().filter(|line| {
        !["r1: ", "r2: ", "target: ", "link: "]
            .iter()
            .any(|name| line.trim().starts_with(name))
    });
    let rest: Vec<&str> = rest.collect();
    let text = format!(
        "description = \"a line\"
router = [
    {{ name = \"r1\", addresses = [\"198.51.100.1\", \"2001:db8:1::1\"]{} }},
    {{ name = \"r2\", addresses = [\"198.51.100.2\", \"2001:db8:1::2\"]{} }},
]
host = [{{ name = \"target\", addresses = [\"203.0.113.1\", \"2001:db8:2::1\"]{} }}]
vantage = {{ addresses = [\"192.0.2.1\", \"2001:db8::1\"] }}
[[link]]
along = [\"vantage\", \"r1\"]
delay_us = 1000
[[link]]
along = [\"r1\", \"r2\"]
delay_us = 1000
{}
[[link]]
along = [\"r2\", \"target\"]
delay_us = 1000
{}",
        part("r1: "),
        part("r2: "),
        part("target: "),
        link.join("\n"),
        rest.join("\n")
    );
    Topology::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn echo([vantage, target]: [&str; 2], ttl: u8, payload: &[u8]) -> Vec<u8> {
    encode_echo_request(address(vantage), address(target), ttl, 7, 1, payload)
}

fn datagram([vantage, target]: [&str; 2], ttl: u8, port: u16, payload: &[u8]) -> Vec<u8> {
    let source = SocketAddr::new(address(vantage), 40_000);
    encode_udp(source, SocketAddr::new(address(target), port), ttl, payload)
}

/// A datagram of so many bytes at IP level that must not be fragmented.
fn whole([vantage, target]: [&str; 2], bytes: usize) -> Vec<u8> {
    let mut ip = Ip::new(address(vantage), address(target), PROTOCOL_UDP, 64);
    ip.dont_fragment = true;
    let header = if ip.source.is_ipv4() { 28 } else { 48 };
    let message = udp(&ip, 40_000, 7, &vec![b'x'; bytes - header]);
    encode_ip(&ip, &message)
}

/// What comes back for one packet and when, with its IP header taken off: sender, TTL, message.
fn exchange(network: &mut Network, now_ns: u64, packet: &[u8]) -> Vec<(u64, Reply)> {
    network.send(now_ns, packet);
    drain(network)
}

/// All that still comes.
fn drain(network: &mut Network) -> Vec<(u64, Reply)> {
    let mut replies = Vec::new();
    while let Some(next_ns) = network.next_ns() {
        while let Some(packet) = network.receive(next_ns) {
            replies.push((next_ns, Reply::read(&packet)));
        }
    }
    replies
}

/// The only answer.
fn single(mut replies: Vec<(u64, Reply)>) -> (u64, Reply) {
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies.pop().unwrap()
}

/// A packet that came back; its checksums are right.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reply {
    from: IpAddr,
    to: IpAddr,
    ttl: u8,
    traffic_class: u8,
    length: usize,
    message: Vec<u8>,
}

impl Reply {
    fn read(packet: &[u8]) -> Self {
        if packet[0] >> 4 == 4 {
            assert_eq!(glimpse_net::packet::internet_checksum(&packet[..20]), 0);
            let (header, message) = parse_ipv4(packet).unwrap();
            Self {
                from: header.source.into(),
                to: header.destination.into(),
                ttl: header.ttl,
                traffic_class: packet[1],
                length: packet.len(),
                message: message.to_vec(),
            }
            .checked(header.protocol)
        } else {
            let (header, message) = parse_ipv6(packet).unwrap();
            Self {
                from: header.source.into(),
                to: header.destination.into(),
                ttl: header.hop_limit,
                traffic_class: packet[0] << 4 | packet[1] >> 4,
                length: packet.len(),
                message: message.to_vec(),
            }
            .checked(header.next_header)
        }
    }

    fn checked(self, protocol: u8) -> Self {
        let checksum = crate::emulator::packet::transport_checksum(
            self.from,
            self.to,
            protocol,
            &self.message,
        );
        assert_eq!(checksum, 0, "{self:?}");
        self
    }

    fn icmp(&self) -> Message<'_> {
        match self.from {
            IpAddr::V4(_) => parse_icmpv4(&self.message).unwrap(),
            IpAddr::V6(_) => parse_icmpv6(&self.message).unwrap(),
        }
    }

    fn error(&self) -> IcmpError<'_> {
        match self.icmp() {
            Message::Error(error) => error,
            other => panic!("no error: {other:?}"),
        }
    }

    /// What an ICMP error carries behind its eight bytes.
    fn quote(&self) -> &[u8] {
        &self.message[8..]
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_does_not() {
    let run = |seed| {
        let topology = line(
            "link: jitter_us = 500\nlink: loss = 0.3\nlink: duplicate = 0.3\nr1: icmp_per_second = 200",
        );
        let mut network = Network::new(&topology, seed);
        for at in 0..200 {
            network.send(
                at * MS,
                &echo(V4, if at % 3 == 0 { 1 } else { 64 }, b"seed"),
            );
        }
        let mut all = Vec::new();
        while let Some(next_ns) = network.next_ns() {
            all.extend(network.receive(next_ns).map(|packet| (next_ns, packet)));
        }
        all
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert!(run(1).len() > 50);
}

#[test]
fn garbage_and_groups_are_swallowed() {
    let mut network = network("");
    let mut truncated = echo(V4, 64, b"truncated");
    truncated.truncate(24);
    let groups = [
        echo(["192.0.2.1", "224.0.0.1"], 64, b""),
        echo(["2001:db8::1", "ff02::2"], 64, b""),
    ];
    for packet in [
        &[][..],
        &[0x45],
        &[0xff; 60],
        &truncated,
        &groups[0],
        &groups[1],
    ] {
        assert_eq!(exchange(&mut network, 0, packet), []);
    }
    assert_eq!(exchange(&mut network, 0, &echo(V4, 64, b"alive")).len(), 1);
}

#[test]
fn faults_of_a_file_name_their_place() {
    let said = |text: &str| Topology::parse(text).unwrap_err().to_string();
    let good = "description = \"d\"\nlink = [{ along = [\"vantage\", \"a\"] }]\nhost = [{ name = \"a\", addresses = [\"203.0.113.1\"] }]\nvantage = { addresses = [\"192.0.2.1\"] }\n";
    Topology::parse(good).unwrap();
    for (text, place, what) in [
        (
            good.replace("along", "alonge"),
            "line 2, column 11",
            "unknown field `alonge`",
        ),
        (
            good.replace("description", "descriptino"),
            "line 1, column 1",
            "unknown field `descriptino`",
        ),
        (
            good.replace("name = \"a\"", "name = \"b\""),
            "line 2",
            "there is no node \"a\"",
        ),
        (
            good.replace("203.0.113.1", "192.0.2.1"),
            "line 3",
            "192.0.2.1 belongs to two nodes",
        ),
        (
            good.replace("name = \"a\"", "name = \"vantage\""),
            "line 3",
            "two nodes \"vantage\"",
        ),
        (
            good.replace("\"a\"] }", "\"a\"], loss = 1.5 }"),
            "line 2",
            "1.5 is no probability",
        ),
        (
            good.replace("[\"vantage\", \"a\"]", "[\"vantage\"]"),
            "line 2",
            "two nodes at least",
        ),
        (
            format!("{good}[[route]]\nat = \"a\"\nto = \"vantage\"\nnext = [\"a\"]\n"),
            "line 8",
            "no link joins \"a\" to \"a\"",
        ),
        (
            format!("{good}[[truth]]\ntarget = \"203.0.113.9\"\nhops = []\nrtt_us = []\n"),
            "line 6",
            "no node has the address 203.0.113.9",
        ),
    ] {
        let said = said(&text);
        assert!(
            said.contains(place) && said.contains(what),
            "{place}, {what}: {said}"
        );
    }
    let missing = Topology::read(&topology::path("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(missing.contains("nowhere.toml"), "{missing}");
}

#[test]
fn a_thousand_runs_are_soon_over() {
    let topology = Topology::load("diamond-16").unwrap();
    let target = topology.truths()[0].target;
    let vantage = topology.vantage(target).unwrap();
    let mut answers = 0;
    for seed in 0..1_000 {
        let mut network = Network::new(&topology, seed);
        for flow in 0..20 {
            let from = SocketAddr::new(vantage, 40_000 + flow);
            let packet = encode_udp(from, SocketAddr::new(target, 33_434), 3, b"mda");
            network.send(u64::from(flow) * MS, &packet);
        }
        answers += drain(&mut network).len();
    }
    assert_eq!(answers, 20_000);
}
