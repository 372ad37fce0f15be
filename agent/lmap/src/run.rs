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
//!
//! What waits is never deleted to make room, nor because an action does not run: it goes when all collectors have it, when whoever it
//! was for is configured away, or when an action has measured to which nothing is joined. Between the actions of a sequence or a
//! pipeline it takes the way that `flow` says.

mod counters;
mod ending;
mod flow;
mod hand_over;
mod json;
mod look;
mod progress;
mod storage;
#[cfg(test)]
mod tests;
mod time;
mod told;

pub use counters::{ActionCounters, Completion, ScheduleCounters};
pub use json::Planned;
pub(crate) use json::task_name as json_task_name;

use crate::collectors::Collectors;
use crate::control::{Action, Control, Schedule, Task};
use crate::event::Agenda;
use crate::moment::Moment;
use crate::notice::{Notice, Skipped};
use crate::outbox::Outbox;
use crate::output::{Conflict, Output, Place};
use crate::resolve::{Method, Resolved, Unresolved, resolve};
use crate::suppression::Suppressions;
use glimpse_model::id::{InstructionId, ResultId, TaskId};
use glimpse_model::precondition::Precondition;
use glimpse_model::record::{Record, SkipReason};
use glimpse_model::sorted::{SortedMap, SortedSet};
use glimpse_model::time::{SECOND, Timestamp, Zone};
use serde_json::{Map, Value};
use std::sync::Arc;
use storage::Storage;

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
    /// Collectors that tasks may name.
    pub channels: Collectors,
    /// Bytes that may wait for collectors; above that nothing is measured.
    pub quota: u64,
    /// Bytes of a block where results are stored ([`crate::output::BLOCK`] where that is not known).
    pub block: u64,
    /// The agent is known to its controller: nothing runs before.
    pub registered: bool,
}

/// One schedule that is configured.
#[derive(Debug, Default)]
struct Live {
    counters: ScheduleCounters,
    queue: Vec<Arc<Output>>,
    run: Option<u32>,
    /// What the last result of each action took where it waited.
    sizes: SortedMap<String, u64>,
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
    /// It hands results over, or is meant to.
    reports: bool,
    input: Vec<Arc<Output>>,
    output: Option<Arc<Output>>,
    /// Its output went to the next action of this run and not to the queue of its own schedule.
    looped: bool,
    functions: Vec<String>,
    began: Option<Timestamp>,
    /// Nothing of it ran, though it counts as begun.
    void: bool,
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
    /// Those of its results, and of those it took, that an action has used.
    used: SortedSet<ResultId>,
    /// Actions, by their places, that found no room for a result; one more than once, if it comes to that.
    crowded: Vec<usize>,
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
    met: SortedSet<Conflict>,
}

/// The LMAP side of an agent.
#[derive(Debug)]
pub struct Machine {
    seed: u64,
    drawn: u64,
    methods: Vec<Method>,
    channels: Collectors,
    quota: u64,
    block: u64,
    control: Arc<Control>,
    agenda: Agenda,
    suppressions: Suppressions,
    live: SortedMap<String, Live>,
    json: SortedMap<String, ScheduleCounters>,
    json_slots: SortedMap<String, json::Slot>,
    runs: SortedMap<u32, Running>,
    last_run: u32,
    last_act: u64,
    busy: SortedMap<Who, Busy>,
    outboxes: SortedMap<(String, String), Outbox>,
    storage: Storage,
    steps: Vec<Step>,
    /// States that were told last.
    told: SortedMap<(bool, String), &'static str>,
    started: Timestamp,
    contact: Option<Timestamp>,
}

impl Machine {
    /// What is to be done since this was asked last, in its order.
    pub fn steps(&mut self) -> Vec<Step> {
        std::mem::take(&mut self.steps)
    }

    /// What is configured.
    pub fn control(&self) -> &Arc<Control> {
        &self.control
    }

    fn find(&self, run: RunId) -> Option<(u32, usize)> {
        self.runs.iter().find_map(|(serial, running)| {
            let mut acts = running.acts.iter();
            acts.position(|act| act.id == run).map(|at| (*serial, at))
        })
    }

    fn resolve(&self, act: &Act) -> Result<Resolved, Unresolved> {
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

impl Live {
    /// The schedule of a run, unless it was configured away: one that has come in its place has a run of its own.
    fn of<'a>(
        all: &'a mut SortedMap<String, Self>,
        name: &str,
        serial: u32,
    ) -> Option<&'a mut Self> {
        all.get_mut(name).filter(|live| live.run == Some(serial))
    }
}

impl Act {
    fn is_active(&self) -> bool {
        matches!(self.phase, Phase::Measuring | Phase::Reporting)
    }
}

fn start_of(schedule: &str) -> String {
    format!("schedule start {schedule}")
}

pub(crate) fn end_of(schedule: &str) -> String {
    format!("schedule end {schedule}")
}

fn queue_of(schedule: &str) -> Place {
    Place {
        schedule: schedule.to_owned(),
        action: None,
    }
}
