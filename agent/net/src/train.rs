//! Paced datagrams: packets leave at given moments, truly, and the kernel tells when each left. When a packet is due is
//! computed beforehand ([`at_rate`], pure); one thread of its own sleeps until shortly before and watches the clock for the
//! rest, because the runtime's timers tick in milliseconds. The thread ends with the train, or when the [`Flight`] is dropped.
//!
//! The other end needs nothing of this: a [`crate::socket::ProbeSocket`] gives the kernel's stamps of what comes.
//!
//! ```
//! # use glimpse_net::{stream::Tally, train};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let receiver = std::net::UdpSocket::bind("127.0.0.1:0")?;
//! let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
//! socket.connect(receiver.local_addr()?)?;
//! // Ten packets that fill 10 Mbit/s at IP level.
//! let due = train::at_rate(10, 1000 + 28, 1_250_000);
//! let fill = |index: u32, packet: &mut Vec<u8>| packet.resize(1000, b'a' + (index % 26) as u8);
//! let train = train::launch(socket, due, fill, Tally::default())?.await?;
//! assert_eq!(train.sent_packets(), 10);
//! # Ok(())
//! # }
//! ```

use std::future::Future;
use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};
use tokio::sync::oneshot;

use crate::packet::Family;
use crate::socket::{EventKind, receive};
use crate::stamp::{Stamp, monotonic_ns};
use crate::stream::Tally;

const NS_PER_S: u128 = 1_000_000_000;
/// How long before its time a packet is watched for instead of slept for: sleeping overshoots by up to this much.
const WATCH_NS: u64 = 150_000;
/// Longest sleep in one piece, so that a dropped flight ends soon.
const NAP_NS: u64 = 10_000_000;
/// How long the kernel's last stamps are waited for.
const STAMP_PATIENCE_NS: u64 = 50_000_000;
/// Stamps taken between two packets at most.
const STAMP_BATCH: usize = 32;

/// When the packets of a train are due, in nanoseconds from the first: `count` packets of `bytes` each, at `rate` bytes per
/// second. Rounding does not add up. With a rate of 0 all are due at once.
pub fn at_rate(count: u32, bytes: u32, rate: u64) -> Vec<u64> {
    let due = |index: u32| {
        let before = u128::from(index) * u128::from(bytes) * NS_PER_S;
        before.checked_div(u128::from(rate)).unwrap_or_default()
    };
    (0..count)
        .map(|index| u64::try_from(due(index)).unwrap_or(u64::MAX))
        .collect()
}

/// One packet of a train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// When it was due, in nanoseconds from the first.
    pub due_ns: u64,
    /// The moment before it was handed to the kernel and, where the kernel stamps, the moment it left. `None` when the
    /// kernel refused it.
    pub sent: Option<Stamp>,
}

/// Why a train ended.
#[derive(Debug)]
pub enum TrainEnd {
    /// All packets were handed to the kernel, or refused by it one by one.
    Complete,
    /// The tally's limit left no room for the next.
    Limit,
}

/// A train that has been sent.
#[derive(Debug)]
pub struct Train {
    /// The socket it left by; it gives no more stamps.
    pub socket: UdpSocket,
    /// Its packets in order, as far as it came.
    pub departures: Vec<Departure>,
    /// Why it ended.
    pub end: TrainEnd,
    /// What the kernel said when it refused a packet for the first time.
    pub refusal: Option<io::Error>,
}

impl Train {
    /// How many packets the kernel took.
    pub fn sent_packets(&self) -> usize {
        let taken = self
            .departures
            .iter()
            .filter(|packet| packet.sent.is_some());
        taken.count()
    }

    /// Nanoseconds from the first packet that left to the last, by the kernel's stamps if it stamped both, else by the
    /// monotonic clock; `None` with fewer than two.
    pub fn spread_ns(&self) -> Option<u64> {
        let mut sent = self.departures.iter().filter_map(|packet| packet.sent);
        let first = sent.next()?;
        Some(sent.next_back()?.since(&first).0)
    }
}

/// A train under way. Dropping it stops the train and waits for its thread, some milliseconds.
#[derive(Debug)]
pub struct Flight {
    thread: Option<JoinHandle<()>>,
    arrival: oneshot::Receiver<Train>,
    stop: Arc<AtomicBool>,
}

/// Sends a train from a connected socket. `due` holds when each packet is due, in nanoseconds from the first; a time before
/// that of its predecessor means "at once". `fill` writes the payload of packet 0, 1, … into an empty buffer. Every packet
/// is counted into `tally` before it leaves.
///
/// # Errors
/// The socket is not connected, or there is no thread to be had.
pub fn launch(
    socket: UdpSocket,
    due: Vec<u64>,
    fill: impl FnMut(u32, &mut Vec<u8>) + Send + 'static,
    tally: Tally,
) -> io::Result<Flight> {
    let family = Family::from(socket.peer_addr()?.ip());
    let (sender, arrival) = oneshot::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let halted = Arc::clone(&stop);
    let thread = std::thread::Builder::new()
        .name("train".to_owned())
        .spawn(move || {
            // Nobody waits for the train of a flight that was dropped.
            let _ = sender.send(Run::new(socket, family, tally, &halted).all(&due, fill));
        })?;
    Ok(Flight {
        thread: Some(thread),
        arrival,
        stop,
    })
}

impl Future for Flight {
    type Output = io::Result<Train>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.arrival)
            .poll(context)
            .map_err(|_| io::Error::other("the thread of the train has failed"))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of a train has failed");
        }
    }
}

/// What the thread works with.
struct Run<'a> {
    socket: UdpSocket,
    family: Family,
    tally: Tally,
    stop: &'a AtomicBool,
    departures: Vec<Departure>,
    refusal: Option<io::Error>,
    /// Whether the kernel numbers what it stamps as this program does. A refused packet may or may not have had a number.
    numbered: bool,
    unstamped: usize,
}

impl<'a> Run<'a> {
    fn new(socket: UdpSocket, family: Family, tally: Tally, stop: &'a AtomicBool) -> Self {
        // Off first: the numbers begin at 0 when they are switched on.
        let off = setsockopt(&socket, sockopt::Timestamping, &TimestampingFlag::empty());
        let flags = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_ID
            | TimestampingFlag::SOF_TIMESTAMPING_OPT_TSONLY;
        let numbered = off.and_then(|()| setsockopt(&socket, sockopt::Timestamping, &flags));
        Self {
            socket,
            family,
            tally,
            stop,
            departures: Vec::new(),
            refusal: None,
            numbered: numbered.is_ok(),
            unstamped: 0,
        }
    }

    fn all(mut self, due: &[u64], mut fill: impl FnMut(u32, &mut Vec<u8>)) -> Train {
        self.departures.reserve_exact(due.len());
        let mut packet = Vec::new();
        let mut end = TrainEnd::Complete;
        let start_ns = monotonic_ns();
        for (index, &due_ns) in (0..).zip(due) {
            packet.clear();
            fill(index, &mut packet);
            self.take_stamps();
            self.wait_until(start_ns.saturating_add(due_ns));
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            if self.tally.send_datagram(self.family, packet.len()).is_err() {
                end = TrainEnd::Limit;
                break;
            }
            let sent = self.send(&packet);
            self.departures.push(Departure { due_ns, sent });
        }
        self.await_stamps();
        let _ = setsockopt(
            &self.socket,
            sockopt::Timestamping,
            &TimestampingFlag::empty(),
        );
        Train {
            socket: self.socket,
            departures: self.departures,
            end,
            refusal: self.refusal,
        }
    }

    fn send(&mut self, packet: &[u8]) -> Option<Stamp> {
        // An ICMP error about an earlier packet would be taken for a refusal of this one.
        let _ = self.socket.take_error();
        loop {
            let stamp = Stamp::monotonic(monotonic_ns());
            match self.socket.send(packet) {
                Ok(_) => {
                    self.unstamped += usize::from(self.numbered);
                    return Some(stamp);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.stop.load(Ordering::Relaxed) {
                        return None;
                    }
                    self.wait_for(PollFlags::POLLOUT);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.refusal.get_or_insert(error);
                    // What was numbered until now is still awaited a moment; what follows cannot be told apart.
                    self.await_stamps();
                    self.numbered = false;
                    return None;
                }
            }
        }
    }

    fn wait_until(&self, moment_ns: u64) {
        loop {
            let left_ns = moment_ns.saturating_sub(monotonic_ns());
            if left_ns == 0 || self.stop.load(Ordering::Relaxed) {
                return;
            }
            if left_ns > WATCH_NS {
                nap((left_ns - WATCH_NS).min(NAP_NS));
            } else {
                std::hint::spin_loop();
            }
        }
    }

    /// Waits a nap at most. An error queue that holds something ends the wait too.
    fn wait_for(&self, flags: PollFlags) {
        let limit = u16::try_from(NAP_NS / 1_000_000).unwrap_or(u16::MAX);
        let mut watched = [PollFd::new(self.socket.as_fd(), flags)];
        let _ = poll(&mut watched, PollTimeout::from(limit));
    }

    fn take_stamps(&mut self) {
        // Stamps come without the packet: no bytes are needed.
        let mut nothing = [0; 1];
        for _ in 0..STAMP_BATCH {
            if self.unstamped == 0 {
                return;
            }
            let Ok(event) = receive(self.socket.as_raw_fd(), &mut nothing, true) else {
                return;
            };
            if event.kind != EventKind::Transmitted {
                continue;
            }
            let packet = usize::try_from(event.number)
                .ok()
                .and_then(|number| self.departures.get_mut(number));
            if let Some(sent) = packet.and_then(|packet| packet.sent.as_mut())
                && sent.kernel_ns.is_none()
            {
                sent.kernel_ns = event.stamp.kernel_ns;
                self.unstamped -= 1;
            }
        }
    }

    fn await_stamps(&mut self) {
        let begun_ns = monotonic_ns();
        while self.unstamped > 0 && !self.stop.load(Ordering::Relaxed) {
            let before = self.unstamped;
            self.take_stamps();
            if self.unstamped == before {
                if monotonic_ns().saturating_sub(begun_ns) > STAMP_PATIENCE_NS {
                    break;
                }
                self.wait_for(PollFlags::empty());
            }
        }
        self.unstamped = 0;
    }
}

/// Sleeps; sooner awake when a signal comes.
fn nap(ns: u64) {
    // Naps are far below a second.
    let duration = TimeSpec::from_duration(std::time::Duration::from_nanos(ns));
    let _ = clock_nanosleep(
        ClockId::CLOCK_MONOTONIC,
        ClockNanosleepFlags::empty(),
        &duration,
    );
}

#[cfg(test)]
mod tests;
