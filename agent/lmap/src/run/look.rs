//! What the machine shows of itself.

use super::{Machine, Phase, ScheduleCounters, Who};
use crate::control::Action;
use crate::event::Agenda;
use crate::outbox::Outbox;
use crate::resolve::{Method, resolve};
use crate::suppression::Suppressions;
use glimpse_model::sorted::SortedMap;
use glimpse_model::time::Timestamp;

impl Machine {
    pub(crate) fn agenda(&self) -> &Agenda {
        &self.agenda
    }

    pub(crate) fn suppressions(&self) -> &Suppressions {
        &self.suppressions
    }

    /// What this agent measures.
    pub fn methods(&self) -> &[Method] {
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

    pub(crate) fn all_json_counters(&self) -> &SortedMap<String, ScheduleCounters> {
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

    /// What waits for a schedule, has been taken by its run, or waits at its reporting actions.
    pub(crate) fn schedule_storage(&self, schedule: &str) -> u64 {
        let live = self.live.get(schedule);
        let taken = live.and_then(|live| self.runs.get(&live.run?));
        let taken = taken.into_iter().flat_map(|run| &run.taken);
        let queue = live.map(|live| live.queue.iter());
        let outboxes = self.outboxes.iter().filter(|((of, _), _)| of == schedule);
        let outboxes = outboxes.flat_map(|(_, outbox)| outbox.outputs());
        self.storage
            .sum(queue.into_iter().flatten().chain(taken).chain(outboxes))
    }

    /// What waits at a reporting action.
    pub(crate) fn action_storage(&self, schedule: &str, action: &str) -> u64 {
        let key = (schedule.to_owned(), action.to_owned());
        let outbox = self.outboxes.get(&key);
        self.storage
            .sum(outbox.into_iter().flat_map(Outbox::outputs))
    }
}
