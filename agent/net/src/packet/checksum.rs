//! The internet checksum (RFC 1071).

use std::net::Ipv6Addr;

/// One's complement of the one's complement sum over `bytes` taken as big-endian 16-bit words, the last one padded with
/// zero (RFC 1071 §1). Over a packet that holds its own correct checksum the answer is 0.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    fold(sum(bytes))
}

/// The checksum over `bytes` and the IPv6 pseudo-header (RFC 8200 §8.1), as ICMPv6, UDP and TCP over IPv6 use it.
pub fn internet_checksum_v6(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    bytes: &[u8],
) -> u16 {
    let total = sum(&source.octets())
        + sum(&destination.octets())
        + sum(&(bytes.len() as u64).to_be_bytes())
        + u64::from(next_header)
        + sum(bytes);
    fold(total)
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| {
            u64::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // The loop leaves sixteen bits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}
