//! The traceroute machine in an emulated network without sockets and without waiting.

use anyhow::{Context, Result, bail, ensure};
use glimpse_net::packet::{Family, PROTOCOL_UDP, parse_ipv4, parse_ipv6};
use glimpse_net::socket::{Event, EventKind, SocketKind};
use glimpse_net::stamp::Stamp;
use glimpse_probe::methods::traceroute::{
    Action, Confidence, Face, Machine, Mode, Pace, Probe, Stop, Wire,
};
use glimpse_tests::emulator::packet::encode_udp;
use glimpse_tests::emulator::{Hop, Network, Topology};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

const MS: u64 = 1_000_000;
const FIRST_PORT: u16 = 33434;
/// Source ports that flows share, as in the agent.
const PORTS: u16 = 128;
/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// What a run came to.
#[derive(Clone, Debug)]
pub(super) struct Discovery {
    /// Why it ended.
    pub(super) stop: Stop,
    /// The links found, by addresses.
    pub(super) links: BTreeSet<(Hop, Hop)>,
    /// Probes sent.
    pub(super) sent: u64,
}

/// Discovers the ways to `target` by UDP.
pub(super) fn discover(
    topology: &Topology,
    target: IpAddr,
    confidence: Confidence,
    seed: u64,
) -> Result<Discovery> {
    let vantage = topology
        .vantage(target)
        .context("the vantage point has no address of this family")?;
    let pace = Pace {
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
        mode: Mode::Multipath {
            confidence,
            max_probes: 2000,
        },
    };
    let mut run = Run {
        machine: Machine::new(pace, 0),
        face: Face {
            wire: Wire {
                source: vantage,
                target,
                source_ports: (FIRST_PORT..FIRST_PORT + PORTS).collect(),
                destination_port: FIRST_PORT,
                identifier: 0x4242,
                payload: 74,
                seed,
            },
            kind: SocketKind::Udp,
            listening: true,
        },
        now_ns: 0,
        sent: 0,
    };
    run.play(&mut Network::new(topology, seed))?;
    run.discovery()
}

/// A machine and where its time stands.
struct Run {
    machine: Machine,
    face: Face,
    now_ns: u64,
    sent: u64,
}

impl Run {
    fn play(&mut self, network: &mut Network) -> Result<()> {
        loop {
            match self.machine.poll(self.now_ns) {
                Action::Done => return Ok(()),
                Action::Send(probe) => {
                    network.send(self.now_ns, &self.encode(probe));
                    self.sent += 1;
                    self.machine.sent(Stamp::monotonic(self.now_ns));
                }
                Action::Wait(until_ns) => {
                    ensure!(until_ns > self.now_ns, "the machine waits for the past");
                    match network.next_ns().filter(|&due_ns| due_ns <= until_ns) {
                        None => self.now_ns = until_ns,
                        Some(due_ns) => {
                            self.now_ns = self.now_ns.max(due_ns);
                            while let Some(packet) = network.receive(self.now_ns) {
                                self.hear(&packet)?;
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
        let mut data = Vec::new();
        wire.write_datagram(probe, &mut data);
        encode_udp(source, wire.destination(probe.flow), probe.ttl, &data)
    }

    /// What the sockets of the driver would make of a packet.
    fn hear(&mut self, packet: &[u8]) -> Result<()> {
        let (source, protocol, ttl, data) = match Family::from(self.face.wire.target) {
            Family::V4 => {
                let (header, data) = parse_ipv4(packet)?;
                (
                    IpAddr::from(header.source),
                    header.protocol,
                    header.ttl,
                    data,
                )
            }
            Family::V6 => {
                let (header, data) = parse_ipv6(packet)?;
                (
                    IpAddr::from(header.source),
                    header.next_header,
                    header.hop_limit,
                    data,
                )
            }
        };
        let event = |from: SocketAddr, bytes: &[u8]| Event {
            ttl: Some(ttl),
            ..Event::new(
                EventKind::Received { from: Some(from) },
                bytes.len(),
                Stamp::monotonic(self.now_ns),
            )
        };
        if protocol == PROTOCOL_UDP {
            let Some((header, data)) = data.split_at_checked(UDP_HEADER) else {
                bail!("the emulator sent a UDP packet without a header");
            };
            let port = u16::from_be_bytes([header[0], header[1]]);
            let event = event(SocketAddr::new(source, port), data);
            self.face.tell(&event, data, &mut self.machine);
        } else {
            let whole = if source.is_ipv4() { packet } else { data };
            let event = event(SocketAddr::new(source, 0), whole);
            self.face.overheard(&event, whole, &mut self.machine);
        }
        Ok(())
    }

    fn discovery(&self) -> Result<Discovery> {
        let trace = self.machine.trace();
        let graph = trace.graph.context("multipath discovery gave no graph")?;
        let address = |place: usize| graph.nodes.get(place).and_then(|node| node.address);
        let links = graph.edges.iter().filter_map(|edge| {
            let from = edge.from?;
            Some((address(from), address(edge.to)))
        });
        Ok(Discovery {
            stop: trace.stop,
            links: links.collect(),
            sent: self.sent,
        })
    }
}
