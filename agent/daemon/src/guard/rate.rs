//! How often and how much at a time one target is measured.

use glimpse_model::time::{SECOND, Timestamp};
use std::collections::{BTreeMap, VecDeque};

const MINUTE: i64 = 60 * SECOND;

/// Targets remembered at most; beyond, the ones longest unused are forgotten.
const LIMIT: usize = 4096;

/// The runs of the last minute by target.
#[derive(Debug, Default)]
pub struct Targets {
    by_name: BTreeMap<String, Target>,
}

#[derive(Debug, Default)]
struct Target {
    running: u32,
    started: VecDeque<Timestamp>,
}

impl Targets {
    /// Whether another run may start at `now`.
    ///
    /// # Errors
    /// The limit that would be passed, in words.
    pub fn check(
        &self,
        name: &str,
        now: Timestamp,
        per_minute: u32,
        parallel: u32,
    ) -> Result<(), &'static str> {
        let Some(target) = self.by_name.get(name) else {
            return Ok(());
        };
        if target.running >= parallel {
            return Err("the target is being measured by as many runs as are allowed");
        }
        let recent = target
            .started
            .iter()
            .filter(|start| now.since(**start) < MINUTE)
            .count();
        if recent >= per_minute as usize {
            return Err("the target was measured as often in this minute as is allowed");
        }
        Ok(())
    }

    /// Notes a run that starts at `now`.
    pub fn enter(&mut self, name: &str, now: Timestamp) {
        if self.by_name.len() >= LIMIT && !self.by_name.contains_key(name) {
            self.forget(now);
        }
        let target = self.by_name.entry(name.to_owned()).or_default();
        target.running += 1;
        target.started.push_back(now);
        // Starts older than the window, or from before a clock was set back, count no more.
        target
            .started
            .retain(|start| (0..MINUTE).contains(&now.since(*start)));
    }

    /// Notes the end of a run.
    pub fn leave(&mut self, name: &str) {
        if let Some(target) = self.by_name.get_mut(name) {
            target.running = target.running.saturating_sub(1);
        }
    }

    fn forget(&mut self, now: Timestamp) {
        self.by_name.retain(|_, target| {
            target.running > 0
                || target
                    .started
                    .back()
                    .is_some_and(|last| now.since(*last) < MINUTE)
        });
        if self.by_name.len() >= LIMIT {
            let idle = self.by_name.iter().find(|(_, target)| target.running == 0);
            if let Some(name) = idle.map(|(name, _)| name.clone()) {
                self.by_name.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let mut targets = Targets::default();
        for n in 0..10_000 {
            let name = format!("host{n}");
            targets.enter(&name, Timestamp::from_micros(n));
            targets.leave(&name);
        }
        assert!(targets.by_name.len() <= LIMIT);
    }
}
