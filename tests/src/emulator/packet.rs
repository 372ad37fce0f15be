//! Whole IP packets as bytes: what probes send and what an internet answers. The readers of `glimpse-net` do the reading;
//! here are the encoders, and the fields that a network changes on the way.

use glimpse_net::packet::{Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP};
use std::net::{IpAddr, SocketAddr};

/// The TCP flag FIN.
pub const TCP_FIN: u8 = 0x01;
/// The TCP flag SYN.
pub const TCP_SYN: u8 = 0x02;
/// The TCP flag RST.
pub const TCP_RST: u8 = 0x04;
/// The TCP flag ACK.
pub const TCP_ACK: u8 = 0x10;

/// The IP header of a packet to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Sender; of the same family as the receiver.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Type of service or traffic class.
    pub traffic_class: u8,
    /// Flow label (IPv6).
    pub flow_label: u32,
    /// Identification (IPv4).
    pub identification: u16,
    /// Whether routers must not fragment (IPv4; of IPv6 this is always so).
    pub dont_fragment: bool,
}

impl Ip {
    /// A plain header: no traffic class, flow label or identification; routers may fragment.
    pub const fn new(source: IpAddr, destination: IpAddr, protocol: u8, ttl: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            ttl,
            traffic_class: 0,
            flow_label: 0,
            identification: 0,
            dont_fragment: false,
        }
    }
}

/// The TCP header of a segment to be made, without ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Flags: [`TCP_SYN`] and the like.
    pub flags: u8,
    /// Window.
    pub window: u16,
}

/// A packet of `ip` around `transport`, whose checksum is taken as it stands.
///
/// # Panics
/// When the addresses are of two families, or the packet is longer than one can be.
pub fn encode_ip(ip: &Ip, transport: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + transport.len());
    let length = |bytes: usize| {
        u16::try_from(bytes)
            .expect("a packet below 64 kB")
            .to_be_bytes()
    };
    match (ip.source, ip.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            out.extend_from_slice(&[0x45, ip.traffic_class]);
            out.extend_from_slice(&length(20 + transport.len()));
            out.extend_from_slice(&ip.identification.to_be_bytes());
            out.extend_from_slice(&[if ip.dont_fragment { 0x40 } else { 0 }, 0]);
            out.extend_from_slice(&[ip.ttl, ip.protocol, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
            fill_header_checksum(&mut out);
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let first = 6 << 28 | u32::from(ip.traffic_class) << 20 | (ip.flow_label & 0x000f_ffff);
            out.extend_from_slice(&first.to_be_bytes());
            out.extend_from_slice(&length(transport.len()));
            out.extend_from_slice(&[ip.protocol, ip.ttl]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        (source, destination) => panic!("{source} and {destination} are of two families"),
    }
    out.extend_from_slice(transport);
    out
}

/// An ICMP echo request with its checksum.
pub fn encode_echo_request(
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    identifier: u16,
    sequence: u16,
    payload: &[u8],
) -> Vec<u8> {
    let (protocol, kind) = match Family::from(destination) {
        Family::V4 => (PROTOCOL_ICMP, 8),
        Family::V6 => (PROTOCOL_ICMPV6, 128),
    };
    let mut message = vec![kind, 0, 0, 0];
    message.extend_from_slice(&identifier.to_be_bytes());
    message.extend_from_slice(&sequence.to_be_bytes());
    message.extend_from_slice(payload);
    let ip = Ip::new(source, destination, protocol, ttl);
    fill_checksum(&ip, &mut message);
    encode_ip(&ip, &message)
}

/// A UDP datagram with its checksum.
pub fn encode_udp(source: SocketAddr, destination: SocketAddr, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let ip = Ip::new(source.ip(), destination.ip(), PROTOCOL_UDP, ttl);
    encode_ip(&ip, &udp(&ip, source.port(), destination.port(), payload))
}

/// A TCP segment without options, with its checksum.
pub fn encode_tcp(source: SocketAddr, destination: SocketAddr, ttl: u8, header: &Tcp) -> Vec<u8> {
    let ip = Ip::new(source.ip(), destination.ip(), PROTOCOL_TCP, ttl);
    encode_ip(&ip, &tcp(&ip, source.port(), destination.port(), header))
}

/// A UDP header and its data, with the checksum over the pseudo-header of `ip`.
///
/// # Panics
/// When the data is longer than a datagram can be.
pub fn udp(ip: &Ip, source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).expect("a datagram below 64 kB");
    let mut out = Vec::with_capacity(usize::from(length));
    for word in [source_port, destination_port, length, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(payload);
    fill_checksum(ip, &mut out);
    out
}

/// A TCP header without options or data, with the checksum over the pseudo-header of `ip`.
pub fn tcp(ip: &Ip, source_port: u16, destination_port: u16, header: &Tcp) -> Vec<u8> {
    let mut out = Vec::with_capacity(20);
    out.extend_from_slice(&source_port.to_be_bytes());
    out.extend_from_slice(&destination_port.to_be_bytes());
    out.extend_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(&header.acknowledgement.to_be_bytes());
    out.extend_from_slice(&[5 << 4, header.flags]);
    out.extend_from_slice(&header.window.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    fill_checksum(ip, &mut out);
    out
}

/// Writes the checksum of a UDP, TCP, ICMP or ICMPv6 message into it; other protocols are left alone.
pub fn fill_checksum(ip: &Ip, transport: &mut [u8]) {
    let Some(at) = checksum_offset(ip.protocol) else {
        return;
    };
    if transport.len() < at + 2 {
        return;
    }
    transport[at..at + 2].fill(0);
    let mut checksum = transport_checksum(ip.source, ip.destination, ip.protocol, transport);
    if ip.protocol == PROTOCOL_UDP && checksum == 0 {
        // RFC 768: zero says that there is none.
        checksum = 0xffff;
    }
    transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// The checksum over a message and its pseudo-header (of ICMPv4: over the message alone); 0 where one that is correct
/// stands in it.
pub(super) fn transport_checksum(
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    transport: &[u8],
) -> u16 {
    let message = sum(transport);
    let length = transport.len() as u64;
    let pseudo = match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) if protocol == PROTOCOL_ICMP => 0,
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let addresses = [source, destination].map(|address| u64::from(address.to_bits()));
            addresses[0] + addresses[1] + length + u64::from(protocol)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let words = add(sum(&source.octets()), sum(&destination.octets()));
            add(words, length + u64::from(protocol))
        }
        _ => 0,
    };
    !fold(add(message, pseudo))
}

/// The checksum over `bytes` (RFC 1071), as `glimpse-net` has it; by words of 64 bits, because simulations spend most of
/// their time here.
pub(super) fn checksum(bytes: &[u8]) -> u16 {
    !fold(sum(bytes))
}

/// The one's complement sum, not yet folded to sixteen bits.
fn sum(mut bytes: &[u8]) -> u64 {
    let mut sum = 0;
    while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
        sum = add(sum, u64::from_be_bytes(*word));
        bytes = rest;
    }
    let mut last = [0; 8];
    last[..bytes.len()].copy_from_slice(bytes);
    add(sum, u64::from_be_bytes(last))
}

const fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u64
}

/// A sum of large words as one of sixteen bits, with the carries brought round (RFC 1071 §2).
#[expect(
    clippy::cast_possible_truncation,
    reason = "below 2¹⁶ after three folds"
)]
const fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Where in its header a protocol keeps the checksum.
pub(super) const fn checksum_offset(protocol: u8) -> Option<usize> {
    match protocol {
        PROTOCOL_ICMP | PROTOCOL_ICMPV6 => Some(2),
        PROTOCOL_UDP => Some(6),
        PROTOCOL_TCP => Some(16),
        _ => None,
    }
}

/// Writes the checksum of the IPv4 header at the start of `packet`.
pub(super) fn fill_header_checksum(packet: &mut [u8]) {
    let length = usize::from(packet[0] & 0x0f) * 4;
    if length < 20 || packet.len() < length {
        return;
    }
    packet[10..12].fill(0);
    let checksum = checksum(&packet[..length]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Replaces the bytes at `at` and brings the checksum at `checksum_at` in line (RFC 1624 §3). A wrong checksum stays wrong.
pub(super) fn replace(packet: &mut [u8], at: usize, new: &[u8], checksum_at: Option<usize>) {
    if packet.len() < at + new.len() {
        return;
    }
    let before = !checksum(&packet[at..at + new.len()]);
    packet[at..at + new.len()].copy_from_slice(new);
    let after = !checksum(new);
    adjust(packet, checksum_at, before, after);
}

/// Brings a checksum in line with a change from words that sum to `before` to words that sum to `after`.
pub(super) fn adjust(packet: &mut [u8], checksum_at: Option<usize>, before: u16, after: u16) {
    let Some(field) = checksum_at.and_then(|at| packet.get_mut(at..at + 2)) else {
        return;
    };
    let old = u16::from_be_bytes([field[0], field[1]]);
    let new = !fold(u64::from(!old) + u64::from(!before) + u64::from(after));
    field.copy_from_slice(&new.to_be_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::emulator::random::Random;
    use glimpse_net::packet::{internet_checksum, internet_checksum_v6};
    use std::net::Ipv6Addr;

    #[test]
    fn checksums_are_those_of_glimpse_net() {
        let mut random = Random::new(1);
        for length in 0..300 {
            let bytes: Vec<u8> = (0..length)
                .map(|at| {
                    if length % 7 == 0 {
                        0xff
                    } else {
                        random.next().to_be_bytes()[at % 8]
                    }
                })
                .collect();
            assert_eq!(checksum(&bytes), internet_checksum(&bytes), "{length}");
            let ends = [u128::MAX, u128::from(random.next())].map(Ipv6Addr::from_bits);
            assert_eq!(
                transport_checksum(ends[0].into(), ends[1].into(), PROTOCOL_TCP, &bytes),
                internet_checksum_v6(ends[0], ends[1], PROTOCOL_TCP, &bytes)
            );
        }
    }

    #[test]
    fn replacing_bytes_is_the_same_as_summing_anew() {
        let mut random = Random::new(2);
        for _ in 0..1_000 {
            let mut packet: Vec<u8> = (0..40).map(|_| random.next().to_be_bytes()[0]).collect();
            packet[10..12].fill(0);
            let checksum = checksum(&packet);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            let new = random.next().to_be_bytes();
            replace(&mut packet, 20, &new[..4], Some(10));
            assert_eq!(packet[20..24], new[..4]);
            assert_eq!(internet_checksum(&packet), 0);
        }
    }
}
