//! UDP: handshakes, trains and echoes of all sessions over the sockets of the one port.

mod guest;
mod opening;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use glimpse_net::packet::Family;
use glimpse_net::socket::{Event as Packet, EventKind, ProbeSocket};
use glimpse_net::stamp::monotonic_ns;
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::TryRecvError;

use self::guest::{Guest, Work};
use super::{Event, Reason, Shared};
use crate::peer::SILENCE_NS;
use crate::peer::datagram::{Datagram, parse};
use crate::peer::plan::Request;
use crate::peer::session::{Next, nap, wait};

/// Room for a packet and, of a transmitted one, the headers before it.
const BUFFER: usize = 2048;
/// Events taken before the sessions have their turn again.
const AT_ONCE: usize = 64;
/// From one look at an unanswered ask to the next, in nanoseconds.
const ASK_NS: u64 = 2_000_000;
/// How long the owner may think.
const ASK_LIMIT_NS: u64 = 5_000_000_000;
/// From one look at whether a session is to end to the next, in nanoseconds.
const RECALL_NS: u64 = 500_000_000;

/// When the next session wants its turn.
enum Turn {
    Pace(u64),
    At(u64),
}

pub(super) struct Hub {
    shared: Arc<Shared>,
    sockets: Vec<ProbeSocket>,
    guests: Vec<Guest>,
    events: mpsc::Sender<Event>,
    buffer: Vec<u8>,
    out: Vec<u8>,
}

impl Hub {
    pub(super) fn new(
        shared: Arc<Shared>,
        sockets: Vec<ProbeSocket>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            shared,
            sockets,
            guests: Vec::new(),
            events,
            buffer: vec![0; BUFFER],
            out: Vec::with_capacity(BUFFER),
        }
    }

    pub(super) async fn run(mut self) -> io::Result<()> {
        loop {
            for socket in 0..self.sockets.len() {
                for _ in 0..AT_ONCE {
                    let Some(packet) = self.sockets[socket].take(&mut self.buffer)? else {
                        break;
                    };
                    self.packet(socket, &packet);
                }
            }
            match self.turn().await {
                Turn::Pace(due) => match nap(due) {
                    Some(time) => self.rest(time).await?,
                    None => tokio::task::yield_now().await,
                },
                Turn::At(until) => self.rest(wait(until)).await?,
            }
        }
    }

    /// Waits for a packet, so long at most.
    async fn rest(&mut self, time: Duration) -> io::Result<()> {
        let mut other = [0; BUFFER];
        let packet = match self.sockets.as_mut_slice() {
            [one] => tokio::time::timeout(time, one.next(&mut self.buffer))
                .await
                .ok()
                .map(|packet| packet.map(|packet| (0, packet))),
            [one, two] => tokio::select! {
                packet = one.next(&mut self.buffer) => Some(packet.map(|packet| (0, packet))),
                packet = two.next(&mut other) => {
                    self.buffer.copy_from_slice(&other);
                    Some(packet.map(|packet| (1, packet)))
                }
                () = tokio::time::sleep(time) => None,
            },
            _ => {
                tokio::time::sleep(time).await;
                None
            }
        };
        if let Some((socket, packet)) = packet.transpose()? {
            self.packet(socket, &packet);
        }
        Ok(())
    }

    fn packet(&mut self, socket: usize, packet: &Packet) {
        let buffer = std::mem::take(&mut self.buffer);
        let bytes = &buffer[..packet.length];
        match packet.kind {
            EventKind::Received { from: Some(from) } => {
                let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                if let Err(reason) = self.datagram(socket, from, bytes, packet) {
                    self.shared.ignore(reason);
                }
            }
            EventKind::Transmitted => {
                if let Some(kernel_ns) = packet.stamp.kernel_ns {
                    for guest in &mut self.guests {
                        if let Work::Trains(session, _) = &mut guest.work {
                            session.transmitted(bytes, kernel_ns);
                        }
                    }
                }
            }
            // An ICMP error is no message of the peer; who has gone falls silent.
            EventKind::Received { from: None } | EventKind::Failed(_) => {}
        }
        self.buffer = buffer;
    }

    fn datagram(
        &mut self,
        socket: usize,
        from: SocketAddr,
        bytes: &[u8],
        packet: &Packet,
    ) -> Result<(), Reason> {
        let datagram = parse(bytes).map_err(|_| Reason::Garbage)?;
        let now_ns = monotonic_ns();
        match datagram {
            Datagram::Hello { session, token } => {
                let now = self.shared.now();
                let challenge = {
                    let mut gate = self.shared.gate();
                    gate.read(token, session, now, now_ns)?;
                    gate.challenge(from, session, now_ns)
                };
                let (time, cookie) = challenge;
                let answer = Datagram::Challenge {
                    session,
                    time,
                    cookie,
                };
                self.answer(socket, from, &answer);
                Ok(())
            }
            Datagram::Start {
                session,
                time,
                cookie,
                token,
                request,
            } => {
                if !self
                    .shared
                    .gate()
                    .knows(from, session, time, &cookie, now_ns)
                {
                    return Err(Reason::Cookie);
                }
                if let Some(guest) = self.guests.iter().find(|guest| guest.id == session) {
                    // The acceptance was lost, or is not there yet.
                    if guest.from == from && !matches!(guest.work, Work::Asking(..)) {
                        let (tag, limits) = (guest.tag, guest.limits);
                        let answer = Datagram::Accepted {
                            session,
                            tag,
                            limits,
                        };
                        self.answer(socket, from, &answer);
                    }
                    return Ok(());
                }
                let request = Request::parse(request).map_err(|_| Reason::Malformed)?;
                let now = self.shared.now();
                let claims = {
                    let mut gate = self.shared.gate();
                    let claims = gate.check(token, request.method(), session, now, now_ns)?;
                    gate.enter(&claims, session, now)?;
                    claims
                };
                if let Err(reason) = self.open(socket, from, session, &claims, request, now_ns) {
                    let answer = Datagram::Refused {
                        session,
                        reason: &reason,
                    };
                    self.answer(socket, from, &answer);
                }
                Ok(())
            }
            _ => self.within(from, &datagram, packet, now_ns),
        }
    }

    /// Takes a datagram of a session.
    fn within(
        &mut self,
        from: SocketAddr,
        datagram: &Datagram<'_>,
        packet: &Packet,
        now_ns: u64,
    ) -> Result<(), Reason> {
        let tag = datagram.tag().ok_or(Reason::Garbage)?;
        let known = |guest: &&mut Guest| guest.tag == tag && guest.from == from;
        let guest = self.guests.iter_mut().find(known).ok_or(Reason::Garbage)?;
        guest.heard_ns = now_ns;
        let family = Family::from(from.ip());
        match (&mut guest.work, datagram) {
            (Work::Trains(session, _), _) => {
                if session
                    .heard(datagram, packet.whole_length, packet.stamp)
                    .is_err()
                {
                    guest.until_ns = 0;
                }
            }
            (
                Work::Echo {
                    echoed,
                    dropped,
                    bytes,
                },
                Datagram::Echo { body, .. },
            ) => {
                let length = packet.whole_length;
                let elapsed = now_ns.saturating_sub(guest.began_ns);
                let room = u128::from(guest.limits.max_rate_bps)
                    * u128::from(elapsed.saturating_add(1_000_000_000))
                    / 8_000_000_000;
                let fits = u128::from(*bytes) + length as u128 <= room
                    && length <= packet.length
                    && guest.tally.receive_datagram(family, length).is_ok()
                    && guest.tally.send_datagram(family, length).is_ok();
                if !fits {
                    *dropped += 1;
                    return Ok(());
                }
                *bytes += length as u64;
                *echoed += 1;
                Datagram::EchoReply { tag, body }.write(&mut self.out);
                // What the kernel does not take is lost like a packet on the way.
                let _ = self.sockets[guest.socket].send_to(&self.out, from);
            }
            // Lost, it costs the others the place until silence has lasted long enough.
            (Work::Echo { .. }, Datagram::EchoEnd { .. }) => guest.until_ns = now_ns,
            (Work::Echo { .. } | Work::Asking(..), _) => {}
        }
        guest.meter.show(&guest.tally.read());
        Ok(())
    }

    fn answer(&mut self, socket: usize, to: SocketAddr, datagram: &Datagram<'_>) {
        datagram.write(&mut self.out);
        // What the kernel does not take is lost like a packet on the way.
        let _ = self.sockets[socket].send_to(&self.out, to);
    }

    /// Gives every session its turn and says when the next is due.
    async fn turn(&mut self) -> Turn {
        let longest = if self.guests.is_empty() {
            SILENCE_NS
        } else {
            RECALL_NS
        };
        let mut turn = Turn::At(monotonic_ns().saturating_add(longest));
        let mut number = 0;
        while number < self.guests.len() {
            match self.drive(number) {
                Drive::Pace(due) => {
                    turn = match turn {
                        Turn::Pace(other) => Turn::Pace(other.min(due)),
                        Turn::At(_) => Turn::Pace(due),
                    }
                }
                Drive::Wait(until) => {
                    if let Turn::At(other) = turn {
                        turn = Turn::At(other.min(until));
                    }
                }
                Drive::Again => continue,
                Drive::Gone => {
                    self.guests.swap_remove(number);
                    continue;
                }
                Drive::Over(ending) => {
                    let guest = self.guests.swap_remove(number);
                    let event = Event::Ended(guest.id, guest.outcome(ending));
                    // The owner is gone only when the agent stops.
                    let _ = self.events.send(event).await;
                    continue;
                }
            }
            number += 1;
        }
        turn
    }

    fn drive(&mut self, number: usize) -> Drive {
        let guest = &mut self.guests[number];
        if let Some(reason) = guest.recall.reason() {
            let (socket, to, session) = (guest.socket, guest.from, guest.id);
            let answer = Datagram::Refused {
                session,
                reason: &reason,
            };
            self.answer(socket, to, &answer);
            return Drive::Over(Err(reason));
        }
        let now = monotonic_ns();
        match &mut guest.work {
            Work::Asking(answer, _) => match answer.try_recv() {
                Ok(Ok(())) => self.admit(number),
                Ok(Err(reason)) => {
                    let (socket, to, session) = (guest.socket, guest.from, guest.id);
                    let reason = glimpse_model::read::printable(&reason);
                    let answer = Datagram::Refused {
                        session,
                        reason: &reason,
                    };
                    self.answer(socket, to, &answer);
                    Drive::Gone
                }
                Err(TryRecvError::Empty) if now < guest.began_ns.saturating_add(ASK_LIMIT_NS) => {
                    Drive::Wait(now.saturating_add(ASK_NS))
                }
                // An answer that comes after this finds nobody; the owner hears of the end.
                Err(TryRecvError::Empty) => Drive::Over(Err("the owner did not answer".to_owned())),
                Err(TryRecvError::Closed) => Drive::Gone,
            },
            Work::Trains(..) if now >= guest.until_ns => {
                Drive::Over(Err("stopped at its limit".to_owned()))
            }
            Work::Trains(session, _) => {
                let (socket, to) = (&mut self.sockets[guest.socket], guest.from);
                let next = session.advance(|bytes| socket.send_to(bytes, to));
                guest.meter.show(&guest.tally.read());
                if session.is_lingering() {
                    guest.place = None;
                }
                match next {
                    Next::Pace(due) => Drive::Pace(due),
                    Next::Wait(until) => Drive::Wait(until.min(guest.until_ns)),
                    Next::Done => Drive::Over(Ok(())),
                    Next::Failed(reason) => Drive::Over(Err(reason)),
                }
            }
            Work::Echo { echoed, .. } => {
                let until = guest
                    .until_ns
                    .min(guest.heard_ns.saturating_add(SILENCE_NS));
                match (now >= until, *echoed) {
                    (false, _) => Drive::Wait(until),
                    (true, 0) => Drive::Over(Err("the peer fell silent".to_owned())),
                    (true, _) => Drive::Over(Ok(())),
                }
            }
        }
    }
}

/// What became of a session's turn.
enum Drive {
    Pace(u64),
    Wait(u64),
    /// It has changed its work: give it another turn.
    Again,
    /// It was never let in.
    Gone,
    Over(Result<(), String>),
}
