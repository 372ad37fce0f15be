//! What a reporting action has yet to hand over, and how far each collector has got.

use crate::output::Output;
use glimpse_model::id::ResultId;
use glimpse_model::sorted::{SortedMap, SortedSet};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::timing::draw_spread;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most results handed out for one report.
pub const MAX_RESULTS: usize = 256;

/// The longest wait between two tries, and the shortest.
const LONGEST: i64 = 600 * SECOND;
const FIRST: i64 = 5 * SECOND;

/// The longest that a collector may ask to be left alone.
const LONGEST_ASKED: i64 = 3600 * SECOND;

/// What a collector answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has the report (2xx).
    Accepted,
    /// It will never take this report.
    Refused(String),
    /// Not now; perhaps after so many seconds.
    Later {
        /// Why, in words that tell nothing of the household's network: the tree shows them to whoever configures reports.
        reason: String,
        /// What it asked for.
        retry_after_s: Option<u32>,
    },
}

impl Answer {
    /// By the status of HTTP. Any 2xx will do: RESTCONF answers 204, others 200. Only what blames the body refuses it for good; whatever
    /// else it is may be mended at the other end.
    pub fn of_status(status: u16, retry_after_s: Option<u32>) -> Self {
        let reason = format!("the collector answered {status}");
        match status {
            200..=299 => Self::Accepted,
            400 | 413 | 422 => Self::Refused(reason),
            _ => Self::Later {
                reason,
                retry_after_s,
            },
        }
    }
}

#[derive(Debug)]
struct Waiting {
    output: Arc<Output>,
    /// Collectors to which it is due.
    left: SortedSet<String>,
    /// A collector has taken it, or never will.
    had: bool,
}

#[derive(Debug)]
struct Lane {
    /// Results go there. A lane that is no longer named stays until what was sent along it is answered.
    named: bool,
    /// What the report under way holds, in its order.
    sent: Option<Vec<ResultId>>,
    failures: u32,
    retry_us: i64,
    /// Results a report may hold: halved where one is refused, to find the one that is to blame.
    limit: usize,
    error: Option<String>,
    /// Why it put something aside since the action began.
    refused: Option<String>,
    heartbeat: bool,
}

impl Lane {
    const fn new() -> Self {
        Self {
            named: true,
            sent: None,
            failures: 0,
            retry_us: i64::MIN,
            limit: MAX_RESULTS,
            error: None,
            refused: None,
            heartbeat: false,
        }
    }
}

/// The queue of one reporting action.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    lanes: SortedMap<String, Lane>,
    /// Nothing is sent for now.
    paused: bool,
}

/// What became of results after an answer.
#[derive(Debug, Default, PartialEq)]
pub struct Settled {
    /// All collectors have them.
    pub done: Vec<Arc<Output>>,
    /// The collector will never take them.
    pub refused: Vec<(Arc<Output>, String)>,
}

impl Outbox {
    /// Who is to get what waits from now on. What waited for a collector that is no longer named is no longer due to it; returned is what is
    /// due to nobody any more. What nobody has had is due to all.
    pub fn serve(&mut self, collectors: &[String]) -> Vec<Arc<Output>> {
        self.name(collectors);
        for waiting in &mut self.waiting {
            waiting.left.retain(|name| collectors.contains(name));
            if waiting.left.is_empty() && !waiting.had {
                waiting.left.extend(collectors.iter().cloned());
            }
        }
        self.take_done()
    }

    fn name(&mut self, collectors: &[String]) {
        for (name, lane) in &mut self.lanes {
            lane.named = collectors.contains(name);
        }
        self.lanes
            .retain(|_, lane| lane.named || lane.sent.is_some());
        for name in collectors {
            self.lanes.entry(name.clone()).or_insert_with(Lane::new);
        }
    }

    /// The action is gone, and returned is what waited at it. [`Outbox::is_over`] says when nothing is under way any more either.
    pub fn abandon(&mut self) -> Vec<Arc<Output>> {
        self.name(&[]);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.map(|waiting| waiting.output).collect()
    }

    /// Nothing waits, and nobody is named or to answer.
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.lanes.is_empty()
    }

    /// Sends nothing until [`Outbox::resume`]: the action is suppressed, or cannot be made out as it is configured.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Whether nothing is sent for now.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Sends again.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// The action runs: a report is due, even of nothing if `heartbeat`. A collector that is to be left alone for a while is left alone all
    /// the same.
    pub fn begin(&mut self, heartbeat: bool, now_us: i64) {
        self.paused = false;
        for lane in self.lanes.values_mut() {
            if lane.retry_us <= now_us {
                lane.error = None;
            }
            lane.refused = None;
            lane.heartbeat = heartbeat && lane.named;
        }
    }

    /// Queues a result for all collectors.
    pub fn push(&mut self, output: Arc<Output>) {
        let named = self.lanes.iter().filter(|(_, lane)| lane.named);
        let left = named.map(|(name, _)| name.clone()).collect();
        let had = false;
        self.waiting.push_back(Waiting { output, left, had });
    }

    /// What is to be sent now, by collector.
    pub fn post(&mut self, now_us: i64) -> Vec<(String, Vec<Arc<Output>>)> {
        let mut posts = Vec::new();
        for (name, lane) in &mut self.lanes {
            if self.paused || !lane.named || lane.sent.is_some() || lane.retry_us > now_us {
                continue;
            }
            let outputs: Vec<_> = self
                .waiting
                .iter()
                .filter(|waiting| waiting.left.contains(name))
                .take(lane.limit)
                .map(|waiting| waiting.output.clone())
                .collect();
            if !outputs.is_empty() || lane.heartbeat {
                lane.sent = Some(outputs.iter().map(|output| output.record.id).collect());
                posts.push((name.clone(), outputs));
            }
        }
        posts
    }

    /// The collector's answer to a report of the first `count` results of what it was to be sent. `seed` spreads the tries of many agents.
    pub fn answered(
        &mut self,
        collector: &str,
        count: usize,
        answer: Answer,
        now_us: i64,
        seed: u64,
    ) -> Settled {
        let mut settled = Settled::default();
        let Some(lane) = self.lanes.get_mut(collector) else {
            return settled;
        };
        let Some(sent) = lane.sent.take() else {
            return settled;
        };
        if !lane.named {
            self.lanes.remove(collector);
            return settled;
        }
        let sent: SortedSet<ResultId> = sent.into_iter().take(count).collect();
        let sent = self.waiting.iter_mut().filter(|waiting| {
            sent.contains(&waiting.output.record.id) && waiting.left.contains(collector)
        });
        match answer {
            Answer::Accepted => {
                lane.failures = 0;
                lane.error = None;
                lane.heartbeat = false;
                lane.limit = (lane.limit * 2).min(MAX_RESULTS);
                for waiting in sent {
                    waiting.left.remove(collector);
                    waiting.had = true;
                }
            }
            Answer::Refused(_) if count > 1 => lane.limit = count / 2,
            Answer::Refused(reason) => {
                lane.heartbeat = false;
                lane.refused = Some(reason.clone());
                for waiting in sent {
                    waiting.left.remove(collector);
                    waiting.had = true;
                    settled
                        .refused
                        .push((waiting.output.clone(), reason.clone()));
                }
            }
            Answer::Later {
                reason,
                retry_after_s,
            } => {
                let bound = FIRST
                    .saturating_mul(1_i64 << lane.failures.min(16))
                    .min(LONGEST);
                lane.failures = lane.failures.saturating_add(1);
                let asked = i64::from(retry_after_s.unwrap_or(0)) * SECOND;
                let least = (bound / 2).max(asked.min(LONGEST_ASKED));
                let jitter = draw_spread(seed, Timestamp::from_micros(now_us), bound / 2);
                lane.retry_us = now_us.saturating_add(least + jitter);
                lane.error = Some(reason);
            }
        }
        settled.done = self.take_done();
        settled
    }

    fn take_done(&mut self) -> Vec<Arc<Output>> {
        let (done, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting: &Waiting| waiting.left.is_empty() && waiting.had);
        self.waiting = waiting;
        let done: VecDeque<Waiting> = done;
        done.into_iter().map(|waiting| waiting.output).collect()
    }

    fn has_work(&self, name: &str, lane: &Lane) -> bool {
        let mut waiting = self.waiting.iter();
        lane.named && (lane.heartbeat || waiting.any(|waiting| waiting.left.contains(name)))
    }

    /// Whether the action that runs is done: each collector has everything, or has failed. Then, what failed or was refused.
    pub fn verdict(&self) -> Option<Result<(), String>> {
        let mut faults = Vec::new();
        for (name, lane) in self.lanes.iter().filter(|(_, lane)| lane.named) {
            if lane.sent.is_some() {
                return None;
            }
            if !self.has_work(name, lane) {
                let refused = lane.refused.iter();
                faults.extend(refused.map(|reason| format!("{name}: {reason}")));
                continue;
            }
            match &lane.error {
                Some(error) => faults.push(format!("{name}: {error}")),
                None if self.paused => faults.push(format!("{name}: not sent for now")),
                None => return None,
            }
        }
        Some(if faults.is_empty() {
            Ok(())
        } else {
            Err(faults.join("; "))
        })
    }

    /// When the next try is due, on the steady clock.
    pub fn wake_us(&self) -> Option<i64> {
        self.lanes
            .iter()
            .filter(|(name, lane)| !self.paused && lane.sent.is_none() && self.has_work(name, lane))
            .map(|(_, lane)| lane.retry_us)
            .min()
    }

    /// All that waits.
    pub fn outputs(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.waiting.iter().map(|waiting| &waiting.output)
    }
}
