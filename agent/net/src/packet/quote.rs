//! The packet that an ICMP error quotes. Routers quote as little as the IP header and eight bytes (RFC 792), hosts more.

use std::net::IpAddr;

use super::{
    Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP, PacketError, array,
    parse_ipv4, parse_ipv6,
};

/// The head of the offending packet as an ICMP error quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// Source address of the offending packet: ours, as the router saw it.
    pub source: IpAddr,
    /// Where the offending packet was going.
    pub destination: IpAddr,
    /// Its upper-layer protocol.
    pub protocol: u8,
    /// TTL or hop limit at the moment it was quoted.
    pub ttl: u8,
    /// Its upper-layer header, as far as quoted.
    pub transport: QuotedTransport,
    /// What is quoted behind that header; often nothing. Extensions of RFC 4884 may follow within it.
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

/// Reads what follows the eight bytes of an ICMP error header.
pub fn parse_quote(family: Family, bytes: &[u8]) -> Result<Quote<'_>, PacketError> {
    let (source, destination, protocol, ttl, later_fragment, payload) = match family {
        Family::V4 => {
            let (header, payload) = parse_ipv4(bytes)?;
            let later = header.fragment_offset != 0;
            (
                header.source.into(),
                header.destination.into(),
                header.protocol,
                header.ttl,
                later,
                payload,
            )
        }
        Family::V6 => {
            let (header, payload) = parse_ipv6(bytes)?;
            (
                header.source.into(),
                header.destination.into(),
                header.next_header,
                header.hop_limit,
                false,
                payload,
            )
        }
    };
    let (transport, rest) = if later_fragment {
        (QuotedTransport::Unknown, payload)
    } else {
        split(protocol, payload)
    };
    Ok(Quote {
        source,
        destination,
        protocol,
        ttl,
        transport,
        payload: rest,
    })
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
