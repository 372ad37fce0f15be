//! Schedules at work: from events to starts and stops, and from results to where they are to go.
//!
//! The [`Machine`] is told what happens and says what is to be done. After each call, [`Machine::steps`] has what is new, and
//! [`Machine::wake_at`] when to call [`Machine::tick`] again.
//!
//! ```text
//! event ─▶ suppressed? running? ─▶ run ─▶ action ─▶ Step::Start ─▶ began ─▶ ended ─▶ output ─▶ destinations
//!               │                            │                       └▶ denied
//!               └──────── Step::Skipped ◀────┘
//! ```

mod counters;
mod hand_over;
mod json;
mod look;
mod progress;
#[cfg(test)]
mod tests;

pub use counters::{ActionCounters, Completion, ScheduleCounters};
pub use json::Planned;
pub(crate) use json::task_name as json_task_name;

use crate::control::{Action, Control, Schedule, Stop, Task};
use crate::event::{Agenda, Occurrence};
use crate::moment::Moment;
use crate::notice::{Notice, Skipped};
use crate::outbox::{Answer, Outbox};
use crate::output::{Conflict, Output, Place};
use crate::resolve::{Method, Resolved, resolve};
use crate::state::snapshot::Snapshot;
use crate::suppression::{self, Suppressions};
use glimpse_model::id::{InstructionId, ResultId, TaskId};
use glimpse_model::precondition::Precondition;
use glimpse_model::record::{Record, SkipReason};
use glimpse_model::time::{SECOND, Timestamp, Zone};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How long a run that was asked to end may take for it.
pub const STOP_GRACE: i64 = 10 * SECOND;

/// One run of one action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// What is to run. It is to pass the guard and the executor like any measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// How the answers name it.
    pub run: RunId,
    /// The schedule.
    pub schedule: String,
    /// The action.
    pub action: String,
    /// The task.
    pub task: String,
    /// The id of an instruction for its record.
    pub instruction_id: InstructionId,
    /// The id of a task for its record.
    pub task_id: TaskId,
    /// The method.
    pub method: String,
    /// Its options as given.
    pub options: Map<String, Value>,
    /// Under which circumstances.
    pub precondition: Precondition,
    /// Targets in the household's own network are meant.
    pub lan: bool,
    /// When it was due.
    pub event: Timestamp,
    /// What other actions yielded for it.
    pub input: Vec<Arc<Output>>,
}

/// How a run is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It may wait for what is outstanding, and yields what it has.
    Graceful,
    /// At once.
    Hard,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run this. Answers: [`Machine::began`] and [`Machine::ended`], or [`Machine::denied`].
    Start(Box<Start>),
    /// End this run. Answer: [`Machine::ended`].
    Stop(RunId, End),
    /// Send a report of as many of these as fit, from the first on. Answer: [`Machine::delivered`].
    Post {
        /// The schedule of the reporting action.
        schedule: String,
        /// The reporting action.
        action: String,
        /// Where to.
        collector: String,
        /// Nothing, for a report that says only that the agent is there.
        outputs: Vec<Arc<Output>>,
    },
    /// Store this under the id of its record, in place of what is there ([`Output::document`]).
    Keep(Arc<Output>, Vec<Place>),
    /// Nobody needs this result any more.
    Forget(ResultId),
    /// A collector will never take this result: put it aside.
    Quarantine {
        /// The collector.
        collector: String,
        /// The result.
        output: Arc<Output>,
        /// What it said.
        reason: String,
    },
    /// Record this, and tell those who listen.
    Skipped(Skipped),
    /// Tell those who listen.
    Notice(Notice),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its record, with its times.
    pub record: Record,
    /// The exit status or minus the signal, where it was a program; else by the record.
    pub status: Option<i32>,
}

/// Why a schedule was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotStarted {
    /// Why; none where there is no such schedule.
    pub reason: Option<SkipReason>,
    /// Why, in words.
    pub words: &'static str,
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Makes delays and ids; it should differ between agents and starts.
    pub seed: u64,
    /// The system's zone, for calendars without one.
    pub zone: Zone,
    /// What this agent measures.
    pub methods: Vec<Method>,
    /// Collectors by the names that the household gave them.
    pub channels: BTreeMap<String, String>,
    /// Bytes that may wait for collectors; above that nothing is measured.
    pub quota: u64,
    /// The agent is known to its controller: nothing runs before.
    pub registered: bool,
}

/// One schedule that is configured.
#[derive(Debug, Default)]
struct Live {
    counters: ScheduleCounters,
    queue: Vec<Arc<Output>>,
    run: Option<u32>,
}

/// What an action of a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Measuring,
    Reporting,
    Done,
}

#[derive(Debug, Clone, Copy)]
struct Stopping {
    hard_us: Option<i64>,
    discard: bool,
    hard: bool,
}

#[derive(Debug)]
struct Act {
    id: RunId,
    action: Action,
    task: Option<Task>,
    phase: Phase,
    input: Vec<Arc<Output>>,
    output: Option<Arc<Output>>,
    /// Its output went to the next action of this run and not to the queue of its own schedule.
    looped: bool,
    functions: Vec<String>,
    began: Option<Timestamp>,
    stopping: Option<Stopping>,
}

/// A run of a schedule, by the definitions with which it started.
#[derive(Debug)]
struct Running {
    schedule: Arc<Schedule>,
    event: Timestamp,
    cycle: Option<String>,
    started: Timestamp,
    deadline_us: Option<i64>,
    /// It is to end: nothing more is started.
    ending: bool,
    discard: bool,
    counted: bool,
    failed: bool,
    denied: bool,
    /// Results it took from the queue of its schedule.
    taken: Vec<Arc<Output>>,
    acts: Vec<Act>,
}

/// Who is busy: by either door.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Lmap(RunId),
    Json(InstructionId, TaskId),
}

/// An action under way, and what it has met.
#[derive(Debug)]
struct Busy {
    me: Conflict,
    met: BTreeSet<Conflict>,
}

/// The LMAP side of an agent.
#[derive(Debug)]
pub struct Machine {
    seed: u64,
    drawn: u64,
    methods: Vec<Method>,
    channels: BTreeMap<String, String>,
    quota: u64,
    control: Arc<Control>,
    agenda: Agenda,
    suppressions: Suppressions,
    live: BTreeMap<String, Live>,
    json: BTreeMap<String, ScheduleCounters>,
    json_slots: BTreeMap<String, json::Slot>,
    runs: BTreeMap<u32, Running>,
    last_run: u32,
    last_act: u64,
    busy: BTreeMap<Who, Busy>,
    outboxes: BTreeMap<(String, String), Outbox>,
    /// Where each stored result waits.
    places: BTreeMap<ResultId, BTreeSet<Place>>,
    steps: Vec<Step>,
    /// States that were told last.
    told: BTreeMap<(bool, String), &'static str>,
    started: Timestamp,
    contact: Option<Timestamp>,
}

fn start_of(schedule: &str) -> String {
    format!("schedule start {schedule}")
}

fn end_of(schedule: &str) -> String {
    format!("schedule end {schedule}")
}

/// Who names each event.
fn referrers(control: &Control) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
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
            control: Arc::default(),
            agenda,
            suppressions: Suppressions::default(),
            live: BTreeMap::new(),
            json: snapshot.json,
            json_slots: BTreeMap::new(),
            runs: BTreeMap::new(),
            last_run: 0,
            last_act: 0,
            busy: BTreeMap::new(),
            outboxes: BTreeMap::new(),
            places: BTreeMap::new(),
            steps: Vec::new(),
            told: BTreeMap::new(),
            started: now.wall,
            contact: None,
        };
        let mut marks = snapshot.marks;
        if !snapshot.clean {
            // The machine went down without notice: which times passed before that, nobody knows.
            for mark in marks.values_mut() {
                mark.cursor = mark.cursor.max(now.wall.plus_micros(-1));
            }
        }
        machine
            .suppressions
            .configure(&control.suppressions, &snapshot.held);
        let names = referrers(&control);
        let timeout = control.agent.controller_timeout_s;
        machine
            .agenda
            .configure(&control.events, &names, timeout, &marks, now);
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

    /// What is to be done since this was asked last, in its order.
    pub fn steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

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

    /// Another configuration is in force. What runs goes on by its old definition, and what has not changed notices nothing; what is
    /// no longer there is ended.
    pub fn configure(&mut self, control: Control, now: &Moment) {
        let names = referrers(&control);
        let timeout = control.agent.controller_timeout_s;
        let none = BTreeMap::new();
        self.agenda
            .configure(&control.events, &names, timeout, &none, now);
        self.suppressions
            .configure(&control.suppressions, &BTreeMap::new());
        let mut old = std::mem::take(&mut self.live);
        for schedule in &control.schedules {
            let mut live = old.remove(&schedule.name).unwrap_or_default();
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

    /// Other methods or channels.
    pub fn equip(
        &mut self,
        methods: Vec<Method>,
        channels: BTreeMap<String, String>,
        now: &Moment,
    ) {
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

    /// What is configured.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// Bytes of results that wait.
    pub fn storage(&self) -> u64 {
        let queues = self.live.values().flat_map(|live| live.queue.iter());
        look::sum(queues.chain(self.outboxes.values().flat_map(Outbox::outputs)))
    }

    /// Follows time and all that comes of it, then tells what has changed.
    fn settle(&mut self, now: &Moment) {
        // What an occurrence starts may end at once and start another thing; what it cannot do is go back in time.
        let happened = self.agenda.advance(now);
        if happened.lost {
            self.steps.push(Step::Notice(Notice::ControllerState {
                connected: false,
                last_contact: self.contact,
            }));
        }
        for missed in happened.missed {
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
                    words: "the time passed while the agent was off, asleep or busy".to_owned(),
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
        let mut states = BTreeMap::new();
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

    fn find(&self, run: RunId) -> Option<(u32, usize)> {
        self.runs.iter().find_map(|(serial, running)| {
            let mut acts = running.acts.iter();
            acts.position(|act| act.id == run).map(|at| (*serial, at))
        })
    }

    fn resolve(&self, act: &Act) -> Result<Resolved, crate::resolve::Unresolved> {
        resolve(
            act.task.as_ref(),
            &act.action,
            &self.methods,
            &self.channels,
        )
    }

    /// 64 bits that differ from all before.
    fn draw(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        crate::names::digest64(&(self.seed ^ self.drawn.rotate_left(32)).to_be_bytes())
    }

    fn new_id(&mut self, now: &Moment) -> ResultId {
        let (a, b) = (self.draw().to_be_bytes(), self.draw().to_be_bytes());
        ResultId::from_parts(
            now.wall,
            [a[0], a[1], a[2], a[3], a[4], a[5], b[0], b[1], b[2], b[3]],
        )
    }
}

impl Act {
    fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Measuring | Phase::Reporting)
    }
}

fn queue_of(schedule: &str) -> Place {
    Place {
        schedule: schedule.to_owned(),
        action: None,
    }
}
