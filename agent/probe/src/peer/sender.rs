//! The sender of trains. Pure: the driver tells the time and what came, the machine says what to do next.

use glimpse_net::stamp::Stamp;

use super::SILENCE_NS;
use super::datagram::{Datagram, SentTrain, Tag};
use super::plan::{RETRY_NS, TRIES, TrainPlan};
use super::report::{Train, decode};

/// How long the kernel's stamps of a train are waited for, in nanoseconds.
const SETTLE_NS: u64 = 20_000_000;
/// Before the first train, in nanoseconds.
const LEAD_NS: u64 = 20_000_000;
/// How long the last acknowledgement is kept ready to be repeated, in nanoseconds.
const LINGER_NS: u64 = RETRY_NS + 100_000_000;

/// What a driver does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this packet of a train and say [`Sender::sent`] at once.
    Packet {
        /// Number of the train.
        train: u16,
        /// Number of the packet in it.
        sequence: u16,
    },
    /// Send the datagram that was written.
    Control,
    /// Nothing before this time, to be met as exactly as can be: a packet is due.
    Pace(u64),
    /// Nothing before this time, unless something comes.
    Wait(u64),
    /// All is done.
    Done,
    /// It came to nothing, for this reason.
    Failed(String),
}

#[derive(Clone, Debug)]
enum State {
    Pausing { until_ns: u64 },
    Sending { next: u16, start_ns: u64 },
    Settling { until_ns: u64 },
    Ending { tries: u32, next_ns: u64 },
    Reporting { until_ns: u64 },
    Lingering { until_ns: u64 },
    Failed(String),
}

/// The state of one session.
#[derive(Clone, Debug)]
pub struct Sender {
    plan: TrainPlan,
    tag: Tag,
    train: u16,
    state: State,
    /// First and last packet of the train under way.
    ends: [Option<Stamp>; 2],
    report: Vec<u8>,
    chunks: u16,
    acks: Vec<u16>,
    trains: Vec<Train>,
}

impl Sender {
    /// A session that begins at `now_ns`.
    pub fn new(plan: TrainPlan, tag: Tag, now_ns: u64) -> Self {
        Self {
            plan,
            tag,
            train: 0,
            state: State::Pausing {
                until_ns: now_ns.saturating_add(LEAD_NS),
            },
            ends: [None; 2],
            report: Vec::new(),
            chunks: 0,
            acks: Vec::new(),
            trains: Vec::new(),
        }
    }

    /// What both ends know of the trains, once it is done.
    pub fn trains(&self) -> &[Train] {
        &self.trains
    }

    /// Whether all is known, and only the last acknowledgement may have to be repeated.
    pub const fn is_lingering(&self) -> bool {
        matches!(self.state, State::Lingering { .. })
    }

    /// What is to be done at `now_ns`; a datagram to send is in `out`.
    pub fn poll(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Step {
        if !self.acks.is_empty() {
            let chunk = self.acks.remove(0);
            Datagram::ReportAck {
                tag: self.tag,
                chunk,
            }
            .write(out);
            return Step::Control;
        }
        loop {
            match &mut self.state {
                State::Pausing { until_ns } => {
                    if now_ns < *until_ns {
                        return Step::Wait(*until_ns);
                    }
                    self.ends = [None; 2];
                    self.state = State::Sending {
                        next: 0,
                        start_ns: now_ns,
                    };
                }
                State::Sending { next, start_ns } if *next < self.plan.train_length => {
                    let due = start_ns.saturating_add(self.plan.due_ns(self.train, *next));
                    if now_ns < due {
                        return Step::Pace(due);
                    }
                    return Step::Packet {
                        train: self.train,
                        sequence: *next,
                    };
                }
                State::Sending { .. } => {
                    self.state = State::Settling {
                        until_ns: now_ns.saturating_add(SETTLE_NS),
                    };
                }
                State::Settling { until_ns } => {
                    if now_ns < *until_ns {
                        return Step::Wait(*until_ns);
                    }
                    self.state = State::Ending {
                        tries: 0,
                        next_ns: now_ns,
                    };
                }
                State::Ending { tries, next_ns } => {
                    if now_ns < *next_ns {
                        return Step::Wait(*next_ns);
                    }
                    if *tries >= TRIES {
                        self.fail("the peer fell silent");
                        continue;
                    }
                    *tries += 1;
                    *next_ns = now_ns.saturating_add(RETRY_NS);
                    let sent = self.sent_train();
                    Datagram::TrainEnd {
                        tag: self.tag,
                        sent,
                    }
                    .write(out);
                    return Step::Control;
                }
                State::Reporting { until_ns } => {
                    if now_ns < *until_ns {
                        return Step::Wait(*until_ns);
                    }
                    self.fail("the peer did not report what it received");
                }
                State::Lingering { until_ns } if now_ns < *until_ns => {
                    return Step::Wait(*until_ns);
                }
                State::Lingering { .. } => return Step::Done,
                State::Failed(reason) => return Step::Failed(reason.clone()),
            }
        }
    }

    /// The packet that was asked for has left at this moment.
    pub fn sent(&mut self, stamp: Stamp) {
        if let State::Sending { next, .. } = &mut self.state {
            if *next == 0 {
                self.ends[0] = Some(stamp);
            }
            self.ends[1] = Some(stamp);
            *next += 1;
        }
    }

    /// The kernel says when a packet left.
    pub fn transmitted(&mut self, train: u16, sequence: u16, kernel_ns: i64) {
        let last = self.plan.train_length - 1;
        let end = match sequence {
            0 => 0,
            sequence if sequence == last => 1,
            _ => return,
        };
        if let Some(stamp) = &mut self.ends[end]
            && train == self.train
        {
            stamp.kernel_ns = Some(kernel_ns);
        }
    }

    /// It cannot go on.
    pub fn fail(&mut self, reason: impl Into<String>) {
        self.state = State::Failed(reason.into());
    }

    /// Takes what came.
    pub fn heard(&mut self, datagram: &Datagram<'_>, now_ns: u64) {
        match (&self.state, datagram) {
            (State::Ending { .. }, Datagram::TrainEndAck { train, .. }) if *train == self.train => {
                let sent = self.sent_train();
                self.trains.push(Train {
                    sent,
                    ..Train::default()
                });
                self.train += 1;
                self.state = if self.train < self.plan.iterations {
                    State::Pausing {
                        until_ns: now_ns.saturating_add(self.plan.delay_ns),
                    }
                } else {
                    State::Reporting {
                        until_ns: now_ns.saturating_add(SILENCE_NS),
                    }
                };
            }
            (
                State::Reporting { .. } | State::Lingering { .. },
                Datagram::Report {
                    chunk,
                    chunks,
                    bytes,
                    ..
                },
            ) => self.piece(*chunk, *chunks, bytes, now_ns),
            _ => {}
        }
    }

    fn piece(&mut self, chunk: u16, chunks: u16, bytes: &[u8], now_ns: u64) {
        // What was taken is acknowledged again: the acknowledgement may be lost.
        if chunk < self.chunks {
            if self.acks.is_empty() {
                self.acks.push(chunk);
            }
            return;
        }
        let fits = self.report.len() + bytes.len() <= self.plan.report_bytes();
        if chunk != self.chunks || chunk >= chunks || !fits {
            return;
        }
        self.report.extend_from_slice(bytes);
        self.chunks += 1;
        self.acks.push(chunk);
        if self.chunks < chunks {
            self.state = State::Reporting {
                until_ns: now_ns.saturating_add(SILENCE_NS),
            };
            return;
        }
        match decode(&self.report, &self.plan) {
            Some(trains) if trains.len() == self.trains.len() => {
                self.trains = trains;
                self.state = State::Lingering {
                    until_ns: now_ns.saturating_add(LINGER_NS),
                };
            }
            _ => self.fail("the peer's report is not of these trains"),
        }
    }

    fn sent_train(&self) -> SentTrain {
        let [first, last] = self.ends.map(Option::unwrap_or_default);
        let kernel = last.kernel_since(&first);
        SentTrain {
            train: self.train,
            packets: self.plan.train_length,
            span_ns: kernel.unwrap_or_else(|| last.monotonic_since(&first)),
            kernel: kernel.is_some(),
        }
    }
}

#[cfg(test)]
mod tests;
