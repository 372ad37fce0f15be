//! The sockets that probes use, in tokio. The kernel's error queue brings ICMP errors to unprivileged sockets
//! (`IP_RECVERR`, `IPV6_RECVERR`) and the time stamps of what was sent (`SO_TIMESTAMPING`); both are read until it is empty.

mod create;
mod datagram;
mod message;
mod readiness;
mod tcp;

pub use datagram::ProbeSocket;
pub(crate) use message::receive;
pub use message::{ErrorOrigin, ErrorReport, Event, EventKind};
pub use readiness::stamping_begins;
pub use tcp::{HeaderFields, TcpEnd, TcpProbe};

use std::io;
use std::net::SocketAddr;

/// What the kernel gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketKind {
    /// A UDP socket.
    Udp,
    /// An ICMP echo socket of `SOCK_DGRAM`, "ping socket": no privilege, the kernel chooses the identifier.
    IcmpDatagram,
    /// A raw ICMP socket: needs `CAP_NET_RAW`, sees every ICMP packet of its peer.
    IcmpRaw,
    /// A TCP socket.
    Tcp,
}

/// Why a socket could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The kernel made no socket, or would not set the named option.
    #[error("{what}: {source}")]
    Setup {
        /// What was being done.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The source port is taken, or needs a privilege.
    #[error("source port {port}: {source}")]
    Bind {
        /// The port that was asked for.
        port: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no way to the target: no route, no source address, forbidden by the local firewall.
    #[error("{remote}: {source}")]
    Connect {
        /// The target.
        remote: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// Neither kind of ICMP socket.
    #[error(
        "no icmp socket: a ping socket needs this process's group within net.ipv4.ping_group_range ({datagram}), \
         a raw socket needs CAP_NET_RAW ({raw})"
    )]
    NoIcmp {
        /// Why there is no ping socket.
        datagram: io::Error,
        /// Why there is no raw socket.
        raw: io::Error,
    },
}

impl SocketError {
    /// Whether the network is the cause (no route, refused by a firewall), not this program or its rights.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Connect { .. })
    }
}

/// Attaches what was being done to an error of the kernel.
fn setup(what: &'static str) -> impl FnOnce(io::Error) -> SocketError {
    move |source| SocketError::Setup { what, source }
}

#[cfg(test)]
mod tests;
