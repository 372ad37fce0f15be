//! ICMP (RFC 792) and ICMPv6 (RFC 4443) messages.

use super::{
    Family, Label, PacketError, Quote, array, extensions, internet_checksum, parse_quote,
    split_extensions,
};

const ECHO_REPLY_V4: u8 = 0;
const UNREACHABLE_V4: u8 = 3;
const ECHO_REQUEST_V4: u8 = 8;
const TIME_EXCEEDED_V4: u8 = 11;
const PARAMETER_PROBLEM_V4: u8 = 12;
/// Code of [`UNREACHABLE_V4`].
const FRAGMENTATION_NEEDED_V4: u8 = 4;
const UNREACHABLE_V6: u8 = 1;
const PACKET_TOO_BIG_V6: u8 = 2;
const TIME_EXCEEDED_V6: u8 = 3;
const PARAMETER_PROBLEM_V6: u8 = 4;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const HEADER_LENGTH: usize = 8;

/// The body of an echo request or reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Tells the senders of one host apart. A ping socket has the kernel choose it.
    pub identifier: u16,
    /// Tells the packets of one sender apart.
    pub sequence: u16,
    /// The data that the answer must return unchanged.
    pub payload: &'a [u8],
}

/// An ICMP error and the packet that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError<'a> {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Bytes 4 to 7: next-hop MTU of "fragmentation needed" (RFC 1191) and "packet too big", else mostly unused.
    pub info: u32,
    /// What it quotes.
    pub quote: Quote<'a>,
    /// The extension structure behind the quote (RFC 4884); empty when there is none.
    pub extensions: &'a [u8],
}

impl IcmpError<'_> {
    /// Next-hop MTU of "fragmentation needed" and "packet too big"; `None` of other errors, and from routers older than
    /// RFC 1191, which leave it 0.
    pub const fn mtu(&self, family: Family) -> Option<u32> {
        let mtu = match (family, self.kind, self.code) {
            (Family::V4, UNREACHABLE_V4, FRAGMENTATION_NEEDED_V4) => self.info & 0xffff,
            (Family::V6, PACKET_TOO_BIG_V6, _) => self.info,
            _ => 0,
        };
        if mtu == 0 { None } else { Some(mtu) }
    }

    /// The MPLS labels under which the offending packet came to whom it troubled (RFC 4950), the outermost first.
    pub fn labels(&self) -> Vec<Label> {
        extensions(self.extensions)
    }
}

/// An ICMP message of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Somebody asks for an echo. On loopback a raw socket sees its own.
    EchoRequest(Echo<'a>),
    /// The answer to one.
    EchoReply(Echo<'a>),
    /// Unreachable, time exceeded, packet too big, parameter problem.
    Error(IcmpError<'a>),
    /// Anything else (redirects, neighbour discovery, …).
    Other {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
    },
}

/// Appends an echo request to `out`. The ICMPv4 checksum is filled in; the ICMPv6 one is left zero, since the kernel alone
/// knows the source address of the pseudo-header and computes it on every ICMPv6 socket (RFC 3542 §3.1).
pub fn encode_echo_request(family: Family, echo: &Echo<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    let kind = match family {
        Family::V4 => ECHO_REQUEST_V4,
        Family::V6 => ECHO_REQUEST_V6,
    };
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(&echo.identifier.to_be_bytes());
    out.extend_from_slice(&echo.sequence.to_be_bytes());
    out.extend_from_slice(echo.payload);
    if family == Family::V4 {
        let checksum = internet_checksum(&out[start..]);
        out[start + 2..start + 4].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Reads an ICMPv4 message (without the IP header) and checks its checksum: raw sockets get packets before the kernel did.
pub fn parse_icmpv4(bytes: &[u8]) -> Result<Message<'_>, PacketError> {
    let (kind, code) = head(bytes)?;
    if internet_checksum(bytes) != 0 {
        return Err(PacketError::Checksum);
    }
    match kind {
        ECHO_REQUEST_V4 => Ok(Message::EchoRequest(echo(bytes)?)),
        ECHO_REPLY_V4 => Ok(Message::EchoReply(echo(bytes)?)),
        UNREACHABLE_V4 | TIME_EXCEEDED_V4 | PARAMETER_PROBLEM_V4 => {
            error(Family::V4, bytes, kind, code)
        }
        _ => Ok(Message::Other { kind, code }),
    }
}

/// Reads an ICMPv6 message. The kernel has checked its checksum before any socket sees it (RFC 3542 §3.1).
pub fn parse_icmpv6(bytes: &[u8]) -> Result<Message<'_>, PacketError> {
    let (kind, code) = head(bytes)?;
    match kind {
        ECHO_REQUEST_V6 => Ok(Message::EchoRequest(echo(bytes)?)),
        ECHO_REPLY_V6 => Ok(Message::EchoReply(echo(bytes)?)),
        UNREACHABLE_V6 | PACKET_TOO_BIG_V6 | TIME_EXCEEDED_V6 | PARAMETER_PROBLEM_V6 => {
            error(Family::V6, bytes, kind, code)
        }
        _ => Ok(Message::Other { kind, code }),
    }
}

fn head(bytes: &[u8]) -> Result<(u8, u8), PacketError> {
    let fixed: [u8; 4] = array(bytes, 0, "icmp header")?;
    Ok((fixed[0], fixed[1]))
}

fn echo(bytes: &[u8]) -> Result<Echo<'_>, PacketError> {
    let fixed: [u8; HEADER_LENGTH] = array(bytes, 0, "icmp echo")?;
    Ok(Echo {
        identifier: u16::from_be_bytes([fixed[4], fixed[5]]),
        sequence: u16::from_be_bytes([fixed[6], fixed[7]]),
        payload: &bytes[HEADER_LENGTH..],
    })
}

fn error(family: Family, bytes: &[u8], kind: u8, code: u8) -> Result<Message<'_>, PacketError> {
    let fixed: [u8; HEADER_LENGTH] = array(bytes, 0, "icmp error")?;
    let info = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
    // RFC 4884 §4: where the length stands, and which messages have one. Of others those bytes are a number.
    let body = &bytes[HEADER_LENGTH..];
    let (quoted, extensions) = match (family, kind) {
        (Family::V4, _) => split_extensions(family, fixed[5], body),
        (Family::V6, UNREACHABLE_V6 | TIME_EXCEEDED_V6) => split_extensions(family, fixed[4], body),
        (Family::V6, _) => (body, [].as_slice()),
    };
    Ok(Message::Error(IcmpError {
        kind,
        code,
        info,
        quote: parse_quote(family, quoted)?,
        extensions,
    }))
}
