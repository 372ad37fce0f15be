//! Making sockets and setting their options.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc;
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{SocketError, SocketKind, setup};
use crate::packet::Family;
use crate::sys::{self, SocketOption};

/// A non-blocking socket that reports ICMP errors and, where the kernel can, stamps packets.
pub(super) fn socket(
    family: Family,
    kind: Type,
    protocol: Option<Protocol>,
    ttl: u8,
) -> Result<Socket, SocketError> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let socket = Socket::new(domain, kind, protocol).map_err(setup("socket"))?;
    socket.set_nonblocking(true).map_err(setup("O_NONBLOCK"))?;
    match family {
        Family::V4 => {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)
                .map_err(io::Error::from)
                .map_err(setup("IP_RECVERR"))?;
            setsockopt(&socket, sockopt::Ipv4RecvTtl, &true)
                .map_err(io::Error::from)
                .map_err(setup("IP_RECVTTL"))?;
        }
        Family::V6 => {
            // An ICMPv6 socket carries IPv6 alone, and a raw one refuses to be told so.
            if matches!(protocol, Some(Protocol::UDP | Protocol::TCP)) {
                socket.set_only_v6(true).map_err(setup("IPV6_V6ONLY"))?;
            }
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)
                .map_err(io::Error::from)
                .map_err(setup("IPV6_RECVERR"))?;
            socket
                .set_recv_hoplimit_v6(true)
                .map_err(setup("IPV6_RECVHOPLIMIT"))?;
        }
    }
    // Older than Linux 5.9, a kernel does not say where extensions begin; they are looked for then.
    let option = match family {
        Family::V4 => SocketOption::RECVERR_RFC4884_V4,
        Family::V6 => SocketOption::RECVERR_RFC4884_V6,
    };
    let _ = sys::set_int(&socket, option, 1);
    set_ttl(&socket, family, ttl)?;
    Ok(socket)
}

/// Time to live, or hop limit, of what is sent from now on.
pub(super) fn set_ttl(socket: &Socket, family: Family, ttl: u8) -> Result<(), SocketError> {
    match family {
        Family::V4 => socket.set_ttl_v4(u32::from(ttl)).map_err(setup("IP_TTL")),
        Family::V6 => socket
            .set_unicast_hops_v6(u32::from(ttl))
            .map_err(setup("IPV6_UNICAST_HOPS")),
    }
}

/// Differentiated services code point of what is sent from now on; the two bits of ECN stay 0.
pub(super) fn set_dscp(socket: &Socket, family: Family, dscp: u8) -> Result<(), SocketError> {
    let class = u32::from(dscp & 0x3f) << 2;
    match family {
        Family::V4 => socket.set_tos_v4(class).map_err(setup("IP_TOS")),
        Family::V6 => socket.set_tclass_v6(class).map_err(setup("IPV6_TCLASS")),
    }
}

/// Whether what is sent from now on may be fragmented; see [`super::ProbeSocket::set_dont_fragment`].
pub(super) fn set_dont_fragment(
    socket: &Socket,
    family: Family,
    dont_fragment: bool,
) -> Result<(), SocketError> {
    let value = if dont_fragment {
        libc::IP_PMTUDISC_PROBE
    } else {
        libc::IP_PMTUDISC_DONT
    };
    // The values are the same for IPv6.
    let (option, what) = match family {
        Family::V4 => (SocketOption::MTU_DISCOVER_V4, "IP_MTU_DISCOVER"),
        Family::V6 => (SocketOption::MTU_DISCOVER_V6, "IPV6_MTU_DISCOVER"),
    };
    sys::set_int(socket, option, value).map_err(setup(what))
}

/// Asks for kernel stamps of both directions. Sent packets come back whole on the error queue, so that they can be told
/// apart by what they hold.
pub(super) fn stamp_packets(socket: &Socket) -> io::Result<()> {
    let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
    setsockopt(socket, sockopt::Timestamping, &flags).map_err(io::Error::from)
}

/// An ICMP socket of the kind that this process may have, the unprivileged one first.
pub(super) fn icmp(family: Family, ttl: u8) -> Result<(Socket, SocketKind), SocketError> {
    let protocol = match family {
        Family::V4 => Protocol::ICMPV4,
        Family::V6 => Protocol::ICMPV6,
    };
    let datagram = match socket(family, Type::DGRAM, Some(protocol), ttl) {
        Ok(socket) => return Ok((socket, SocketKind::IcmpDatagram)),
        Err(SocketError::Setup {
            what: "socket",
            source,
        }) => source,
        Err(other) => return Err(other),
    };
    match socket(family, Type::RAW, Some(protocol), ttl) {
        Ok(socket) => Ok((socket, SocketKind::IcmpRaw)),
        Err(SocketError::Setup {
            what: "socket",
            source: raw,
        }) => Err(SocketError::NoIcmp { datagram, raw }),
        Err(other) => Err(other),
    }
}

/// A raw socket that hears every ICMP packet of this host, once each.
pub(super) fn icmp_listener(family: Family) -> Result<Socket, SocketError> {
    let protocol = match family {
        Family::V4 => Protocol::ICMPV4,
        Family::V6 => Protocol::ICMPV6,
    };
    let socket = socket(family, Type::RAW, Some(protocol), 64)?;
    // Errors come as packets; about echo requests they would come by the error queue as well.
    let result = match family {
        Family::V4 => setsockopt(&socket, sockopt::Ipv4RecvErr, &false),
        Family::V6 => setsockopt(&socket, sockopt::Ipv6RecvErr, &false),
    };
    result
        .map_err(io::Error::from)
        .map_err(setup("IP_RECVERR"))?;
    Ok(socket)
}

/// Registers the socket with the runtime.
#[expect(
    deprecated,
    reason = "the successor is unsafe for descriptors that can be exchanged or closed under it; `Socket` owns its own"
)]
pub(super) fn register(socket: Socket, interest: Interest) -> Result<AsyncFd<Socket>, SocketError> {
    AsyncFd::with_interest(socket, interest).map_err(setup("registration with the runtime"))
}

/// Binds to `port` on every address, alone: of two sockets with the same ports and peer the kernel would give all packets
/// to one. 0, and a port that is taken, leave the choice to the kernel.
pub(super) fn bind_alone(socket: &Socket, family: Family, port: u16) -> Result<(), SocketError> {
    if port == 0 {
        return Ok(());
    }
    let bind = |port| socket.bind(&SocketAddr::new(unspecified(family), port).into());
    bind(port)
        .or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse => bind(0),
            _ => Err(error),
        })
        .map_err(|source| SocketError::Bind { port, source })
}

/// Binds to `port` on every address; 0 leaves the choice to the kernel. A given port may be shared with other probes to
/// other peers: the kernel tells connections apart.
pub(super) fn bind(socket: &Socket, family: Family, port: u16) -> Result<(), SocketError> {
    if port == 0 {
        return Ok(());
    }
    socket
        .set_reuse_address(true)
        .map_err(setup("SO_REUSEADDR"))?;
    socket
        .bind(&SocketAddr::new(unspecified(family), port).into())
        .map_err(|source| SocketError::Bind { port, source })
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
    }
}
