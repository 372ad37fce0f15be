//! How often one target is measured.

use glimpse_model::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

const MINUTE: i64 = 60 * SECOND;

/// Targets remembered at most; beyond, some that were not measured lately are forgotten.
const LIMIT: usize = 4096;

/// The runs of the last minute by target.
#[derive(Debug, Default)]
pub struct Targets {
    started: BTreeMap<String, VecDeque<Timestamp>>,
}

impl Targets {
    /// Whether another run may start at `now` where `per_minute` are allowed.
    pub fn may(&self, name: &str, now: Timestamp, per_minute: u32) -> bool {
        let lately = |starts: &VecDeque<Timestamp>| {
            starts
                .iter()
                .filter(|start| is_recent(**start, now))
                .count()
        };
        self.started.get(name).map_or(0, lately) < per_minute as usize
    }

    /// Notes a run that starts at `now`.
    pub fn enter(&mut self, name: &str, now: Timestamp) {
        if self.started.len() >= LIMIT && !self.started.contains_key(name) {
            self.forget(now);
        }
        let starts = self.started.entry(name.to_owned()).or_default();
        starts.retain(|start| is_recent(*start, now));
        starts.push_back(now);
    }

    fn forget(&mut self, now: Timestamp) {
        self.started
            .retain(|_, starts| starts.back().is_some_and(|last| is_recent(*last, now)));
        if self.started.len() >= LIMIT {
            self.started.pop_first();
        }
    }
}

/// Starts older than the window, or from before a clock was set back, count no more.
fn is_recent(start: Timestamp, now: Timestamp) -> bool {
    (0..MINUTE).contains(&now.since(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut targets = Targets::default();
        for n in 0..10_000 {
            targets.enter(&format!("host{n}"), Timestamp::from_micros(n));
        }
        assert!(targets.started.len() <= LIMIT);
    }
}
