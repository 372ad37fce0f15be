//! What time brings: events, deadlines, and the states that change with them.

use super::{End, Machine, Step, end_of, start_of};
use crate::control::Stop;
use crate::event::{Missed, Occurrence};
use crate::moment::Moment;
use crate::notice::{Notice, Skipped};
use crate::outbox::Outbox;
use glimpse_model::record::SkipReason;
use glimpse_model::sorted::SortedMap;
use glimpse_model::time::Timestamp;

impl Machine {
    /// When to call [`Machine::tick`] next, unless the clock is set; `None` while nothing is planned.
    pub fn wake_at(&self, now: &Moment) -> Option<Timestamp> {
        let runs = self.runs.values().flat_map(|run| {
            let stops = run.acts.iter().filter(|act| act.is_active());
            let hard = stops.filter_map(|act| act.stopping?.hard_us);
            hard.chain(run.deadline_us.filter(|_| !run.ending))
        });
        let outboxes = self.outboxes.values().filter_map(Outbox::wake_us);
        runs.chain(outboxes)
            .chain(self.agenda.wake_us(now))
            .min()
            .map(|at| now.wall_at(at).max(now.wall))
    }

    /// Follows time and all that comes of it, then tells what has changed.
    pub(super) fn settle(&mut self, now: &Moment) {
        // What an occurrence starts may end at once and start another thing; what it cannot do is go back in time.
        let happened = self.agenda.advance(now);
        if happened.lost {
            self.steps.push(Step::Notice(Notice::ControllerState {
                connected: false,
                last_contact: self.contact,
            }));
        }
        self.miss(&happened.missed, now);
        for missed in happened.missed {
            if missed.unsure {
                continue;
            }
            let words = if missed.crowded {
                "too many starts wait for their random delay"
            } else {
                "the time passed while the agent was off, asleep or busy"
            };
            let schedules = self.control.schedules.iter();
            let of_event = schedules.filter(|schedule| schedule.start == missed.event);
            self.steps.extend(of_event.map(|schedule| {
                Step::Skipped(Skipped {
                    schedule: schedule.name.clone(),
                    action: None,
                    first: missed.first,
                    last: missed.last,
                    count: missed.count,
                    reason: SkipReason::Missed,
                    words: words.to_owned(),
                })
            }));
        }
        for occurrence in happened.occurrences {
            self.occur(&occurrence, now);
        }
        self.follow_timers(now);
        self.post(now);
        self.tell();
    }

    /// What nobody saw happen starts nothing, yet ends what it was to end.
    fn miss(&mut self, missed: &[Missed], now: &Moment) {
        if missed.is_empty() {
            return;
        }
        self.suppressions.miss(missed);
        self.stop_suppressed(now);
        let control = self.control.clone();
        for schedule in &control.schedules {
            let Some(Stop::End(end)) = &schedule.stop else {
                continue;
            };
            let mut missed = missed.iter().filter(|missed| !missed.crowded);
            let run = self.live.get(&schedule.name).and_then(|live| live.run);
            if let Some(serial) = run
                && let Some(run) = self.runs.get(&serial)
                && missed.any(|missed| missed.event == *end && run.started <= missed.last)
            {
                self.stop_run(serial, false, now);
            }
        }
    }

    /// An event happens: first to suppressions, then to what it ends, then to what it starts.
    fn occur(&mut self, occurrence: &Occurrence, now: &Moment) {
        self.suppressions.occur(occurrence);
        self.stop_suppressed(now);
        let control = self.control.clone();
        for schedule in &control.schedules {
            let ends = matches!(&schedule.stop, Some(Stop::End(end)) if *end == occurrence.event);
            if ends
                && occurrence.is_for(&end_of(&schedule.name))
                && let Some(run) = self.live.get(&schedule.name).and_then(|live| live.run)
            {
                self.stop_run(run, false, now);
            }
        }
        for schedule in &control.schedules {
            if schedule.start == occurrence.event && occurrence.is_for(&start_of(&schedule.name)) {
                // Why not is told by a step.
                let _ = self.begin(schedule, occurrence.nominal, occurrence.cycle.clone(), now);
            }
        }
    }

    fn follow_timers(&mut self, now: &Moment) {
        let late = |at: Option<i64>| at.is_some_and(|at| at <= now.steady_us);
        let overdue: Vec<u32> = self
            .runs
            .iter()
            .filter(|(_, run)| !run.ending && late(run.deadline_us))
            .map(|(serial, _)| *serial)
            .collect();
        for serial in overdue {
            self.stop_run(serial, false, now);
        }
        for act in self.runs.values_mut().flat_map(|run| &mut run.acts) {
            if act.is_active()
                && let Some(stopping) = &mut act.stopping
                && late(stopping.hard_us)
            {
                stopping.hard_us = None;
                stopping.hard = true;
                self.steps.push(Step::Stop(act.id, End::Hard));
            }
        }
    }

    /// Tells the states that have changed.
    fn tell(&mut self) {
        let mut states = SortedMap::new();
        for schedule in &self.control.schedules {
            let state = self.schedule_state(schedule).as_str();
            states.insert((false, schedule.name.clone()), state);
        }
        for suppression in &self.control.suppressions {
            let state = self.suppression_state(&suppression.name).as_str();
            states.insert((true, suppression.name.clone()), state);
        }
        for ((is_suppression, name), state) in &states {
            if self.told.get(&(*is_suppression, name.clone())) == Some(state) {
                continue;
            }
            let (name, state) = (name.clone(), *state);
            self.steps.push(Step::Notice(if *is_suppression {
                Notice::SuppressionState {
                    suppression: name,
                    state,
                }
            } else {
                Notice::ScheduleState {
                    schedule: name,
                    state,
                }
            }));
        }
        self.told = states;
    }
}
