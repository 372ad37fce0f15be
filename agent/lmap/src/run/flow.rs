//! The way of results through a run.
//!
//! ```text
//!  queue ─▶ first action ──▶ next action ──▶ … ──▶ reporting action ─▶ its collectors
//!                 └─ its own output ┘                  └ did not start: it waits there
//! ```
//!
//! Of a pipeline or a sequence the first action gets what the schedule was handed. An action that measures passes on what it got, and in
//! a pipeline its own output after that: all that was measured before a reporting action reaches it, not only what its neighbour
//! measured. RFC 8194 leaves open what becomes of input that an action makes no use of. A reporting action passes nothing on. Of parallel
//! actions each gets everything.
//!
//! What reaches a reporting action that does not start, because it is suppressed, cannot be made out, or its run was ended, waits there
//! for its collectors; what the schedule was handed and no action used, goes back to the queue.

use super::{Act, Machine, Running, queue_of};
use crate::control::{Mode, OptionEntry, Task};
use crate::output::{Conflict, Output, Place};
use crate::resolve::{Resolved, is_secret, resolve};
use glimpse_model::id::ResultId;
use glimpse_model::record::Record;
use glimpse_model::sorted::SortedSet;
use std::sync::Arc;

impl Running {
    /// What an action has and makes no use of goes to the next one.
    pub(super) fn pass_on(&mut self, at: usize) {
        if self.schedule.mode == Mode::Parallel || self.acts[at].reports {
            return;
        }
        if at + 1 < self.acts.len() {
            let input = std::mem::take(&mut self.acts[at].input);
            self.acts[at + 1].input.extend(input);
        }
    }

    /// Whether the next action gets the output of this one.
    fn hands_on(&self, at: usize) -> bool {
        let own = || {
            let mut destinations = self.acts[at].action.destinations.iter();
            destinations.any(|destination| *destination == self.schedule.name)
        };
        at + 1 < self.acts.len()
            && match self.schedule.mode {
                Mode::Pipelined => true,
                Mode::Sequential => own(),
                Mode::Parallel => false,
            }
    }
}

impl Act {
    /// It has run, however that ended.
    pub(super) fn has_run(&self) -> bool {
        self.began.is_some() && !self.void
    }
}

impl Machine {
    /// What an action yielded goes to the next one, and at the end of the run where it is to go, if there is room for it.
    pub(super) fn take_output(
        &mut self,
        serial: u32,
        at: usize,
        record: Record,
        status: i32,
        conflicts: SortedSet<Conflict>,
    ) {
        let Some(run) = self.runs.get(&serial) else {
            return;
        };
        let hands_on = run.hands_on(at);
        if run.acts[at].action.destinations.is_empty() && !hands_on {
            return;
        }
        let action = &run.acts[at].action.name;
        // Failures cost no packet and may come each second: none is written out to find that there is no room.
        if run.acts[at].void && !self.has_room_for(&run.schedule.name, action) {
            return self.drop_output(serial, at);
        }
        let mut output = make_output(run, at, record, status, conflicts);
        output.redact(|name| is_secret(&self.methods, name));
        let places: Vec<Place> = run.acts[at]
            .action
            .destinations
            .iter()
            .map(|to| queue_of(to))
            .collect();
        let bytes = output.storage(&places, self.block);
        let action = run.acts[at].action.name.clone();
        if let Some(live) = self.live.get_mut(&run.schedule.name) {
            live.sizes.insert(action, bytes);
        }
        if !self.storage.has_room(bytes, self.quota) {
            return self.drop_output(serial, at);
        }
        self.storage.reserve(output.record.id, bytes);
        let output = Arc::new(output);
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        let act = &mut run.acts[at];
        act.output = Some(output.clone());
        act.looped = run.schedule.mode == Mode::Sequential && hands_on;
        if hands_on {
            run.acts[at + 1].input.push(output);
        }
    }

    /// There is no room for what an action yielded, or would yield.
    pub(super) fn drop_output(&mut self, serial: u32, at: usize) {
        self.storage.drop_one();
        if let Some(run) = self.runs.get_mut(&serial) {
            run.crowded.push(at);
        }
    }

    /// Whether another result of an action would find room, by what the last one took.
    pub(super) fn has_room_for(&self, schedule: &str, action: &str) -> bool {
        let live = self.live.get(schedule);
        let last = live.and_then(|live| live.sizes.get(action)).copied();
        self.storage
            .has_room(last.unwrap_or(self.block), self.quota)
    }

    /// The run is over: what has not been used finds its place.
    pub(super) fn settle_input(&mut self, run: &mut Running) {
        for at in 0..run.acts.len() {
            run.pass_on(at);
        }
        for at in 0..run.acts.len() {
            let input = std::mem::take(&mut run.acts[at].input);
            let ids: Vec<ResultId> = input.iter().map(|output| output.record.id).collect();
            let used = if run.acts[at].reports {
                input.is_empty() || self.deposit(run, at, &input)
            } else {
                run.acts[at].has_run()
            };
            if used {
                run.used.extend(ids);
            }
        }
        let queue = queue_of(&run.schedule.name);
        let (used, left): (Vec<_>, Vec<_>) = std::mem::take(&mut run.taken)
            .into_iter()
            .partition(|output| run.used.contains(&output.record.id));
        self.release(&used, &queue);
        match self.live.get_mut(&run.schedule.name) {
            Some(live) => drop(live.queue.splice(..0, left)),
            None => self.release(&left, &queue),
        }
    }

    /// Results wait at a reporting action that did not start; says whether there still is one.
    fn deposit(&mut self, run: &Running, at: usize, outputs: &[Arc<Output>]) -> bool {
        let control = self.control.clone();
        let name = &run.acts[at].action.name;
        let Some(schedule) = control.schedule(&run.schedule.name) else {
            return false;
        };
        let Some(action) = schedule.actions.iter().find(|action| action.name == *name) else {
            return false;
        };
        let task = control.task(&action.task);
        let collectors = match resolve(task, action, &self.methods, &self.channels) {
            Ok(Resolved::Report { collectors, .. }) => Some(collectors),
            Ok(Resolved::Measure { .. }) => return false,
            Err(_) => None,
        };
        let suppressed = self.is_suppressed(schedule, action);
        let place = Place {
            schedule: schedule.name.clone(),
            action: Some(action.name.clone()),
        };
        let key = (schedule.name.clone(), action.name.clone());
        let outbox = self.outboxes.entry(key).or_default();
        let mut released = Vec::new();
        match &collectors {
            Some(collectors) => released = outbox.serve(collectors),
            None => outbox.pause(),
        }
        if suppressed {
            outbox.pause();
        }
        for output in outputs {
            if !self.storage.waits_at(output.record.id, &place) {
                outbox.push(output.clone());
            }
        }
        self.release(&released, &place);
        for output in outputs {
            self.join(output, &place);
        }
        true
    }

    /// A result waits at a reporting action as well. Where it is stored already, its file need not say so: whatever it is restored to
    /// leads here.
    pub(super) fn join(&mut self, output: &Arc<Output>, place: &Place) {
        if self.storage.waits(output.record.id) {
            self.storage.add(output, self.block, [place.clone()]);
        } else {
            self.keep(output, SortedSet::from([place.clone()]));
        }
    }
}

fn make_output(
    run: &Running,
    at: usize,
    mut record: Record,
    status: i32,
    conflicts: SortedSet<Conflict>,
) -> Output {
    let act = &run.acts[at];
    record.start_time = record.start_time.or(act.began);
    let task = act.task.as_ref();
    let of_task = |list: fn(&Task) -> &Vec<String>| task.map(list).into_iter().flatten();
    let mut tags: Vec<String> = Vec::new();
    for tag in of_task(|task| &task.tags)
        .chain(&run.schedule.tags)
        .chain(&act.action.tags)
    {
        if !tags.contains(tag) {
            tags.push(tag.clone());
        }
    }
    let options: Vec<OptionEntry> = task
        .map(|task| &task.options)
        .into_iter()
        .flatten()
        .chain(&act.action.options)
        .cloned()
        .collect();
    let mut functions: Vec<String> = if act.functions.is_empty() {
        let configured = task.map(|task| &task.functions).into_iter().flatten();
        configured.map(|function| function.uri.clone()).collect()
    } else {
        act.functions.clone()
    };
    // They are keys of a list in reports.
    let mut seen = SortedSet::new();
    functions.retain(|uri| seen.insert(uri.clone()));
    Output {
        record,
        schedule: run.schedule.name.clone(),
        action: act.action.name.clone(),
        task: act.action.task.clone(),
        options,
        parameters: act.action.parameters.clone(),
        tags,
        event: run.event,
        cycle: run.cycle.clone(),
        status,
        conflicts: conflicts.into_iter().collect(),
        functions,
    }
}
