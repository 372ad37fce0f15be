//! UDP and ICMP sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use socket2::{Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::message::{ErrorOrigin, Event, EventKind, receive};
use super::{SocketError, SocketKind, create, setup};
use crate::count::{Counter, SHORT_HEADER, icmp_error_bytes, packet_bytes};
use crate::packet::Family;
use crate::stamp::{Stamp, monotonic_ns};

/// What wakes: packets, and ICMP errors and stamps of sent packets, which come by EPOLLERR alone.
const INTEREST: Interest = Interest::READABLE.add(Interest::ERROR);
/// Calls in a row that may fail for an error about an earlier packet.
const PENDING_ERRORS: usize = 2;

/// A datagram socket for probes. It counts what it sends and receives.
#[derive(Debug)]
pub struct ProbeSocket {
    socket: AsyncFd<Socket>,
    kind: SocketKind,
    family: Family,
    stamping: bool,
    ttl: u8,
    counter: Counter,
}

impl ProbeSocket {
    /// A UDP socket connected to `remote`: the kernel drops what others send. `source_port` 0 is an ephemeral one, and so is
    /// one that another probe holds; [`Self::local_address`] tells.
    ///
    /// # Errors
    /// [`SocketError::Bind`] for the port, [`SocketError::Connect`] when there is no way to `remote`.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O, as every constructor here.
    pub fn udp(remote: SocketAddr, source_port: u16, ttl: u8) -> Result<Self, SocketError> {
        let family = Family::from(remote.ip());
        let socket = create::socket(family, Type::DGRAM, Some(Protocol::UDP), ttl)?;
        create::bind_alone(&socket, family, source_port)?;
        connect(&socket, remote)?;
        Self::register(socket, SocketKind::Udp, family, ttl)
    }

    /// A UDP socket without a fixed peer, for [`Self::send_to`].
    pub fn udp_unconnected(family: Family, source_port: u16, ttl: u8) -> Result<Self, SocketError> {
        let socket = create::socket(family, Type::DGRAM, Some(Protocol::UDP), ttl)?;
        create::bind_alone(&socket, family, source_port)?;
        Self::register(socket, SocketKind::Udp, family, ttl)
    }

    /// An ICMP or ICMPv6 socket connected to `remote`: a ping socket, or a raw one where that is all there is; see
    /// [`Self::kind`]. Messages to send begin with the ICMP header.
    pub fn icmp(remote: IpAddr, ttl: u8) -> Result<Self, SocketError> {
        let family = Family::from(remote);
        let (socket, kind) = create::icmp(family, ttl)?;
        connect(&socket, SocketAddr::new(remote, 0))?;
        Self::register(socket, kind, family, ttl)
    }

    /// A raw socket that hears all ICMP packets that come to this host, errors about packets of other sockets among them, as
    /// [`EventKind::Received`]: whole messages, with quoted headers, for [`crate::packet::parse_icmpv4`] (behind the IP
    /// header) and [`crate::packet::parse_icmpv6`]. It counts nothing but what is claimed, and sends nothing.
    ///
    /// # Errors
    /// [`SocketError::Setup`] of `socket` without `CAP_NET_RAW`.
    pub fn icmp_listener(family: Family) -> Result<Self, SocketError> {
        let socket = create::icmp_listener(family)?;
        Self::register(socket, SocketKind::IcmpRaw, family, 64)
    }

    fn register(
        socket: Socket,
        kind: SocketKind,
        family: Family,
        ttl: u8,
    ) -> Result<Self, SocketError> {
        // Kernels without stamps exist; the monotonic clock serves then.
        let stamping = match create::stamp_packets(&socket) {
            Ok(()) => true,
            Err(error) => {
                log::debug!("no kernel time stamps: {error}");
                false
            }
        };
        let socket = create::register(socket, INTEREST)?;
        Ok(Self {
            socket,
            kind,
            family,
            stamping,
            ttl,
            counter: Counter::default(),
        })
    }

    /// Sets the TTL or hop limit of the packets sent from now on. It costs a system call only when it changes.
    ///
    /// # Errors
    /// [`SocketError::Setup`] for an IPv4 TTL of 0.
    pub fn set_ttl(&mut self, ttl: u8) -> Result<(), SocketError> {
        if ttl != self.ttl {
            create::set_ttl(self.socket.get_ref(), self.family, ttl)?;
            self.ttl = ttl;
        }
        Ok(())
    }

    /// Sets the differentiated services code point (RFC 2474), 0 to 63, of the packets sent from now on.
    pub fn set_dscp(&self, dscp: u8) -> Result<(), SocketError> {
        create::set_dscp(self.socket.get_ref(), self.family, dscp)
    }

    /// Says whether packets sent from now on may be fragmented. `true`: they carry "don't fragment", whatever path MTU this
    /// host has learnt, so that each is judged by the path itself; one that is too long for the first link is refused by
    /// [`Self::send`], and the error queue tells the MTU. `false`: routers (of IPv4) and this host may fragment them. Before
    /// either was said, the kernel carries out path MTU discovery by itself.
    pub fn set_dont_fragment(&self, dont_fragment: bool) -> Result<(), SocketError> {
        create::set_dont_fragment(self.socket.get_ref(), self.family, dont_fragment)
    }

    /// Asks for room for `bytes` of packets that have come and were not read; the kernel limits it (`net.core.rmem_max`).
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<(), SocketError> {
        let socket = self.socket.get_ref();
        socket
            .set_recv_buffer_size(bytes)
            .map_err(setup("SO_RCVBUF"))
    }

    /// Which kind of socket the kernel gave.
    pub const fn kind(&self) -> SocketKind {
        self.kind
    }

    /// Which version of the Internet Protocol it speaks.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// Whether the kernel agreed to stamp packets. It may still leave a packet without a stamp.
    pub const fn is_stamping(&self) -> bool {
        self.stamping
    }

    /// What it has sent and received so far.
    pub const fn counter(&self) -> &Counter {
        &self.counter
    }

    /// The local address, once the kernel has chosen it.
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.socket.get_ref().local_addr().ok()?.as_socket()
    }

    /// Sends one packet to the connected peer. The stamp is of the moment before; the kernel's follows as
    /// [`EventKind::Transmitted`].
    ///
    /// # Errors
    /// The kernel's refusal of this packet. An error left over from an earlier one is not reported here: it is on the queue.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<Stamp> {
        self.transmit(bytes, |socket| socket.send(bytes))
    }

    /// As [`Self::send`], from an unconnected socket.
    pub fn send_to(&mut self, bytes: &[u8], remote: SocketAddr) -> io::Result<Stamp> {
        self.transmit(bytes, |socket| socket.send_to(bytes, &remote.into()))
    }

    fn transmit(
        &mut self,
        bytes: &[u8],
        send: impl Fn(&Socket) -> io::Result<usize>,
    ) -> io::Result<Stamp> {
        let socket = self.socket.get_ref();
        let mut stamp = Stamp::monotonic(monotonic_ns());
        if let Err(first) = send(socket) {
            // Perhaps what an ICMP message about an earlier packet left behind; the failed call has cleared it. A refusal of
            // this packet itself is simply repeated.
            let pending = matches!(socket.take_error(), Ok(Some(_))) || is_icmp_made(&first);
            if !pending {
                return Err(first);
            }
            stamp = Stamp::monotonic(monotonic_ns());
            send(socket)?;
        }
        self.counter.sent(packet_bytes(
            self.family,
            self.transport_header() + bytes.len(),
        ));
        Ok(stamp)
    }

    /// Waits for the next event; its bytes are put into `buffer`, which should have room for 1500. The error queue goes
    /// first, so that the stamp of a packet comes before its answer. Cancelling loses nothing.
    ///
    /// # Errors
    /// Only what makes the socket useless; errors about packets are events.
    pub async fn next(&mut self, buffer: &mut [u8]) -> io::Result<Event> {
        // A flood of packets must not starve the other tasks of the thread.
        tokio::task::coop::consume_budget().await;
        loop {
            if let Some(event) = self.take(buffer)? {
                return Ok(event);
            }
            // Its guard is dropped unused: taking clears what it finds empty.
            let _ = self.socket.ready(INTEREST).await?;
        }
    }

    /// The next event if the runtime knows of one already. It learns of what has come whenever its thread waits, so that
    /// asking again in between costs nothing and finds nothing.
    pub fn take(&mut self, buffer: &mut [u8]) -> io::Result<Option<Event>> {
        let event = taken(self.socket.try_io(Interest::ERROR, |socket| {
            receive(socket.as_raw_fd(), buffer, true)
        }))?;
        let event = match event {
            Some(event) => Some(event),
            None => taken(self.socket.try_io(Interest::READABLE, |socket| {
                receive_packet(socket.as_raw_fd(), buffer)
            }))?,
        };
        Ok(event.map(|event| self.found(event, buffer)))
    }

    /// What the error queue holds first, whether the runtime knows of it or not: after [`Self::send`] the stamp of that packet
    /// where the driver stamps at once, or why this host refused it. What is read here does not wake the thread later.
    pub fn take_report(&mut self, buffer: &mut [u8]) -> io::Result<Option<Event>> {
        let event = taken(receive(self.socket.get_ref().as_raw_fd(), buffer, true))?;
        Ok(event.map(|event| self.found(event, buffer)))
    }

    fn found(&mut self, mut event: Event, buffer: &[u8]) -> Event {
        let stripped = self.family.header_length() + self.transport_header();
        event.locate_extensions(stripped, buffer);
        self.count(&event);
        event
    }

    /// Counts an event of a raw socket that belongs to its owner. A raw socket sees the packets of others too, and on
    /// loopback its own requests, so that it counts nothing by itself; the other kinds do, and ignore this.
    pub fn claim(&mut self, event: &Event) {
        if self.kind == SocketKind::IcmpRaw {
            self.add(event);
        }
    }

    fn count(&mut self, event: &Event) {
        if self.kind != SocketKind::IcmpRaw {
            self.add(event);
        }
    }

    fn add(&mut self, event: &Event) {
        match event.kind {
            EventKind::Received { .. } => {
                let raw_v4 = self.kind == SocketKind::IcmpRaw && self.family == Family::V4;
                let header = if raw_v4 {
                    0
                } else {
                    self.family.header_length()
                };
                self.counter
                    .received((header + self.transport_header() + event.whole_length) as u64);
            }
            EventKind::Failed(report) if report.origin == ErrorOrigin::Icmp => {
                self.counter.received(icmp_error_bytes(
                    self.family,
                    self.transport_header() + event.whole_length,
                ));
            }
            EventKind::Failed(_) | EventKind::Transmitted => {}
        }
    }

    /// Bytes the kernel puts before the payload; an ICMP header is part of it.
    const fn transport_header(&self) -> usize {
        match self.kind {
            SocketKind::Udp => SHORT_HEADER,
            SocketKind::IcmpDatagram | SocketKind::IcmpRaw | SocketKind::Tcp => 0,
        }
    }
}

fn connect(socket: &Socket, remote: SocketAddr) -> Result<(), SocketError> {
    socket
        .connect(&remote.into())
        .map_err(|source| SocketError::Connect { remote, source })
}

/// Errors that an ICMP message about an earlier packet leaves behind.
fn is_icmp_made(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let icmp = [
        Errno::ECONNREFUSED,
        Errno::EHOSTUNREACH,
        Errno::ENETUNREACH,
        Errno::EPROTO,
        Errno::ENOPROTOOPT,
    ];
    let more = [
        Errno::EACCES,
        Errno::EOPNOTSUPP,
        Errno::EHOSTDOWN,
        Errno::ENONET,
        Errno::EMSGSIZE,
    ];
    error.raw_os_error().is_some_and(|number| {
        icmp.iter()
            .chain(&more)
            .any(|errno| *errno as i32 == number)
    })
}

/// Nothing there is no error.
fn taken(result: io::Result<Event>) -> io::Result<Option<Event>> {
    match result {
        Ok(event) => Ok(Some(event)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads one packet. A pending error is reported by one failed call; it is on the error queue as well.
fn receive_packet(fd: RawFd, buffer: &mut [u8]) -> io::Result<Event> {
    for _ in 0..PENDING_ERRORS {
        match receive(fd, buffer, false) {
            Err(error) if is_icmp_made(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
    // Still failing: let the error queue have its turn, and the packets where it is empty.
    match receive(fd, buffer, true) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => receive(fd, buffer, false),
        result => result,
    }
}
