//! What was sent and what came of it.

use std::net::IpAddr;

use glimpse_net::packet::Label;
use glimpse_net::stamp::Stamp;

use super::Pace;

/// A probe: its number from 0, its flow, its time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Number in the order of sending.
    pub index: u32,
    /// Number of the flow it belongs to.
    pub flow: u16,
    /// Time to live it leaves with.
    pub ttl: u8,
}

/// By what an answer says whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// By the number of the probe.
    Probe(u32),
    /// By the flow alone: too little of the packet came back.
    Flow(u16),
}

/// What kind of answer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The time to live ran out at the sender of the answer.
    TimeExceeded,
    /// ICMP "destination unreachable", with its code as the version of the protocol has it.
    Unreachable(u8),
    /// "Fragmentation needed" (RFC 1191) or "packet too big" (RFC 4443 §3.2), with the MTU where it was told.
    PacketTooBig(Option<u32>),
    /// An answer of the upper layer: UDP, echo reply, SYN/ACK or reset.
    Answer,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Who sent it.
    pub from: IpAddr,
    /// Whether that is the target.
    pub is_target: bool,
    /// What it says.
    pub response: Response,
    /// When it came.
    pub at: Stamp,
    /// Its own time to live on arrival, where the kernel told.
    pub ttl: Option<u8>,
    /// The time to live in the packet it quotes; 1 but for odd routers, 0 when one forwarded what it should have dropped.
    pub quoted_ttl: Option<u8>,
    /// The MPLS label stack the packet had (RFC 4950), the outermost first.
    pub labels: Vec<Label>,
}

impl Reply {
    /// Whether the way goes no further.
    pub(super) fn is_final(&self) -> bool {
        self.is_target || self.response != Response::TimeExceeded
    }
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    Answered,
    Lost,
    /// Its answer could not be told from another's: as if it had not been sent.
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Waiting, and one of several that an answer could be to.
    Doubtful,
    Settled(Settled),
}

/// A probe and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The probe.
    pub probe: Probe,
    /// When it left; `None` when the kernel refused it.
    pub sent: Option<Stamp>,
    /// The answer that came in time.
    pub reply: Option<Box<Reply>>,
    state: State,
}

impl Entry {
    /// Whether it stands for nothing: never sent, or sent once more because its answer could not be told from others.
    pub fn is_void(&self) -> bool {
        self.sent.is_none() || matches!(self.state, State::Doubtful | State::Settled(Settled::Void))
    }

    fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting | State::Doubtful)
    }
}

/// Whose an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Probe(u32),
    Ambiguous,
    Late,
    Nobody,
}

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    interval_ns: u64,
    timeout_ns: u64,
    /// When the next probe is due.
    slot_ns: u64,
    entries: Vec<Entry>,
    /// Those that wait, oldest first.
    waiting: Vec<u32>,
    exclusive: bool,
    pub(super) foreign: u32,
}

impl Ledger {
    pub(super) fn new(pace: &Pace, start_ns: u64) -> Self {
        Self {
            interval_ns: pace.interval_ns,
            timeout_ns: pace.timeout_ns,
            slot_ns: start_ns,
            entries: Vec::new(),
            waiting: Vec::new(),
            exclusive: pace.exclusive_flows,
            foreign: 0,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entry(&self, index: u32) -> Option<&Entry> {
        self.entries.get(place(index))
    }

    /// Probes sent or refused so far.
    pub(super) fn sent(&self) -> u32 {
        self.next_index()
    }

    pub(super) fn next_index(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn waiting(&self) -> u32 {
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)
    }

    pub(super) const fn slot_ns(&self) -> u64 {
        self.slot_ns
    }

    /// Whether the flow cannot carry another probe now.
    pub(super) fn is_busy(&self, flow: u16) -> bool {
        self.exclusive
            && self
                .waiting
                .iter()
                .any(|&index| self.entries[place(index)].probe.flow == flow)
    }

    pub(super) fn push(&mut self, probe: Probe, sent: Option<Stamp>, now_ns: u64) {
        self.entries.push(Entry {
            probe,
            sent,
            reply: None,
            state: if sent.is_some() {
                self.waiting.push(probe.index);
                State::Waiting
            } else {
                State::Settled(Settled::Lost)
            },
        });
        // On schedule, however late this packet was; but slots that were missed are not made up for by a burst.
        self.slot_ns = self.slot_ns.saturating_add(self.interval_ns);
        if self.slot_ns <= now_ns {
            self.slot_ns = now_ns.saturating_add(self.interval_ns);
        }
    }

    pub(super) fn first_expiry(&self) -> Option<u64> {
        self.waiting.first().map(|&index| self.expiry(index))
    }

    fn expiry(&self, index: u32) -> u64 {
        self.entries[place(index)]
            .sent
            .map_or(0, |sent| sent.monotonic_ns.saturating_add(self.timeout_ns))
    }

    /// The next probe whose time is over at `now_ns`.
    pub(super) fn expire(&mut self, now_ns: u64) -> Option<(u32, Settled)> {
        let index = *self.waiting.first()?;
        if self.expiry(index) > now_ns {
            return None;
        }
        self.waiting.remove(0);
        let entry = &mut self.entries[place(index)];
        let settled = if entry.state == State::Doubtful {
            Settled::Void
        } else {
            Settled::Lost
        };
        entry.state = State::Settled(settled);
        Some((index, settled))
    }

    pub(super) fn transmitted(&mut self, index: u32, kernel_ns: i64) {
        if let Some(sent) = self
            .entries
            .get_mut(place(index))
            .and_then(|entry| entry.sent.as_mut())
            && sent.kernel_ns.is_none()
        {
            sent.kernel_ns = Some(kernel_ns);
        }
    }

    /// Finds the owner of an answer and notes it.
    pub(super) fn replied(&mut self, claim: Claim, reply: Reply) -> Match {
        let index = match claim {
            Claim::Probe(index) => index,
            Claim::Flow(flow) => {
                let of_flow = |&&index: &&u32| self.entries[place(index)].probe.flow == flow;
                let mut candidates = self.waiting.iter().filter(of_flow);
                match (candidates.next(), candidates.next()) {
                    (Some(&index), None) => index,
                    (Some(_), Some(_)) => {
                        self.doubt(flow);
                        return Match::Ambiguous;
                    }
                    (None, _) => {
                        self.foreign += 1;
                        return Match::Nobody;
                    }
                }
            }
        };
        let timeout_ns = self.timeout_ns;
        let Some((entry, sent)) = self
            .entries
            .get_mut(place(index))
            .and_then(|entry| entry.sent.map(|sent| (entry, sent)))
        else {
            self.foreign += 1;
            return Match::Nobody;
        };
        if !entry.is_waiting() || reply.at.since(&sent).0 > timeout_ns {
            return Match::Late;
        }
        entry.state = State::Settled(Settled::Answered);
        entry.reply = Some(Box::new(reply));
        self.waiting.retain(|&waiting| waiting != index);
        Match::Probe(index)
    }

    /// An answer came that could be to several: none of them can be believed any more, unless one is named.
    fn doubt(&mut self, flow: u16) {
        self.exclusive = true;
        for &index in &self.waiting {
            let entry = &mut self.entries[place(index)];
            if entry.probe.flow == flow {
                entry.state = State::Doubtful;
            }
        }
    }
}

fn place(index: u32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}
