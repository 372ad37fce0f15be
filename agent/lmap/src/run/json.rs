//! Instructions of the JSON door, which others schedule: they are counted here, and seen by what runs beside them.

use super::counters::increment;
use super::{Busy, Machine, Who};
use crate::output::Conflict;
use glimpse_model::id::{InstructionId, TaskId};
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::Timestamp;

/// A task of an instruction and its planned time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The instruction.
    pub instruction: InstructionId,
    /// The task; none where the whole firing is meant.
    pub task: Option<TaskId>,
    /// Its planned time.
    pub slot: Timestamp,
}

/// The firing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    at: Timestamp,
    failed: bool,
}

/// How an action is named that is a task of an instruction.
pub(crate) fn task_name(instruction: &str, task: &str) -> String {
    format!("{instruction}/{task}")
}

impl Machine {
    /// A task of an instruction measures from now on. Tasks of one slot are one invocation.
    pub fn note_began(&mut self, planned: &Planned, now: Timestamp) {
        let instruction = planned.instruction.as_str();
        let slot = Slot {
            at: planned.slot,
            failed: false,
        };
        let counters = self.json.entry(instruction.to_owned()).or_default();
        if self.json_slots.get(instruction).map(|known| known.at) != Some(planned.slot) {
            self.json_slots.insert(instruction.to_owned(), slot);
            increment(&mut counters.invocations);
            counters.last_invocation = Some(now);
        }
        if let Some(task) = &planned.task {
            counters.action(task.as_str()).began(now);
            let who = Who::Json(planned.instruction.clone(), task.clone());
            let me = Conflict {
                schedule: instruction.to_owned(),
                action: task.as_str().to_owned(),
                task: task_name(instruction, task.as_str()),
            };
            self.meet(who, me);
        }
    }

    /// A task of an instruction is over.
    pub fn note_ended(&mut self, planned: &Planned, status: i32, message: &str, now: Timestamp) {
        let instruction = planned.instruction.as_str();
        let Some(task) = &planned.task else {
            return;
        };
        let counters = self.json.entry(instruction.to_owned()).or_default();
        counters.action(task.as_str()).ended(now, status, message);
        if status != 0
            && let Some(slot) = self.json_slots.get_mut(instruction)
            && slot.at == planned.slot
            && !std::mem::replace(&mut slot.failed, true)
        {
            increment(&mut counters.failures);
        }
        let who = Who::Json(planned.instruction.clone(), task.clone());
        self.busy.remove(&who);
    }

    /// A firing, or one of its tasks, did not take place; `overlap` says that the one before was still running.
    pub fn note_skipped(&mut self, planned: &Planned, overlap: bool, count: u32) {
        let counters = self
            .json
            .entry(planned.instruction.as_str().to_owned())
            .or_default();
        let counter = match (&planned.task, overlap) {
            (None, false) => &mut counters.suppressions,
            (None, true) => &mut counters.overlaps,
            (Some(task), false) => &mut counters.action(task.as_str()).suppressions,
            (Some(task), true) => &mut counters.action(task.as_str()).overlaps,
        };
        *counter = counter.wrapping_add(count);
    }

    /// The instructions in force: counters of others are dropped.
    pub fn note_instructions(&mut self, in_force: &[InstructionId]) {
        let known = |name: &String| in_force.iter().any(|id| id.as_str() == name);
        self.json.retain(|name, _| known(name));
        self.json_slots.retain(|name, _| known(name));
    }

    /// Somebody begins, and meets all who are busy.
    pub(super) fn meet(&mut self, who: Who, me: Conflict) {
        let mut met = SortedSet::new();
        for other in self.busy.values_mut() {
            other.met.insert(me.clone());
            met.insert(other.me.clone());
        }
        self.busy.insert(who, Busy { me, met });
    }
}
