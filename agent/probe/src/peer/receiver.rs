//! The receiver of trains. Pure, as the sender is.

use glimpse_net::stamp::Stamp;

use super::SILENCE_NS;
use super::datagram::{CHUNK, Datagram, SentTrain, Tag};
use super::plan::{RETRY_NS, TRIES, TrainPlan};
use super::report::{Arrival, Train, encode};
use super::sender::Step;

/// How long stragglers of the last train are waited for, in nanoseconds.
const SETTLE_NS: u64 = 60_000_000;

#[derive(Clone, Debug, Default)]
struct Coming {
    arrivals: Vec<(u16, Stamp)>,
    sent: Option<SentTrain>,
}

impl Coming {
    /// One clock for all arrivals of a train: the kernel's if it stamped every one.
    fn train(&self) -> Train {
        let kernel: Option<Vec<u64>> = self
            .arrivals
            .iter()
            .map(|(_, stamp)| u64::try_from(stamp.kernel_ns?).ok())
            .collect();
        let monotonic = || {
            self.arrivals
                .iter()
                .map(|(_, stamp)| stamp.monotonic_ns)
                .collect()
        };
        let by_kernel = kernel.is_some();
        let times = kernel.unwrap_or_else(monotonic);
        let first = times.iter().copied().min().unwrap_or_default();
        Train {
            sent: self.sent.unwrap_or_default(),
            kernel: by_kernel,
            arrivals: times
                .iter()
                .zip(&self.arrivals)
                .map(|(at, (sequence, _))| Arrival {
                    sequence: *sequence,
                    at_ns: at - first,
                })
                .collect(),
        }
    }
}

#[derive(Clone, Debug)]
enum State {
    Listening { until_ns: u64 },
    Settling { until_ns: u64 },
    Reporting { tries: u32, next_ns: u64 },
    Done,
    Failed,
}

/// The state of one session.
#[derive(Clone, Debug)]
pub struct Receiver {
    plan: TrainPlan,
    tag: Tag,
    state: State,
    coming: Vec<Coming>,
    acks: Vec<u16>,
    report: Vec<u8>,
    chunk: u16,
    trains: Vec<Train>,
}

impl Receiver {
    /// A session that begins at `now_ns`.
    pub fn new(plan: TrainPlan, tag: Tag, now_ns: u64) -> Self {
        Self {
            coming: vec![Coming::default(); plan.iterations.into()],
            plan,
            tag,
            state: State::Listening {
                until_ns: now_ns.saturating_add(SILENCE_NS),
            },
            acks: Vec::new(),
            report: Vec::new(),
            chunk: 0,
            trains: Vec::new(),
        }
    }

    /// What both ends know of the trains, once it is done.
    pub fn trains(&self) -> &[Train] {
        &self.trains
    }

    /// What is to be done at `now_ns`; a datagram to send is in `out`.
    pub fn poll(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Step {
        if !self.acks.is_empty() {
            let train = self.acks.remove(0);
            Datagram::TrainEndAck {
                tag: self.tag,
                train,
            }
            .write(out);
            return Step::Control;
        }
        loop {
            match &mut self.state {
                State::Listening { until_ns } => {
                    if now_ns < *until_ns {
                        return Step::Wait(*until_ns);
                    }
                    self.state = State::Failed;
                }
                State::Settling { until_ns } => {
                    if now_ns < *until_ns {
                        return Step::Wait(*until_ns);
                    }
                    self.trains = self.coming.iter().map(Coming::train).collect();
                    self.report = encode(&self.trains);
                    self.state = State::Reporting {
                        tries: 0,
                        next_ns: now_ns,
                    };
                }
                State::Reporting { tries, next_ns } => {
                    if now_ns < *next_ns {
                        return Step::Wait(*next_ns);
                    }
                    if *tries >= TRIES {
                        // This end has all it needs; whether the other has, is for its own record to say.
                        self.state = State::Done;
                        continue;
                    }
                    *tries += 1;
                    *next_ns = now_ns.saturating_add(RETRY_NS);
                    self.write_piece(out);
                    return Step::Control;
                }
                State::Done => return Step::Done,
                State::Failed => return Step::Failed("the peer fell silent".to_owned()),
            }
        }
    }

    fn chunks(&self) -> u16 {
        u16::try_from(self.report.len().div_ceil(CHUNK)).unwrap_or(u16::MAX)
    }

    fn write_piece(&self, out: &mut Vec<u8>) {
        let begin = usize::from(self.chunk) * CHUNK;
        let rest = self.report.get(begin..).unwrap_or_default();
        Datagram::Report {
            tag: self.tag,
            chunk: self.chunk,
            chunks: self.chunks(),
            bytes: &rest[..rest.len().min(CHUNK)],
        }
        .write(out);
    }

    /// Takes what came.
    pub fn heard(&mut self, datagram: &Datagram<'_>, stamp: Stamp, now_ns: u64) {
        match datagram {
            Datagram::Packet {
                train, sequence, ..
            } if matches!(self.state, State::Listening { .. } | State::Settling { .. }) => {
                let length = self.plan.train_length;
                if let Some(coming) = self.coming.get_mut(usize::from(*train))
                    && *sequence < length
                    && coming.arrivals.len() < 2 * usize::from(length)
                {
                    coming.arrivals.push((*sequence, stamp));
                }
                self.keep_listening(now_ns);
            }
            Datagram::TrainEnd { sent, .. } => {
                let fits = sent.packets <= self.plan.train_length;
                if let Some(coming) = self.coming.get_mut(usize::from(sent.train))
                    && fits
                {
                    coming.sent.get_or_insert(*sent);
                    if !self.acks.contains(&sent.train) {
                        self.acks.push(sent.train);
                    }
                    self.keep_listening(now_ns);
                }
                let listening = matches!(self.state, State::Listening { .. });
                if listening && self.coming.iter().all(|coming| coming.sent.is_some()) {
                    self.state = State::Settling {
                        until_ns: now_ns.saturating_add(SETTLE_NS),
                    };
                }
            }
            Datagram::ReportAck { chunk, .. }
                if matches!(self.state, State::Reporting { .. }) && *chunk == self.chunk =>
            {
                self.chunk += 1;
                self.state = if self.chunk < self.chunks() {
                    State::Reporting {
                        tries: 0,
                        next_ns: now_ns,
                    }
                } else {
                    State::Done
                };
            }
            _ => {}
        }
    }

    fn keep_listening(&mut self, now_ns: u64) {
        let patience = SILENCE_NS.saturating_add(self.plan.delay_ns);
        if let State::Listening { until_ns } = &mut self.state {
            *until_ns = now_ns.saturating_add(patience);
        }
    }
}
