//! What a reporting action has yet to hand over, and how far each collector has got.

use crate::output::Output;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::timing::draw_spread;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
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
        /// Why, for people.
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
    left: BTreeSet<String>,
}

#[derive(Debug)]
struct Lane {
    /// Being sent.
    busy: bool,
    failures: u32,
    retry_us: i64,
    /// Results a report may hold: halved where one is refused, to find the one that is to blame.
    limit: usize,
    error: Option<String>,
    heartbeat: bool,
}

/// The queue of one reporting action.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Waiting>,
    lanes: BTreeMap<String, Lane>,
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
    /// due to nobody.
    pub fn serve(&mut self, collectors: &[String]) -> Vec<Arc<Output>> {
        self.lanes.retain(|name, _| collectors.contains(name));
        for name in collectors {
            self.lanes.entry(name.clone()).or_insert(Lane {
                busy: false,
                failures: 0,
                retry_us: i64::MIN,
                limit: MAX_RESULTS,
                error: None,
                heartbeat: false,
            });
        }
        for waiting in &mut self.waiting {
            waiting.left.retain(|name| collectors.contains(name));
        }
        self.take_done()
    }

    /// Another try right away, with a report even of nothing if `heartbeat`: the action runs.
    pub fn begin(&mut self, heartbeat: bool) {
        for lane in self.lanes.values_mut() {
            lane.retry_us = i64::MIN;
            lane.error = None;
            lane.heartbeat = heartbeat;
        }
    }

    /// Queues a result for all collectors.
    pub fn push(&mut self, output: Arc<Output>) {
        let left = self.lanes.keys().cloned().collect();
        self.waiting.push_back(Waiting { output, left });
    }

    /// What is to be sent now, by collector.
    pub fn post(&mut self, now_us: i64) -> Vec<(String, Vec<Arc<Output>>)> {
        let mut posts = Vec::new();
        for (name, lane) in &mut self.lanes {
            if lane.busy || lane.retry_us > now_us {
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
                lane.busy = true;
                posts.push((name.clone(), outputs));
            }
        }
        posts
    }

    /// The collector's answer to a report of the first `count` results it had yet to get. `seed` spreads the tries of many agents.
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
        lane.busy = false;
        let sent = self
            .waiting
            .iter_mut()
            .filter(|waiting| waiting.left.contains(collector))
            .take(count);
        match answer {
            Answer::Accepted => {
                lane.failures = 0;
                lane.error = None;
                lane.heartbeat = false;
                lane.limit = (lane.limit * 2).min(MAX_RESULTS);
                for waiting in sent {
                    waiting.left.remove(collector);
                }
            }
            Answer::Refused(_) if count > 1 => lane.limit = count / 2,
            Answer::Refused(reason) => {
                lane.heartbeat = false;
                for waiting in sent {
                    waiting.left.remove(collector);
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
            .partition(|waiting: &Waiting| waiting.left.is_empty());
        self.waiting = waiting;
        let done: VecDeque<Waiting> = done;
        done.into_iter().map(|waiting| waiting.output).collect()
    }

    fn has_work(&self, name: &str, lane: &Lane) -> bool {
        lane.heartbeat
            || self
                .waiting
                .iter()
                .any(|waiting| waiting.left.contains(name))
    }

    /// Whether the action that runs is done: each collector has everything, or has failed. Then, what failed.
    pub fn verdict(&self) -> Option<Result<(), String>> {
        let mut faults = Vec::new();
        for (name, lane) in &self.lanes {
            match &lane.error {
                _ if lane.busy => return None,
                Some(error) => faults.push(format!("{name}: {error}")),
                None if self.has_work(name, lane) => return None,
                None => {}
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
            .filter(|(name, lane)| !lane.busy && self.has_work(name, lane))
            .map(|(_, lane)| lane.retry_us)
            .min()
    }

    /// All that waits.
    pub fn outputs(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.waiting.iter().map(|waiting| &waiting.output)
    }
}
