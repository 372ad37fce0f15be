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
use crate::packet::Family;
use crate::stamp::{Stamp, monotonic_ns};

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

/// One attempt. Dropping it before its end leaves nothing behind but the SYN; after acceptance it sends a reset, so that
/// the same ports can be used again at once.
#[derive(Debug)]
pub struct TcpProbe {
    socket: AsyncFd<Socket>,
    family: Family,
    started: Stamp,
    ended: Option<(TcpEnd, Stamp)>,
    counter: Counter,
}

impl TcpProbe {
    /// Sends the SYN. `source_port` 0 is an ephemeral one.
    ///
    /// # Errors
    /// [`SocketError::Bind`] when the port is taken, [`SocketError::Connect`] when the kernel does not even send.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O.
    pub fn start(remote: SocketAddr, source_port: u16, ttl: u8) -> Result<Self, SocketError> {
        match Self::start_from(remote, source_port, ttl) {
            // Another probe holds this very connection.
            Err(SocketError::Connect { source, .. } | SocketError::Bind { source, .. })
                if source_port != 0
                    && matches!(
                        source.kind(),
                        io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse
                    ) =>
            {
                Self::start_from(remote, 0, ttl)
            }
            started => started,
        }
    }

    fn start_from(remote: SocketAddr, source_port: u16, ttl: u8) -> Result<Self, SocketError> {
        let family = Family::from(remote.ip());
        let socket = create::socket(family, Type::STREAM, Some(Protocol::TCP), ttl)?;
        // Close by reset: no TIME_WAIT that would keep the ports.
        socket
            .set_linger(Some(Duration::ZERO))
            .map_err(setup("SO_LINGER"))?;
        create::bind(&socket, family, source_port)?;
        let started = Stamp::monotonic(monotonic_ns());
        let result = socket.connect(&remote.into());
        let returned = Stamp::monotonic(monotonic_ns());
        // On loopback the answer is there before the call returns.
        let ended = match result {
            Ok(()) => Some((TcpEnd::Accepted, returned)),
            Err(error) if error.raw_os_error() == Some(Errno::EINPROGRESS as i32) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                Some((refused(&socket).unwrap_or(TcpEnd::Refused), returned))
            }
            Err(source) => return Err(SocketError::Connect { remote, source }),
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let socket = create::register(socket, interest)?;
        let mut counter = Counter::default();
        counter.sent(packet_bytes(family, TCP_SYN));
        let mut probe = Self {
            socket,
            family,
            started,
            ended: None,
            counter,
        };
        if let Some((end, stamp)) = ended {
            probe.settle(end, stamp);
        }
        Ok(probe)
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
            let stamp;
            let end;
            match self.socket.poll_write_ready(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    stamp = Stamp::monotonic(monotonic_ns());
                    end = TcpEnd::Failed(local(&error));
                }
                Poll::Ready(Ok(mut guard)) => {
                    stamp = Stamp::monotonic(monotonic_ns());
                    let socket = guard.get_inner();
                    let Some(found) = outcome(socket) else {
                        guard.clear_ready();
                        continue;
                    };
                    end = found;
                }
            }
            self.settle(end, stamp);
        }
    }

    /// Waits for the end of the attempt.
    pub async fn ended(&mut self) -> (TcpEnd, Stamp) {
        std::future::poll_fn(|context| self.poll_ended(context)).await
    }

    fn settle(&mut self, end: TcpEnd, stamp: Stamp) {
        match end {
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
        self.ended = Some((end, stamp));
    }
}

/// How the attempt stands; `None` while it is under way.
fn outcome(socket: &Socket) -> Option<TcpEnd> {
    match socket.take_error() {
        Ok(None) => socket.peer_addr().is_ok().then_some(TcpEnd::Accepted),
        Ok(Some(error)) => Some(refused(socket).unwrap_or_else(|| match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => TcpEnd::Refused,
            _ => TcpEnd::Failed(local(&error)),
        })),
        Err(error) => Some(TcpEnd::Failed(local(&error))),
    }
}

/// The ICMP error behind a failure: "port unreachable" makes the same error number as a reset, but it is of the queue.
fn refused(socket: &Socket) -> Option<TcpEnd> {
    let mut buffer = [0_u8; 128];
    match receive(socket.as_raw_fd(), &mut buffer, true).ok()?.kind {
        EventKind::Failed(report) if report.origin == ErrorOrigin::Icmp => {
            Some(TcpEnd::Failed(report))
        }
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
    }
}
