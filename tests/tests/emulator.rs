//! The topologies: each is what it declares, by its routes and by its packets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_net::packet::{
    PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, parse_icmpv4, parse_ipv4,
    parse_ipv6,
};
use glimpse_tests::emulator::packet::{Ip, TCP_SYN, Tcp};
use glimpse_tests::emulator::{Hop, Network, Topology, Truth, packet};
use glimpse_tests::namespace::Emulated;
use std::collections::BTreeSet;
use std::net::{IpAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

const SECOND_NS: u64 = 1_000_000_000;

fn all() -> Vec<Topology> {
    let topologies = Topology::all().unwrap_or_else(|error| panic!("{error}"));
    assert!(topologies.len() >= 25, "there are {}", topologies.len());
    topologies
}

#[test]
fn every_topology_is_as_it_declares() {
    let mut faults = Vec::new();
    for topology in all() {
        let name = topology.name();
        assert!(!topology.truths().is_empty(), "{name} declares nothing");
        for declared in topology.truths() {
            let computed = topology.computed(declared.target, declared.limit);
            if &computed != declared {
                faults.push(format!(
                    "{name}\n computed {computed:?}\n declared {declared:?}"
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What answered a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    from: IpAddr,
    rtt_ns: u64,
    /// Neither time exceeded: the end of the way.
    last: bool,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Udp,
    Icmp,
    Tcp,
}

struct Prober {
    network: Network,
    now_ns: u64,
    vantage: IpAddr,
    target: IpAddr,
}

impl Prober {
    fn new(topology: &Topology, target: IpAddr, seed: u64) -> Self {
        Self {
            network: Network::new(topology, seed),
            now_ns: 0,
            vantage: topology.vantage(target).unwrap(),
            target,
        }
    }

    /// A probe of the flow number `flow`: its ports, its flow label, its identifier and its checksum all follow from it.
    fn packet(&self, kind: Kind, flow: u16, ttl: u8) -> Vec<u8> {
        let v6 = self.target.is_ipv6();
        let protocol = match kind {
            Kind::Udp => PROTOCOL_UDP,
            Kind::Tcp => PROTOCOL_TCP,
            Kind::Icmp if v6 => PROTOCOL_ICMPV6,
            Kind::Icmp => PROTOCOL_ICMP,
        };
        let mut ip = Ip::new(self.vantage, self.target, protocol, ttl);
        ip.flow_label = u32::from(flow) + 1;
        let message = match kind {
            Kind::Udp => packet::udp(&ip, 40_000 + flow, 33_434 + flow, b"glimpse"),
            Kind::Tcp => {
                let syn = Tcp {
                    sequence: 1,
                    acknowledgement: 0,
                    flags: TCP_SYN,
                    window: 1024,
                };
                packet::tcp(&ip, 40_000 + flow, 80, &syn)
            }
            Kind::Icmp => {
                let [high, low] = flow.to_be_bytes();
                let mut echo = vec![if v6 { 128 } else { 8 }, 0, 0, 0, high, low, 0, 1];
                packet::fill_checksum(&ip, &mut echo);
                echo
            }
        };
        packet::encode_ip(&ip, &message)
    }

    /// Sends a probe, a second after the last, and waits for what comes back first.
    fn probe(&mut self, packet: &[u8]) -> Option<Answer> {
        self.now_ns += SECOND_NS;
        let sent_ns = self.now_ns;
        self.network.send(sent_ns, packet);
        let mut first = None;
        while let Some(next_ns) = self.network.next_ns() {
            while let Some(bytes) = self.network.receive(next_ns) {
                first = first.or_else(|| Some(read(&bytes, next_ns - sent_ns)));
            }
        }
        first
    }

    /// Probes until somebody answers, five times at most.
    fn ask(&mut self, kind: Kind, flow: u16, ttl: u8) -> Option<Answer> {
        let packet = self.packet(kind, flow, ttl);
        (0..5).find_map(|_| self.probe(&packet))
    }
}

fn read(bytes: &[u8], rtt_ns: u64) -> Answer {
    let (from, exceeded) = if bytes[0] >> 4 == 4 {
        let (header, payload) = parse_ipv4(bytes).unwrap();
        let icmp = header.protocol == PROTOCOL_ICMP;
        if icmp {
            parse_icmpv4(payload).unwrap();
        }
        (IpAddr::from(header.source), icmp && payload[0] == 11)
    } else {
        let (header, payload) = parse_ipv6(bytes).unwrap();
        let icmp = header.next_header == PROTOCOL_ICMPV6;
        (IpAddr::from(header.source), icmp && payload[0] == 3)
    };
    let last = !exceeded;
    Answer { from, rtt_ns, last }
}

/// What the packets of many flows show of the way to a target.
fn explore(topology: &Topology, truth: &Truth) -> Truth {
    // The truth of these two depends on what is sent.
    let kinds: &[Kind] = match topology.name() {
        "udp-prohibited" => &[Kind::Udp],
        "tcp-filtered" => &[Kind::Tcp],
        _ => &[Kind::Udp, Kind::Icmp],
    };
    let mut seen = Truth {
        reached: true,
        ..truth.clone()
    };
    seen.graph.hops.clear();
    seen.graph.edges.clear();
    seen.rtt_us.clear();
    let flows = match truth.graph.hops.iter().map(BTreeSet::len).max() {
        Some(0 | 1) | None => 3,
        Some(width) => u16::try_from(width * 16).unwrap(),
    };
    let mut paths = BTreeSet::new();
    for &kind in kinds {
        let mut prober = Prober::new(topology, truth.target, 1);
        for flow in 0..flows {
            let mut path: Vec<Hop> = Vec::new();
            let mut reached = false;
            for ttl in 1..=u8::try_from(truth.limit).unwrap() {
                let at = path.len();
                let answer = prober.ask(kind, flow, ttl);
                if seen.graph.hops.len() <= at {
                    seen.graph.hops.push(BTreeSet::new());
                    seen.rtt_us.push(None);
                }
                seen.graph.hops[at].insert(answer.map(|answer| answer.from));
                let rtt_us = answer.map(|answer| answer.rtt_ns / 1_000);
                seen.rtt_us[at] = [seen.rtt_us[at], rtt_us].into_iter().flatten().min();
                path.push(answer.map(|answer| answer.from));
                if answer.is_some_and(|answer| answer.last) || path.len() == truth.graph.hops.len()
                {
                    reached = answer.is_some_and(|answer| answer.last);
                    break;
                }
            }
            let end = path.last().copied().flatten();
            seen.reached &=
                reached && (end == Some(truth.target) || topology.name() == "address-rewriting");
            for (at, pair) in path.windows(2).enumerate() {
                if seen.graph.edges.len() <= at {
                    seen.graph.edges.push(BTreeSet::new());
                }
                seen.graph.edges[at].insert((pair[0], pair[1]));
            }
            paths.insert(path);
        }
    }
    seen.paths = paths.len();
    seen
}

#[test]
fn packets_show_of_every_topology_what_its_routes_say() {
    for topology in all() {
        let name = topology.name();
        for truth in topology.truths() {
            let mut seen = explore(&topology, truth);
            let slack_us = match name {
                "jitter" => 8_000,
                // What the serialiser takes for small packets there and back.
                "bottleneck-5" | "bottleneck-20" | "bottleneck-100" => 1_000,
                _ => 0,
            };
            for (seen, declared) in seen.rtt_us.iter_mut().zip(&truth.rtt_us) {
                let fits = matches!((&seen, declared), (Some(seen), Some(declared))
                    if (*declared..=declared + slack_us).contains(seen));
                if fits {
                    *seen = *declared;
                }
            }
            if matches!(name, "per-packet" | "round-robin" | "asymmetric-per-packet") {
                // Each TTL of a trace may be another way: only the addresses are certain, and all but the last round trip.
                *seen.rtt_us.last_mut().unwrap() = *truth.rtt_us.last().unwrap();
                seen.graph.edges.clone_from(&truth.graph.edges);
                seen.paths = truth.paths;
            }
            assert_eq!(&seen, truth, "{name}: seen, declared");
        }
    }
}

/// The number behind `key` in the words of `ping`.
fn number(text: &str, key: &str) -> f64 {
    let (_, rest) = text
        .split_once(key)
        .unwrap_or_else(|| panic!("no {key} in {text}"));
    let digits = rest.split(|c: char| !c.is_ascii_digit() && c != '.').next();
    digits.unwrap().parse().unwrap()
}

#[test]
fn netns_ping_sees_the_round_trip_and_the_ttl() {
    for (name, target, rtt_ms, ttl) in [
        ("rtt-20", "203.0.113.1", 20.0, 63),
        ("rtt-20", "2001:db8:2::1", 20.0, 63),
        ("line-15", "203.0.113.1", 300.0, 50),
    ] {
        let emulated = Emulated::start(name, 1).unwrap_or_else(|error| panic!("{error}"));
        let said = emulated
            .namespace()
            .run(Command::new("ping").args(["-n", "-c", "10", "-i", "0.05", "-W", "2", target]))
            .unwrap();
        assert!(
            said.contains("10 packets transmitted, 10 received,"),
            "{said}"
        );
        assert!(said.contains(&format!(" ttl={ttl} ")), "{said}");
        let best_ms = number(&said, "min/avg/max/mdev = ");
        assert!((rtt_ms..rtt_ms + 1.0).contains(&best_ms), "{said}");
        let (_, report) = emulated.stop();
        eprintln!("{name} {target}: ping's best {best_ms} ms; {report}");
        assert_eq!((report.delivered >= 10, report.lost), (true, 0), "{report}");
    }
}

#[test]
fn netns_trains_leave_the_bottleneck_at_its_rate() {
    let emulated =
        Emulated::with_outlet("bottleneck-20", 1, "far").unwrap_or_else(|error| panic!("{error}"));
    let bind = |address: &'static str| {
        move || {
            let socket = UdpSocket::bind(address).unwrap();
            socket
                .set_read_timeout(Some(Duration::from_secs(2)))
                .unwrap();
            socket
        }
    };
    let near = emulated.namespace().enter(bind("192.0.2.1:0")).unwrap();
    let far = emulated.far().enter(bind("203.0.113.2:5000")).unwrap();
    let mut payload = [0; 1_372];
    for number in 0..48 {
        payload[0] = number;
        near.send_to(&payload, "203.0.113.2:5000").unwrap();
    }
    let mut order = Vec::new();
    while order.len() < 48 {
        let (length, from) = far.recv_from(&mut payload).unwrap();
        assert_eq!((length, from), (1_372, near.local_addr().unwrap()));
        order.push(payload[0]);
    }
    assert_eq!(order, (0..48).collect::<Vec<u8>>());
    // And back: a real system stands there.
    far.send_to(b"back", near.local_addr().unwrap()).unwrap();
    assert_eq!(near.recv(&mut payload).unwrap(), 4);
    let (departures, report) = emulated.stop();
    eprintln!("{report}");
    let train: Vec<_> = departures
        .iter()
        .filter(|departure| &*departure.link == "bottleneck")
        .collect();
    assert_eq!(train.len(), 48);
    for (number, pair) in (0..).zip(train.windows(2)) {
        // 1400 bytes at 20 Mbit/s.
        assert_eq!(pair[1].at_ns - pair[0].at_ns, 560_000);
        assert_eq!((pair[0].bytes, pair[0].head[28]), (1_400, number));
    }
    assert!(
        departures
            .iter()
            .any(|departure| &*departure.link == "bottleneck back")
    );
}
