//! When which packet is sent, and whose an answer is. Pure: the driver tells the time and what came, the machine says what
//! to do next. Times are nanoseconds of one monotonic clock.

use glimpse_net::stamp::Stamp;

use super::payload::{TOKEN_LENGTH, is_ours};

/// Different faults that are told apart; more are only counted.
const FAULT_LIMIT: usize = 8;
/// Shortest text that tells a packet of ours; a shorter one could be met by chance, or guessed.
const SEARCHABLE: usize = 4;
const DISTRUST: &str = "icmp errors that show nothing of our text came more often than packets were sent; \
     they were not taken for answers";
/// Longest time for which answers may wait to be looked at.
const LONGEST_REST_NS: u64 = 20_000_000;
/// Packets back from the newest that are looked through for a transmitted one.
const TRANSMIT_SEARCH: usize = 64;

/// How packets are to follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Packets to send.
    pub count: u32,
    /// From one packet to the next, in nanoseconds.
    pub interval_ns: u64,
    /// How long an answer is waited for, in nanoseconds.
    pub timeout_ns: u64,
    /// How many packets may be unanswered at once.
    pub window: u32,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send packet `0`, `1`, … and say [`Machine::sent`] or [`Machine::refused`] at once.
    Send(u32),
    /// Nothing before this time, unless something comes.
    Wait(u64),
    /// All is settled.
    Done,
}

/// By what an answer says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// By the number of the packet and its text, as far as it came back.
    Numbered {
        /// The packet.
        index: u32,
        /// The beginning of its text.
        text: &'a [u8],
    },
    /// By the connection that was tried for this packet alone.
    Attempt(u32),
    /// By its text alone: what an ICMP error quotes, perhaps nothing.
    Quoted(&'a [u8]),
    /// By having come from the target: a reply of a service of its own making, or our own text returned.
    Reply(&'a [u8]),
}

/// What the answers came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets the kernel took.
    pub sent: u32,
    /// Packets answered in time.
    pub received: u32,
    /// Both moments of each answered packet that the answer named, in the order of sending.
    pub trips: Vec<(Stamp, Stamp)>,
    /// Answers that could have been to several packets, or whose moment nobody saw; counted, but without a time.
    pub untimed: u32,
    /// Second answers to a packet.
    pub duplicates: u32,
    /// Answers after the time-out.
    pub late: u32,
    /// Packets that came and answered nothing of ours.
    pub foreign: u32,
    /// Packets whose answer came after that of a later one: the singletons of RFC 4737 §3, with the second copy of a packet,
    /// late answers and those without a time left out.
    pub reordered: u32,
    /// Lowest and highest TTL or hop limit with which answers came.
    pub reply_ttl: Option<(u8, u8)>,
    /// Smallest MTU that a packet of ours was said to be too long for.
    pub mtu: Option<u32>,
    /// What went wrong on the way and how often, in the order of first occurrence.
    pub faults: Vec<(String, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Answered(Stamp),
    Untimed,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    token: [u8; TOKEN_LENGTH],
    token_length: usize,
    /// `None` when the kernel refused it.
    sent: Option<Stamp>,
    state: State,
    /// TTL of its answer.
    reply_ttl: Option<u8>,
    /// Whether it was answered by a quote too short to be sure of.
    unsure: bool,
}

impl Packet {
    /// Whether `text` is the beginning of this packet's; an empty one is of every packet's.
    fn begins_with(&self, text: &[u8]) -> bool {
        let length = self.token_length.min(text.len());
        self.sent.is_some() && text[..length] == self.token[..length]
    }

    fn is_waiting(&self) -> bool {
        self.sent.is_some() && self.state == State::Waiting
    }
}

enum Whose {
    Packet(usize),
    /// The newest of several that it could be.
    OneOfMany(usize),
    Nobody,
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Machine {
    pace: Pace,
    /// When the next packet is due.
    slot_ns: u64,
    packets: Vec<Packet>,
    /// None of so many at the beginning waits.
    settled: usize,
    waiting: u32,
    /// Packets and answers so far all had the kernel's stamps.
    stamped: bool,
    /// The driver has not looked for answers since the last packet.
    rested: bool,
    /// Errors with quotes too short to be sure of.
    unsure: u32,
    tally: Tally,
}

impl Machine {
    /// A run that begins at `start_ns`.
    pub fn new(pace: Pace, start_ns: u64) -> Self {
        Self {
            pace,
            slot_ns: start_ns,
            packets: Vec::new(),
            settled: 0,
            waiting: 0,
            stamped: true,
            rested: false,
            unsure: 0,
            tally: Tally::default(),
        }
    }

    /// What is to be done at `now_ns`. The driver hands in what has come before it asks, so that no answer is lost to a
    /// driver that was slow.
    pub fn poll(&mut self, now_ns: u64) -> Action {
        let timeout_ns = self.pace.timeout_ns;
        let open = self.packets.iter().skip(self.settled);
        self.settled += open.take_while(|packet| !packet.is_waiting()).count();
        let mut first_expiry = u64::MAX;
        let open = self.packets.iter_mut().skip(self.settled);
        for packet in open.filter(|packet| packet.is_waiting()) {
            let expiry = packet
                .sent
                .map_or(0, |sent| sent.monotonic_ns.saturating_add(timeout_ns));
            if expiry <= now_ns {
                packet.state = State::Lost;
                self.waiting -= 1;
            } else {
                first_expiry = first_expiry.min(expiry);
            }
        }
        let next = u32::try_from(self.packets.len()).unwrap_or(u32::MAX);
        if next >= self.pace.count {
            return if self.waiting == 0 {
                Action::Done
            } else {
                Action::Wait(first_expiry)
            };
        }
        if self.waiting >= self.pace.window {
            return Action::Wait(first_expiry);
        }
        if now_ns >= self.slot_ns {
            return Action::Send(next);
        }
        Action::Wait(first_expiry.min(self.slot_ns))
    }

    /// Whether answers may wait until the next packet is due, because the kernel has stamped everything so far and a packet
    /// is due before long: a process that wakes once for each packet instead of twice costs half as much.
    pub fn may_rest(&self, until_ns: u64, now_ns: u64) -> bool {
        self.stamped
            && self.tally.received > 0
            && until_ns == self.slot_ns
            && until_ns.saturating_sub(now_ns) <= LONGEST_REST_NS
    }

    /// The driver has not looked for answers until now, or has begun to look again: of what comes without the kernel's
    /// stamps it cannot be told when it came.
    pub fn rest(&mut self, rested: bool) {
        self.rested = rested;
    }

    /// The packet asked for has left; `text` is its payload.
    pub fn sent(&mut self, text: &[u8], at: Stamp) {
        self.push(text, Some(at));
        self.tally.sent += 1;
        self.waiting += 1;
        self.advance(at.monotonic_ns);
    }

    /// The kernel did not take the packet asked for.
    pub fn refused(&mut self, reason: String, at_ns: u64) {
        self.push(&[], None);
        self.fault(reason);
        self.advance(at_ns);
    }

    /// Sends no more; what is under way is waited for.
    pub fn stop(&mut self, reason: String) {
        self.pace.count = self
            .pace
            .count
            .min(u32::try_from(self.packets.len()).unwrap_or(u32::MAX));
        self.fault(reason);
    }

    /// A packet of ours left at `kernel_ns` by the kernel's clock; `packet` holds it with all headers.
    pub fn transmitted(&mut self, packet: &[u8], kernel_ns: i64) {
        let recent = self.packets.iter_mut().rev().take(TRANSMIT_SEARCH);
        for known in recent.filter(|known| known.token_length >= SEARCHABLE) {
            if let Some(sent) = &mut known.sent
                && sent.kernel_ns.is_none()
                && packet
                    .windows(known.token_length)
                    .any(|part| part == &known.token[..known.token_length])
            {
                sent.kernel_ns = Some(kernel_ns);
                return;
            }
        }
    }

    /// An answer came. Says which packet it was the first answer to, where that is known.
    ///
    /// Who knows our addresses and ports can forge an ICMP error with a short quote. A true host sends one for a packet: when
    /// there are more of them than packets, none counts, and those that did no longer do.
    pub fn answered(&mut self, claim: Claim<'_>, at: Stamp) -> Option<u32> {
        let unsure = matches!(claim, Claim::Quoted(text) if text.len() < SEARCHABLE);
        if unsure {
            self.unsure = self.unsure.saturating_add(1);
            if self.distrusts() {
                self.revoke();
                self.tally.foreign += 1;
                return None;
            }
        }
        let (index, state) = match self.whose(claim) {
            Whose::Packet(index) => (index, State::Answered(at)),
            Whose::OneOfMany(index) => (index, State::Untimed),
            Whose::Nobody => {
                self.tally.foreign += 1;
                return None;
            }
        };
        let packet = &mut self.packets[index];
        let sent = packet.sent?;
        let stamped = at.kernel_ns.is_some() && sent.kernel_ns.is_some();
        self.stamped &= stamped;
        let state = if self.rested && !stamped {
            State::Untimed
        } else {
            state
        };
        match packet.state {
            State::Waiting if at.since(&sent).0 <= self.pace.timeout_ns => {
                packet.state = state;
                packet.unsure = unsure;
                self.waiting -= 1;
                self.tally.received += 1;
                if state == State::Untimed {
                    self.tally.untimed += 1;
                }
                return u32::try_from(index).ok();
            }
            // It was given up because this process was late, not the answer.
            State::Lost if stamped && at.since(&sent).0 <= self.pace.timeout_ns => {
                packet.state = state;
                packet.unsure = unsure;
                self.tally.received += 1;
                return u32::try_from(index).ok();
            }
            State::Waiting | State::Lost => self.tally.late += 1,
            State::Answered(_) | State::Untimed => self.tally.duplicates += 1,
        }
        None
    }

    fn distrusts(&self) -> bool {
        self.unsure > self.tally.sent
    }

    /// What was answered by short quotes waits on.
    fn revoke(&mut self) {
        let mut revoked = 0;
        for packet in self.packets.iter_mut().filter(|packet| packet.unsure) {
            if packet.state == State::Untimed {
                self.tally.untimed -= 1;
            }
            packet.state = State::Waiting;
            packet.unsure = false;
            packet.reply_ttl = None;
            revoked += 1;
        }
        self.settled = 0;
        self.waiting += revoked;
        self.tally.received -= revoked;
        self.tally.foreign += revoked;
        if !self.tally.faults.iter().any(|(known, _)| known == DISTRUST) {
            self.fault(DISTRUST.to_owned());
        }
    }

    /// The first answer to packet `index` came with this TTL or hop limit.
    pub fn reply_ttl(&mut self, index: u32, ttl: u8) {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(packet) = self.packets.get_mut(place) {
            packet.reply_ttl = Some(ttl);
        }
    }

    /// Word came that a packet will not be answered. Says whether that is sure: a quote too short to be ours beyond doubt
    /// is only noted, and the packet is waited for.
    pub fn failed(&mut self, claim: Claim<'_>, reason: String) -> bool {
        match self.whose(claim) {
            Whose::Packet(index) => {
                let packet = &mut self.packets[index];
                let sure = match claim {
                    Claim::Attempt(_) => true,
                    Claim::Numbered { text, .. } | Claim::Quoted(text) | Claim::Reply(text) => {
                        text.len() >= SEARCHABLE.min(packet.token_length)
                    }
                };
                if sure && packet.is_waiting() {
                    packet.state = State::Lost;
                    self.waiting -= 1;
                }
                self.fault(reason);
                sure
            }
            Whose::OneOfMany(_) => {
                self.fault(reason);
                false
            }
            Whose::Nobody => {
                self.tally.foreign += 1;
                false
            }
        }
    }

    /// A packet of ours was too long for a link of this MTU.
    pub fn too_long(&mut self, mtu: u32) {
        let known = self.tally.mtu.unwrap_or(u32::MAX);
        self.tally.mtu = Some(known.min(mtu));
    }

    /// Notes something about the run as a whole.
    pub fn fault(&mut self, reason: String) {
        let faults = &mut self.tally.faults;
        let room = faults.len() < FAULT_LIMIT;
        match faults.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None if room => faults.push((reason, 1)),
            None => {}
        }
    }

    /// A packet came that is not even an answer.
    pub fn foreign(&mut self) {
        self.tally.foreign += 1;
    }

    /// What it came to; packets still waited for count as lost.
    pub fn tally(&self) -> Tally {
        let trips: Vec<_> = self
            .packets
            .iter()
            .filter_map(|packet| match (packet.sent, packet.state) {
                (Some(sent), State::Answered(received)) => Some((sent, received)),
                _ => None,
            })
            .collect();
        let answered = self
            .packets
            .iter()
            .filter(|packet| matches!(packet.state, State::Answered(_) | State::Untimed));
        let ttls = || answered.clone().filter_map(|packet| packet.reply_ttl);
        Tally {
            reordered: reordered(&trips),
            reply_ttl: ttls().min().zip(ttls().max()),
            trips,
            ..self.tally.clone()
        }
    }

    fn push(&mut self, text: &[u8], sent: Option<Stamp>) {
        let token_length = text.len().min(TOKEN_LENGTH);
        let mut token = [0; TOKEN_LENGTH];
        token[..token_length].copy_from_slice(&text[..token_length]);
        self.packets.push(Packet {
            token,
            token_length,
            sent,
            state: State::Waiting,
            reply_ttl: None,
            unsure: false,
        });
    }

    /// The next slot: on schedule, however late this packet was; but slots that were missed are not made up for by a burst.
    fn advance(&mut self, now_ns: u64) {
        self.slot_ns = self.slot_ns.saturating_add(self.pace.interval_ns);
        if self.slot_ns <= now_ns {
            self.slot_ns = now_ns.saturating_add(self.pace.interval_ns);
        }
    }

    fn whose(&self, claim: Claim<'_>) -> Whose {
        let text = match claim {
            Claim::Numbered { index, text } => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                return match self.packets.get(index) {
                    Some(packet) if packet.begins_with(text) => Whose::Packet(index),
                    _ => Whose::Nobody,
                };
            }
            Claim::Attempt(index) => {
                let index = usize::try_from(index).unwrap_or(usize::MAX);
                return match self.packets.get(index) {
                    Some(packet) if packet.sent.is_some() => Whose::Packet(index),
                    _ => Whose::Nobody,
                };
            }
            Claim::Quoted(text) | Claim::Reply(text) => text,
        };
        let whole = text.len() >= TOKEN_LENGTH;
        if whole || matches!(claim, Claim::Reply(_)) {
            // Settled ones too: that is how a duplicate or late answer is known.
            let mut named =
                self.indices(|packet| packet.begins_with(text) && packet.token_length > 0);
            match (named.next(), named.next(), claim) {
                (Some(index), None, _) if !text.is_empty() => return Whose::Packet(index),
                (None, _, Claim::Quoted(_)) => return Whose::Nobody,
                (None, _, _) if is_ours(text) => return Whose::Nobody,
                _ => {}
            }
        }
        // Too little came back to tell. Of a reply that shares nothing with us, any packet may be the cause.
        let fits = |packet: &Packet| {
            packet.is_waiting() && (matches!(claim, Claim::Reply(_)) || packet.begins_with(text))
        };
        let mut candidates = self.indices(fits);
        match (candidates.next(), candidates.next()) {
            (Some(index), None) => Whose::Packet(index),
            (Some(index), Some(_)) => Whose::OneOfMany(index),
            (None, _) => Whose::Nobody,
        }
    }

    /// Places of the packets that fit, the newest first.
    fn indices(&self, fits: impl Fn(&Packet) -> bool) -> impl Iterator<Item = usize> {
        self.packets
            .iter()
            .enumerate()
            .rev()
            .filter(move |(_, packet)| fits(packet))
            .map(|(index, _)| index)
    }
}

/// How many of the trips, given in the order of sending, ended after one that had begun later (RFC 4737 §3.3). What came at
/// the same moment came in order.
fn reordered(trips: &[(Stamp, Stamp)]) -> u32 {
    let mut arrivals: Vec<(u64, usize)> = trips
        .iter()
        .enumerate()
        .map(|(place, (_, received))| (received.monotonic_ns, place))
        .collect();
    arrivals.sort_unstable();
    let (mut expected, mut count) = (0, 0);
    for (_, place) in arrivals {
        if place < expected {
            count += 1;
        } else {
            expected = place + 1;
        }
    }
    count
}

#[cfg(test)]
mod tests;
