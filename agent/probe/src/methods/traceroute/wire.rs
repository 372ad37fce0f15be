//! How probes are made so that all of a flow look alike to balancers and each is known again by what comes back. Pure.
//!
//! | type | flow identifier | a probe is known by |
//! |---|---|---|
//! | `Udp` | the ports | the checksum, which the payload is chosen for; its first eight bytes, where they come back |
//! | `Icmp` | identifier and checksum, for which the payload makes up | the sequence number; the first eight bytes, likewise |
//! | `Tcp` | the ports | the socket |
//!
//! What the flows of multipath differ in:
//!
//! | type | version | flow *n* differs in | the same in all |
//! |---|---|---|---|
//! | `Udp` | both | destination port; source port, where a raw socket hears the answers | addresses |
//! | `Udp` | 6 | the flow label too, which the kernel makes of the ports | |
//! | `Icmp` | both | checksum | addresses, type, code, identifier; of IPv6 the flow label |
//! | `Tcp` | both | source port | addresses, destination port; of IPv6 the flow label, which is 0 |
//!
//! So a balancer that hashes ports shows all its next hops to `Udp` and `Tcp`, and to `Icmp` if it hashes the same bytes of
//! every protocol. One that hashes the identifier, or addresses and flow label alone (RFC 6438), sends all of `Icmp` one
//! way, and one way is what is found.
//!
//! Balancers hash the first four bytes behind the IP header, which of ICMP hold the checksum (Augustin et al., "Avoiding
//! traceroute anomalies with Paris traceroute", 2006). Routers quote as little as eight bytes behind the IP header; of UDP
//! these are ports, length and checksum, of ICMP checksum, identifier and sequence number. The error queue of an
//! unprivileged UDP socket shows only what is quoted behind the UDP header. If that is nothing, or a router quotes even
//! less than eight bytes, the answer names its flow alone, and the machine sends one probe of a flow at a time.

use std::net::{IpAddr, SocketAddr};

use glimpse_net::packet::{
    Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_UDP, Quote, QuotedTransport,
    internet_checksum, internet_checksum_v6,
};

use super::machine::{Claim, Probe};

/// Bytes at the beginning of a payload that name the probe.
pub(super) const TOKEN_LENGTH: usize = 8;
/// How the text ends where there is room, so that whoever finds the packets on the wire can find us.
const SUFFIX: &[u8] = b" measure-it.net";
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
/// Length of a UDP or ICMP echo header.
const HEADER_LENGTH: usize = 8;
/// Checksums that are used: neither 0 nor its other form 0xffff, which UDP takes for "none" and for 0.
const CHECKSUMS: u32 = 0xfffe;
/// The lowest port that flows spread to.
const LOWEST_PORT: u16 = 1024;
const PORTS: u32 = 65_536 - LOWEST_PORT as u32;

/// Everything about the probes of a run that does not change.
#[derive(Clone, Debug)]
pub struct Wire {
    /// Address the probes leave from.
    pub source: IpAddr,
    /// Address they go to.
    pub target: IpAddr,
    /// Source ports of UDP; flow *n* uses that at *n* modulo their number.
    pub source_ports: Vec<u16>,
    /// Destination port of flow 0.
    pub destination_port: u16,
    /// Identifier of ICMP echo requests.
    pub identifier: u16,
    /// Length of the payload in bytes, at least 12.
    pub payload: usize,
    /// Seed of payloads and numbers.
    pub seed: u64,
}

impl Wire {
    /// The source port of a flow; 0 of a run without ports.
    pub fn source_port(&self, flow: u16) -> u16 {
        self.source_ports
            .get(self.slot(flow))
            .copied()
            .unwrap_or_default()
    }

    /// Which of the source ports a flow uses.
    pub fn slot(&self, flow: u16) -> usize {
        usize::from(flow) % self.source_ports.len().max(1)
    }

    /// Where the probes of a flow go.
    pub fn destination(&self, flow: u16) -> SocketAddr {
        let port = if flow == 0 {
            self.destination_port
        } else {
            let place = (self.first_place() + u32::from(flow)) % PORTS;
            LOWEST_PORT + low(place)
        };
        SocketAddr::new(self.target, port)
    }

    /// The flow whose probes go to this port.
    pub fn flow_to(&self, port: u16) -> Option<u16> {
        if port == self.destination_port {
            return Some(0);
        }
        let place = u32::from(port.checked_sub(LOWEST_PORT)?);
        u16::try_from((place + PORTS - self.first_place()) % PORTS).ok()
    }

    fn first_place(&self) -> u32 {
        u32::from(self.destination_port.saturating_sub(LOWEST_PORT))
    }

    /// The data of a UDP probe. Its checksum is what [`Self::checksum_of`] says.
    pub fn write_datagram(&self, probe: Probe, out: &mut Vec<u8>) {
        out.clear();
        let length = low(u32::try_from(HEADER_LENGTH + self.payload).unwrap_or_default());
        for word in [
            self.source_port(probe.flow),
            self.destination(probe.flow).port(),
            length,
            0,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        self.write_payload(probe.index, out);
        self.compensate(PROTOCOL_UDP, self.checksum_of(probe.index), out);
        out.drain(..HEADER_LENGTH);
    }

    /// A whole ICMP echo request, with its checksum.
    pub fn write_echo(&self, probe: Probe, out: &mut Vec<u8>) {
        out.clear();
        let (kind, protocol) = match Family::from(self.target) {
            Family::V4 => (8, PROTOCOL_ICMP),
            Family::V6 => (128, PROTOCOL_ICMPV6),
        };
        out.extend_from_slice(&[kind, 0, 0, 0]);
        out.extend_from_slice(&self.identifier.to_be_bytes());
        out.extend_from_slice(&self.sequence_of(probe.index).to_be_bytes());
        self.write_payload(probe.index, out);
        let checksum = self.flow_checksum(probe.flow);
        self.compensate(protocol, checksum, out);
        out[2..4].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Chooses two bytes of the payload so that the checksum of `message` becomes `wanted`.
    fn compensate(&self, protocol: u8, wanted: u16, message: &mut [u8]) {
        let sum = !self.checksum(protocol, message);
        let missing = add(!wanted, !sum);
        let place = HEADER_LENGTH + TOKEN_LENGTH;
        if let Some(room) = message.get_mut(place..place + 2) {
            room.copy_from_slice(&missing.to_be_bytes());
        }
    }

    fn checksum(&self, protocol: u8, message: &[u8]) -> u16 {
        match (self.source, self.target) {
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                internet_checksum_v6(source, target, protocol, message)
            }
            (IpAddr::V4(source), IpAddr::V4(target)) if protocol == PROTOCOL_UDP => {
                let length = low(u32::try_from(message.len()).unwrap_or_default());
                let mut pseudo = [0; 12];
                pseudo[..4].copy_from_slice(&source.octets());
                pseudo[4..8].copy_from_slice(&target.octets());
                pseudo[9] = protocol;
                pseudo[10..].copy_from_slice(&length.to_be_bytes());
                !add(!internet_checksum(&pseudo), !internet_checksum(message))
            }
            _ => internet_checksum(message),
        }
    }

    fn write_payload(&self, index: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.token(index));
        out.extend_from_slice(&[0, 0]);
        let length = self.payload.saturating_sub(out.len() - start);
        let suffix = if length > SUFFIX.len() { SUFFIX } else { &[] };
        let mut state = self.seed ^ u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for _ in 0..length - suffix.len() {
            state = mix(state);
            let letter = (state >> 32) % LETTERS.len() as u64;
            out.push(LETTERS[usize::try_from(letter).unwrap_or_default()]);
        }
        out.extend_from_slice(suffix);
    }

    /// The number of the probe, hidden, and what only we can know of it.
    fn token(&self, index: u32) -> [u8; TOKEN_LENGTH] {
        let proof = mix(self.seed ^ mix(u64::from(index) + 1)).to_be_bytes();
        let hidden = (index ^ self.mask()).to_be_bytes();
        let mut token = [0; TOKEN_LENGTH];
        token[..4].copy_from_slice(&hidden);
        token[4..].copy_from_slice(&proof[..4]);
        token
    }

    fn mask(&self) -> u32 {
        u32::try_from(mix(!self.seed) >> 32).unwrap_or_default()
    }

    /// The probe whose payload begins so; `None` when none does, or too little is there to tell.
    pub fn index_of_payload(&self, payload: &[u8]) -> Option<u32> {
        let token: &[u8; TOKEN_LENGTH] = payload.first_chunk()?;
        let hidden = u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
        let index = hidden ^ self.mask();
        (self.token(index) == *token).then_some(index)
    }

    /// The UDP checksum of a probe: different for each of a run.
    pub fn checksum_of(&self, index: u32) -> u16 {
        1 + low((self.origin() + index) % CHECKSUMS)
    }

    fn index_of_checksum(&self, checksum: u16) -> Option<u32> {
        let place = u32::from(checksum.checked_sub(1)?);
        (place < CHECKSUMS).then(|| (place + CHECKSUMS - self.origin()) % CHECKSUMS)
    }

    fn origin(&self) -> u32 {
        u32::try_from(mix(self.seed.rotate_left(17)) % u64::from(CHECKSUMS)).unwrap_or_default()
    }

    /// The ICMP checksum of all probes of a flow.
    fn flow_checksum(&self, flow: u16) -> u16 {
        1 + low((self.origin() + u32::from(flow)) % CHECKSUMS)
    }

    fn sequence_of(&self, index: u32) -> u16 {
        low((self.origin() + index) & 0xffff)
    }

    /// The probe with this ICMP sequence number.
    pub fn index_of_sequence(&self, sequence: u16) -> u32 {
        u32::from(sequence).wrapping_sub(self.origin()) & 0xffff
    }

    /// Whose packet an ICMP error quotes; `None` when it is none of ours. `flow_of` tells the flow of a probe that was sent.
    pub fn quoted(&self, quote: &Quote<'_>, flow_of: impl Fn(u32) -> Option<u16>) -> Option<Claim> {
        if quote.destination != self.target {
            return None;
        }
        match quote.transport {
            QuotedTransport::Unknown => self.stub(quote),
            _ => self.quoted_transport(&quote.transport, quote.payload, flow_of),
        }
    }

    /// Less than the eight bytes that RFC 792 asks for can still show the flow.
    fn stub(&self, quote: &Quote<'_>) -> Option<Claim> {
        let &[a, b, c, d] = quote.payload.first_chunk()?;
        let (first, second) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let flow = match quote.protocol {
            PROTOCOL_UDP => self
                .flow_to(second)
                .filter(|&flow| self.source_port(flow) == first),
            PROTOCOL_ICMP if first == 8 << 8 => u16::try_from(
                (u32::from(second.checked_sub(1)?) + CHECKSUMS - self.origin()) % CHECKSUMS,
            )
            .ok(),
            _ => None,
        };
        flow.map(Claim::Flow)
    }

    /// The same, of what is quoted behind the IP header.
    pub fn quoted_transport(
        &self,
        transport: &QuotedTransport,
        payload: &[u8],
        flow_of: impl Fn(u32) -> Option<u16>,
    ) -> Option<Claim> {
        let (by_header, flow) = match *transport {
            QuotedTransport::Udp {
                source_port,
                destination_port,
                length,
                checksum,
            } => {
                let flow = self.flow_to(destination_port)?;
                let ours = source_port == self.source_port(flow)
                    && usize::from(length) == HEADER_LENGTH + self.payload;
                (ours.then(|| self.index_of_checksum(checksum))?, Some(flow))
            }
            QuotedTransport::Icmp {
                kind,
                checksum,
                identifier,
                sequence,
                ..
            } if matches!(kind, 8 | 128) && identifier == self.identifier => {
                let index = self.index_of_sequence(sequence);
                let right = flow_of(index).is_some_and(|flow| self.flow_checksum(flow) == checksum);
                (right.then_some(index), None)
            }
            _ => return None,
        };
        // Translators and cards that sum by themselves change checksums; the payload nobody touches.
        let index = if payload.len() >= TOKEN_LENGTH {
            self.index_of_payload(payload)?
        } else {
            by_header?
        };
        let known = flow_of(index)?;
        (flow.is_none_or(|flow| flow == known)).then_some(Claim::Probe(index))
    }

    /// Whose packet it was whose data begins so and went to this port: what the error queue of a UDP socket shows, and what
    /// a service that returns datagrams sends.
    pub fn returned(
        &self,
        port: u16,
        payload: &[u8],
        flow_of: impl Fn(u32) -> Option<u16>,
    ) -> Option<Claim> {
        let flow = self.flow_to(port)?;
        if payload.len() < TOKEN_LENGTH {
            return Some(Claim::Flow(flow));
        }
        let index = self.index_of_payload(payload)?;
        (flow_of(index)? == flow).then_some(Claim::Probe(index))
    }

    /// Whose an echo reply is.
    pub fn echoed(&self, identifier: u16, sequence: u16, payload: &[u8]) -> Option<Claim> {
        let index = self.index_of_payload(payload)?;
        let right = identifier == self.identifier
            && payload.len() == self.payload
            && sequence == self.sequence_of(index);
        right.then_some(Claim::Probe(index))
    }
}

/// The sum of one's complement arithmetic.
fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u16::from(carry)
}

/// The low sixteen bits.
fn low(number: u32) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or_default()
}

/// One step of `splitmix64`.
pub(super) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
