//! What the machine shows of itself.

use super::{Machine, Phase, ScheduleCounters, Who};
use crate::control::Action;
use crate::event::Agenda;
use crate::outbox::Outbox;
use crate::output::Output;
use crate::resolve::{Method, resolve};
use crate::suppression::Suppressions;
use glimpse_model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Machine {
    pub(crate) fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    pub(crate) fn suppressions(&self) -> &Suppressions {
        &self.suppressions
    }

    pub(crate) fn methods(&self) -> &[Method] {
        &self.methods
    }

    pub(crate) fn started(&self) -> Timestamp {
        self.started
    }

    /// The counters of a schedule.
    pub fn counters(&self, schedule: &str) -> Option<&ScheduleCounters> {
        self.live.get(schedule).map(|live| &live.counters)
    }

    /// The counters of an instruction of the JSON door.
    pub fn json_counters(&self, instruction: &str) -> Option<&ScheduleCounters> {
        self.json.get(instruction)
    }

    pub(crate) fn all_json_counters(&self) -> &BTreeMap<String, ScheduleCounters> {
        &self.json
    }

    /// Whether a schedule runs.
    pub fn is_running(&self, schedule: &str) -> bool {
        self.live
            .get(schedule)
            .is_some_and(|live| live.run.is_some())
    }

    pub(crate) fn is_action_running(&self, schedule: &str, action: &str) -> bool {
        let run = self
            .live
            .get(schedule)
            .and_then(|live| self.runs.get(&live.run?));
        run.is_some_and(|run| {
            let mut acts = run.acts.iter();
            acts.any(|act| {
                act.action.name == action && act.phase != Phase::Waiting && act.is_active()
            })
        })
    }

    pub(crate) fn is_json_running(&self, instruction: Option<&str>) -> bool {
        self.busy
            .keys()
            .any(|who| matches!(who, Who::Json(id, _) if Some(id.as_str()) == instruction))
    }

    pub(crate) fn is_json_task_running(&self, instruction: Option<&str>, task: &str) -> bool {
        self.busy.keys().any(|who| {
            matches!(who, Who::Json(id, of) if Some(id.as_str()) == instruction && of.as_str() == task)
        })
    }

    pub(crate) fn can_resolve(&self, action: &Action) -> bool {
        let task = self.control.task(&action.task);
        resolve(task, action, &self.methods, &self.channels).is_ok()
    }

    /// What waits for a schedule and at its reporting actions.
    pub(crate) fn schedule_storage(&self, schedule: &str) -> u64 {
        let queue = self.live.get(schedule).map(|live| live.queue.iter());
        let outboxes = self.outboxes.iter().filter(|((of, _), _)| of == schedule);
        sum(queue
            .into_iter()
            .flatten()
            .chain(outboxes.flat_map(|(_, outbox)| outbox.outputs())))
    }

    /// What waits at a reporting action.
    pub(crate) fn action_storage(&self, schedule: &str, action: &str) -> u64 {
        let key = (schedule.to_owned(), action.to_owned());
        sum(self
            .outboxes
            .get(&key)
            .into_iter()
            .flat_map(Outbox::outputs))
    }
}

/// Each result once, though it may wait at several places.
pub(super) fn sum<'a>(outputs: impl Iterator<Item = &'a Arc<Output>>) -> u64 {
    let mut counted = BTreeSet::new();
    outputs
        .filter(|output| counted.insert(output.record.id))
        .map(|output| output.storage())
        .sum()
}
