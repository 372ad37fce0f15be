//! When which probe is sent, whose an answer is, and when the way is known. Pure: the driver tells the time and what came,
//! the machine says what to do next. Times are nanoseconds of one monotonic clock.
//!
//! ```text
//!   Machine ── Ledger     what was sent and what came of it: pace, time-outs, matching
//!      └────── Strategy   what to send next:  Single    one flow, every hop `count` times, several hops ahead
//!                                             Multipath many flows, node by node, by the stopping points
//! ```

mod ledger;
mod multipath;
mod single;
mod stopping;

pub use ledger::{Claim, Entry, Probe, Reply, Response};
pub use multipath::{Diamond, Edge, Graph, Node};
pub use stopping::{Confidence, Stopping};

use glimpse_net::stamp::Stamp;

use ledger::{Ledger, Settled};
use multipath::Multipath;
use single::Single;

/// Different faults that are told apart; more are only counted.
const FAULT_LIMIT: usize = 8;
/// Probes in a row that the kernel may refuse before the run ends.
const REFUSAL_LIMIT: u32 = 3;

/// One path, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The path of one flow.
    Single,
    /// All paths, by the Multipath Detection Algorithm.
    Multipath {
        /// How surely every next hop of a node is found.
        confidence: Confidence,
        /// Probes the run may send.
        max_probes: u32,
    },
}

/// How the run is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Probes per hop; of multipath, tries of an unanswered probe.
    pub count: u8,
    /// Least nanoseconds from one probe to the next.
    pub interval_ns: u64,
    /// How long an answer is waited for, in nanoseconds.
    pub timeout_ns: u64,
    /// How long probes may be sent, in nanoseconds from the start.
    pub run_limit_ns: u64,
    /// First time to live.
    pub first_hop: u8,
    /// Last time to live.
    pub max_hops: u8,
    /// How many probes may be unanswered at once.
    pub in_flight: u32,
    /// Silent hops in a row that end the run.
    pub gap_limit: u8,
    /// Whether all probes of a path are of one flow; else each is of its own.
    pub paris: bool,
    /// Whether a flow can have one probe under way only.
    pub exclusive_flows: bool,
    /// One path, or all.
    pub mode: Mode,
}

impl Pace {
    /// Probes that the run sends at most.
    pub fn most_probes(&self) -> u32 {
        match self.mode {
            // Those whose answers could not be told apart are sent again, once.
            Mode::Single => {
                let hops = u32::from(self.max_hops.saturating_sub(self.first_hop)) + 1;
                hops * u32::from(self.count) + self.in_flight
            }
            Mode::Multipath { max_probes, .. } => max_probes,
        }
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this and say [`Machine::sent`] or [`Machine::refused`] at once.
    Send(Probe),
    /// Nothing before this time, unless something comes.
    Wait(u64),
    /// All is settled.
    Done,
}

/// Why a way ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The target answered.
    Target,
    /// A host on the way said that it cannot be reached, with this ICMP code.
    Unreachable(u8),
    /// A packet was too long for the next link, whose MTU is this where it was told: what lies behind cannot be known.
    PacketTooBig(Option<u32>),
    /// Too many silent hops.
    GapLimit,
    /// The last time to live was reached.
    MaxHops,
    /// The way goes in a circle.
    Loop,
    /// Bytes, probes or time were used up, or the run was ended.
    Limit,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace<'a> {
    /// Every probe that was sent, with its answer.
    pub probes: &'a [Entry],
    /// The time to live of the last hop that belongs to the way.
    pub last_ttl: u8,
    /// Why it is the last.
    pub stop: Stop,
    /// Length of the circle, in hops, when the way goes in one.
    pub loop_length: Option<u8>,
    /// All ways, of multipath.
    pub graph: Option<Graph>,
    /// What went wrong and how often, in the order of first occurrence.
    pub faults: &'a [(String, u32)],
    /// Packets that answered nothing of ours.
    pub foreign: u32,
}

/// What a strategy wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish<P> {
    /// This probe, for this purpose.
    Send(u16, u8, P),
    /// First an answer or a time-out.
    Answers,
    /// Nothing more.
    Nothing,
}

#[derive(Clone, Debug)]
enum Strategy {
    Single(Single),
    Multipath(Box<Multipath>),
}

/// The state of a run.
#[derive(Clone, Debug)]
pub struct Machine {
    pace: Pace,
    deadline_ns: u64,
    ledger: Ledger,
    strategy: Strategy,
    /// The multipath purpose of the probe that was asked for.
    offered: Option<(Probe, multipath::Purpose)>,
    refusals: u32,
    stopped: bool,
    faults: Vec<(String, u32)>,
}

impl Machine {
    /// A run that begins at `start_ns`.
    pub fn new(pace: Pace, start_ns: u64) -> Self {
        let strategy = match pace.mode {
            Mode::Single => Strategy::Single(Single::new(&pace)),
            Mode::Multipath { confidence, .. } => {
                Strategy::Multipath(Box::new(Multipath::new(&pace, confidence)))
            }
        };
        Self {
            pace,
            deadline_ns: start_ns.saturating_add(pace.run_limit_ns),
            ledger: Ledger::new(&pace, start_ns),
            strategy,
            offered: None,
            refusals: 0,
            stopped: false,
            faults: Vec::new(),
        }
    }

    /// What is to be done at `now_ns`. The driver hands in what has come before it asks, so that no answer is lost to a
    /// driver that was slow.
    pub fn poll(&mut self, now_ns: u64) -> Action {
        while let Some((index, settled)) = self.ledger.expire(now_ns) {
            self.settle(index, settled);
        }
        let wish = match &mut self.strategy {
            Strategy::Single(single) => match single.wish(&self.ledger) {
                Wish::Send(flow, ttl, ()) => Wish::Send(flow, ttl, multipath::Purpose::None),
                Wish::Answers => Wish::Answers,
                Wish::Nothing => Wish::Nothing,
            },
            Strategy::Multipath(multipath) => multipath.wish(&self.ledger),
        };
        let first_expiry = self.ledger.first_expiry();
        match wish {
            Wish::Nothing => Action::Done,
            Wish::Send(..) | Wish::Answers if self.stopped => match first_expiry {
                Some(expiry) => Action::Wait(expiry),
                None => Action::Done,
            },
            Wish::Send(..)
                if self.ledger.sent() >= self.pace.most_probes() || now_ns >= self.deadline_ns =>
            {
                self.stopped = true;
                self.poll(now_ns)
            }
            Wish::Send(flow, ttl, purpose) if self.ledger.waiting() < self.pace.in_flight => {
                let slot_ns = self.ledger.slot_ns();
                if now_ns < slot_ns {
                    return Action::Wait(
                        first_expiry.map_or(slot_ns, |expiry| expiry.min(slot_ns)),
                    );
                }
                let probe = Probe {
                    index: self.ledger.next_index(),
                    flow,
                    ttl,
                };
                self.offered = Some((probe, purpose));
                Action::Send(probe)
            }
            Wish::Send(..) | Wish::Answers => first_expiry.map_or(Action::Done, Action::Wait),
        }
    }

    /// The probe asked for has left.
    pub fn sent(&mut self, at: Stamp) {
        let Some((probe, purpose)) = self.offered.take() else {
            return;
        };
        self.refusals = 0;
        self.ledger.push(probe, Some(at), at.monotonic_ns);
        match &mut self.strategy {
            Strategy::Single(single) => single.sent(probe),
            Strategy::Multipath(multipath) => multipath.sent(probe, purpose),
        }
    }

    /// The kernel did not take the probe asked for.
    pub fn refused(&mut self, reason: String, at_ns: u64) {
        let Some((probe, purpose)) = self.offered.take() else {
            return;
        };
        self.ledger.push(probe, None, at_ns);
        match &mut self.strategy {
            Strategy::Single(single) => single.sent(probe),
            Strategy::Multipath(multipath) => multipath.sent(probe, purpose),
        }
        self.settle(probe.index, Settled::Lost);
        self.refusals += 1;
        if self.refusals >= REFUSAL_LIMIT {
            self.stop(reason);
        } else {
            self.fault(reason);
        }
    }

    /// Sends no more; what is under way is waited for.
    pub fn stop(&mut self, reason: String) {
        self.stopped = true;
        self.fault(reason);
    }

    /// The kernel's stamp of a probe that left.
    pub fn transmitted(&mut self, index: u32, kernel_ns: i64) {
        self.ledger.transmitted(index, kernel_ns);
    }

    /// An answer came. `false` when it was to nothing of ours.
    pub fn replied(&mut self, claim: Claim, reply: Reply) -> bool {
        match self.ledger.replied(claim, reply) {
            ledger::Match::Probe(index) => {
                self.settle(index, Settled::Answered);
                true
            }
            // From here on the flow carries one probe at a time, so that the next answer has one owner.
            ledger::Match::Ambiguous | ledger::Match::Late => true,
            ledger::Match::Nobody => false,
        }
    }

    /// The flow of a probe that was sent.
    pub fn flow_of(&self, index: u32) -> Option<u16> {
        let entry = self.ledger.entry(index)?;
        entry.sent.map(|_| entry.probe.flow)
    }

    /// Notes something about the run as a whole.
    pub fn fault(&mut self, reason: String) {
        let room = self.faults.len() < FAULT_LIMIT;
        match self.faults.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None if room => self.faults.push((reason, 1)),
            None => {}
        }
    }

    /// A packet came that is not even an answer.
    pub fn foreign(&mut self) {
        self.ledger.foreign += 1;
    }

    /// What it came to; probes still waited for count as unanswered.
    pub fn trace(&self) -> Trace<'_> {
        let (last_ttl, stop, loop_length, graph) = match &self.strategy {
            Strategy::Single(single) => {
                let (last_ttl, stop, loop_length) = single.end(&self.ledger);
                (last_ttl, stop, loop_length, None)
            }
            Strategy::Multipath(multipath) => {
                let (last_ttl, stop, loop_length) = multipath.end();
                (last_ttl, stop, loop_length, Some(multipath.graph()))
            }
        };
        Trace {
            probes: self.ledger.entries(),
            last_ttl,
            stop,
            loop_length,
            graph,
            faults: &self.faults,
            foreign: self.ledger.foreign,
        }
    }

    fn settle(&mut self, index: u32, settled: Settled) {
        match &mut self.strategy {
            Strategy::Single(single) => single.settled(&self.ledger, index, settled),
            Strategy::Multipath(multipath) => multipath.settled(&self.ledger, index, settled),
        }
    }
}

#[cfg(test)]
mod tests;
