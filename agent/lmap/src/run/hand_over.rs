//! Where results wait: in queues of schedules, and at reporting actions.

use super::{Ended, Machine, Phase, Running, Step, queue_of};
use crate::moment::Moment;
use crate::notice::Notice;
use crate::outbox::Answer;
use crate::output::{Output, Place};
use crate::resolve::{Resolved, resolve};
use glimpse_model::record::{Record, Status};
use std::collections::BTreeSet;
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
            // The next action of this run has it, if there came to be one.
            let looped = act.looped && run.acts[at + 1..].iter().any(|next| next.began.is_some());
            let Some(output) = act.output.as_ref().filter(|_| !run.discard) else {
                continue;
            };
            let mut places = BTreeSet::new();
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

    /// Notes that a result waits at more places, and has it stored.
    fn keep(&mut self, output: &Arc<Output>, places: BTreeSet<Place>) {
        if places.is_empty() {
            return;
        }
        let id = output.record.id;
        let known = self.places.entry(id).or_default();
        let new = known.is_empty();
        known.extend(places);
        let all = known.iter().cloned().collect();
        self.steps.push(Step::Keep(output.clone(), all));
        if new {
            self.steps.push(Step::Notice(Notice::ResultStored {
                id: id.to_string(),
                schedule: output.schedule.clone(),
                action: output.action.clone(),
                event: output.event,
                status: output.status,
            }));
        }
    }

    /// Results no longer wait at a place; those that wait nowhere are forgotten.
    pub(super) fn release(&mut self, outputs: &[Arc<Output>], place: &Place) {
        for output in outputs {
            let id = output.record.id;
            let Some(places) = self.places.get_mut(&id) else {
                continue;
            };
            places.remove(place);
            if places.is_empty() {
                self.places.remove(&id);
                self.steps.push(Step::Forget(id));
            }
        }
    }

    /// Results that a former process had stored wait where they had waited.
    pub(super) fn restore(&mut self, outputs: Vec<(Output, Vec<Place>)>) {
        let control = self.control.clone();
        for (output, places) in outputs {
            let output = Arc::new(output);
            let id = output.record.id;
            for place in places {
                let Some(live) = self.live.get_mut(&place.schedule) else {
                    continue;
                };
                let action = place.action.as_ref().and_then(|name| {
                    let schedule = control.schedule(&place.schedule)?;
                    schedule.actions.iter().find(|action| action.name == *name)
                });
                let report = action.map(|action| {
                    resolve(
                        control.task(&action.task),
                        action,
                        &self.methods,
                        &self.channels,
                    )
                });
                if let (Some(action), Some(Ok(Resolved::Report { collectors, .. }))) =
                    (action, report)
                {
                    let key = (place.schedule.clone(), action.name.clone());
                    let outbox = self.outboxes.entry(key).or_default();
                    outbox.serve(&collectors);
                    outbox.push(output.clone());
                    self.places.entry(id).or_default().insert(place);
                } else {
                    live.queue.push(output.clone());
                    let queue = queue_of(&place.schedule);
                    self.places.entry(id).or_default().insert(queue);
                }
            }
            if !self.places.contains_key(&id) {
                self.steps.push(Step::Forget(id));
            }
        }
    }

    /// Collectors may have changed with the configuration.
    pub(super) fn serve_outboxes(&mut self) {
        let control = self.control.clone();
        let mut released = Vec::new();
        for ((schedule, action), outbox) in &mut self.outboxes {
            let definition = control
                .schedule(schedule)
                .and_then(|schedule| schedule.actions.iter().find(|other| other.name == *action));
            let collectors = definition.and_then(|action| {
                match resolve(
                    control.task(&action.task),
                    action,
                    &self.methods,
                    &self.channels,
                ) {
                    Ok(Resolved::Report { collectors, .. }) => Some(collectors),
                    _ => None,
                }
            });
            let done = outbox.serve(&collectors.unwrap_or_default());
            released.push((outbox_of(schedule, action), done));
        }
        for (place, done) in released {
            self.release(&done, &place);
        }
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
        outbox.begin(heartbeat);
        let mut fresh = Vec::new();
        for output in input {
            if outbox
                .outputs()
                .all(|known| known.record.id != output.record.id)
            {
                outbox.push(output.clone());
                fresh.push(output);
            }
        }
        for output in fresh {
            match self.places.get_mut(&output.record.id) {
                // It is stored already; where it is restored to, this action will find it.
                Some(places) => drop(places.insert(place.clone())),
                None => self.keep(&output, BTreeSet::from([place.clone()])),
            }
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
                self.end_report(serial, at, verdict, now);
                true
            }
        }
    }

    pub(super) fn end_report(
        &mut self,
        serial: u32,
        at: usize,
        verdict: Result<(), String>,
        now: &Moment,
    ) {
        let began = self.act(serial, at).and_then(|act| act.began);
        let id = self.new_id(now);
        let mut record = Record::new(id, Status::Ok);
        record.start_time = began;
        record.end_time = Some(now.wall);
        if let Err(reason) = verdict {
            record.status = Status::Failed;
            record.error = reason;
        }
        let ended = Ended {
            record,
            status: None,
        };
        // A report about reports would have no end.
        self.conclude(serial, at, ended, now);
        if let Some(run) = self.runs.get_mut(&serial) {
            let own = run.acts[at].output.take();
            if let (Some(own), Some(next)) = (own, run.acts.get_mut(at + 1)) {
                next.input
                    .retain(|output| output.record.id != own.record.id);
            }
        }
    }
}
