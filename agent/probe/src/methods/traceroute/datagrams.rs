//! Types `Udp` and `Icmp`: packets out, events in, each event told to the machine as what it claims to answer.
//!
//! Where the process may, a raw socket hears the ICMP errors with all that they quote. Elsewhere the error queues of the
//! sending sockets tell what they know: of UDP little, and the destination port alone can tell flows apart, so that one
//! socket sends them all.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use glimpse_net::count::Counter;
use glimpse_net::packet::Family;
use glimpse_net::socket::{Event, EventKind, ProbeSocket, SocketError, SocketKind};
use glimpse_net::stamp::{Stamp, monotonic_ns};

use super::face::Face;
use super::machine::{Machine, Mode, Probe};
use super::options::{ProbeType, TracerouteOptions};
use super::wire::{Wire, mix};

/// Longest packet that is read whole; ICMP errors are shorter (RFC 1812 §4.3.2.3, RFC 4443 §2.4), and so are our packets.
const BUFFER: usize = 2048;
/// Events taken at a time, so that a flood cannot keep the loop from its clock.
const DRAIN_LIMIT: usize = 256;
/// Source ports that flows of multipath spread to, a socket each.
const SOURCE_PORTS: u16 = 128;
/// How often sockets are looked at that are too many to wait for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
const ECHO_HEADER: usize = 8;

/// The sockets of a run.
pub(super) struct Datagrams {
    face: Face,
    /// One for each source port in use.
    sockets: Vec<Option<Sender>>,
    listener: Option<ProbeSocket>,
    timeout_ns: u64,
    buffer: Vec<u8>,
    second_buffer: Vec<u8>,
    packet: Vec<u8>,
    /// Of what came by the sending sockets where there is a listener, which counts the rest.
    replies: Counter,
}

struct Sender {
    socket: ProbeSocket,
    /// Until when something may come.
    busy_until_ns: u64,
}

impl Datagrams {
    pub(super) fn open(
        options: &TracerouteOptions,
        target: IpAddr,
        seed: u64,
    ) -> Result<Self, SocketError> {
        let family = Family::from(target);
        let listener = ProbeSocket::icmp_listener(family)
            .inspect_err(|error| log::debug!("icmp errors by the error queue alone: {error}"))
            .ok();
        Self::with(options, target, seed, listener)
    }

    /// With a raw socket for the errors, or without.
    pub(super) fn with(
        options: &TracerouteOptions,
        target: IpAddr,
        seed: u64,
        listener: Option<ProbeSocket>,
    ) -> Result<Self, SocketError> {
        let remote = SocketAddr::new(target, options.destination_port);
        let mut wire = Wire {
            source: target,
            target,
            source_ports: vec![0],
            destination_port: options.destination_port,
            identifier: u16::try_from(mix(!seed) >> 48).unwrap_or_default(),
            payload: options.payload,
            seed,
        };
        let (kind, first) = match options.kind {
            ProbeType::Icmp => {
                let socket = ProbeSocket::icmp(target, options.first_hop)?;
                // Each packet is judged by the path, whatever MTU this host remembers of it.
                socket.set_dont_fragment(true)?;
                if let Some(local) = socket.local_address() {
                    wire.source = local.ip();
                    if socket.kind() == SocketKind::IcmpDatagram {
                        wire.identifier = local.port();
                    }
                }
                (socket.kind(), Some(socket))
            }
            ProbeType::Udp | ProbeType::Tcp => {
                let local = ProbeSocket::udp(remote, 0, options.first_hop)?.local_address();
                wire.source = local.map_or(target, |local| local.ip());
                let spread = listener.is_some() && options.mode != Mode::Single;
                let count = if spread { SOURCE_PORTS } else { 1 };
                wire.source_ports = source_ports(first_port(options.source_port, seed), count);
                (SocketKind::Udp, None)
            }
        };
        let mut sockets: Vec<Option<Sender>> = Vec::new();
        sockets.resize_with(wire.source_ports.len(), || None);
        let mut datagrams = Self {
            face: Face {
                wire,
                kind,
                listening: listener.is_some(),
            },
            sockets,
            listener,
            timeout_ns: u64::from(options.receive_timeout_ms) * 1_000_000,
            buffer: vec![0; BUFFER],
            second_buffer: vec![0; BUFFER],
            packet: Vec::with_capacity(ECHO_HEADER + options.payload),
            replies: Counter::default(),
        };
        match first {
            Some(socket) => {
                datagrams.sockets[0] = Some(Sender {
                    socket,
                    busy_until_ns: 0,
                });
            }
            None => datagrams.bind(0)?,
        }
        Ok(datagrams)
    }

    pub(super) fn is_stamping(&self) -> bool {
        let sockets = self.sockets.iter().flatten();
        sockets
            .map(|sender| &sender.socket)
            .any(ProbeSocket::is_stamping)
    }

    /// Opens the UDP socket of a source port.
    fn bind(&mut self, slot: usize) -> Result<(), SocketError> {
        let wire = &mut self.face.wire;
        let family = Family::from(wire.target);
        let socket = ProbeSocket::udp_unconnected(family, wire.source_ports[slot], 1)?;
        socket.set_dont_fragment(true)?;
        // A port that somebody has was replaced.
        if let Some(local) = socket.local_address() {
            wire.source_ports[slot] = local.port();
        }
        self.sockets[slot] = Some(Sender {
            socket,
            busy_until_ns: 0,
        });
        Ok(())
    }

    pub(super) fn send(&mut self, probe: Probe) -> Result<Stamp, String> {
        let slot = self.face.wire.slot(probe.flow);
        if self.sockets[slot].is_none() {
            self.bind(slot).map_err(|error| error.to_string())?;
        }
        let (wire, Some(sender)) = (&self.face.wire, &mut self.sockets[slot]) else {
            return Err("no socket".to_owned());
        };
        let socket = &mut sender.socket;
        socket
            .set_ttl(probe.ttl)
            .map_err(|error| error.to_string())?;
        let sent = if self.face.kind == SocketKind::Udp {
            wire.write_datagram(probe, &mut self.packet);
            socket.send_to(&self.packet, wire.destination(probe.flow))
        } else {
            wire.write_echo(probe, &mut self.packet);
            socket.send(&self.packet)
        };
        let stamp = sent.map_err(|error| error.to_string())?;
        sender.busy_until_ns = stamp.monotonic_ns.saturating_add(self.timeout_ns);
        Ok(stamp)
    }

    /// Waits until something has come and tells the machine.
    pub(super) async fn next(&mut self, machine: &mut Machine) -> io::Result<()> {
        let many = self.sockets.len() > 1;
        let sender = self.sockets[0].as_mut();
        match (&mut self.listener, sender) {
            (Some(listener), Some(sender)) => {
                tokio::select! {
                    event = listener.next(&mut self.buffer) => {
                        let event = event?;
                        if self.face.overheard(&event, &self.buffer[..event.length], machine) {
                            listener.claim(&event);
                        }
                    }
                    event = sender.socket.next(&mut self.second_buffer) => {
                        let event = event?;
                        let bytes = &self.second_buffer[..event.length];
                        tell(&self.face, &mut sender.socket, &mut self.replies, &event, bytes, machine);
                    }
                    () = tokio::time::sleep(LOOK_INTERVAL), if many => {}
                }
            }
            (None, Some(sender)) => {
                let event = sender.socket.next(&mut self.buffer).await?;
                let bytes = &self.buffer[..event.length];
                tell(
                    &self.face,
                    &mut sender.socket,
                    &mut self.replies,
                    &event,
                    bytes,
                    machine,
                );
            }
            (_, None) => tokio::time::sleep(LOOK_INTERVAL).await,
        }
        Ok(())
    }

    /// Tells the machine what has come already. The stamps of what left go first.
    pub(super) fn drain(&mut self, machine: &mut Machine) -> io::Result<()> {
        let now_ns = monotonic_ns();
        for sender in self.sockets.iter_mut().flatten() {
            if sender.busy_until_ns < now_ns {
                continue;
            }
            for _ in 0..DRAIN_LIMIT {
                let Some(event) = sender.socket.take(&mut self.buffer)? else {
                    break;
                };
                let bytes = &self.buffer[..event.length];
                tell(
                    &self.face,
                    &mut sender.socket,
                    &mut self.replies,
                    &event,
                    bytes,
                    machine,
                );
            }
        }
        if let Some(listener) = &mut self.listener {
            for _ in 0..DRAIN_LIMIT {
                let Some(event) = listener.take(&mut self.buffer)? else {
                    break;
                };
                if self
                    .face
                    .overheard(&event, &self.buffer[..event.length], machine)
                {
                    listener.claim(&event);
                }
            }
        }
        Ok(())
    }

    pub(super) fn counter(&self) -> Counter {
        let mut counter = Counter::default();
        for sender in self.sockets.iter().flatten() {
            counter.add(sender.socket.counter());
        }
        if let Some(listener) = &self.listener {
            // Both sockets have seen the errors.
            let heard = listener.counter();
            counter.received_bytes = heard
                .received_bytes
                .saturating_add(self.replies.received_bytes);
            counter.received_packets = heard
                .received_packets
                .saturating_add(self.replies.received_packets);
        }
        counter
    }
}

fn tell(
    face: &Face,
    socket: &mut ProbeSocket,
    replies: &mut Counter,
    event: &Event,
    bytes: &[u8],
    machine: &mut Machine,
) {
    if face.tell(event, bytes, machine) {
        socket.claim(event);
        if matches!(event.kind, EventKind::Received { .. }) {
            replies.received(face.received_bytes(event));
        }
    }
}

/// The first source port: as given, or one for the run.
pub(super) fn first_port(given: u16, seed: u64) -> u16 {
    if given != 0 {
        return given;
    }
    // 1024 to 65534, as the original.
    1024 + u16::try_from(mix(seed) % 64_511).unwrap_or_default()
}

fn source_ports(first: u16, count: u16) -> Vec<u16> {
    // Round the end of the range, past the ports that need a privilege.
    (0..count)
        .map(|place| {
            first
                .checked_add(place)
                .unwrap_or_else(|| place.wrapping_add(1024))
        })
        .collect()
}
