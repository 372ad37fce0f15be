//! How actions and runs end, by themselves or because they are ended.

use super::counters::increment;
use super::progress::CROWDED;
use super::{End, Ended, Live, Machine, Phase, STOP_GRACE, Step, Stopping, Who};
use crate::moment::Moment;
use crate::notice::Skipped;
use crate::output::{Conflict, status_of};
use glimpse_model::record::{SkipReason, Status};
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::Timestamp;

/// How an action ended, as its result says it.
pub(super) struct Conclusion {
    status: i32,
    conflicts: SortedSet<Conflict>,
    /// What it yielded is thrown away.
    discard: bool,
}

impl Machine {
    /// Takes down how an action ended, and what it yielded.
    pub(super) fn conclude(&mut self, serial: u32, at: usize, ended: Ended, now: &Moment) {
        let record = ended.record;
        let end = record.end_time.unwrap_or(now.wall);
        let (status, error) = (ended.status, record.error.as_str());
        let Some(conclusion) = self.note_end(serial, at, status, record.status, end, error) else {
            return;
        };
        if !conclusion.discard {
            let Conclusion {
                status, conflicts, ..
            } = conclusion;
            self.take_output(serial, at, record, status, conflicts);
        }
    }

    /// Takes down how an action ended: with this status, or else by its record's.
    pub(super) fn note_end(
        &mut self,
        serial: u32,
        at: usize,
        status: Option<i32>,
        by_record: Status,
        end: Timestamp,
        error: &str,
    ) -> Option<Conclusion> {
        let run = self.runs.get_mut(&serial)?;
        let act = &mut run.acts[at];
        let status = status.unwrap_or_else(|| status_of(by_record));
        let status = match act.stopping {
            // It may not have noticed that it was stopped: that it did not run to its end is to be seen.
            Some(stopping) if status >= 0 => {
                if stopping.hard {
                    -9
                } else {
                    -15
                }
            }
            _ => status,
        };
        let message = if error.is_empty() && act.stopping.is_some() {
            "stopped before its end"
        } else {
            error
        };
        let discard = run.discard || act.stopping.is_some_and(|stopping| stopping.discard);
        run.failed |= status != 0;
        act.phase = Phase::Done;
        let busy = self.busy.remove(&Who::Lmap(act.id));
        let name = act.action.name.clone();
        if let Some(live) = Live::of(&mut self.live, &run.schedule.name, serial) {
            live.counters.action(&name).ended(end, status, message);
        }
        run.pass_on(at);
        Some(Conclusion {
            status,
            conflicts: busy.map(|busy| busy.met).unwrap_or_default(),
            discard,
        })
    }

    /// The run is over: what its actions yielded goes where it is to go, all together.
    pub(super) fn finish(&mut self, serial: u32, now: &Moment) {
        let Some(mut run) = self.runs.remove(&serial) else {
            return;
        };
        if let Some(live) = Live::of(&mut self.live, &run.schedule.name, serial) {
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
        if let Some(first) = run.crowded.first() {
            // One skip, however many actions found no room.
            let one = run.crowded.iter().all(|at| at == first);
            self.steps.push(Step::Skipped(Skipped {
                schedule: run.schedule.name.clone(),
                action: one.then(|| run.acts[*first].action.name.clone()),
                first: run.event,
                last: run.event,
                count: u32::try_from(run.crowded.len()).unwrap_or(u32::MAX),
                reason: SkipReason::QueueFull,
                words: CROWDED.to_owned(),
            }));
        }
        self.settle_input(&mut run);
        self.hand_over(&run, now);
        for output in run.acts.iter().filter_map(|act| act.output.as_ref()) {
            self.storage.give_back(output.record.id);
        }
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
            self.end_report(serial, at, Some("stopped before its end"), now);
        }
    }

    /// Ends what runs and is to be stopped by an active suppression. What is measured only in part is thrown away
    /// (RFC 7594 §5.2.2.1); actions that had ended have measured.
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
        self.pause_suppressed();
    }
}
