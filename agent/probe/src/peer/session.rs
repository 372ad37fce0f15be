//! A session of trains at either end: the machine and what drives it. The sockets are the caller's: the initiator has one
//! of its own, the responder has one for all.

use std::io;
use std::time::Duration;

use glimpse_net::packet::Family;
use glimpse_net::stamp::{Stamp, monotonic_ns};
use glimpse_net::stream::Tally;

use super::Direction;
use super::datagram::{Datagram, PACKET_HEADER, Tag, parse};
use super::plan::TrainPlan;
use super::receiver::Receiver;
use super::report::Train;
use super::sender::{Sender, Step};

/// A packet that is due sooner than this is waited for without leaving the processor, in nanoseconds.
const SPIN_NS: u64 = 100_000;
/// What the runtime's timer may be late, in nanoseconds.
const TIMER_NS: u64 = 1_500_000;
/// Until the kernel is asked again after it took no packet, in nanoseconds.
const FULL_NS: u64 = 500_000;

/// When a session wants to be driven again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// At this time as exactly as can be.
    Pace(u64),
    /// At this time, or when something has come.
    Wait(u64),
    /// Never: it is over.
    Done,
    /// Never: it came to nothing, for this reason.
    Failed(String),
}

/// Either end of the trains.
#[derive(Debug)]
pub struct Session {
    side: Side,
    tag: Tag,
    family: Family,
    tally: Tally,
    /// A packet of a train: fill behind a header that is written anew each time.
    packet: Vec<u8>,
    control: Vec<u8>,
}

#[derive(Debug)]
enum Side {
    Sender(Box<Sender>),
    Receiver(Box<Receiver>),
}

impl Session {
    /// A session that begins now. `initiator` says which end this is, `seed` makes the fill.
    pub fn new(
        plan: &TrainPlan,
        tag: Tag,
        initiator: bool,
        family: Family,
        tally: Tally,
        seed: u64,
    ) -> Self {
        let now = monotonic_ns();
        let sending = (plan.direction == Direction::Up) == initiator;
        let side = if sending {
            Side::Sender(Box::new(Sender::new(plan.clone(), tag, now)))
        } else {
            Side::Receiver(Box::new(Receiver::new(plan.clone(), tag, now)))
        };
        let mut packet = vec![0; usize::from(plan.packet_size)];
        fastrand::Rng::with_seed(seed).fill(&mut packet);
        Self {
            side,
            tag,
            family,
            tally,
            packet,
            control: Vec::new(),
        }
    }

    /// By which its datagrams are known.
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// What both ends know of the trains, once it is done.
    pub fn trains(&self) -> &[Train] {
        match &self.side {
            Side::Sender(sender) => sender.trains(),
            Side::Receiver(receiver) => receiver.trains(),
        }
    }

    /// Whether the line is free for others already, though the peer may still ask for the last acknowledgement again.
    pub const fn is_lingering(&self) -> bool {
        match &self.side {
            Side::Sender(sender) => sender.is_lingering(),
            Side::Receiver(_) => false,
        }
    }

    /// Sends what is due with `send`.
    pub fn advance(&mut self, mut send: impl FnMut(&[u8]) -> io::Result<Stamp>) -> Next {
        loop {
            let now = monotonic_ns();
            let step = match &mut self.side {
                Side::Sender(sender) => sender.poll(now, &mut self.control),
                Side::Receiver(receiver) => receiver.poll(now, &mut self.control),
            };
            let bytes = match step {
                Step::Packet { train, sequence } => {
                    let header = Datagram::Packet {
                        tag: self.tag,
                        train,
                        sequence,
                        sent_ns: now,
                    };
                    header.write(&mut self.control);
                    if let Some(head) = self.packet.get_mut(..PACKET_HEADER) {
                        head.copy_from_slice(&self.control);
                    }
                    &self.packet
                }
                Step::Control => &self.control,
                Step::Pace(due) if due.saturating_sub(now) < SPIN_NS => {
                    while monotonic_ns() < due {
                        std::hint::spin_loop();
                    }
                    continue;
                }
                Step::Pace(due) => return Next::Pace(due),
                Step::Wait(until) => return Next::Wait(until),
                Step::Done => return Next::Done,
                Step::Failed(reason) => return Next::Failed(reason),
            };
            let is_packet = matches!(step, Step::Packet { .. });
            if let Err(limit) = self.tally.send_datagram(self.family, bytes.len()) {
                return Next::Failed(limit.to_string());
            }
            match (send(bytes), &mut self.side) {
                (Ok(stamp), Side::Sender(sender)) if is_packet => sender.sent(stamp),
                (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Next::Wait(now.saturating_add(FULL_NS));
                }
                (Err(error), _) if is_packet => return Next::Failed(error.to_string()),
                // A control datagram that the kernel would not take is repeated like one that was lost.
                _ => {}
            }
        }
    }

    /// Takes a datagram of the peer.
    ///
    /// # Errors
    /// When it has used up the session's bytes, in words for the record.
    pub fn heard(
        &mut self,
        datagram: &Datagram<'_>,
        whole_length: usize,
        stamp: Stamp,
    ) -> Result<(), String> {
        let counted = self.tally.receive_datagram(self.family, whole_length);
        counted.map_err(|limit| limit.to_string())?;
        let now = monotonic_ns();
        match &mut self.side {
            Side::Sender(sender) => sender.heard(datagram, now),
            Side::Receiver(receiver) => receiver.heard(datagram, stamp, now),
        }
        Ok(())
    }

    /// Takes the kernel's stamp of a packet that has left; `bytes` are the packet with headers before it. Those of other
    /// sessions are left alone.
    pub fn transmitted(&mut self, bytes: &[u8], kernel_ns: i64) {
        let Side::Sender(sender) = &mut self.side else {
            return;
        };
        let Some(begin) = bytes.len().checked_sub(self.packet.len()) else {
            return;
        };
        if let Ok(Datagram::Packet {
            tag,
            train,
            sequence,
            ..
        }) = parse(&bytes[begin..])
            && tag == self.tag
        {
            sender.transmitted(train, sequence, kernel_ns);
        }
    }
}

/// How long the runtime may be left to itself before a moment that is to be met exactly; `None` when the moment is too
/// close for its timers and the caller goes round in short turns.
pub fn nap(due_ns: u64) -> Option<Duration> {
    let ahead = due_ns.saturating_sub(monotonic_ns());
    (ahead > 2 * TIMER_NS).then(|| Duration::from_nanos(ahead - TIMER_NS))
}

/// How long until `until_ns`.
pub fn wait(until_ns: u64) -> Duration {
    Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const TAG: Tag = [7; 8];

    /// Plays both ends against each other and gives the packets of the trains as they were on the wire.
    fn packets_on_the_wire(seed: u64) -> Vec<Vec<u8>> {
        let plan = TrainPlan {
            train_length: 8,
            delay_ns: 1000,
            ..TrainPlan::default()
        };
        let end = |initiator| {
            let tally = Tally::default();
            Session::new(&plan, TAG, initiator, Family::V4, tally, seed)
        };
        let (mut sender, mut receiver) = (end(true), end(false));
        let mut packets = Vec::new();
        let stamp = || Stamp::monotonic(monotonic_ns());
        let began = monotonic_ns();
        // Far beyond what the plan takes, also on a busy machine.
        while monotonic_ns() - began < 10_000_000_000 {
            let (mut there, mut back) = (Vec::new(), Vec::new());
            let next = sender.advance(|bytes| {
                there.push(bytes.to_vec());
                Ok(stamp())
            });
            for bytes in there {
                if let Datagram::Packet { .. } = parse(&bytes).unwrap() {
                    packets.push(bytes.clone());
                }
                receiver
                    .heard(&parse(&bytes).unwrap(), bytes.len(), stamp())
                    .unwrap();
            }
            receiver.advance(|bytes| {
                back.push(bytes.to_vec());
                Ok(stamp())
            });
            for bytes in back {
                sender
                    .heard(&parse(&bytes).unwrap(), bytes.len(), stamp())
                    .unwrap();
            }
            if next == Next::Done || packets.len() == 8 {
                break;
            }
            std::thread::yield_now();
        }
        packets
    }

    #[test]
    fn glimpse_check_40_a_train_carries_its_header_and_fill_of_the_seed_and_nothing_else() {
        let fill = |seed| {
            let mut bytes = vec![0; 1000];
            fastrand::Rng::with_seed(seed).fill(&mut bytes);
            bytes.split_off(PACKET_HEADER)
        };
        let packets = packets_on_the_wire(5);
        assert_eq!(packets.len(), 8);
        for packet in &packets {
            assert_eq!(packet.len(), 1000);
            assert_eq!(packet[PACKET_HEADER..], fill(5));
        }
        assert_ne!(packets_on_the_wire(6)[0][PACKET_HEADER..], fill(5));
    }
}
