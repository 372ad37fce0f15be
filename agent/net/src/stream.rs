//! Byte counting of TCP streams. The program sees payload; the ledger wants what the line carried.
//!
//! What a stream is charged, with `h` the IP and TCP header (20 or 40, and 32 with timestamps):
//! - opening and closing, when it is wrapped: 60-byte SYN and SYN/ACK (IPv4), four more bare segments;
//! - each write of `n` bytes: `n + ⌈n / MSS⌉ · h` sent, `⌈n / MSS⌉ · h` received, one acknowledgement a segment;
//! - each read of `n` bytes: the same the other way round.
//!
//! Writes that the kernel joins, and acknowledgements that it leaves out, make the truth smaller. Retransmissions and
//! segments smaller than the MSS make it larger: what `TCP_INFO` knows beyond the charge is added when the stream is dropped.
//!
//! A [`Tally`] with a limit is never passed: a read or write is cut to what there is room for and fails by [`LimitReached`]
//! when there is none. What the kernel took from the line and nobody read is charged at the end only as far as the limit
//! goes, since the run cannot have prevented it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use nix::sys::socket::{MsgFlags, recv};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::count::{Counter, TCP_ACK, TCP_SYN, datagram_bytes, packet_bytes};
use crate::packet::Family;
use crate::tcp::tcp_info;

/// Segment size where the kernel does not tell (RFC 9293 §3.7.1).
const DEFAULT_MSS: u32 = 536;

/// The error of a read or write for which the limit leaves no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped at its limit of {limit} bytes")]
pub struct LimitReached {
    /// The limit, in bytes at IP level, both directions together.
    pub limit: u64,
}

/// Whether an error, or one that it was made of, is [`LimitReached`].
pub fn is_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inside = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if error.is::<LimitReached>() || inside.is_some_and(|inside| is_limit(inside)) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What a run has used, shared by all its sockets. Clones are of the same tally.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    counter: Counter,
    limit: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self::limited(u64::MAX)
    }
}

impl Tally {
    /// A tally that lets nothing pass once the next bytes would lift it over `limit`, in bytes at IP level, both directions
    /// together.
    pub fn limited(limit: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            counter: Counter::default(),
            limit,
        })))
    }

    /// What has been used so far.
    pub fn read(&self) -> Counter {
        self.with(|state| state.counter)
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> u64 {
        self.with(|state| state.limit)
    }

    /// Bytes that may still be used.
    pub fn room(&self) -> u64 {
        self.with(|state| state.limit.saturating_sub(state.counter.total_bytes()))
    }

    /// Adds what another counter has counted, over the limit or not.
    pub fn add(&self, counter: &Counter) {
        self.with(|state| state.counter.add(counter));
    }

    /// Counts a UDP datagram with `payload` bytes that is about to be sent.
    ///
    /// # Errors
    /// [`LimitReached`] when there is no room for it; it is not counted then and must not be sent.
    pub fn send_datagram(&self, family: Family, payload: usize) -> Result<(), LimitReached> {
        let bytes = datagram_bytes(family, payload);
        self.with(|state| {
            if state.counter.total_bytes().saturating_add(bytes) > state.limit {
                return Err(LimitReached { limit: state.limit });
            }
            state.counter.sent(bytes);
            Ok(())
        })
    }

    /// Counts a UDP datagram with `payload` bytes that has come.
    ///
    /// # Errors
    /// [`LimitReached`] when it has used up the limit; it is counted as far as there was room.
    pub fn receive_datagram(&self, family: Family, payload: usize) -> Result<(), LimitReached> {
        let bytes = datagram_bytes(family, payload);
        self.with(|state| {
            let room = state.limit.saturating_sub(state.counter.total_bytes());
            state.counter.received(bytes.min(room));
            if bytes > room {
                return Err(LimitReached { limit: state.limit });
            }
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The formula of the module's head. Pure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Charge {
    header: u64,
    mss: u64,
}

impl Charge {
    fn new(family: Family, mss: u32) -> Self {
        Self {
            header: packet_bytes(family, TCP_ACK),
            mss: u64::from(mss.max(1)),
        }
    }

    /// Bytes and packets with the payload, then those of the acknowledgements.
    fn of(self, payload: u64) -> (u64, u64, u64) {
        let segments = payload.div_ceil(self.mss);
        let headers = segments.saturating_mul(self.header);
        (payload.saturating_add(headers), headers, segments)
    }

    /// The longest payload whose charge fits `room`.
    fn fitting(self, room: u64) -> u64 {
        let overhead = self.header.saturating_mul(2);
        let whole = room / (self.mss + overhead);
        let rest = (room % (self.mss + overhead)).saturating_sub(overhead);
        whole * self.mss + rest
    }
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    Sent,
    Received,
}

/// A TCP stream that counts into a [`Tally`]; the formula stands at the module's head.
#[derive(Debug)]
pub struct CountedStream {
    stream: TcpStream,
    tally: Tally,
    family: Family,
    charge: Charge,
    /// What this stream alone was charged, to be held against what the kernel knows.
    own: Counter,
}

impl CountedStream {
    /// Wraps a connected stream; its opening and closing are charged at once.
    pub fn new(stream: TcpStream, tally: Tally) -> Self {
        let family = stream
            .peer_addr()
            .map_or(Family::V4, |peer| Family::from(peer.ip().to_canonical()));
        let mss = SockRef::from(&stream).tcp_mss().unwrap_or(DEFAULT_MSS);
        let mut opening = Counter::default();
        opening.sent(packet_bytes(family, TCP_SYN));
        opening.received(packet_bytes(family, TCP_SYN));
        // The acknowledgement that completes the handshake, then FIN and its acknowledgement each way.
        for _ in 0..3 {
            opening.sent(packet_bytes(family, TCP_ACK));
        }
        for _ in 0..2 {
            opening.received(packet_bytes(family, TCP_ACK));
        }
        tally.add(&opening);
        Self {
            stream,
            tally,
            family,
            charge: Charge::new(family, mss),
            own: opening,
        }
    }

    /// What a connection costs before any payload, in bytes at IP level; for worst cases.
    pub fn opening_bytes(family: Family) -> u64 {
        2 * packet_bytes(family, TCP_SYN) + 5 * packet_bytes(family, TCP_ACK)
    }

    /// What `payload` bytes in one direction cost at most by the formula when they pass in one piece and the segments hold
    /// `mss` bytes, acknowledgements included; for worst cases.
    pub fn transfer_bytes(family: Family, mss: u32, payload: u64) -> u64 {
        let (carried, acknowledged, _) = Charge::new(family, mss).of(payload);
        carried.saturating_add(acknowledged)
    }

    /// The tally it counts into.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The peer, IPv4 in IPv6 shown as IPv4; `None` when the connection is gone.
    pub fn peer(&self) -> Option<SocketAddr> {
        let peer = self.stream.peer_addr().ok()?;
        Some(SocketAddr::new(peer.ip().to_canonical(), peer.port()))
    }

    /// The stream within, for its options; reads and writes past this wrapper are not counted.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Reads and throws away at most as many bytes as `room` is long, and says how many; 0 at the end of the stream. The
    /// kernel copies nothing (`MSG_TRUNC`, tcp(7)): `room` is not written to.
    pub fn poll_discard(
        &mut self,
        context: &mut Context<'_>,
        room: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let allowed = self.allowance(room.len())?;
        let room = &mut room[..allowed];
        loop {
            std::task::ready!(self.stream.poll_read_ready(context))?;
            let mut taken = 0;
            let tried = self.stream.try_io(Interest::READABLE, || {
                let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
                taken = recv(self.stream.as_raw_fd(), room, flags)?;
                if 0 < taken && taken < room.len() {
                    // That was all: asking once more only to hear so would be a call for nothing.
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match tried {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                Err(_) if taken == 0 => {}
                _ => {
                    self.passed(Direction::Received, taken);
                    return Poll::Ready(Ok(taken));
                }
            }
        }
    }

    /// Payload bytes that may still pass, at most `wanted`.
    fn allowance(&self, wanted: usize) -> io::Result<usize> {
        if wanted == 0 {
            return Ok(0);
        }
        let fitting = self.charge.fitting(self.tally.room());
        match usize::try_from(fitting).unwrap_or(usize::MAX).min(wanted) {
            0 => Err(io::Error::other(LimitReached {
                limit: self.tally.limit(),
            })),
            allowed => Ok(allowed),
        }
    }

    fn passed(&mut self, direction: Direction, payload: usize) {
        let (carried, acknowledged, packets) = self.charge.of(payload as u64);
        let (sent_bytes, received_bytes) = match direction {
            Direction::Sent => (carried, acknowledged),
            Direction::Received => (acknowledged, carried),
        };
        let counter = Counter {
            sent_bytes,
            received_bytes,
            sent_packets: packets,
            received_packets: packets,
        };
        self.own.add(&counter);
        self.tally.add(&counter);
    }

    /// What the kernel knows to have passed beyond what was charged.
    fn uncounted(&self) -> Counter {
        let Some(info) = tcp_info(&self.stream) else {
            return Counter::default();
        };
        let header = packet_bytes(self.family, TCP_ACK);
        let beyond = |payload: Option<u64>, segments: Option<u32>, charged: u64| {
            let (Some(payload), Some(segments)) = (payload, segments) else {
                return 0;
            };
            payload
                .saturating_add(u64::from(segments).saturating_mul(header))
                .saturating_sub(charged)
        };
        Counter {
            sent_bytes: beyond(info.sent_bytes, info.sent_segments, self.own.sent_bytes),
            received_bytes: beyond(
                info.received_bytes,
                info.received_segments,
                self.own.received_bytes,
            ),
            sent_packets: 0,
            received_packets: 0,
        }
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        let mut more = self.uncounted();
        self.tally.with(|state| {
            let room = state.limit.saturating_sub(state.counter.total_bytes());
            more.sent_bytes = more.sent_bytes.min(room);
            more.received_bytes = more.received_bytes.min(room - more.sent_bytes);
            state.counter.add(&more);
        });
    }
}

impl AsFd for CountedStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsyncRead for CountedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let allowed = this.allowance(buffer.remaining())?;
        let stream = Pin::new(&mut this.stream);
        let read = if allowed == buffer.remaining() {
            let before = buffer.filled().len();
            std::task::ready!(stream.poll_read(context, buffer))?;
            buffer.filled().len() - before
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(allowed));
            std::task::ready!(stream.poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
            read
        };
        this.passed(Direction::Received, read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let allowed = this.allowance(bytes.len())?;
        let stream = Pin::new(&mut this.stream);
        let written = std::task::ready!(stream.poll_write(context, &bytes[..allowed]))?;
        this.passed(Direction::Sent, written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = parts.iter().map(|part| part.len()).sum();
        if self.allowance(wanted)? < wanted {
            let first = parts.iter().find(|part| !part.is_empty());
            return self.poll_write(context, first.map_or(&[], |part| part));
        }
        let this = self.get_mut();
        let stream = Pin::new(&mut this.stream);
        let written = std::task::ready!(stream.poll_write_vectored(context, parts))?;
        this.passed(Direction::Sent, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
