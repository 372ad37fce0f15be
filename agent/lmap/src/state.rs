//! The operational tree: what is configured, by either door, with its state.

pub mod snapshot;
#[cfg(test)]
mod tests;

use crate::control::write::{Beside, tree};
use crate::control::{Action, Event, Schedule, Suppression};
use crate::function::{self, REPORT_FUNCTION, REPORT_PROGRAM, REPORT_ROLE};
use crate::moment::Moment;
use crate::run::{ActionCounters, Machine, ScheduleCounters};
use crate::shown::{Exact, Shown};
use crate::suppression::SuppressionState;
use glimpse_model::capability::Need;
use glimpse_model::options::{Kind, OptionSpec};
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::Timestamp;
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::Schema;
use glimpse_yang::{Error, Tree};

/// `schedule/state` and `action/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It waits for its event.
    Enabled,
    /// It can never start, as things are configured.
    Disabled,
    /// It runs.
    Running,
    /// It is suppressed.
    Suppressed,
}

impl RunState {
    /// The word of the module.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Running => "running",
            Self::Suppressed => "suppressed",
        }
    }
}

/// What the tree says of the agent as a whole.
#[derive(Debug, Clone)]
pub struct About<'a> {
    /// Program and version, such as `glimpse-agent/0.1.0`.
    pub version: &'a str,
    /// Free labels of what it can do.
    pub tags: &'a [String],
    /// Schedules that the JSON door and this one accept together.
    pub max_schedules: u32,
    /// Measurements that run side by side.
    pub max_parallel: u32,
}

impl Machine {
    /// The state of a schedule: running before suppressed before enabled.
    pub fn schedule_state(&self, schedule: &Schedule) -> RunState {
        if self.is_running(&schedule.name) {
            RunState::Running
        } else if self.suppressions().suppresses(&schedule.suppression_tags) {
            RunState::Suppressed
        } else if self.agenda().is_exhausted(&schedule.start) {
            RunState::Disabled
        } else {
            RunState::Enabled
        }
    }

    /// The state of an action. One that cannot be resolved can never start.
    pub fn action_state(&self, schedule: &Schedule, action: &Action) -> RunState {
        let tags = &action.suppression_tags;
        if self.is_action_running(&schedule.name, &action.name) {
            RunState::Running
        } else if self.suppressions().suppresses(tags)
            || self.suppressions().suppresses(&schedule.suppression_tags)
        {
            RunState::Suppressed
        } else if self.agenda().is_exhausted(&schedule.start) || !self.can_resolve(action) {
            RunState::Disabled
        } else {
            RunState::Enabled
        }
    }

    /// The state of a suppression.
    pub fn suppression_state(&self, name: &str) -> SuppressionState {
        let exhausted = |event: &str| self.agenda().is_exhausted(event);
        self.suppressions().state(name, exhausted)
    }

    /// `/lmap` with its state: what is configured here, and what `shown` has of the JSON door. An action that never ran lacks its
    /// `last-` leaves, for which there is no truth to tell (RFC 8342 §5.3).
    ///
    /// # Errors
    /// [`glimpse_yang::Tag::UnknownElement`] where the schema lacks our modules.
    pub fn operational(
        &self,
        schema: &'static Schema,
        shown: &Shown,
        about: &About<'_>,
        now: &Moment,
    ) -> Result<Tree, Error> {
        let here = self.control();
        let rest = shown.beside(here);
        let state = State {
            machine: self,
            shown,
            json: rest.schedules.iter().map(|s| s.name.as_str()).collect(),
            about,
            now,
        };
        tree(schema, &[here, &rest], &state)
    }
}

struct State<'a> {
    machine: &'a Machine,
    shown: &'a Shown,
    /// Schedules that are instructions of the JSON door.
    json: SortedSet<&'a str>,
    about: &'a About<'a>,
    now: &'a Moment,
}

fn put_time(d: &mut Draft, leaf: &str, at: Option<Timestamp>) -> Result<(), Error> {
    d.maybe(leaf, at.map(|at| at.to_string()).as_deref())?;
    Ok(())
}

fn put_counters(
    d: &mut Draft,
    storage: u64,
    [invocations, suppressions, overlaps, failures]: [u32; 4],
    last: Option<Timestamp>,
) -> Result<(), Error> {
    d.leaf("storage", &storage.to_string())?
        .leaf("invocations", &invocations.to_string())?
        .leaf("suppressions", &suppressions.to_string())?
        .leaf("overlaps", &overlaps.to_string())?
        .leaf("failures", &failures.to_string())?;
    put_time(d, "last-invocation", last)
}

impl State<'_> {
    fn counters(&self, schedule: &str) -> Option<&ScheduleCounters> {
        if self.json.contains(schedule) {
            let instruction = self.shown.instruction_of(schedule)?;
            self.machine.json_counters(instruction)
        } else {
            self.machine.counters(schedule)
        }
    }
}

impl State<'_> {
    /// The milliseconds of an event of the JSON door.
    fn exact(&self, event: &Event) -> Option<Exact> {
        let here = self.machine.control().event(&event.name).is_some();
        self.shown.exact(&event.name).filter(|_| !here).copied()
    }
}

impl Beside for State<'_> {
    fn capabilities(&self, lmap: &mut Draft) -> Result<(), Error> {
        lmap.container("capabilities", |d| {
            d.leaf("version", self.about.version)?
                .leaf_list("tag", self.about.tags)?;
            d.container("tasks", |d| {
                for method in self.machine.methods() {
                    d.entry("task", |d| {
                        d.leaf("name", &method.name)?;
                        for uri in &method.functions {
                            d.entry("function", |d| {
                                d.leaf("uri", uri)?.maybe("role", function::role(uri))?;
                                Ok(())
                            })?;
                        }
                        d.leaf("version", self.about.version)?
                            .leaf("program", &method.name)?;
                        d.leaf_list("glimpse-agent:need", method.needs.iter().copied().map(need))?;
                        for spec in method.options.iter() {
                            d.entry("glimpse-agent:option", |d| put_spec(spec, d))?;
                        }
                        Ok(())
                    })?;
                }
                d.entry("task", |d| {
                    d.leaf("name", REPORT_PROGRAM)?;
                    d.entry("function", |d| {
                        d.leaf("uri", REPORT_FUNCTION)?.leaf("role", REPORT_ROLE)?;
                        Ok(())
                    })?;
                    d.leaf("version", self.about.version)?
                        .leaf("program", REPORT_PROGRAM)?;
                    Ok(())
                })?;
                Ok(())
            })?;
            d.leaf(
                "glimpse-agent:max-schedules",
                &self.about.max_schedules.to_string(),
            )?
            .leaf(
                "glimpse-agent:max-parallel",
                &self.about.max_parallel.to_string(),
            )?;
            Ok(())
        })?;
        Ok(())
    }

    fn agent(&self, agent: &mut Draft) -> Result<(), Error> {
        put_time(agent, "last-started", Some(self.machine.started()))
    }

    fn schedule(&self, schedule: &Schedule, d: &mut Draft) -> Result<(), Error> {
        let json = self.json.contains(schedule.name.as_str());
        let name = schedule.name.as_str();
        let (state, next) = if json {
            let entry = self.shown.entry(name);
            let done = entry.is_none_or(|entry| entry.next.is_none() && !entry.on_demand);
            let state = match self
                .machine
                .is_json_running(self.shown.instruction_of(name))
            {
                true => RunState::Running,
                false if done => RunState::Disabled,
                false => RunState::Enabled,
            };
            (state, entry.and_then(|entry| entry.next))
        } else {
            let next = self.machine.agenda().next(&schedule.start, self.now);
            (self.machine.schedule_state(schedule), next)
        };
        d.leaf("state", state.as_str())?;
        let none = ScheduleCounters::default();
        let counters = self.counters(name).unwrap_or(&none);
        put_counters(
            d,
            self.machine.schedule_storage(name),
            [
                counters.invocations,
                counters.suppressions,
                counters.overlaps,
                counters.failures,
            ],
            counters.last_invocation,
        )?;
        d.leaf("glimpse-agent:origin", if json { "json" } else { "lmap" })?;
        d.maybe(
            "glimpse-agent:instruction-id",
            self.shown.instruction_of(name).filter(|_| json),
        )?;
        put_time(d, "glimpse-agent:next-start", next)
    }

    fn action(&self, schedule: &Schedule, action: &Action, d: &mut Draft) -> Result<(), Error> {
        let json = self.json.contains(schedule.name.as_str());
        let instruction = self.shown.instruction_of(&schedule.name);
        let state = if !json {
            self.machine.action_state(schedule, action)
        } else if self.machine.is_json_task_running(instruction, &action.name) {
            RunState::Running
        } else {
            RunState::Enabled
        };
        d.leaf("state", state.as_str())?;
        let none = ActionCounters::default();
        let counters = self
            .counters(&schedule.name)
            .and_then(|counters| counters.actions.get(&action.name))
            .unwrap_or(&none);
        put_counters(
            d,
            self.machine.action_storage(&schedule.name, &action.name),
            [
                counters.invocations,
                counters.suppressions,
                counters.overlaps,
                counters.failures,
            ],
            counters.last_invocation,
        )?;
        if let Some(last) = &counters.last {
            put_time(d, "last-completion", Some(last.at))?;
            d.leaf("last-status", &last.status.to_string())?
                .leaf("last-message", &last.message)?;
        }
        if let Some(last) = &counters.last_failed {
            put_time(d, "last-failed-completion", Some(last.at))?;
            d.leaf("last-failed-status", &last.status.to_string())?
                .leaf("last-failed-message", &last.message)?;
        }
        Ok(())
    }

    fn suppression(&self, suppression: &Suppression, d: &mut Draft) -> Result<(), Error> {
        d.leaf(
            "state",
            self.machine.suppression_state(&suppression.name).as_str(),
        )?;
        Ok(())
    }

    fn event(&self, event: &Event, d: &mut Draft) -> Result<(), Error> {
        let spread = self.exact(event).and_then(|exact| exact.spread_ms);
        d.maybe(
            "glimpse-agent:random-spread-ms",
            spread.map(|ms| ms.to_string()).as_deref(),
        )?;
        Ok(())
    }

    fn periodic(&self, event: &Event, d: &mut Draft) -> Result<(), Error> {
        let interval = self.exact(event).and_then(|exact| exact.interval_ms);
        d.maybe(
            "glimpse-agent:interval-ms",
            interval.map(|ms| ms.to_string()).as_deref(),
        )?;
        Ok(())
    }
}

const fn need(need: Need) -> &'static str {
    match need {
        Need::RawSocket => "raw_socket",
        Need::Peer => "peer",
        Need::ExclusiveLine => "exclusive_line",
    }
}

fn put_spec(spec: &OptionSpec, d: &mut Draft) -> Result<(), Error> {
    d.leaf("name", &spec.name)?;
    match &spec.kind {
        Kind::Bool { default } => {
            d.leaf("type", "boolean")?
                .leaf("default", if *default { "true" } else { "false" })?;
        }
        Kind::Integer {
            default,
            min,
            max,
            unit,
        } => {
            d.leaf("type", "integer")?
                .leaf("default", &default.to_string())?
                .leaf("minimum", &min.to_string())?
                .leaf("maximum", &max.to_string())?
                .maybe("unit", Some(unit.as_ref()).filter(|unit| !unit.is_empty()))?;
        }
        Kind::Text { default, max_len } => {
            d.leaf("type", "text")?
                .maybe("default", default.as_deref())?
                .leaf("maximum", &max_len.to_string())?;
        }
        Kind::Choice(words) => {
            d.leaf("type", "choice")?
                .maybe("default", words.first().map(AsRef::as_ref))?
                .leaf_list("word", words.iter())?;
        }
    }
    d.leaf("help", &spec.help)?;
    Ok(())
}
