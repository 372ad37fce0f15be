//! A packet on its way.

use crate::emulator::packet::fill_header_checksum;
use crate::emulator::plan::{NodeIndex, Plan, fold_address};
use crate::emulator::random::mix;
use crate::emulator::topology::file::{Field, Protocol};
use glimpse_net::packet::{
    Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, parse_ipv4, parse_ipv6,
};
use std::net::IpAddr;

/// Who has sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The vantage point.
    Vantage,
    /// A real system elsewhere.
    Outlet,
    /// A node, in answer to another packet: nobody complains about it.
    Made,
}

/// A whole IP packet with what a network asks about it again and again.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    bytes: Vec<u8>,
    family: Family,
    source: IpAddr,
    receiver: IpAddr,
    protocol: u8,
    /// Where the transport header begins.
    transport: usize,
    later_fragment: bool,
    /// The node that owns the receiver's address; none where nobody does.
    pub(super) destination: Option<NodeIndex>,
    pub(super) origin: Origin,
    pub(super) steps: u16,
}

impl Flight {
    /// Reads what leaves a real system; none for what no router would forward: multicast, link-local, garbage.
    pub(super) fn read(plan: &Plan, origin: Origin, bytes: &[u8]) -> Option<Self> {
        let mut flight = Self::parse(plan, origin, bytes.to_vec())?;
        let forwardable = match flight.receiver {
            IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast(),
            IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
        };
        flight.fill_header_checksum();
        forwardable.then_some(flight)
    }

    /// A packet that a node has made.
    pub(super) fn made(plan: &Plan, bytes: Vec<u8>) -> Option<Self> {
        Self::parse(plan, Origin::Made, bytes)
    }

    fn parse(plan: &Plan, origin: Origin, mut bytes: Vec<u8>) -> Option<Self> {
        let (family, source, receiver, protocol, transport, length, later_fragment) =
            match bytes.first()? >> 4 {
                4 => {
                    let (header, _) = parse_ipv4(&bytes).ok()?;
                    (
                        Family::V4,
                        IpAddr::from(header.source),
                        IpAddr::from(header.destination),
                        header.protocol,
                        header.header_length,
                        usize::from(header.total_length),
                        header.fragment_offset != 0,
                    )
                }
                6 => {
                    let (header, _) = parse_ipv6(&bytes).ok()?;
                    (
                        Family::V6,
                        IpAddr::from(header.source),
                        IpAddr::from(header.destination),
                        header.next_header,
                        header.header_length,
                        40 + usize::from(header.payload_length),
                        false,
                    )
                }
                _ => return None,
            };
        if length < transport || length > bytes.len() {
            return None;
        }
        bytes.truncate(length);
        Some(Self {
            bytes,
            family,
            source,
            receiver,
            protocol,
            transport,
            later_fragment,
            destination: plan.owners.get(&receiver).copied(),
            origin,
            steps: 0,
        })
    }

    /// The packet as it would be seen on the wire.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.fill_header_checksum();
        self.bytes
    }

    /// The start of the packet as it would be seen on the wire.
    pub(super) fn head(&self, limit: usize) -> Vec<u8> {
        let mut head = self.bytes[..self.bytes.len().min(limit.max(self.transport))].to_vec();
        if self.family == Family::V4 {
            fill_header_checksum(&mut head);
        }
        head
    }

    fn fill_header_checksum(&mut self) {
        if self.family == Family::V4 {
            fill_header_checksum(&mut self.bytes);
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) const fn family(&self) -> Family {
        self.family
    }

    pub(super) const fn sender(&self) -> IpAddr {
        self.source
    }

    pub(super) const fn receiver(&self) -> IpAddr {
        self.receiver
    }

    pub(super) const fn protocol(&self) -> u8 {
        self.protocol
    }

    /// Whether it goes towards the vantage point.
    pub(super) fn is_homeward(&self) -> bool {
        self.origin != Origin::Vantage
    }

    pub(super) const fn is_later_fragment(&self) -> bool {
        self.later_fragment
    }

    /// Whether it is any fragment, the first one too.
    pub(super) fn is_fragment(&self) -> bool {
        let more = self.family == Family::V4 && self.bytes[6] & 0x20 != 0;
        self.later_fragment || more
    }

    /// The transport header and what follows.
    pub(super) fn message(&self) -> &[u8] {
        &self.bytes[self.transport..]
    }

    pub(super) const fn transport_offset(&self) -> usize {
        self.transport
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) const fn is_icmp(&self) -> bool {
        matches!(
            (self.family, self.protocol),
            (Family::V4, PROTOCOL_ICMP) | (Family::V6, PROTOCOL_ICMPV6)
        )
    }

    pub(super) fn ttl(&self) -> u8 {
        self.bytes[self.ttl_offset()]
    }

    pub(super) fn set_ttl(&mut self, ttl: u8) {
        let at = self.ttl_offset();
        self.bytes[at] = ttl;
    }

    const fn ttl_offset(&self) -> usize {
        match self.family {
            Family::V4 => 8,
            Family::V6 => 7,
        }
    }

    /// Type of service or traffic class.
    pub(super) fn traffic_class(&self) -> u8 {
        match self.family {
            Family::V4 => self.bytes[1],
            Family::V6 => self.bytes[0] << 4 | self.bytes[1] >> 4,
        }
    }

    /// IPv6 routers never fragment (RFC 8200 §5); IPv4 ones unless the packet forbids it. A fragmented packet goes through
    /// as one, as if its receiver had put it together.
    pub(super) fn must_not_be_fragmented(&self) -> bool {
        self.family == Family::V6 || self.bytes[6] & 0x40 != 0
    }

    pub(super) fn is_any_of(&self, protocols: &[Protocol]) -> bool {
        protocols.is_empty()
            || protocols.iter().any(|protocol| match protocol {
                Protocol::Icmp => self.is_icmp(),
                Protocol::Udp => self.protocol == PROTOCOL_UDP,
                Protocol::Tcp => self.protocol == PROTOCOL_TCP,
            })
    }

    /// Replaces the sender.
    pub(super) fn set_sender(&mut self, source: IpAddr) {
        self.source = source;
        let at = match self.family {
            Family::V4 => 12,
            Family::V6 => 8,
        };
        self.set_address(at, source);
    }

    /// Replaces the receiver.
    pub(super) fn set_receiver(&mut self, plan: &Plan, receiver: IpAddr) {
        self.receiver = receiver;
        self.destination = plan.owners.get(&receiver).copied();
        let at = match self.family {
            Family::V4 => 16,
            Family::V6 => 24,
        };
        self.set_address(at, receiver);
    }

    fn set_address(&mut self, at: usize, address: IpAddr) {
        let checksum_at = super::translation::checksum_place(
            self.family,
            self.protocol,
            &self.bytes,
            self.transport,
        )
        .filter(|_| !self.later_fragment);
        super::translation::write_address(&mut self.bytes, at, address, checksum_at);
    }

    /// The hash of a balancer over `fields`.
    pub(super) fn hash(&self, fields: &[Field], salt: u64) -> u64 {
        let mut hash = salt;
        for &field in fields {
            hash = mix(hash ^ self.field(field)).wrapping_add(salt);
        }
        mix(hash)
    }

    fn field(&self, field: Field) -> u64 {
        let ports = matches!(self.protocol, PROTOCOL_UDP | PROTOCOL_TCP);
        match field {
            Field::Source => fold_address(self.source),
            Field::Destination => fold_address(self.receiver),
            Field::Protocol => u64::from(self.protocol),
            Field::TrafficClass => u64::from(self.traffic_class()),
            Field::FlowLabel => match self.family {
                Family::V4 => 0,
                Family::V6 => u64::from(self.bytes[1] & 0x0f) << 16 | self.word(2),
            },
            Field::SourcePort if ports => self.transport_word(0),
            Field::DestinationPort if ports => self.transport_word(2),
            Field::IcmpChecksum if self.is_icmp() => self.transport_word(2),
            Field::IcmpIdentifier if self.is_icmp() => self.transport_word(4),
            _ => 0,
        }
    }

    fn transport_word(&self, at: usize) -> u64 {
        if self.later_fragment {
            0
        } else {
            self.word(self.transport + at)
        }
    }

    fn word(&self, at: usize) -> u64 {
        self.bytes
            .get(at..at + 2)
            .map_or(0, |word| u64::from(word[0]) << 8 | u64::from(word[1]))
    }
}
