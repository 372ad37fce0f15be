//! IP headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{PacketError, array};

/// Longest chain of extension headers that is followed; real packets have one or two.
const EXTENSION_LIMIT: usize = 8;

/// The fields of an IPv4 header that probes need (RFC 791 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Header {
    /// Sender.
    pub source: Ipv4Addr,
    /// Receiver.
    pub destination: Ipv4Addr,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Time to live as it stands in the packet.
    pub ttl: u8,
    /// Total length field, in bytes; a quote may hold fewer.
    pub total_length: u16,
    /// Identification field.
    pub identification: u16,
    /// Length of the header itself with its options, in bytes.
    pub header_length: usize,
    /// Offset of this fragment, in units of eight bytes.
    pub fragment_offset: u16,
}

/// The fields of an IPv6 header that probes need (RFC 8200 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Header {
    /// Sender.
    pub source: Ipv6Addr,
    /// Receiver.
    pub destination: Ipv6Addr,
    /// The upper-layer protocol behind all extension headers that could be followed.
    pub next_header: u8,
    /// Hop limit as it stands in the packet.
    pub hop_limit: u8,
    /// Payload length field, in bytes; a quote may hold fewer.
    pub payload_length: u16,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Where the upper-layer payload begins, in bytes from the start of the header.
    pub header_length: usize,
}

/// Reads an IPv4 header and hands back what follows it in `bytes`. The payload may be shorter than the header says (a
/// quote), never longer than the total length allows where that length is plausible.
pub fn parse_ipv4(bytes: &[u8]) -> Result<(Ipv4Header, &[u8]), PacketError> {
    let fixed: [u8; 20] = array(bytes, 0, "ipv4 header")?;
    if fixed[0] >> 4 != 4 {
        return Err(PacketError::Version(fixed[0] >> 4));
    }
    let header_length = usize::from(fixed[0] & 0x0f) * 4;
    if header_length < 20 {
        return Err(PacketError::Length("ipv4 header length"));
    }
    let payload = bytes.get(header_length..).ok_or(PacketError::Short {
        what: "ipv4 options",
        need: header_length,
        have: bytes.len(),
    })?;
    let total_length = u16::from_be_bytes([fixed[2], fixed[3]]);
    // Old kernels hand raw sockets a total length in other byte order or without the header; only a shorter one trims.
    let payload = match usize::from(total_length).checked_sub(header_length) {
        Some(length) if length > 0 && length < payload.len() => &payload[..length],
        _ => payload,
    };
    let header = Ipv4Header {
        source: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]),
        destination: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]),
        protocol: fixed[9],
        ttl: fixed[8],
        total_length,
        identification: u16::from_be_bytes([fixed[4], fixed[5]]),
        header_length,
        fragment_offset: u16::from_be_bytes([fixed[6], fixed[7]]) & 0x1fff,
    };
    Ok((header, payload))
}

/// Reads an IPv6 header with the extension headers behind it (hop-by-hop, routing, fragment, destination options) and
/// hands back the upper-layer payload, as far as `bytes` holds it.
pub fn parse_ipv6(bytes: &[u8]) -> Result<(Ipv6Header, &[u8]), PacketError> {
    let fixed: [u8; 40] = array(bytes, 0, "ipv6 header")?;
    if fixed[0] >> 4 != 6 {
        return Err(PacketError::Version(fixed[0] >> 4));
    }
    let (mut next_header, mut offset) = (fixed[6], 40);
    for _ in 0..EXTENSION_LIMIT {
        let length = match next_header {
            // RFC 8200 §4.3, §4.4, §4.6: length in units of eight bytes, without the first.
            0 | 43 | 60 => {
                (usize::from(array::<2>(bytes, offset, "ipv6 extension header")?[1]) + 1) * 8
            }
            44 => 8,
            _ => break,
        };
        next_header = array::<1>(bytes, offset, "ipv6 extension header")?[0];
        offset += length;
    }
    let payload = bytes.get(offset..).ok_or(PacketError::Short {
        what: "ipv6 payload",
        need: offset,
        have: bytes.len(),
    })?;
    let header = Ipv6Header {
        source: Ipv6Addr::from(array::<16>(bytes, 8, "ipv6 header")?),
        destination: Ipv6Addr::from(array::<16>(bytes, 24, "ipv6 header")?),
        next_header,
        hop_limit: fixed[7],
        payload_length: u16::from_be_bytes([fixed[4], fixed[5]]),
        flow_label: u32::from_be_bytes([0, fixed[1] & 0x0f, fixed[2], fixed[3]]),
        header_length: offset,
    };
    Ok((header, payload))
}
