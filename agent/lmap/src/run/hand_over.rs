//! Where results wait: in queues of schedules, and at reporting actions.

use super::{Act, Machine, Phase, Running, Step, queue_of};
use crate::control::{Action, Schedule};
use crate::moment::Moment;
use crate::outbox::Answer;
use crate::output::{Output, Place};
use crate::resolve::{Resolved, resolve};
use glimpse_model::record::Status;
use glimpse_model::sorted::SortedSet;
use std::sync::Arc;

fn outbox_of(schedule: &str, action: &str) -> Place {
    Place {
        schedule: schedule.to_owned(),
        action: Some(action.to_owned()),
    }
}

impl Machine {
    /// All that the actions of a run yielded goes to the queues of its destinations at once.
    pub(super) fn hand_over(&mut self, run: &Running, now: &Moment) {
        for (at, act) in run.acts.iter().enumerate() {
            let Some(output) = act.output.as_ref() else {
                continue;
            };
            // Another action of this run has it, if there came to be one.
            let looped = act.looped
                && (run.used.contains(&output.record.id)
                    || run.acts[at + 1..].iter().any(Act::has_run));
            let mut places = SortedSet::new();
            for destination in &act.action.destinations {
                if looped && *destination == run.schedule.name {
                    continue;
                }
                if let Some(live) = self.live.get_mut(destination)
                    && places.insert(queue_of(destination))
                {
                    live.queue.push(output.clone());
                }
            }
            self.keep(output, places);
        }
        self.post(now);
    }

    /// Results that a former process had stored wait where they had waited.
    pub(super) fn restore(&mut self, outputs: Vec<(Output, Vec<Place>)>) {
        let control = self.control.clone();
        for (output, places) in outputs {
            let output = Arc::new(output);
            for place in places {
                let Some(schedule) = control.schedule(&place.schedule) else {
                    continue;
                };
                let named = |action: &&Action| place.action.as_ref() == Some(&action.name);
                let action = schedule.actions.iter().find(named);
                let report = action.map(|action| {
                    let task = control.task(&action.task);
                    resolve(task, action, &self.methods, &self.channels)
                });
                if let (Some(action), Some(Ok(Resolved::Report { collectors, .. }))) =
                    (action, report)
                {
                    let suppressed = self.is_suppressed(schedule, action);
                    let key = (schedule.name.clone(), action.name.clone());
                    let outbox = self.outboxes.entry(key).or_default();
                    // Nothing has come to be due to nobody: all have just been named.
                    outbox.serve(&collectors);
                    if suppressed {
                        outbox.pause();
                    }
                    outbox.push(output.clone());
                    self.storage.add(&output, self.block, [place]);
                } else if let Some(live) = self.live.get_mut(&schedule.name) {
                    let queue = queue_of(&schedule.name);
                    if !self.storage.waits_at(output.record.id, &queue) {
                        live.queue.push(output.clone());
                        self.storage.add(&output, self.block, [queue]);
                    }
                }
            }
            if !self.storage.waits(output.record.id) {
                self.steps.push(Step::Forget(output.record.id));
            }
        }
    }

    /// Collectors may have changed with the configuration. What waits at an action that is gone is forgotten; while it cannot be made out
    /// where an action reports to, what waits there goes on waiting.
    pub(super) fn serve_outboxes(&mut self) {
        let control = self.control.clone();
        let keys: Vec<(String, String)> = self.outboxes.keys().cloned().collect();
        for key in keys {
            let definition = control.schedule(&key.0).and_then(|schedule| {
                let mut actions = schedule.actions.iter();
                let action = actions.find(|action| action.name == key.1)?;
                Some((schedule, action))
            });
            let resolved = definition.map(|(schedule, action)| {
                let task = control.task(&action.task);
                let resolved = resolve(task, action, &self.methods, &self.channels);
                (resolved, self.is_suppressed(schedule, action))
            });
            let place = outbox_of(&key.0, &key.1);
            let Some(outbox) = self.outboxes.get_mut(&key) else {
                continue;
            };
            let done = match resolved {
                Some((Ok(Resolved::Report { collectors, .. }), suppressed)) => {
                    if !suppressed {
                        outbox.resume();
                    }
                    outbox.serve(&collectors)
                }
                Some((Err(_), _)) => {
                    outbox.pause();
                    continue;
                }
                Some((Ok(Resolved::Measure { .. }), _)) | None => {
                    let all = outbox.abandon();
                    if outbox.is_over() {
                        self.outboxes.remove(&key);
                    }
                    all
                }
            };
            self.release(&done, &place);
        }
    }

    /// A reporting action that is suppressed does not try again either what it could not send, unless it runs and is let run on. When it is
    /// suppressed no more, it does.
    pub(super) fn pause_suppressed(&mut self) {
        let control = self.control.clone();
        let mut outboxes = std::mem::take(&mut self.outboxes);
        for ((schedule, action), outbox) in &mut outboxes {
            let Some(schedule) = control.schedule(schedule) else {
                continue;
            };
            let mut actions = schedule.actions.iter();
            let Some(definition) = actions.find(|a| a.name == *action) else {
                continue;
            };
            if !self.is_suppressed(schedule, definition) {
                if outbox.is_paused() && self.can_resolve(definition) {
                    outbox.resume();
                }
            } else if !self.is_action_running(&schedule.name, action) {
                outbox.pause();
            }
        }
        self.outboxes = outboxes;
    }

    /// Whether an action is suppressed, by itself or with its schedule.
    pub(super) fn is_suppressed(&self, schedule: &Schedule, action: &Action) -> bool {
        self.suppressions.suppresses(&action.suppression_tags)
            || self.suppressions.suppresses(&schedule.suppression_tags)
    }

    /// A reporting action starts: what it was handed is due to its collectors.
    pub(super) fn begin_report(
        &mut self,
        serial: u32,
        at: usize,
        collectors: &[String],
        heartbeat: bool,
        now: &Moment,
    ) {
        let Some(run) = self.runs.get_mut(&serial) else {
            return;
        };
        let schedule = run.schedule.name.clone();
        let act = &mut run.acts[at];
        act.phase = Phase::Reporting;
        let action = act.action.name.clone();
        let input = std::mem::take(&mut act.input);
        let place = outbox_of(&schedule, &action);
        let outbox = self.outboxes.entry((schedule, action)).or_default();
        let unserved = outbox.serve(collectors);
        outbox.begin(heartbeat, now.steady_us);
        run.used.extend(input.iter().map(|output| output.record.id));
        for output in &input {
            if !self.storage.waits_at(output.record.id, &place) {
                outbox.push(output.clone());
            }
        }
        for output in &input {
            self.join(output, &place);
        }
        self.release(&unserved, &place);
        self.post_from(&place, now);
        self.judge_report(serial, at, now);
    }

    /// Sends what can be sent.
    pub(super) fn post(&mut self, now: &Moment) {
        let places: Vec<Place> = self
            .outboxes
            .keys()
            .map(|(schedule, action)| outbox_of(schedule, action))
            .collect();
        for place in places {
            self.post_from(&place, now);
        }
    }

    fn post_from(&mut self, place: &Place, now: &Moment) {
        let action = place.action.clone().unwrap_or_default();
        let key = (place.schedule.clone(), action.clone());
        let Some(outbox) = self.outboxes.get_mut(&key) else {
            return;
        };
        for (collector, outputs) in outbox.post(now.steady_us) {
            self.steps.push(Step::Post {
                schedule: place.schedule.clone(),
                action: action.clone(),
                collector,
                outputs,
            });
        }
    }

    pub(super) fn post_answered(
        &mut self,
        schedule: &str,
        action: &str,
        collector: &str,
        count: usize,
        answer: Answer,
        now: &Moment,
    ) {
        let seed = self.draw();
        let key = (schedule.to_owned(), action.to_owned());
        let Some(outbox) = self.outboxes.get_mut(&key) else {
            return;
        };
        let settled = outbox.answered(collector, count, answer, now.steady_us, seed);
        if outbox.is_over() {
            self.outboxes.remove(&key);
        }
        for (output, reason) in settled.refused {
            self.steps.push(Step::Quarantine {
                collector: collector.to_owned(),
                output,
                reason,
            });
        }
        let place = outbox_of(schedule, action);
        self.release(&settled.done, &place);
        self.post_from(&place, now);
        let reporting = self.runs.iter().find_map(|(serial, run)| {
            let acts = run.acts.iter();
            let at = acts
                .clone()
                .position(|act| act.phase == Phase::Reporting && act.action.name == action)?;
            (run.schedule.name == schedule).then_some((*serial, at))
        });
        if let Some((serial, at)) = reporting
            && self.judge_report(serial, at, now)
        {
            self.advance_run(serial, now);
        }
    }

    /// Ends a reporting action when nothing more comes of it now; what failed is tried again without it.
    fn judge_report(&mut self, serial: u32, at: usize, now: &Moment) -> bool {
        let Some(run) = self.runs.get(&serial) else {
            return false;
        };
        let key = (run.schedule.name.clone(), run.acts[at].action.name.clone());
        let verdict = match self.outboxes.get(&key) {
            Some(outbox) => outbox.verdict(),
            None => Some(Ok(())),
        };
        match verdict {
            None => false,
            Some(verdict) => {
                let fault = verdict.err();
                self.end_report(serial, at, fault.as_deref(), now);
                true
            }
        }
    }

    /// A reporting action is over. A report about reports would have no end: it yields nothing.
    pub(super) fn end_report(&mut self, serial: u32, at: usize, fault: Option<&str>, now: &Moment) {
        let (status, error) = match fault {
            None => (Status::Ok, ""),
            Some(fault) => (Status::Failed, fault),
        };
        self.note_end(serial, at, None, status, now.wall, error);
    }
}
