//! The household's word, whenever it changes: by its settings, or by its clock.

use super::{Daemon, settings};
use crate::clock;
use crate::local::uci::Settings;
use glimpse_model::time::{SECOND, Timestamp};

/// Quiet hours begin with a minute.
const MINUTE: i64 = 60 * SECOND;

impl Daemon {
    /// Puts new settings in force, for what is under way as well.
    pub(super) fn reload(&mut self, settings: Settings) {
        let rules = settings::rules(&settings, &self.configuration);
        self.guard.set_rules(rules);
        self.settings = settings;
        let registry = self.registry.borrow().clone();
        self.lmap.equip(&self.settings, &registry, clock::now());
        log::info!("settings read again");
        self.plan_own(false, clock::now());
        self.recall_unwanted(clock::now());
    }

    /// When the household's clock may next forbid something that is under way.
    pub(super) fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let idle = self.visits.is_empty() && !self.running.values().any(|run| run.begun);
        if idle || self.guard.rules().quiet.is_empty() {
            return None;
        }
        let minute = now.as_micros().div_euclid(MINUTE).saturating_add(1);
        Some(Timestamp::from_micros(minute.saturating_mul(MINUTE)))
    }

    /// Ends whatever is under way for others and would not be let begin any more. Each ends with a record that says why.
    pub(super) fn recall_unwanted(&self, now: Timestamp) {
        let runs = self
            .running
            .values()
            .filter(|run| run.begun)
            .map(|run| (run.method(), Some(run.instruction()), run.recall()));
        let visits = self
            .visits
            .values()
            .map(|visit| (visit.method(), None, visit.recall()));
        for (method, instruction, recall) in runs.chain(visits) {
            if let Err(denied) = self.guard.allows(method, instruction, now) {
                recall.end(&denied.words);
            }
        }
    }
}
