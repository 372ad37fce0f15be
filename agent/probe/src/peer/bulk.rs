//! One TCP flow, sent or received, with as little work per byte as the kernel allows: the sender writes one buffer over
//! and over, the receiver lets the kernel throw the bytes away (`MSG_TRUNC`, tcp(7)).

use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use glimpse_net::count::{Counter, TCP_ACK, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::{CountedStream, LimitReached, Tally};
use glimpse_net::tcp::{congestion_control, tcp_info};
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::TcpStream;

use super::frame::{self, FlowReceived, FlowSent, Frame};
use super::plan::{BulkPlan, GRACE_MS};
use super::rates::Flow;
use super::slices::Slices;
use super::{Limits, SILENCE};
use crate::context::Meter;

/// Bytes handed to the kernel at a time.
const BUFFER: usize = 128 << 10;
/// Bytes taken from the kernel at a time; they are not copied, so the room is never touched.
const DISCARD: usize = 1 << 20;
/// How far a flow may run ahead of the rate allowed, in nanoseconds of that rate.
const BURST_NS: u64 = 5_000_000;
/// How long after the end of a flow the peer may take to say why it ended.
const FAREWELL: Duration = Duration::from_millis(500);
/// Reads or writes one after the other before others have their turn.
const TURNS: u32 = 16;
/// Segment size where the kernel does not tell.
const DEFAULT_MSS: u32 = 536;

/// What a flow is counted into, and where that is shown.
#[derive(Clone, Debug)]
pub struct Account {
    /// What the session has used.
    pub tally: Tally,
    /// Where it is read from outside.
    pub meter: Meter,
}

impl Account {
    /// Shows what has been used.
    pub fn show(&self) {
        self.meter.show(&self.tally.read());
    }
}

/// The charge of a flow, which grows with its payload: one acknowledgement for every segment.
struct Charge<'a> {
    account: &'a Account,
    header: u64,
    mss: u64,
    sending: bool,
    payload: u64,
    segments: u64,
}

impl<'a> Charge<'a> {
    fn new(stream: &TcpStream, account: &'a Account, sending: bool) -> io::Result<Self> {
        let family = Family::from(stream.peer_addr()?.ip().to_canonical());
        if account.tally.room() < CountedStream::opening_bytes(family) {
            return Err(limit(account));
        }
        let opening = CountedStream::opening_bytes(family);
        account.tally.add(&Counter {
            sent_bytes: opening / 2,
            received_bytes: opening / 2,
            sent_packets: 4,
            received_packets: 3,
        });
        let mss = tcp_info(stream).map_or(DEFAULT_MSS, |info| {
            if sending {
                info.sent_mss
            } else {
                info.sent_mss.max(info.received_mss)
            }
        });
        Ok(Self {
            account,
            header: packet_bytes(family, TCP_ACK),
            mss: u64::from(mss.max(1)),
            sending,
            payload: 0,
            segments: 0,
        })
    }

    /// Payload for which there is room, at most `wanted`.
    fn room(&self, wanted: usize) -> io::Result<usize> {
        let each = self.mss + 2 * self.header;
        let fitting = (self.account.tally.room() / each).saturating_mul(self.mss);
        match usize::try_from(fitting).unwrap_or(usize::MAX).min(wanted) {
            0 => Err(limit(self.account)),
            allowed => Ok(allowed),
        }
    }

    fn passed(&mut self, bytes: u64) {
        self.payload = self.payload.saturating_add(bytes);
        let segments = self.payload.div_ceil(self.mss);
        let more = segments - self.segments;
        self.segments = segments;
        self.add(bytes + more * self.header, more * self.header, more);
    }

    fn add(&self, carried: u64, acknowledged: u64, packets: u64) {
        let (sent_bytes, received_bytes) = if self.sending {
            (carried, acknowledged)
        } else {
            (acknowledged, carried)
        };
        self.account.tally.add(&Counter {
            sent_bytes,
            received_bytes,
            sent_packets: packets,
            received_packets: packets,
        });
        self.account.show();
    }

    /// Adds what was sent again.
    fn settle(&self, retransmits: u64) {
        let again = retransmits.saturating_mul(self.mss + self.header);
        self.add(again.min(self.account.tally.room()), 0, 0);
    }
}

fn limit(account: &Account) -> io::Error {
    let limit = account.tally.limit();
    io::Error::other(LimitReached { limit })
}

/// Bytes that the rate allows by `elapsed_ns`.
fn allowed(rate_bps: u64, elapsed_ns: u64) -> u64 {
    let ns = u128::from(elapsed_ns.saturating_add(BURST_NS));
    u64::try_from(u128::from(rate_bps) * ns / 8_000_000_000).unwrap_or(u64::MAX)
}

/// How long to wait until the rate allows some more after `passed` bytes; `None` when it does already. Less than half of the
/// burst is not worth a turn: it would go out in crumbs, and whoever hands them out would never rest.
fn pause(rate_bps: u64, elapsed_ns: u64, passed: u64) -> Option<Duration> {
    let half = allowed(rate_bps, 0) / 2;
    if allowed(rate_bps, elapsed_ns) > passed.saturating_add(half) {
        return None;
    }
    let over = u128::from(passed) * 8_000_000_000 / u128::from(rate_bps.max(1));
    let until = u64::try_from(over).unwrap_or(u64::MAX);
    // By then half of the burst is free again.
    Some(Duration::from_nanos(
        until
            .saturating_sub(elapsed_ns.saturating_add(BURST_NS / 2))
            .max(1_000_000),
    ))
}

/// Lets others have their turn now and then: a socket that is always ready makes nobody wait.
#[derive(Default)]
struct Turns(u32);

impl Turns {
    async fn pass(&mut self) {
        self.0 += 1;
        if self.0 == TURNS {
            self.0 = 0;
            tokio::task::yield_now().await;
        }
    }
}

/// Sends until the receiver closes the connection, or its time, its payload or its bytes are used up. `seed` fills it.
///
/// # Errors
/// When nothing could be sent at all, and [`LimitReached`].
pub async fn send(
    stream: TcpStream,
    plan: &BulkPlan,
    limits: &Limits,
    account: &Account,
    seed: u64,
) -> io::Result<FlowSent> {
    let mut charge = Charge::new(&stream, account, true)?;
    let mut buffer = vec![0; BUFFER];
    fastrand::Rng::with_seed(seed).fill(&mut buffer);
    let name = congestion_control(&stream);
    let deadline = tokio::time::sleep(plan.flow_time() + Duration::from_millis(GRACE_MS.into()));
    tokio::pin!(deadline);
    let start = monotonic_ns();
    let mut stopped = Ok(());
    let mut turns = Turns::default();
    loop {
        turns.pass().await;
        let left = plan.payload_bytes.saturating_sub(charge.payload);
        let elapsed = monotonic_ns().saturating_sub(start);
        if left == 0 {
            break;
        }
        if let Some(pause) = pause(limits.max_rate_bps, elapsed, charge.payload) {
            tokio::select! {
                () = tokio::time::sleep(pause) => continue,
                () = &mut deadline => break,
            }
        }
        tokio::select! {
            ready = stream.writable() => ready?,
            () = &mut deadline => break,
        }
        let rate_room = allowed(limits.max_rate_bps, elapsed) - charge.payload;
        let wanted = usize::try_from(left.min(rate_room)).unwrap_or(usize::MAX);
        let room = match charge.room(wanted.min(BUFFER)) {
            Ok(room) => room,
            Err(error) => {
                stopped = Err(error);
                break;
            }
        };
        match stream.try_write(&buffer[..room]) {
            Ok(written) => charge.passed(written as u64),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The receiver has what it wants.
            Err(_) if charge.payload > 0 => break,
            Err(error) => return Err(error),
        }
    }
    if stopped.is_ok() && charge.payload >= plan.payload_bytes {
        finish(&stream, deadline).await;
    }
    let info = tcp_info(&stream);
    let retransmits = info.map(|info| info.retransmits);
    charge.settle(retransmits.unwrap_or(0).into());
    stopped?;
    Ok(FlowSent {
        bytes: charge.payload,
        retransmits,
        rtt_min_us: info.and_then(|info| info.min_rtt_us),
        congestion_control: name,
    })
}

/// Says that nothing more will come and waits until the other end has heard it.
async fn finish(stream: &TcpStream, deadline: std::pin::Pin<&mut tokio::time::Sleep>) {
    // A connection that is gone needs no farewell.
    let _ = nix::sys::socket::shutdown(stream.as_raw_fd(), nix::sys::socket::Shutdown::Write);
    tokio::select! {
        // The receiver writes nothing: readable is its end.
        _ = stream.readable() => {}
        () = deadline => {}
    }
}

/// Receives until all slices are full, or the sender or the bytes come to an end.
///
/// # Errors
/// When nothing came at all, and [`LimitReached`].
pub async fn receive(
    stream: TcpStream,
    plan: &BulkPlan,
    limits: &Limits,
    account: &Account,
) -> io::Result<FlowReceived> {
    let mut charge = Charge::new(&stream, account, false)?;
    let slice_ns = u64::from(plan.duration_ms) * 1_000_000 / u64::from(plan.slices.max(1));
    let ramp_up_ns = u64::from(plan.ramp_up_ms) * 1_000_000;
    let mut slices = Slices::new(ramp_up_ns, slice_ns, plan.slices.into());
    let mut scratch = vec![0; DISCARD];
    let silence = || io::Error::new(io::ErrorKind::TimedOut, "no payload came");
    tokio::time::timeout(SILENCE, stream.readable())
        .await
        .map_err(|_| silence())??;
    let start = monotonic_ns();
    let deadline = tokio::time::sleep(plan.flow_time());
    tokio::pin!(deadline);
    let mut turns = Turns::default();
    loop {
        turns.pass().await;
        let elapsed = monotonic_ns().saturating_sub(start);
        if let Some(pause) = pause(limits.max_rate_bps, elapsed, charge.payload) {
            tokio::select! {
                () = tokio::time::sleep(pause) => continue,
                () = &mut deadline => break,
            }
        }
        tokio::select! {
            ready = stream.readable() => ready?,
            () = &mut deadline => break,
        }
        let left = plan.payload_bytes.saturating_sub(charge.payload);
        let rate_room = allowed(limits.max_rate_bps, elapsed) - charge.payload;
        let wanted = usize::try_from(left.min(rate_room)).unwrap_or(usize::MAX);
        if wanted == 0 {
            break;
        }
        let room = charge.room(wanted.min(DISCARD))?;
        let taken = stream.try_io(Interest::READABLE, || {
            let flags = MsgFlags::MSG_TRUNC | MsgFlags::MSG_DONTWAIT;
            recv(stream.as_raw_fd(), &mut scratch[..room], flags).map_err(io::Error::from)
        });
        match taken {
            Ok(0) => break,
            Ok(bytes) => {
                charge.passed(bytes as u64);
                if slices.take(monotonic_ns(), bytes as u64) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) if charge.payload > 0 => break,
            Err(error) => return Err(error),
        }
    }
    slices.pass(monotonic_ns());
    if charge.payload == 0 {
        return Err(silence());
    }
    Ok(FlowReceived {
        bytes: slices.bytes(),
        slice_ns,
        slices: slices.full().to_vec(),
    })
}

/// One flow of a session, from its connection to what both ends know of it. The receiver says first what it counted, the
/// sender answers. Both ends call this, one with `sending`.
///
/// # Errors
/// What went wrong with either connection, in words for the record.
pub async fn exchange(
    control: &mut CountedStream,
    flow: TcpStream,
    sending: bool,
    plan: &BulkPlan,
    limits: &Limits,
    account: &Account,
    seed: u64,
) -> Result<Flow, String> {
    if sending {
        let sent = match send(flow, plan, limits, account, seed).await {
            Ok(sent) => sent,
            Err(error) => return Err(farewell(control, error.to_string()).await),
        };
        let received = match hear(control).await? {
            Frame::Received(received) => received,
            Frame::Refused { reason } => return Err(ended(&reason)),
            _ => return Err("the peer did not say what it received".to_owned()),
        };
        tell(control, &Frame::Sent(sent.clone())).await?;
        return Ok(Flow {
            received,
            sent: Some(sent),
        });
    }
    let received = match receive(flow, plan, limits, account).await {
        Ok(received) => received,
        Err(error) => return Err(farewell(control, error.to_string()).await),
    };
    if let Err(error) = tell(control, &Frame::Received(received.clone())).await {
        return Err(farewell(control, error).await);
    }
    // What the sender knows is worth having, but the figures stand without it.
    let sent = match hear(control).await {
        Ok(Frame::Sent(sent)) => Some(sent),
        Ok(Frame::Refused { reason }) => return Err(ended(&reason)),
        _ => None,
    };
    Ok(Flow { received, sent })
}

fn ended(reason: &str) -> String {
    format!("the peer ended the session: {reason}")
}

/// Why a flow came to nothing: what the peer says of it, if it does, else `fault`.
async fn farewell(control: &mut CountedStream, fault: String) -> String {
    match tokio::time::timeout(FAREWELL, frame::receive(control)).await {
        Ok(Ok(Frame::Refused { reason })) => ended(&reason),
        _ => fault,
    }
}

/// Why no message of the control connection came.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    /// The connection was ended.
    #[error("the peer closed the connection")]
    Closed,
    /// Nothing came within [`SILENCE`].
    #[error("the peer fell silent")]
    Silent,
    /// What came is no message.
    #[error("{0}")]
    Garbage(String),
    /// The connection broke.
    #[error("{0}")]
    Broken(io::Error),
}

impl From<Unheard> for String {
    fn from(unheard: Unheard) -> Self {
        unheard.to_string()
    }
}

/// Reads a message of the control connection, within [`SILENCE`].
///
/// # Errors
/// Why there is none.
pub async fn hear(control: &mut (impl AsyncRead + Unpin)) -> Result<Frame, Unheard> {
    match tokio::time::timeout(SILENCE, frame::receive(control)).await {
        Ok(Ok(frame)) => Ok(frame),
        Ok(Err(error)) => Err(match error.kind() {
            io::ErrorKind::UnexpectedEof => Unheard::Closed,
            io::ErrorKind::InvalidData => Unheard::Garbage(error.to_string()),
            _ => Unheard::Broken(error),
        }),
        Err(_) => Err(Unheard::Silent),
    }
}

/// Writes a message of the control connection, within [`SILENCE`].
///
/// # Errors
/// Why it could not be written, in words for the record.
pub async fn tell(control: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> Result<(), String> {
    match tokio::time::timeout(SILENCE, frame::send(control, frame)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the peer takes nothing any more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_pause_ends_when_the_rate_allows_more(rate in 8_000_u64..10_000_000_000, elapsed in 0_u64..1 << 40, ahead in 0_u64..1 << 30) {
            let passed = allowed(rate, elapsed).saturating_add(ahead);
            let wait = pause(rate, elapsed, passed).unwrap();
            let later = elapsed + u64::try_from(wait.as_nanos()).unwrap();
            prop_assert!(allowed(rate, later) > passed);
        }

        #[test]
        fn crumbs_are_waited_for(rate in 64_000_u64..10_000_000_000, elapsed in 0_u64..1 << 40) {
            let all = allowed(rate, elapsed);
            let crumb = allowed(rate, 0) / 4;
            let wait = pause(rate, elapsed, all - crumb).unwrap();
            // What is late by less than the burst is made up for.
            prop_assert!(wait.as_nanos() <= u128::from(BURST_NS));
            prop_assert_eq!(pause(rate, elapsed, all - allowed(rate, 0) / 2 - 1), None);
        }
    }
}
