//! Encoding and decoding of the packets that probes send and receive: ICMP echo, ICMP errors with what they quote, and
//! the headers around them. Pure; every parser is bounded by its input, refuses by a [`PacketError`] and never panics.

mod checksum;
mod extension;
mod header;
mod icmp;
mod quote;

pub use checksum::{internet_checksum, internet_checksum_v6};
pub use extension::{Label, PADDED_ORIGINAL, extensions, is_unannounced, split_extensions};
pub use header::{Ipv4Header, Ipv6Header, parse_ipv4, parse_ipv6};
pub use icmp::{Echo, IcmpError, Message, encode_echo_request, parse_icmpv4, parse_icmpv6};
pub use quote::{Quote, QuotedTransport, parse_quote};

use std::net::IpAddr;

/// ICMPv4 protocol number (RFC 792).
pub const PROTOCOL_ICMP: u8 = 1;
/// TCP protocol number (RFC 9293).
pub const PROTOCOL_TCP: u8 = 6;
/// UDP protocol number (RFC 768).
pub const PROTOCOL_UDP: u8 = 17;
/// ICMPv6 next-header number (RFC 4443).
pub const PROTOCOL_ICMPV6: u8 = 58;

/// Which Internet Protocol a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

impl Family {
    /// Length of the IP header without options or extension headers, in bytes.
    pub const fn header_length(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// Why bytes are not the packet they were taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The input ends before the named part does.
    #[error("{what} needs {need} bytes, has {have}")]
    Short {
        /// The part that was being read.
        what: &'static str,
        /// Bytes it needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The version nibble is not the expected one.
    #[error("ip version {0}")]
    Version(u8),
    /// A length field contradicts the packet.
    #[error("{0} is wrong")]
    Length(&'static str),
    /// The checksum does not match.
    #[error("checksum does not match")]
    Checksum,
}

/// The first `N` bytes of `bytes` at `offset`.
fn array<const N: usize>(
    bytes: &[u8],
    offset: usize,
    what: &'static str,
) -> Result<[u8; N], PacketError> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<N>())
        .copied()
        .ok_or(PacketError::Short {
            what,
            need: offset.saturating_add(N),
            have: bytes.len(),
        })
}

#[cfg(test)]
mod tests;
