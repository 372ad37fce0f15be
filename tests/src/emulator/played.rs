//! The traceroute machine in an emulated network, in virtual time: without sockets and without waiting.

use super::packet::{self, Ip, encode_ip, encode_udp, fill_checksum};
use super::{Hop, Network, Path, Topology};
use glimpse_net::packet::{
    Family, Message, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, QuotedTransport,
    parse_icmpv4, parse_icmpv6, parse_ipv4, parse_ipv6,
};
use glimpse_net::socket::{Event, EventKind, SocketKind};
use glimpse_net::stamp::Stamp;
use glimpse_probe::methods::traceroute::{
    Action, Claim, Confidence, Face, Machine, Mode, Pace, Probe, ProbeType, Reply, Response, Stop,
    Stopping, Trace, Wire,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

const MS: u64 = 1_000_000;
const FIRST_PORT: u16 = 33434;
/// Source ports that flows of multipath share, as in the agent.
const PORTS: u16 = 128;
/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// A pace for runs in virtual time: a hundred packets a second, a second of patience, three tries.
pub const fn pace(mode: Mode) -> Pace {
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

/// The same for multipath discovery, with 2000 packets at most.
pub const fn multipath(confidence: Confidence) -> Pace {
    pace(Mode::Multipath {
        confidence,
        max_probes: 2000,
    })
}

/// A run of the machine.
#[derive(Debug)]
pub struct Played {
    machine: Machine,
    face: Face,
    kind: ProbeType,
    sent: u32,
    now_ns: u64,
    blind: bool,
}

impl Played {
    /// Traces the way to `target` from the topology's vantage point; `seed` is that of the network and of the probes.
    ///
    /// # Panics
    /// When the topology has no vantage point of that family, and when machine or emulator break their contracts.
    pub fn new(
        topology: &Topology,
        target: IpAddr,
        kind: ProbeType,
        pace: Pace,
        seed: u64,
    ) -> Self {
        Self::run(topology, target, kind, pace, seed, false)
    }

    /// The same where quotes hold nothing that tells the probes of a flow apart.
    ///
    /// # Panics
    /// As [`Self::new`].
    pub fn blind(
        topology: &Topology,
        target: IpAddr,
        kind: ProbeType,
        pace: Pace,
        seed: u64,
    ) -> Self {
        Self::run(topology, target, kind, pace, seed, true)
    }

    fn run(
        topology: &Topology,
        target: IpAddr,
        kind: ProbeType,
        pace: Pace,
        seed: u64,
        blind: bool,
    ) -> Self {
        let source = topology
            .vantage(target)
            .expect("the vantage point has an address of this family");
        let count = if pace.mode == Mode::Single { 1 } else { PORTS };
        let mut run = Self {
            machine: Machine::new(pace, 0),
            face: Face {
                wire: Wire {
                    source,
                    target,
                    source_ports: (FIRST_PORT..FIRST_PORT + count).collect(),
                    destination_port: FIRST_PORT,
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
            sent: 0,
            now_ns: 0,
            blind,
        };
        run.play(&mut Network::new(topology, seed));
        run
    }

    /// What it came to.
    pub fn trace(&self) -> Trace<'_> {
        self.machine.trace()
    }

    /// Why the way ends.
    pub fn stop(&self) -> Stop {
        self.trace().stop
    }

    /// Packets sent.
    pub const fn sent(&self) -> u32 {
        self.sent
    }

    /// How long it took, in nanoseconds of virtual time.
    pub const fn took_ns(&self) -> u64 {
        self.now_ns
    }

    /// Who answered at each TTL of the way.
    pub fn path(&self) -> Path {
        let trace = self.trace();
        let hop = |ttl: u8| -> Hop {
            let mut of_ttl = trace.probes.iter().filter(|entry| entry.probe.ttl == ttl);
            of_ttl.find_map(|entry| entry.reply.as_ref().map(|reply| reply.from))
        };
        (1..=trace.last_ttl).map(hop).collect()
    }

    /// The links that multipath discovery found, by addresses; none of a run of one flow.
    pub fn links(&self) -> BTreeSet<(Hop, Hop)> {
        let graph = self.trace().graph.unwrap_or_default();
        let address = |place: usize| graph.nodes[place].address;
        let inner = graph
            .edges
            .iter()
            .filter_map(|edge| edge.from.map(|from| (from, edge)));
        inner
            .map(|(from, edge)| (address(from), address(edge.to)))
            .collect()
    }

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
                    assert!(until_ns > self.now_ns, "the machine waits for the past");
                    match network.next_ns().filter(|&due_ns| due_ns <= until_ns) {
                        None => self.now_ns = until_ns,
                        Some(due_ns) => {
                            self.now_ns = self.now_ns.max(due_ns);
                            while let Some(packet) = network.receive(self.now_ns) {
                                self.hear(&packet);
                            }
                        }
                    }
                }
            }
        }
    }

    fn encode(&self, probe: Probe) -> Vec<u8> {
        let wire = &self.face.wire;
        let source = SocketAddr::new(wire.source, wire.source_port(probe.flow));
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
                    Family::V4 => PROTOCOL_ICMP,
                    Family::V6 => PROTOCOL_ICMPV6,
                };
                let ip = Ip::new(wire.source, wire.target, protocol, probe.ttl);
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

    /// What the sockets of the driver would make of a packet.
    fn hear(&mut self, packet: &[u8]) {
        let family = Family::from(self.face.wire.target);
        let whole = "the emulator sends whole packets";
        let (source, protocol, ttl, data) = match family {
            Family::V4 => {
                let (header, data) = parse_ipv4(packet).expect(whole);
                let source = IpAddr::from(header.source);
                (source, header.protocol, header.ttl, data)
            }
            Family::V6 => {
                let (header, data) = parse_ipv6(packet).expect(whole);
                let source = IpAddr::from(header.source);
                (source, header.next_header, header.hop_limit, data)
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
            let data = &data[UDP_HEADER..];
            self.face.tell(&event(data), data, &mut self.machine);
        } else {
            let whole = if family == Family::V4 { packet } else { data };
            let error = self.face.overheard(&event(whole), whole, &mut self.machine);
            // A ping socket looks at the identifier alone.
            if !error && self.kind == ProbeType::Icmp {
                self.face.tell(&event(data), data, &mut self.machine);
            }
        }
    }

    /// What a TCP socket makes of it, or the error queue of a UDP socket when nothing is quoted behind the UDP header.
    fn hear_little(&mut self, source: IpAddr, protocol: u8, data: &[u8]) {
        let (claim, response) = if protocol == PROTOCOL_TCP {
            // The socket is connected.
            if source != self.face.wire.target {
                return;
            }
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
                } => match self.face.wire.flow_to(destination_port) {
                    Some(flow) => Claim::Flow(flow),
                    None => return,
                },
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
}

/// The links there are on the ways to `target`, by addresses, whatever their TTL.
pub fn true_links(topology: &Topology, target: IpAddr) -> BTreeSet<(Hop, Hop)> {
    topology.graph(target).edges.into_iter().flatten().collect()
}

/// The probability that a run misses something: of each node alone, all independent of one another.
#[expect(clippy::cast_precision_loss, reason = "52 bits of a share are enough")]
pub fn promised_misses(topology: &Topology, target: IpAddr, confidence: Confidence) -> f64 {
    let mut stopping = Stopping::new(confidence);
    let mut next = BTreeMap::<Hop, BTreeSet<Hop>>::new();
    for (from, to) in true_links(topology, target) {
        next.entry(from).or_default().insert(to);
    }
    let first = topology.graph(target).hops.first().map_or(0, BTreeSet::len);
    let widths = next.values().map(BTreeSet::len).chain([first]);
    let all_found: f64 = widths
        .map(|width| stopping.miss_probability(u32::try_from(width).unwrap_or(u32::MAX)))
        .map(|missed| 1.0 - missed as f64 / Stopping::unit() as f64)
        .product();
    1.0 - all_found
}
