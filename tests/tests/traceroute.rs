//! The traceroute machine against every topology file, in virtual time: paths are exact, multipath discovery misses no more
//! than its stopping rule promises, and no packet is sent that the rules do not ask for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use glimpse_model::outcome::Outcome;
use glimpse_net::packet::{
    Family, Message, PROTOCOL_TCP, PROTOCOL_UDP, QuotedTransport, parse_icmpv4, parse_icmpv6,
    parse_ipv4, parse_ipv6,
};
use glimpse_net::socket::{Event, EventKind, SocketKind};
use glimpse_net::stamp::Stamp;
use glimpse_probe::context::Context;
use glimpse_probe::methods::traceroute::{
    self, Action, Claim, Confidence, Face, Machine, Mode, Pace, Probe, ProbeType, Reply, Response,
    Stop, Stopping, Wire,
};
use glimpse_tests::emulator::packet::{self, Ip, encode_ip, encode_udp, fill_checksum};
use glimpse_tests::emulator::{Hop, Network, Path, Topology};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

fn pace(mode: Mode) -> Pace {
    Pace {
        count: 3,
        interval_ns: 10 * MS,
        timeout_ns: 1000 * MS,
        run_limit_ns: 3_600_000 * MS,
        first_hop: 1,
        max_hops: 30,
        in_flight: 16,
        gap_limit: 5,
        paris: true,
        exclusive_flows: false,
        mode,
    }
}

fn multipath(confidence: Confidence) -> Pace {
    pace(Mode::Multipath {
        confidence,
        max_probes: 2000,
    })
}

/// A machine and the network it probes.
struct Run {
    machine: Machine,
    face: Face,
    kind: ProbeType,
    vantage: IpAddr,
    sent: u32,
    now_ns: u64,
    /// Whether quotes hold nothing that tells the probes of a flow apart.
    blind: bool,
}

impl Run {
    fn new(topology: &Topology, target: IpAddr, kind: ProbeType, pace: Pace, seed: u64) -> Self {
        let vantage = topology.vantage(target).unwrap();
        let count = if pace.mode == Mode::Single { 1 } else { 128 };
        Self {
            machine: Machine::new(pace, 0),
            face: Face {
                wire: Wire {
                    source: vantage,
                    target,
                    source_ports: (33434..33434 + count).collect(),
                    destination_port: 33434,
                    identifier: 0x4242,
                    payload: 74,
                    seed,
                },
                kind: match kind {
                    ProbeType::Udp => SocketKind::Udp,
                    ProbeType::Icmp => SocketKind::IcmpDatagram,
                    ProbeType::Tcp => SocketKind::Tcp,
                },
                listening: true,
            },
            kind,
            vantage,
            sent: 0,
            now_ns: 0,
            blind: false,
        }
    }

    fn encode(&self, probe: Probe) -> Vec<u8> {
        let wire = &self.face.wire;
        let source = SocketAddr::new(self.vantage, wire.source_port(probe.flow));
        let destination = wire.destination(probe.flow);
        let mut data = Vec::new();
        match self.kind {
            ProbeType::Udp => {
                wire.write_datagram(probe, &mut data);
                encode_udp(source, destination, probe.ttl, &data)
            }
            ProbeType::Icmp => {
                wire.write_echo(probe, &mut data);
                let protocol = match Family::from(wire.target) {
                    Family::V4 => 1,
                    Family::V6 => 58,
                };
                let ip = Ip::new(self.vantage, wire.target, protocol, probe.ttl);
                let written = data.clone();
                fill_checksum(&ip, &mut data);
                assert_eq!(data, written, "the checksum is the kernel's");
                encode_ip(&ip, &data)
            }
            ProbeType::Tcp => {
                let header = packet::Tcp {
                    sequence: probe.index,
                    acknowledgement: 0,
                    flags: packet::TCP_SYN,
                    window: 1024,
                };
                packet::encode_tcp(source, destination, probe.ttl, &header)
            }
        }
    }

    /// Plays the run to its end.
    fn play(&mut self, network: &mut Network) {
        loop {
            match self.machine.poll(self.now_ns) {
                Action::Done => return,
                Action::Send(probe) => {
                    network.send(self.now_ns, &self.encode(probe));
                    self.sent += 1;
                    self.machine.sent(Stamp::monotonic(self.now_ns));
                }
                Action::Wait(until_ns) => {
                    assert!(until_ns > self.now_ns, "time goes on");
                    match network.next_ns().filter(|&due_ns| due_ns <= until_ns) {
                        Some(due_ns) => {
                            self.now_ns = self.now_ns.max(due_ns);
                            while let Some(packet) = network.receive(self.now_ns) {
                                self.hear(&packet);
                            }
                        }
                        None => self.now_ns = until_ns,
                    }
                }
            }
        }
    }

    /// What the sockets of the driver would make of a packet.
    fn hear(&mut self, packet: &[u8]) {
        let family = Family::from(self.face.wire.target);
        let (source, protocol, ttl, data) = match family {
            Family::V4 => {
                let (header, data) = parse_ipv4(packet).unwrap();
                (
                    IpAddr::from(header.source),
                    header.protocol,
                    header.ttl,
                    data,
                )
            }
            Family::V6 => {
                let (header, data) = parse_ipv6(packet).unwrap();
                (
                    IpAddr::from(header.source),
                    header.next_header,
                    header.hop_limit,
                    data,
                )
            }
        };
        let port = match protocol {
            PROTOCOL_UDP | PROTOCOL_TCP => u16::from_be_bytes([data[0], data[1]]),
            _ => 0,
        };
        let from = SocketAddr::new(source, port);
        let kind = EventKind::Received { from: Some(from) };
        let event = |bytes: &[u8]| Event {
            ttl: Some(ttl),
            ..Event::new(kind, bytes.len(), Stamp::monotonic(self.now_ns))
        };
        if self.blind || self.kind == ProbeType::Tcp {
            self.hear_little(source, protocol, data);
        } else if protocol == PROTOCOL_UDP {
            let data = &data[8..];
            self.face.tell(&event(data), data, &mut self.machine);
        } else {
            let whole = if family == Family::V4 { packet } else { data };
            let error = self.face.overheard(&event(whole), whole, &mut self.machine);
            if !error && self.kind == ProbeType::Icmp && source == self.face.wire.target {
                self.face.tell(&event(data), data, &mut self.machine);
            }
        }
    }

    /// What a TCP socket makes of it, or the error queue of a UDP socket when nothing is quoted behind the UDP header.
    fn hear_little(&mut self, source: IpAddr, protocol: u8, data: &[u8]) {
        let (claim, response) = if protocol == PROTOCOL_TCP {
            let acknowledged = u32::from_be_bytes([data[8], data[9], data[10], data[11]]);
            (Claim::Probe(acknowledged.wrapping_sub(1)), Response::Answer)
        } else {
            let message = match Family::from(source) {
                Family::V4 => parse_icmpv4(data),
                Family::V6 => parse_icmpv6(data),
            };
            let Ok(Message::Error(error)) = message else {
                return;
            };
            let response = match (Family::from(source), error.kind) {
                (Family::V4, 11) | (Family::V6, 3) => Response::TimeExceeded,
                _ => Response::Unreachable(error.code),
            };
            let claim = match error.quote.transport {
                QuotedTransport::Tcp { sequence, .. } => Claim::Probe(sequence),
                QuotedTransport::Udp {
                    destination_port, ..
                } => Claim::Flow(self.face.wire.flow_to(destination_port).unwrap()),
                // The kernel finds no socket for it.
                _ => return,
            };
            (claim, response)
        };
        self.machine.replied(
            claim,
            Reply {
                from: source,
                is_target: source == self.face.wire.target,
                response,
                at: Stamp::monotonic(self.now_ns),
                ttl: None,
                quoted_ttl: None,
                labels: Vec::new(),
            },
        );
    }

    /// Who answered at each TTL of the way.
    fn path(&self) -> Path {
        let trace = self.machine.trace();
        let hop = |ttl: u8| -> Hop {
            let mut of_ttl = trace.probes.iter().filter(|entry| entry.probe.ttl == ttl);
            of_ttl.find_map(|entry| entry.reply.as_ref().map(|reply| reply.from))
        };
        (1..=trace.last_ttl).map(hop).collect()
    }

    fn stop(&self) -> Stop {
        self.machine.trace().stop
    }

    /// The links that multipath discovery found, by addresses.
    fn links(&self) -> BTreeSet<(Hop, Hop)> {
        let graph = self.machine.trace().graph.unwrap();
        let address = |place: usize| graph.nodes[place].address;
        let inner = graph
            .edges
            .iter()
            .filter_map(|edge| edge.from.map(|from| (from, edge)));
        inner
            .map(|(from, edge)| (address(from), address(edge.to)))
            .collect()
    }
}

fn trace(topology: &Topology, target: IpAddr, kind: ProbeType, pace: Pace, seed: u64) -> Run {
    let mut run = Run::new(topology, target, kind, pace, seed);
    run.play(&mut Network::new(topology, seed));
    run
}

/// The links of the truth, by addresses, whatever their TTL.
fn true_links(topology: &Topology, target: IpAddr) -> BTreeSet<(Hop, Hop)> {
    let graph = topology.graph(target);
    graph.edges.into_iter().flatten().collect()
}

/// Where balancers look at nothing that a flow keeps.
fn is_mixed(topology: &Topology) -> bool {
    let name = topology.name();
    name.contains("packet") || name.contains("round-robin")
}

#[test]
fn every_path_is_exact() {
    for topology in Topology::all().unwrap() {
        let lossy = ["lossy", "loss-exact"].contains(&topology.name());
        for truth in topology.truths() {
            for seed in 0..5 {
                let run = trace(
                    &topology,
                    truth.target,
                    ProbeType::Udp,
                    pace(Mode::Single),
                    seed,
                );
                let (path, what) = (run.path(), format!("{} {seed}", topology.name()));
                let ways = topology.paths(truth.target);
                // The first asks for luck, the last for TCP.
                if lossy || is_mixed(&topology) || topology.name() == "tcp-filtered" {
                    continue;
                }
                match run.stop() {
                    Stop::Target | Stop::Unreachable(_) => {
                        assert!(ways.contains(&path), "{what}: {path:?} of {ways:?}");
                    }
                    Stop::Loop => assert!(
                        !truth.reached && ways.iter().all(|way| way.starts_with(&path)),
                        "{what}: {path:?}"
                    ),
                    Stop::GapLimit => {
                        let heard = path
                            .iter()
                            .rposition(Option::is_some)
                            .map_or(0, |at| at + 1);
                        assert!(!truth.reached, "{what}: {path:?} of {ways:?}");
                        assert_eq!(path.len() - heard, 5, "{what}: {path:?}");
                        assert!(
                            ways.iter().any(|way| way.starts_with(&path[..heard])),
                            "{what}: {path:?} of {ways:?}"
                        );
                    }
                    other => panic!("{what}: {other:?} after {path:?}"),
                }
            }
        }
    }
}

/// Topologies where every next hop can be found by UDP flows, and how many seeds a debug build has the time for.
const BALANCED: &[(&str, u64)] = &[
    ("diamond-2", 1000),
    ("diamond-4", 300),
    ("diamond-4-v6", 60),
    ("diamond-16", 30),
    ("diamond-asymmetric", 150),
    ("diamond-interfaces", 150),
    ("diamond-meshed", 150),
    ("diamond-nested", 100),
    ("diamonds-in-a-row", 100),
    ("source-port", 100),
    ("destination-port", 100),
];
/// Names an environment variable with the number of seeds for all of them.
const SEEDS: &str = "GLIMPSE_TRACEROUTE_SEEDS";

/// The probability, in parts of [`Stopping::unit`], that a run misses something: of each node alone, all independent.
fn promised_misses(topology: &Topology, target: IpAddr, stopping: &mut Stopping) -> f64 {
    let mut widths = std::collections::BTreeMap::<Hop, BTreeSet<Hop>>::new();
    for (from, to) in true_links(topology, target) {
        widths.entry(from).or_default().insert(to);
    }
    let first = topology.graph(target).hops[0].len();
    let widths = widths.values().map(BTreeSet::len).chain([first]);
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    let found: f64 = widths
        .map(|width| stopping.miss_probability(u32::try_from(width).unwrap()))
        .map(|missed| 1.0 - missed as f64 / Stopping::unit() as f64)
        .product();
    1.0 - found
}

#[test]
fn multipath_misses_no_more_than_its_rule_promises() {
    let wanted: Option<u64> = std::env::var(SEEDS)
        .ok()
        .map(|seeds| seeds.parse().unwrap());
    let mut stopping = Stopping::new(Confidence::Percent95);
    for &(name, seeds) in BALANCED {
        let seeds = wanted.unwrap_or(seeds);
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let truth = true_links(&topology, target);
        let (mut missed, mut probes) = (0_u32, 0);
        for seed in 0..seeds {
            let run = trace(
                &topology,
                target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                seed,
            );
            assert_eq!(run.stop(), Stop::Target, "{name} {seed}");
            let found = run.links();
            assert!(
                found.is_subset(&truth),
                "{name} {seed}: {found:?} of {truth:?}"
            );
            missed += u32::from(found != truth);
            probes += run.sent;
        }
        let promised = promised_misses(&topology, target, &mut stopping);
        let runs = f64::from(u32::try_from(seeds).unwrap());
        // Three standard deviations of the count.
        let allowed = promised * runs + 3.0 * (promised * (1.0 - promised) * runs).sqrt();
        println!(
            "{name}: missed {missed}, promised {:.1}, packets {:.1}",
            promised * runs,
            f64::from(probes) / runs
        );
        assert!(
            f64::from(missed) <= allowed,
            "{name}: {missed} against {allowed}"
        );
    }
}

#[test]
fn every_path_is_exact_by_icmp_and_tcp_too() {
    for topology in Topology::all().unwrap() {
        let name = topology.name();
        let luck = ["lossy", "loss-exact"].contains(&name) || is_mixed(&topology);
        // Quotes of less than eight bytes reach no TCP socket; what is said of UDP alone is no truth here.
        let luck = luck || name == "short-quote" || name.starts_with("udp");
        for truth in topology.truths() {
            let ways = topology.paths(truth.target);
            for kind in [ProbeType::Icmp, ProbeType::Tcp] {
                let pace = Pace {
                    exclusive_flows: kind == ProbeType::Tcp,
                    ..pace(Mode::Single)
                };
                let run = trace(&topology, truth.target, kind, pace, 1);
                if !luck && run.stop() == Stop::Target {
                    assert!(
                        ways.contains(&run.path()),
                        "{name} {kind:?}: {:?} of {ways:?}",
                        run.path()
                    );
                }
                // What the file says of its target must show, but where it treats the types differently.
                let plain = name.starts_with("line")
                    || name.starts_with("diamond")
                    || name == "icmp-checksum";
                assert!(
                    !plain || run.stop() == Stop::Target,
                    "{name} {kind:?}: {:?}",
                    run.stop()
                );
            }
        }
    }
}

#[test]
fn quotes_of_nothing_but_the_flow_give_exact_paths() {
    for name in ["line-15", "line-15-v6", "diamond-4", "silent-hop"] {
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let mut run = Run::new(&topology, target, ProbeType::Udp, pace(Mode::Single), 3);
        run.blind = true;
        run.play(&mut Network::new(&topology, 3));
        let ways = topology.paths(target);
        assert!(
            ways.contains(&run.path()),
            "{name}: {:?} of {ways:?}",
            run.path()
        );
    }
}

#[test]
fn a_line_of_fifteen_hops_takes_no_longer_than_hop_after_hop() {
    let topology = Topology::load("line-15").unwrap();
    let truth = &topology.truths()[0];
    let pace = Pace {
        count: 1,
        interval_ns: 50 * MS,
        ..pace(Mode::Single)
    };
    let run = trace(&topology, truth.target, ProbeType::Udp, pace, 1);
    // One probe at a time, twenty a second at most, needs this long.
    let trips = truth.rtt_us.iter().flatten().map(|us| us * 1000);
    let one_by_one: u64 = trips.map(|trip| trip.max(50 * MS)).sum();
    assert_eq!(run.path().len(), truth.rtt_us.len());
    assert!(
        run.now_ns < one_by_one,
        "{} against {one_by_one}",
        run.now_ns
    );
}

#[test]
fn labels_and_times_come_out() {
    let topology = Topology::load("mpls").unwrap();
    let truth = &topology.truths()[0];
    let run = trace(
        &topology,
        truth.target,
        ProbeType::Udp,
        pace(Mode::Single),
        1,
    );
    let trace = run.machine.trace();
    let labels = trace.probes.iter().filter_map(|entry| entry.reply.as_ref());
    assert!(
        labels
            .flat_map(|reply| &reply.labels)
            .any(|label| label.label > 15)
    );
    for entry in trace
        .probes
        .iter()
        .filter(|entry| entry.probe.ttl <= trace.last_ttl)
    {
        let Some(reply) = &entry.reply else { continue };
        let trip_ns = reply.at.monotonic_since(&entry.sent.unwrap());
        let place = usize::from(entry.probe.ttl) - 1;
        assert_eq!(Some(trip_ns / 1000), truth.rtt_us[place]);
    }
}

#[test]
fn icmp_flows_are_told_apart_by_checksum_alone() {
    let topology = Topology::load("icmp-checksum").unwrap();
    let target = topology.truths()[0].target;
    let run = trace(
        &topology,
        target,
        ProbeType::Icmp,
        multipath(Confidence::Percent99),
        2,
    );
    assert_eq!(run.links(), true_links(&topology, target));
}

#[test]
fn balancing_by_packets_is_seen_and_does_not_explode() {
    // Where the ways meet at once nothing depends on it, and nothing is spent on it.
    for (name, most, least_seen) in [
        ("per-packet", 90, 0),
        ("round-robin", 90, 0),
        ("asymmetric-per-packet", 140, 44),
    ] {
        let topology = Topology::load(name).unwrap();
        let target = topology.truths()[0].target;
        let mut seen = 0;
        for seed in 0..50 {
            let run = trace(
                &topology,
                target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                seed,
            );
            assert!(run.sent <= most, "{name} {seed}: {}", run.sent);
            let trace = run.machine.trace();
            let graph = trace.graph.unwrap();
            let mixed = graph.nodes.iter().any(|node| node.per_packet);
            seen += u32::from(mixed);
            let diamonds = graph.diamonds();
            assert_eq!(
                mixed,
                diamonds.iter().any(|diamond| diamond.per_packet),
                "{name} {seed}"
            );
        }
        assert!(seen >= least_seen, "{name}: {seen} of 50");
    }
    // And one by flows is not taken for one.
    let topology = Topology::load("diamond-4").unwrap();
    let target = topology.truths()[0].target;
    let run = trace(
        &topology,
        target,
        ProbeType::Udp,
        multipath(Confidence::Percent95),
        1,
    );
    let graph = run.machine.trace().graph.unwrap();
    assert!(graph.nodes.iter().all(|node| !node.per_packet));
    let diamonds = graph.diamonds();
    assert_eq!(diamonds.len(), 1);
    assert_eq!(
        (diamonds[0].width, diamonds[0].length),
        (4, 2),
        "{diamonds:?}"
    );
}

#[test]
fn multipath_ends_on_every_topology() {
    for topology in Topology::all().unwrap() {
        for truth in topology.truths() {
            let run = trace(
                &topology,
                truth.target,
                ProbeType::Udp,
                multipath(Confidence::Percent95),
                1,
            );
            let name = topology.name();
            assert!(run.sent < 600, "{name}: {}", run.sent);
            assert_ne!(run.stop(), Stop::Limit, "{name}");
            if ["loop", "cycle"].contains(&name) {
                assert_eq!(run.stop(), Stop::Loop, "{name}");
            }
        }
    }
}

/// Traces with real sockets through the emulator's TUN device, as the agent does.
fn measure(emulated: &Emulated, given: &Value) -> Outcome {
    let method = traceroute::descriptor();
    let options = method.read(given.as_object().unwrap()).unwrap();
    let context = Context::unlimited(Duration::from_mins(1), 0x5eed);
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let outcome = emulated
        .namespace()
        .enter(|| runtime().block_on(method.run(&options, &context)))
        .unwrap();
    let announced = method.worst_case_bytes(&options);
    assert!(outcome.bytes.total() <= announced, "{:?}", outcome.bytes);
    outcome
}

/// The addresses of the hops of a result.
fn hops(outcome: &Outcome) -> Path {
    let hops = outcome.probe_result["results"].as_array().unwrap();
    hops.iter()
        .map(|hop| hop["hop"].as_str().map(|address| address.parse().unwrap()))
        .collect()
}

#[test]
fn netns_real_sockets_find_the_paths() {
    for (name, kinds) in [
        ("line", &["Udp", "Icmp", "Tcp"][..]),
        ("line-15-v6", &["Udp", "Icmp"]),
        ("short-quote", &["Udp", "Icmp"]),
        ("nat", &["Udp"]),
        ("diamond-4", &["Udp", "Icmp"]),
        ("zero-ttl", &["Udp"]),
    ] {
        let emulated = Emulated::start(name, 1).unwrap();
        let topology = Topology::load(name).unwrap();
        for truth in topology.truths() {
            let ways = topology.paths(truth.target);
            for kind in kinds {
                let given = json!({
                    "host": truth.target.to_string(), "ping_type": kind, "interval": 10, "source_port": 0,
                });
                let outcome = measure(&emulated, &given);
                let path = hops(&outcome);
                assert!(
                    ways.contains(&path),
                    "{name} {kind}: {path:?} of {ways:?}: {outcome:?}"
                );
                assert_eq!(
                    outcome.probe_result["stop_reason"], "target",
                    "{name} {kind}"
                );
            }
        }
    }
}

#[test]
fn netns_real_sockets_find_all_ways() {
    let emulated = Emulated::start("diamond-4", 1).unwrap();
    let target = emulated.topology().truths()[0].target;
    let given = json!({
        "host": target.to_string(), "multipath": true, "confidence": "99", "interval": 5, "source_port": 0,
    });
    let result = measure(&emulated, &given).probe_result;
    let address = |id: &Value| -> Hop {
        let node = &result["nodes"][usize::try_from(id.as_u64()?).unwrap()];
        node["address"]
            .as_str()
            .map(|address| address.parse().unwrap())
    };
    let edges = result["edges"].as_array().unwrap().iter();
    let found: BTreeSet<(Hop, Hop)> = edges
        .filter(|edge| !edge["from"].is_null())
        .map(|edge| (address(&edge["from"]), address(&edge["to"])))
        .collect();
    assert_eq!(found, true_links(emulated.topology(), target));
    assert_eq!(result["diamonds"].as_array().unwrap().len(), 1);
    assert_eq!(result["diamonds"][0]["width"], 4);
}
