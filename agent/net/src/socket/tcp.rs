//! The opening of a TCP connection as a probe: SYN/ACK and reset both tell the round trip.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::message::{ErrorOrigin, ErrorReport, EventKind, receive};
use super::{SocketError, create, setup};
use crate::count::{Counter, TCP_ACK, TCP_RESET, TCP_SYN, icmp_error_bytes, packet_bytes};
use crate::packet::{Family, Label};
use crate::stamp::{Stamp, monotonic_ns};
use crate::sys::{self, SocketOption};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpEnd {
    /// The target accepted (SYN/ACK).
    Accepted,
    /// The target refused (reset).
    Refused,
    /// An ICMP error, or an error of this host.
    Failed(ErrorReport),
}

/// The fields of the IP header that a probe may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderFields {
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Differentiated services code point (RFC 2474), 0 to 63.
    pub dscp: u8,
    /// Whether packets carry "don't fragment"; see [`super::ProbeSocket::set_dont_fragment`]. `None` leaves it to the kernel.
    pub dont_fragment: Option<bool>,
}

impl HeaderFields {
    /// The given TTL, best effort, fragmentation as the kernel does.
    pub const fn ttl(ttl: u8) -> Self {
        Self {
            ttl,
            dscp: 0,
            dont_fragment: None,
        }
    }
}

/// Room for what an ICMP error quotes with its extensions (RFC 4884 §5.1 with 576 bytes in all).
const QUOTE_BYTES: usize = 576;

/// One attempt. Its socket is closed when it ends: after acceptance by a reset, so that the same ports can be used again at
/// once; after an error before the SYN is repeated. Dropping it before its end leaves nothing behind but the SYN.
#[derive(Debug)]
pub struct TcpProbe {
    /// `None` once the attempt has ended.
    socket: Option<AsyncFd<Socket>>,
    local: Option<SocketAddr>,
    family: Family,
    started: Stamp,
    ended: Option<(TcpEnd, Stamp)>,
    labels: Vec<Label>,
    counter: Counter,
}

/// An end and what came with it.
struct Found {
    end: TcpEnd,
    labels: Vec<Label>,
}

impl From<TcpEnd> for Found {
    fn from(end: TcpEnd) -> Self {
        Self {
            end,
            labels: Vec::new(),
        }
    }
}

impl TcpProbe {
    /// Sends the SYN. `source_port` 0 is an ephemeral one, and so is one from which another probe holds this connection.
    ///
    /// # Errors
    /// [`SocketError::Bind`] when the port is taken, [`SocketError::Connect`] when the kernel does not even send.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O.
    pub fn start(remote: SocketAddr, source_port: u16, ttl: u8) -> Result<Self, SocketError> {
        Self::start_with(remote, source_port, &HeaderFields::ttl(ttl))
    }

    /// As [`Self::start`], with more fields of the IP header.
    pub fn start_with(
        remote: SocketAddr,
        source_port: u16,
        fields: &HeaderFields,
    ) -> Result<Self, SocketError> {
        match Self::start_from(remote, source_port, fields) {
            // Another probe holds this very connection.
            Err(SocketError::Connect { source, .. } | SocketError::Bind { source, .. })
                if source_port != 0
                    && matches!(
                        source.kind(),
                        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse
                    ) =>
            {
                Self::start_from(remote, 0, fields)
            }
            started => started,
        }
    }

    /// Sends the SYN from `source_port` and no other: for probes that must be of one flow. 0 is an ephemeral one.
    ///
    /// # Errors
    /// As [`Self::start`]; also when another probe to `remote` holds the port.
    pub fn start_from(
        remote: SocketAddr,
        source_port: u16,
        fields: &HeaderFields,
    ) -> Result<Self, SocketError> {
        let family = Family::from(remote.ip());
        let socket = create::socket(family, Type::STREAM, Some(Protocol::TCP), fields.ttl)?;
        if fields.dscp != 0 {
            create::set_dscp(&socket, family, fields.dscp)?;
        }
        if let Some(dont_fragment) = fields.dont_fragment {
            create::set_dont_fragment(&socket, family, dont_fragment)?;
        }
        // Close by reset: no TIME_WAIT that would keep the ports.
        socket
            .set_linger(Some(Duration::ZERO))
            .map_err(setup("SO_LINGER"))?;
        if family == Family::V6 {
            // The kernel draws a new flow label for each connection, whatever its ports: routers that balance by the
            // label would see another flow each time. A kernel that does not know the option sends no label.
            let _ = sys::set_int(&socket, SocketOption::AUTO_FLOW_LABEL, 0);
        }
        create::bind(&socket, family, source_port)?;
        let started = Stamp::monotonic(monotonic_ns());
        let result = socket.connect(&remote.into());
        let returned = Stamp::monotonic(monotonic_ns());
        // On loopback the answer is there before the call returns.
        let ended = match result {
            Ok(()) => Some(TcpEnd::Accepted.into()),
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Some(reported(&socket, family).unwrap_or_else(|| TcpEnd::Refused.into()))
            }
            Err(source) => return Err(SocketError::Connect { remote, source }),
        };
        let local = socket.local_addr().ok().and_then(|own| own.as_socket());
        let interest = Interest::READABLE | Interest::WRITABLE;
        let socket = create::register(socket, interest)?;
        let mut counter = Counter::default();
        counter.sent(packet_bytes(family, TCP_SYN));
        let mut probe = Self {
            socket: Some(socket),
            local,
            family,
            started,
            ended: None,
            labels: Vec::new(),
            counter,
        };
        if let Some(found) = ended {
            probe.settle(found, returned);
        }
        Ok(probe)
    }

    /// The address and port that the SYN left from.
    pub const fn local_address(&self) -> Option<SocketAddr> {
        self.local
    }

    /// The MPLS labels that the ICMP error told of (RFC 4950); nothing before the end, and of other ends.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// The moment before the SYN, by the monotonic clock: the kernel stamps no SYN.
    pub const fn started(&self) -> Stamp {
        self.started
    }

    /// Bytes of this attempt, with the reset that follows an accepted one. A repeated SYN is not seen here: the first
    /// repetition comes after a second, wait no longer.
    pub const fn counter(&self) -> &Counter {
        &self.counter
    }

    /// Whether the attempt has ended, how and when.
    pub fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<(TcpEnd, Stamp)> {
        loop {
            if let Some(ended) = self.ended {
                return Poll::Ready(ended);
            }
            let Some(socket) = &self.socket else {
                // It is taken away where `ended` is set.
                return Poll::Pending;
            };
            let stamp;
            let found;
            match socket.poll_write_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    stamp = Stamp::monotonic(monotonic_ns());
                    found = TcpEnd::Failed(local(&error)).into();
                }
                Poll::Ready(Ok(mut guard)) => {
                    stamp = Stamp::monotonic(monotonic_ns());
                    let Some(ended) = outcome(guard.get_inner(), self.family) else {
                        guard.clear_ready();
                        continue;
                    };
                    found = ended;
                }
            }
            self.settle(found, stamp);
        }
    }

    /// Waits for the end of the attempt.
    pub async fn ended(&mut self) -> (TcpEnd, Stamp) {
        std::future::poll_fn(|context| self.poll_ended(context)).await
    }

    fn settle(&mut self, found: Found, stamp: Stamp) {
        self.socket = None;
        match found.end {
            TcpEnd::Accepted => {
                self.counter.received(packet_bytes(self.family, TCP_SYN));
                self.counter.sent(packet_bytes(self.family, TCP_ACK));
                self.counter.sent(packet_bytes(self.family, TCP_RESET));
            }
            TcpEnd::Refused => self.counter.received(packet_bytes(self.family, TCP_RESET)),
            TcpEnd::Failed(report) if report.origin == ErrorOrigin::Icmp => {
                self.counter
                    .received(icmp_error_bytes(self.family, TCP_SYN));
            }
            TcpEnd::Failed(_) => {}
        }
        self.labels = found.labels;
        self.ended = Some((found.end, stamp));
    }
}

/// How the attempt stands; `None` while it is under way.
fn outcome(socket: &Socket, family: Family) -> Option<Found> {
    match socket.take_error() {
        Ok(None) if socket.peer_addr().is_ok() => Some(TcpEnd::Accepted.into()),
        // An ICMP error that met the socket in use is on the queue alone, and the kernel would go on trying.
        Ok(None) => reported(socket, family),
        Ok(Some(error)) => Some(
            reported(socket, family).unwrap_or_else(|| match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
                    TcpEnd::Refused.into()
                }
                _ => TcpEnd::Failed(local(&error)).into(),
            }),
        ),
        Err(error) => Some(TcpEnd::Failed(local(&error)).into()),
    }
}

/// The ICMP error behind a failure: "port unreachable" makes the same error number as a reset, but it is of the queue.
fn reported(socket: &Socket, family: Family) -> Option<Found> {
    let mut buffer = [0_u8; QUOTE_BYTES];
    let mut event = receive(socket.as_raw_fd(), &mut buffer, true).ok()?;
    event.locate_extensions(family.header_length(), &buffer);
    match event.kind {
        EventKind::Failed(report) if report.origin == ErrorOrigin::Icmp => Some(Found {
            end: TcpEnd::Failed(report),
            labels: event.labels(&buffer),
        }),
        _ => None,
    }
}

fn local(error: &io::Error) -> ErrorReport {
    ErrorReport {
        origin: ErrorOrigin::Local,
        errno: error.raw_os_error().unwrap_or_default(),
        icmp_type: 0,
        icmp_code: 0,
        info: 0,
        offender: None,
        destination: None,
    }
}
