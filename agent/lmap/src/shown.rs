//! Instructions of the JSON door as LMAP would say them. They can be read and not edited.

use crate::control::{
    Action, CalendarEvent, Control, Event, EventKind, Mode, OptionEntry, Schedule, Task,
};
use crate::resolve::{Method, is_secret};
use crate::run::Planned;
use glimpse_model::instruction::{Execution, Instruction};
use glimpse_model::sorted::SortedMap;
use glimpse_model::time::Timestamp;
use glimpse_model::timing::Timing;
use serde_json::Value;

/// What seconds cannot say of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exact {
    /// The interval, where it is no whole number of seconds.
    pub interval_ms: Option<i64>,
    /// The random spread, where it is none.
    pub spread_ms: Option<i64>,
}

/// What is shown of one instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub instruction: String,
    /// When it is due next.
    pub next: Option<Timestamp>,
    /// It runs when asked.
    pub on_demand: bool,
}

/// All instructions of the JSON door, each as event, schedule and tasks of its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    control: Control,
    exact: SortedMap<String, Exact>,
    entries: SortedMap<String, Entry>,
}

/// Whole seconds, rounded up, and the milliseconds where that changed anything.
fn seconds(ms: i64) -> (u32, Option<i64>) {
    let seconds = ms.max(0).div_euclid(1000) + i64::from(ms.rem_euclid(1000) > 0);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    (seconds, (i64::from(seconds) * 1000 != ms).then_some(ms))
}

impl Shown {
    /// Shows instructions, each with its next slot, but nothing secret of them. What is secret is known of `methods`; of others only
    /// the names of options are shown.
    pub fn new<'a>(
        instructions: impl IntoIterator<Item = (&'a Instruction, Option<Timestamp>)>,
        methods: &[Method],
    ) -> Self {
        let mut shown = Self::default();
        for (instruction, next) in instructions {
            shown.push(instruction, next, methods);
        }
        shown
    }

    fn push(&mut self, instruction: &Instruction, next: Option<Timestamp>, methods: &[Method]) {
        let name = instruction.id.as_str();
        let (event, exact) = event(name, &instruction.timing);
        self.control.events.push(event);
        self.exact.insert(name.to_owned(), exact);
        let entry = Entry {
            instruction: name.to_owned(),
            next,
            on_demand: matches!(instruction.timing, Timing::OnDemand {}),
        };
        self.entries.insert(name.to_owned(), entry);
        let mut actions = Vec::new();
        for task in &instruction.tasks {
            let task_name = crate::run::json_task_name(name, task.id.as_str());
            let known = methods.iter().any(|method| method.name == task.method);
            let options = task.options.iter();
            let options = options.filter(|(name, _)| !is_secret(methods, name));
            let options = options.map(|(name, value)| OptionEntry {
                id: name.clone(),
                name: Some(name.clone()),
                value: known.then(|| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                }),
            });
            self.control.tasks.push(Task {
                name: task_name.clone(),
                program: Some(task.method.clone()),
                options: options.collect(),
                ..Task::default()
            });
            actions.push(Action {
                name: task.id.as_str().to_owned(),
                task: task_name,
                ..Action::default()
            });
        }
        self.control.schedules.push(Schedule {
            name: name.to_owned(),
            start: name.to_owned(),
            mode: match instruction.execution {
                Execution::Sequential => Mode::Sequential,
                Execution::Parallel => Mode::Parallel,
                Execution::Pipelined => Mode::Pipelined,
            },
            precondition: instruction.precondition,
            lan: instruction.lan,
            actions,
            ..Schedule::default()
        });
    }

    /// What can stand beside `control`: what its own entries have no name for.
    pub(crate) fn beside(&self, control: &Control) -> Control {
        let mut rest = self.control.clone();
        rest.schedules
            .retain(|s| control.schedule(&s.name).is_none());
        rest.events.retain(|e| control.event(&e.name).is_none());
        rest.tasks.retain(|t| control.task(&t.name).is_none());
        // A schedule whose event or task bears the name of another one cannot be shown truthfully.
        let (events, tasks) = (rest.events.clone(), rest.tasks.clone());
        rest.schedules.retain(|schedule| {
            events.iter().any(|event| event.name == schedule.start)
                && schedule
                    .actions
                    .iter()
                    .all(|action| tasks.iter().any(|task| task.name == action.task))
        });
        let schedules = &rest.schedules;
        rest.events.retain(|event| {
            schedules
                .iter()
                .any(|schedule| schedule.start == event.name)
        });
        rest.tasks.retain(|task| {
            let mut actions = schedules.iter().flat_map(|schedule| &schedule.actions);
            actions.any(|action| action.task == task.name)
        });
        rest
    }

    /// Whether a name of a schedule, an event or a task stands for something of the JSON door, so that it is not to be edited here.
    pub fn holds(&self, name: &str) -> bool {
        self.entries.contains_key(name) || self.control.task(name).is_some()
    }

    pub(crate) fn entry(&self, schedule: &str) -> Option<&Entry> {
        self.entries.get(schedule)
    }

    pub(crate) fn instruction_of(&self, schedule: &str) -> Option<&str> {
        self.entries
            .get(schedule)
            .map(|entry| entry.instruction.as_str())
    }

    pub(crate) fn exact(&self, event: &str) -> Option<&Exact> {
        self.exact.get(event)
    }
}

fn event(name: &str, timing: &Timing) -> (Event, Exact) {
    let mut exact = Exact::default();
    let mut spread = |ms: i64| {
        let (seconds, more) = seconds(ms);
        exact.spread_ms = more;
        Some(seconds).filter(|seconds| *seconds > 0)
    };
    let mut interval_ms = None;
    let (kind, random_spread_s) = match timing {
        Timing::Immediate {} => (EventKind::Immediate, None),
        Timing::OnDemand {} => (EventKind::OnDemand, None),
        Timing::OneOff {
            time, spread_ms, ..
        } => (EventKind::OneOff { time: *time }, spread(*spread_ms)),
        Timing::Periodic(periodic) => {
            let (interval_s, more) = seconds(periodic.interval_ms);
            interval_ms = more;
            let kind = EventKind::Periodic {
                interval_s: interval_s.max(1),
                start: periodic.start,
                end: periodic.end,
            };
            (kind, spread(periodic.spread_ms))
        }
        Timing::Calendar(calendar) => {
            let kind = EventKind::Calendar(CalendarEvent {
                times: calendar.times(),
                // The JSON door's calendars are in UTC unless they say otherwise.
                offset_minutes: Some(calendar.offset_minutes().unwrap_or(0)),
                start: calendar.start,
                end: calendar.end,
            });
            (kind, spread(calendar.spread_ms))
        }
    };
    exact.interval_ms = interval_ms;
    let event = Event {
        name: name.to_owned(),
        random_spread_s,
        cycle_interval_s: None,
        kind,
    };
    (event, exact)
}

impl Planned {
    /// The firing of an instruction as a whole.
    pub fn whole(instruction: &Instruction, slot: Timestamp) -> Self {
        Self {
            instruction: instruction.id.clone(),
            task: None,
            slot,
        }
    }
}
