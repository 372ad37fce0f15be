//! What a machine is told: its beginning, other configurations, contact, and how runs and reports fare.

use super::{
    Ended, Live, Machine, NotStarted, Parts, RunId, Step, end_of, queue_of, start_of,
    storage::Storage,
};
use crate::collectors::Collectors;
use crate::control::{Control, Stop};
use crate::event::Agenda;
use crate::moment::Moment;
use crate::notice::Notice;
use crate::outbox::Answer;
use crate::output::{Output, Place};
use crate::resolve::Method;
use crate::state::snapshot::Snapshot;
use crate::suppression::{self, Suppressions};
use glimpse_model::record::SkipReason;
use glimpse_model::sorted::{SortedMap, SortedSet};
use glimpse_model::time::Timestamp;
use std::sync::Arc;

/// Who names each event.
fn referrers(control: &Control) -> SortedMap<String, SortedSet<String>> {
    let mut all: SortedMap<String, SortedSet<String>> = SortedMap::new();
    let mut note = |event: &str, referrer: String| {
        all.entry(event.to_owned()).or_default().insert(referrer);
    };
    for schedule in &control.schedules {
        note(&schedule.start, start_of(&schedule.name));
        if let Some(Stop::End(end)) = &schedule.stop {
            note(end, end_of(&schedule.name));
        }
    }
    for suppression in &control.suppressions {
        if let Some(start) = &suppression.start {
            note(start, suppression::start_of(&suppression.name));
        }
        if let Some(end) = &suppression.end {
            note(end, suppression::end_of(&suppression.name));
        }
    }
    all
}

impl Machine {
    /// The agent starts with this configuration. `snapshot` is what a former process left, `outputs` the results it had stored.
    pub fn new(
        parts: Parts,
        control: Control,
        snapshot: Snapshot,
        outputs: Vec<(Output, Vec<Place>)>,
        now: &Moment,
    ) -> Self {
        let mut agenda = Agenda::new(parts.seed, parts.zone, snapshot.lost, now);
        agenda.open(parts.registered);
        let mut machine = Self {
            seed: parts.seed,
            drawn: 0,
            methods: parts.methods,
            channels: parts.channels,
            quota: parts.quota,
            block: parts.block,
            control: Arc::default(),
            agenda,
            suppressions: Suppressions::default(),
            live: SortedMap::new(),
            json: snapshot.json,
            json_slots: SortedMap::new(),
            runs: SortedMap::new(),
            last_run: 0,
            last_act: 0,
            busy: SortedMap::new(),
            outboxes: SortedMap::new(),
            storage: Storage::default(),
            steps: Vec::new(),
            told: SortedMap::new(),
            started: now.wall,
            contact: None,
        };
        let names = referrers(&control);
        let timeout = control.agent.controller_timeout_s;
        machine
            .agenda
            .configure(&control.events, &names, timeout, &snapshot.marks, now);
        if !snapshot.clean {
            machine.agenda.doubt(now);
        }
        let agenda = &machine.agenda;
        machine.suppressions.configure(
            &control.suppressions,
            &snapshot.held,
            |_| false,
            |event| agenda.is_over(event, now),
        );
        for schedule in &control.schedules {
            let counters = snapshot.schedules.get(&schedule.name).cloned();
            let live = Live {
                counters: counters.unwrap_or_default(),
                ..Live::default()
            };
            machine.live.insert(schedule.name.clone(), live);
        }
        machine.control = Arc::new(control);
        machine.restore(outputs);
        machine.agenda.startup(now);
        machine.settle(now);
        machine
    }

    /// Another configuration is in force. What runs goes on by its old definition, and what has not changed notices nothing; what is
    /// no longer there is ended.
    pub fn configure(&mut self, control: Control, now: &Moment) {
        let names = referrers(&control);
        let timeout = control.agent.controller_timeout_s;
        let none = SortedMap::new();
        self.agenda
            .configure(&control.events, &names, timeout, &none, now);
        let (before, agenda) = (&self.control, &self.agenda);
        self.suppressions.configure(
            &control.suppressions,
            &SortedMap::new(),
            |event| before.event(event) != control.event(event),
            |event| agenda.is_over(event, now),
        );
        let mut old = std::mem::take(&mut self.live);
        for schedule in &control.schedules {
            let mut live = old.remove(&schedule.name).unwrap_or_default();
            live.sizes.clear();
            let known = |name: &String| schedule.actions.iter().any(|action| action.name == *name);
            live.counters.actions.retain(|name, _| known(name));
            self.live.insert(schedule.name.clone(), live);
        }
        self.control = Arc::new(control);
        for (name, live) in old {
            self.release(&live.queue, &queue_of(&name));
            if let Some(run) = live.run {
                self.stop_run(run, true, now);
            }
        }
        self.serve_outboxes();
        self.stop_suppressed(now);
        self.settle(now);
    }

    /// Other methods or collectors.
    pub fn equip(&mut self, methods: Vec<Method>, channels: Collectors, now: &Moment) {
        self.methods = methods;
        self.channels = channels;
        self.serve_outboxes();
        self.settle(now);
    }

    /// Whether the agent is known to its controller. What was due before is not made up for, but events of a start or an edit wait.
    pub fn set_registered(&mut self, registered: bool, now: &Moment) {
        self.agenda.open(registered);
        self.settle(now);
    }

    /// What time brings.
    pub fn tick(&mut self, now: &Moment) {
        self.settle(now);
    }

    /// An authenticated exchange with the controller has just been completed, whichever side asked.
    pub fn contact(&mut self, now: &Moment) {
        self.contact = Some(now.wall);
        if self.agenda.contact(now) {
            self.steps.push(Step::Notice(Notice::ControllerState {
                connected: true,
                last_contact: Some(now.wall),
            }));
        }
        self.settle(now);
    }

    /// Starts a schedule because somebody asks. Returns its event's time.
    ///
    /// # Errors
    /// [`NotStarted`].
    pub fn trigger(&mut self, schedule: &str, now: &Moment) -> Result<Timestamp, NotStarted> {
        let Some(definition) = self.control.schedule(schedule).cloned() else {
            return Err(NotStarted {
                reason: None,
                words: "there is no such schedule",
            });
        };
        let cycle = self.agenda.cycle(&definition.start, now.wall);
        let outcome = self.begin(&definition, now.wall, cycle, now);
        self.settle(now);
        outcome.map(|()| now.wall)
    }

    /// A run has its place and measures from now on.
    pub fn began(&mut self, run: RunId, now: &Moment) {
        if let Some((serial, at)) = self.find(run) {
            self.act_began(serial, at, now);
        }
        self.settle(now);
    }

    /// A run is over, whether or not it was asked to end.
    pub fn ended(&mut self, run: RunId, ended: Ended, now: &Moment) {
        if let Some((serial, at)) = self.find(run) {
            self.act_ended(serial, at, ended, now);
        }
        self.settle(now);
    }

    /// A run does not take place, for a reason of the household or of the moment. It counts as a suppression.
    pub fn denied(&mut self, run: RunId, reason: SkipReason, words: &str, now: &Moment) {
        if let Some((serial, at)) = self.find(run) {
            self.act_denied(serial, at, reason, words, now);
        }
        self.settle(now);
    }

    /// A collector has answered [`Step::Post`]; the report held the first `count` of its results.
    pub fn delivered(
        &mut self,
        schedule: &str,
        action: &str,
        collector: &str,
        count: usize,
        answer: Answer,
        now: &Moment,
    ) {
        self.post_answered(schedule, action, collector, count, answer, now);
        self.settle(now);
    }
}
