//! The packet that an ICMP error quotes. Routers quote as little as the IP header and eight bytes (RFC 792), hosts more.

use std::net::IpAddr;

use super::{
    Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, PacketError, array,
    parse_ipv4, parse_ipv6,
};

/// Bytes of an upper-layer header that every quote holds (RFC 792).
const SHORTEST: usize = 8;
const IPV6_HEADER: u32 = 40;

/// The head of the offending packet as an ICMP error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// Source address of the offending packet: ours, as the router saw it.
    pub source: IpAddr,
    /// Where the offending packet was going.
    pub destination: IpAddr,
    /// Its upper-layer protocol.
    pub protocol: u8,
    /// TTL or hop limit at the moment it was quoted: 1 or 0 from most routers, more where a tunnel hid the way.
    pub ttl: u8,
    /// Its length with the IP header, as its header says; some routers have changed it.
    pub total_length: u32,
    /// Identification of IPv4, flow label of IPv6: what else tells packets of one flow apart or together.
    pub identification: u32,
    /// DSCP and ECN bits, the byte that was the type of service.
    pub traffic_class: u8,
    /// Its upper-layer header, as far as quoted.
    pub transport: QuotedTransport,
    /// What is quoted behind that header; often nothing.
    pub payload: &'a [u8],
}

/// The first bytes of the quoted upper-layer header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotedTransport {
    /// UDP (RFC 768).
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Length field: header and data, in bytes.
        length: u16,
        /// Checksum field.
        checksum: u16,
    },
    /// TCP (RFC 9293); only what the first eight bytes hold.
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Sequence number.
        sequence: u32,
    },
    /// ICMP or ICMPv6.
    Icmp {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
        /// Checksum field.
        checksum: u16,
        /// Echo identifier.
        identifier: u16,
        /// Echo sequence number.
        sequence: u16,
    },
    /// Another protocol, a later fragment, or fewer than eight bytes.
    Unknown,
}

/// Reads what follows the eight bytes of an ICMP error header, without the extensions. Lengths in the quoted headers are
/// told and not trusted: the quote is as long as it is.
pub fn parse_quote(family: Family, bytes: &[u8]) -> Result<Quote<'_>, PacketError> {
    let (mut quote, later_fragment) = match family {
        Family::V4 => {
            let (header, payload) = parse_ipv4(bytes)?;
            let quote = Quote {
                source: header.source.into(),
                destination: header.destination.into(),
                protocol: header.protocol,
                ttl: header.ttl,
                total_length: header.total_length.into(),
                identification: header.identification.into(),
                traffic_class: bytes[1],
                transport: QuotedTransport::Unknown,
                // A total length that leaves no room for eight bytes that are there is wrong.
                payload: match bytes.get(header.header_length..) {
                    Some(whole) if payload.len() < SHORTEST && whole.len() >= SHORTEST => whole,
                    _ => payload,
                },
            };
            (quote, header.fragment_offset != 0)
        }
        Family::V6 => {
            let (header, payload) = parse_ipv6(bytes)?;
            let quote = Quote {
                source: header.source.into(),
                destination: header.destination.into(),
                protocol: header.next_header,
                ttl: header.hop_limit,
                total_length: u32::from(header.payload_length) + IPV6_HEADER,
                identification: header.flow_label,
                traffic_class: bytes[0] << 4 | bytes[1] >> 4,
                transport: QuotedTransport::Unknown,
                payload,
            };
            (quote, false)
        }
    };
    if !later_fragment {
        (quote.transport, quote.payload) = split(quote.protocol, quote.payload);
    }
    Ok(quote)
}

fn split(protocol: u8, bytes: &[u8]) -> (QuotedTransport, &[u8]) {
    let Ok(fixed) = array::<8>(bytes, 0, "quoted header") else {
        return (QuotedTransport::Unknown, bytes);
    };
    let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let transport = match protocol {
        PROTOCOL_UDP => QuotedTransport::Udp {
            source_port: word(0),
            destination_port: word(2),
            length: word(4),
            checksum: word(6),
        },
        PROTOCOL_TCP => QuotedTransport::Tcp {
            source_port: word(0),
            destination_port: word(2),
            sequence: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        },
        PROTOCOL_ICMP | PROTOCOL_ICMPV6 => QuotedTransport::Icmp {
            kind: fixed[0],
            code: fixed[1],
            checksum: word(2),
            identifier: word(4),
            sequence: word(6),
        },
        _ => return (QuotedTransport::Unknown, bytes),
    };
    (transport, &bytes[8..])
}
