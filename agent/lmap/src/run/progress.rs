//! The life of a run: begun, its actions one after the other or together, ended or stopped.

use super::counters::increment;
use super::{
    Act, End, Ended, Machine, NotStarted, Phase, RunId, Running, STOP_GRACE, Start, Step, Stopping,
    Who, queue_of,
};
use crate::control::{Mode, OptionEntry, Schedule, Stop, Task};
use crate::moment::Moment;
use crate::names;
use crate::notice::Skipped;
use crate::output::{Conflict, Output, status_of};
use crate::resolve::{Resolved, Unresolved};
use glimpse_model::record::{Record, SkipReason, Status};
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Machine {
    /// Starts a schedule whose time has come, unless it runs or is suppressed.
    pub(super) fn begin(
        &mut self,
        schedule: &Schedule,
        event: Timestamp,
        cycle: Option<String>,
        now: &Moment,
    ) -> Result<(), NotStarted> {
        let suppressed = self.suppressions.suppresses(&schedule.suppression_tags);
        let Some(live) = self.live.get_mut(&schedule.name) else {
            return Err(NotStarted {
                reason: None,
                words: "there is no such schedule",
            });
        };
        let not = if live.run.is_some() {
            increment(&mut live.counters.overlaps);
            Some((SkipReason::Overlap, "the schedule is still running"))
        } else if suppressed {
            increment(&mut live.counters.suppressions);
            for action in &schedule.actions {
                increment(&mut live.counters.action(&action.name).suppressions);
            }
            Some((SkipReason::Suppressed, "a suppression is active"))
        } else {
            None
        };
        if let Some((reason, words)) = not {
            self.skip(&schedule.name, None, event, reason, words);
            return Err(NotStarted {
                reason: Some(reason),
                words,
            });
        }
        self.last_run = self.last_run.wrapping_add(1);
        let serial = self.last_run;
        live.run = Some(serial);
        let taken = std::mem::take(&mut live.queue);
        let run = self.new_run(schedule, event, cycle, taken, now);
        self.runs.insert(serial, run);
        self.advance_run(serial, now);
        Ok(())
    }

    fn new_run(
        &mut self,
        schedule: &Schedule,
        event: Timestamp,
        cycle: Option<String>,
        taken: Vec<Arc<Output>>,
        now: &Moment,
    ) -> Running {
        let mut acts = Vec::new();
        for (i, action) in schedule.actions.iter().enumerate() {
            self.last_act = self.last_act.wrapping_add(1);
            let takes = i == 0 || schedule.mode == Mode::Parallel;
            acts.push(Act {
                id: RunId(self.last_act),
                action: action.clone(),
                task: self.control.task(&action.task).cloned(),
                phase: Phase::Waiting,
                input: if takes { taken.clone() } else { Vec::new() },
                output: None,
                looped: false,
                functions: Vec::new(),
                began: None,
                stopping: None,
            });
        }
        let deadline_us = match schedule.stop {
            Some(Stop::Duration(seconds)) => {
                Some(now.steady_us.saturating_add(i64::from(seconds) * SECOND))
            }
            _ => None,
        };
        Running {
            schedule: Arc::new(schedule.clone()),
            event,
            cycle,
            started: now.wall,
            deadline_us,
            ending: false,
            discard: false,
            counted: false,
            failed: false,
            denied: false,
            taken,
            acts,
        }
    }

    /// Starts what can be started, and ends the run when there is nothing left of it.
    pub(super) fn advance_run(&mut self, serial: u32, now: &Moment) {
        loop {
            let Some(run) = self.runs.get(&serial) else {
                return;
            };
            let waiting = run.acts.iter().position(|act| act.phase == Phase::Waiting);
            let active = run.acts.iter().any(Act::is_active);
            let may = !run.ending && (run.schedule.mode == Mode::Parallel || !active);
            match waiting {
                Some(at) if may => self.start_act(serial, at, now),
                Some(at) if run.ending => self.close_act(serial, at),
                None if !active => return self.finish(serial, now),
                _ => return,
            }
        }
    }

    /// Starts one action, or finds that it does not start.
    fn start_act(&mut self, serial: u32, at: usize, now: &Moment) {
        let Some(run) = self.runs.get(&serial) else {
            return;
        };
        let act = &run.acts[at];
        let (schedule, event) = (run.schedule.clone(), run.event);
        if self.suppressions.suppresses(&act.action.suppression_tags) {
            let name = act.action.name.clone();
            if let Some(live) = self.live.get_mut(&schedule.name) {
                increment(&mut live.counters.action(&name).suppressions);
            }
            let words = "a suppression is active";
            self.skip(
                &schedule.name,
                Some(&name),
                event,
                SkipReason::Suppressed,
                words,
            );
            self.pass_on(serial, at);
            return self.close_act(serial, at);
        }
        match self.resolve(act) {
            Ok(Resolved::Report {
                collectors,
                heartbeat,
            }) => {
                self.act_began(serial, at, now);
                self.begin_report(serial, at, &collectors, heartbeat, now);
            }
            Ok(Resolved::Measure { .. }) if self.storage() >= self.quota => {
                let fault = Unresolved {
                    status: 1,
                    message:
                        "too many results wait to be reported: nothing is measured until some are"
                            .to_owned(),
                };
                self.fail_act(serial, at, &fault, now);
            }
            Ok(Resolved::Measure {
                method,
                options,
                functions,
            }) => {
                let ids =
                    names::instruction_id(&schedule.name).zip(names::task_id(&act.action.name));
                let Some((instruction_id, task_id)) = ids else {
                    return self.close_act(serial, at);
                };
                let start = Start {
                    run: act.id,
                    schedule: schedule.name.clone(),
                    action: act.action.name.clone(),
                    task: act.action.task.clone(),
                    instruction_id,
                    task_id,
                    method,
                    options,
                    precondition: schedule.precondition,
                    lan: schedule.lan,
                    event,
                    input: act.input.clone(),
                };
                self.steps.push(Step::Start(Box::new(start)));
                if let Some(act) = self.act(serial, at) {
                    act.phase = Phase::Measuring;
                    act.functions = functions;
                }
            }
            Err(fault) => self.fail_act(serial, at, &fault, now),
        }
    }

    pub(super) fn act(&mut self, serial: u32, at: usize) -> Option<&mut Act> {
        self.runs.get_mut(&serial)?.acts.get_mut(at)
    }

    /// An action that could not be started yields a failed result, so that nobody takes its silence for success.
    fn fail_act(&mut self, serial: u32, at: usize, fault: &Unresolved, now: &Moment) {
        self.act_began(serial, at, now);
        let id = self.new_id(now);
        let mut record = Record::new(id, Status::Failed);
        record.start_time = Some(now.wall);
        record.end_time = Some(now.wall);
        record.error.clone_from(&fault.message);
        let ended = Ended {
            record,
            status: Some(fault.status),
        };
        self.conclude(serial, at, ended, now);
    }

    /// An action runs from now on.
    pub(super) fn act_began(&mut self, serial: u32, at: usize, now: &Moment) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        let act = &mut run.acts[at];
        if act.began.is_some() {
            return;
        }
        act.began = Some(now.wall);
        let me = Conflict {
            schedule: run.schedule.name.clone(),
            action: act.action.name.clone(),
            task: act.action.task.clone(),
        };
        let who = Who::Lmap(act.id);
        let first = !std::mem::replace(&mut run.counted, true);
        let started = run.started;
        if let Some(live) = self.live.get_mut(&me.schedule) {
            if first {
                increment(&mut live.counters.invocations);
                live.counters.last_invocation = Some(started);
            }
            live.counters.action(&me.action).began(now.wall);
        }
        self.meet(who, me);
    }

    pub(super) fn act_ended(&mut self, serial: u32, at: usize, ended: Ended, now: &Moment) {
        let active = self
            .act(serial, at)
            .is_some_and(|act| act.phase == Phase::Measuring);
        if !active {
            return;
        }
        // A run that was stopped while it waited for its place.
        self.act_began(serial, at, now);
        self.conclude(serial, at, ended, now);
        self.advance_run(serial, now);
    }

    /// Takes down what an action yielded.
    pub(super) fn conclude(&mut self, serial: u32, at: usize, ended: Ended, now: &Moment) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        let act = &mut run.acts[at];
        let by_record = ended
            .status
            .unwrap_or_else(|| status_of(ended.record.status));
        let status = match act.stopping {
            // It may not have noticed that it was stopped: that it did not run to its end is to be seen.
            Some(stopping) if by_record >= 0 => {
                if stopping.hard {
                    -9
                } else {
                    -15
                }
            }
            _ => by_record,
        };
        let stopped = act.stopping.is_some();
        let message = if ended.record.error.is_empty() && stopped {
            "stopped before its end"
        } else {
            &ended.record.error
        };
        let discard = run.discard || act.stopping.is_some_and(|stopping| stopping.discard);
        run.failed |= status != 0;
        act.phase = Phase::Done;
        let conflicts = self
            .busy
            .remove(&Who::Lmap(act.id))
            .map(|busy| busy.met)
            .unwrap_or_default();
        if let Some(live) = self.live.get_mut(&run.schedule.name)
            && run
                .schedule
                .actions
                .iter()
                .any(|action| action.name == act.action.name)
        {
            let counters = live.counters.action(&act.action.name);
            counters.ended(ended.record.end_time.unwrap_or(now.wall), status, message);
        }
        if discard {
            return;
        }
        let output = Arc::new(make_output(run, at, ended.record, status, conflicts));
        run.acts[at].output = Some(output.clone());
        let mode = run.schedule.mode;
        let own = run.acts[at]
            .action
            .destinations
            .contains(&run.schedule.name);
        if mode == Mode::Pipelined || (mode == Mode::Sequential && own) {
            let looped = mode == Mode::Sequential && run.acts.len() > at + 1;
            run.acts[at].looped = looped;
            if let Some(next) = run.acts.get_mut(at + 1) {
                next.input.push(output);
            }
        }
    }

    pub(super) fn act_denied(
        &mut self,
        serial: u32,
        at: usize,
        reason: SkipReason,
        words: &str,
        now: &Moment,
    ) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        let act = &run.acts[at];
        if act.phase != Phase::Measuring {
            return;
        }
        let (schedule, action, event) = (
            run.schedule.name.clone(),
            act.action.name.clone(),
            run.event,
        );
        let began = act.began.is_some();
        self.busy.remove(&Who::Lmap(act.id));
        run.denied = true;
        if let Some(live) = self.live.get_mut(&schedule) {
            let counters = live.counters.action(&action);
            if began {
                // The guard refused an address after all: that run was none.
                counters.invocations = counters.invocations.wrapping_sub(1);
            }
            increment(match reason {
                SkipReason::Overlap => &mut counters.overlaps,
                _ => &mut counters.suppressions,
            });
        }
        self.skip(&schedule, Some(&action), event, reason, words);
        self.pass_on(serial, at);
        self.close_act(serial, at);
        self.advance_run(serial, now);
    }

    /// What an action that does not run was to get goes to the next one of a pipeline.
    fn pass_on(&mut self, serial: u32, at: usize) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        if run.schedule.mode != Mode::Parallel && at + 1 < run.acts.len() {
            let input = std::mem::take(&mut run.acts[at].input);
            run.acts[at + 1].input.extend(input);
        }
    }

    fn close_act(&mut self, serial: u32, at: usize) {
        if let Some(act) = self.act(serial, at) {
            act.phase = Phase::Done;
        }
    }

    /// The run is over: what its actions yielded goes where it is to go, all together.
    fn finish(&mut self, serial: u32, now: &Moment) {
        let Some(run) = self.runs.remove(&serial) else {
            return;
        };
        let name = &run.schedule.name;
        if let Some(live) = self
            .live
            .get_mut(name)
            .filter(|live| live.run == Some(serial))
        {
            live.run = None;
            if !run.counted && run.denied {
                // Nothing of it was let run: to its controller that is a suppression.
                increment(&mut live.counters.suppressions);
            } else if !run.counted {
                increment(&mut live.counters.invocations);
                live.counters.last_invocation = Some(run.started);
            }
            if run.failed {
                increment(&mut live.counters.failures);
            }
        }
        self.hand_over(&run, now);
        self.release(&run.taken, &queue_of(name));
    }

    /// Ends a run: what is active is asked to end, what waits is not started.
    pub(super) fn stop_run(&mut self, serial: u32, discard: bool, now: &Moment) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        run.ending = true;
        run.discard |= discard;
        for at in 0..run.acts.len() {
            self.stop_act(serial, at, discard, now);
        }
        self.advance_run(serial, now);
    }

    fn stop_act(&mut self, serial: u32, at: usize, discard: bool, now: &Moment) {
        let Some(act) = self.act(serial, at).filter(|act| act.is_active()) else {
            return;
        };
        if let Some(stopping) = &mut act.stopping {
            stopping.discard |= discard;
            return;
        }
        act.stopping = Some(Stopping {
            hard_us: (act.phase == Phase::Measuring)
                .then(|| now.steady_us.saturating_add(STOP_GRACE)),
            discard,
            hard: false,
        });
        let id = act.id;
        if act.phase == Phase::Measuring {
            self.steps.push(Step::Stop(id, End::Graceful));
        } else {
            self.end_report(serial, at, Err("stopped before its end".to_owned()), now);
        }
    }

    /// Ends what runs and is to be stopped by an active suppression. What it had yielded is thrown away (RFC 7594 §5.2.2.1).
    pub(super) fn stop_suppressed(&mut self, now: &Moment) {
        let mut runs = Vec::new();
        let mut acts = Vec::new();
        for (serial, run) in &self.runs {
            if !run.ending && self.suppressions.stops(&run.schedule.suppression_tags) {
                runs.push(*serial);
                continue;
            }
            for (at, act) in run.acts.iter().enumerate() {
                let tags = &act.action.suppression_tags;
                if act.is_active() && act.stopping.is_none() && self.suppressions.stops(tags) {
                    acts.push((*serial, at));
                }
            }
        }
        for serial in runs {
            self.stop_run(serial, true, now);
        }
        for (serial, at) in acts {
            self.stop_act(serial, at, true, now);
            self.advance_run(serial, now);
        }
    }

    fn skip(
        &mut self,
        schedule: &str,
        action: Option<&str>,
        event: Timestamp,
        reason: SkipReason,
        words: &str,
    ) {
        self.steps.push(Step::Skipped(Skipped {
            schedule: schedule.to_owned(),
            action: action.map(str::to_owned),
            first: event,
            last: event,
            count: 1,
            reason,
            words: words.to_owned(),
        }));
    }
}

fn make_output(
    run: &Running,
    at: usize,
    record: Record,
    status: i32,
    conflicts: BTreeSet<Conflict>,
) -> Output {
    let act = &run.acts[at];
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
    let functions = if act.functions.is_empty() {
        let configured = task.map(|task| &task.functions).into_iter().flatten();
        configured.map(|function| function.uri.clone()).collect()
    } else {
        act.functions.clone()
    };
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
