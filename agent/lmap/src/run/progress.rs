//! The life of a run: begun, its actions one after the other or together.

use super::counters::increment;
use super::{Act, Ended, Live, Machine, NotStarted, Phase, RunId, Running, Start, Step, Who};
use crate::control::{Mode, Schedule, Stop};
use crate::moment::Moment;
use crate::names;
use crate::notice::Skipped;
use crate::output::{Conflict, Output};
use crate::resolve::{Resolved, Unresolved, is_report};
use glimpse_model::record::{Record, SkipReason, Status};
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::{SECOND, Timestamp};
use std::sync::Arc;

/// Said where results find no room.
pub(super) const CROWDED: &str =
    "too many results wait to be reported: nothing is measured until some are";

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
            let task = self.control.task(&action.task).cloned();
            let takes = i == 0 || schedule.mode == Mode::Parallel;
            acts.push(Act {
                id: RunId(self.last_act),
                action: action.clone(),
                phase: Phase::Waiting,
                reports: task.as_ref().is_some_and(is_report),
                task,
                input: if takes { taken.clone() } else { Vec::new() },
                output: None,
                looped: false,
                functions: Vec::new(),
                began: None,
                void: false,
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
            used: SortedSet::new(),
            crowded: Vec::new(),
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
            if let Some(live) = Live::of(&mut self.live, &schedule.name, serial) {
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
            Ok(Resolved::Measure { .. })
                if !self.has_room_for(&schedule.name, &act.action.name) =>
            {
                self.crowd_out(serial, at, now);
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
        if let Some(act) = self.act(serial, at) {
            act.void = true;
        }
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

    /// There is no room for what an action would yield: it does not run, and yields nothing.
    fn crowd_out(&mut self, serial: u32, at: usize, now: &Moment) {
        if let Some(act) = self.act(serial, at) {
            act.void = true;
        }
        self.act_began(serial, at, now);
        self.drop_output(serial, at);
        self.note_end(serial, at, Some(1), Status::Failed, now.wall, CROWDED);
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
        let void = act.void;
        let first = !std::mem::replace(&mut run.counted, true);
        let started = run.started;
        if let Some(live) = Live::of(&mut self.live, &me.schedule, serial) {
            if first {
                increment(&mut live.counters.invocations);
                live.counters.last_invocation = Some(started);
            }
            live.counters.action(&me.action).began(now.wall);
        }
        // What does not run is in nobody's way.
        if !void {
            self.meet(who, me);
        }
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
        if began {
            // The guard refused an address after all. Counters never go down: it is a run that failed.
            run.failed = true;
            run.acts[at].void = true;
        } else {
            run.denied = true;
        }
        if let Some(live) = Live::of(&mut self.live, &schedule, serial) {
            let counters = live.counters.action(&action);
            match reason {
                _ if began => counters.ended(now.wall, 1, words),
                SkipReason::Overlap => increment(&mut counters.overlaps),
                _ => increment(&mut counters.suppressions),
            }
        }
        self.skip(&schedule, Some(&action), event, reason, words);
        self.close_act(serial, at);
        self.advance_run(serial, now);
    }

    fn close_act(&mut self, serial: u32, at: usize) {
        if let Some(run) = self.runs.get_mut(&serial) {
            run.pass_on(at);
            run.acts[at].phase = Phase::Done;
        }
    }

    pub(super) fn skip(
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
