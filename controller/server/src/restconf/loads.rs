//! What an agent's `/lmap` makes it send, in the form in which admission judges: instructions.

use crate::admission::{self, MOST_TARGETS, Program, Target, Weight};
use glimpse_lmap::control::{Action, Control, Event, EventKind, Schedule, Task as Configured};
use glimpse_lmap::function::{REPORT_FUNCTION, REPORT_PROGRAM, is_same};
use glimpse_lmap::names;
use glimpse_model::instruction::{Execution, Instruction, MAX_TASKS, Task};
use glimpse_model::precondition::Precondition;
use glimpse_model::time::Zone;
use glimpse_model::timing::{Calendar, MAX_DURATION_MS, Past, Periodic, Timing};
use glimpse_yang::{Error, Tag, Tree};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How often, at most, events are counted whose time nobody knows: a start of the agent.
const UNFORESEEN_MS: i64 = 3_600_000;

/// What the configuration in `tree` makes its agent send: an instruction as JSON for each schedule that has a target.
/// Equal configurations give equal texts. Reports to `own` hosts are left out: they are what agents are there for.
///
/// # Errors
/// A value in the tree that no clock knows, or more targets than can be judged.
pub(crate) fn of(tree: &Tree, own: &[Target]) -> Result<Vec<String>, Error> {
    let control = Control::read(tree)?;
    let mut all = Vec::new();
    for schedule in &control.schedules {
        let event = control.event(&schedule.start);
        if let Some(timing) = event.and_then(|event| timing(event, &control)) {
            let name = run_of(schedule, event);
            all.extend(documents(&control, schedule, &name, &timing, own)?);
        }
    }
    Ok(all)
}

/// What one run of a schedule sends, at somebody's word.
///
/// # Errors
/// As [`of`].
pub(crate) fn of_run(tree: &Tree, schedule: &str, own: &[Target]) -> Result<Vec<String>, Error> {
    let control = Control::read(tree)?;
    control.schedule(schedule).map_or_else(
        || Ok(Vec::new()),
        |schedule| {
            documents(
                &control,
                schedule,
                &schedule.name,
                &Timing::Immediate {},
                own,
            )
        },
    )
}

/// A schedule and all of what its event is, by which an agent knows it for another: that begins anew, with a run at once, whatever
/// of it is changed.
fn run_of(schedule: &Schedule, event: Option<&Event>) -> String {
    let own = event.map(|event| (&event.name, event.random_spread_s, event.cycle_interval_s));
    format!("{}/{own:?}", schedule.name)
}

fn documents(
    control: &Control,
    schedule: &Schedule,
    name: &str,
    timing: &Timing,
    own: &[Target],
) -> Result<Vec<String>, Error> {
    let mut tasks: Vec<Task> = Vec::new();
    for action in &schedule.actions {
        if let Some(configured) = control.task(&action.task) {
            tasks.extend(task(action, configured, own)?);
        }
    }
    let Some(id) = names::instruction_id(name) else {
        return Ok(Vec::new());
    };
    // A schedule may have more actions than an instruction has tasks.
    Ok(tasks
        .chunks(MAX_TASKS)
        .filter_map(|tasks| {
            let instruction = Instruction {
                id: id.clone(),
                timing: timing.clone(),
                tasks: tasks.to_vec(),
                execution: Execution::Parallel,
                precondition: Precondition::default(),
                lan: false,
                purpose: None,
            };
            serde_json::to_string(&instruction).ok()
        })
        .collect())
}

/// What an action sends to whom: by the options of its task, its own, and its parameters, all of which may name a target.
fn task(action: &Action, task: &Configured, own: &[Target]) -> Result<Option<Task>, Error> {
    let options = task.options.iter().chain(&action.options);
    // A name alone switches something on.
    let value = |text: Option<&str>| text.map_or(Value::Bool(true), Value::from);
    let options = options.map(|option| (option.name.as_deref(), value(option.value.as_deref())));
    let typed = action.parameters.iter().flat_map(|parameters| {
        let values = parameters.values.iter();
        values.map(|(name, value)| (Some(name.as_str()), Value::from(value.as_str())))
    });
    let functions = || task.functions.iter().map(|function| function.uri.as_str());
    let program = match &task.program {
        Some(name) => Program::named(name),
        None => Program::measuring(functions()),
    };
    let reports = match &task.program {
        Some(name) => name == REPORT_PROGRAM,
        None => functions().any(|uri| is_same(uri, REPORT_FUNCTION)),
    };
    let mut targets = BTreeSet::new();
    let mut given: Map<String, Value> = Map::new();
    for (name, value) in options.chain(typed) {
        program.targets(name, &value, &mut targets);
        if let Some(name) = name {
            given.insert(name.to_owned(), value);
        }
    }
    if reports {
        targets.retain(|target| !own.contains(target));
    }
    let Some(id) = names::task_id(&action.name).filter(|_| !targets.is_empty()) else {
        return Ok(None);
    };
    let weight: Weight = program.weight(&given);
    let name = task.program.as_deref().unwrap_or_default();
    let made = admission::task(id, name, &targets, weight).map_err(|many| {
        let message = format!(
            "action '{}' has {many} targets, and {MOST_TARGETS} are the most: divide it",
            action.name
        );
        Error::new(Tag::TooBig, message)
    })?;
    Ok(Some(made))
}

/// When it fires, never less often than it does; `None` for what does not fire by itself.
fn timing(event: &Event, control: &Control) -> Option<Timing> {
    let seconds = |s: u32| (i64::from(s) * 1000).min(MAX_DURATION_MS);
    let spread_ms = event.random_spread_s.map_or(0, seconds);
    let periodic = |interval_ms| Periodic {
        interval_ms,
        start: None,
        end: None,
        spread_ms,
    };
    Some(match &event.kind {
        EventKind::Never | EventKind::OnDemand => return None,
        EventKind::Periodic {
            interval_s,
            start,
            end,
        } => Timing::Periodic(Periodic {
            start: *start,
            end: *end,
            ..periodic(seconds(*interval_s))
        }),
        EventKind::Calendar(calendar) => {
            let mut timing = Calendar::of(&calendar.times);
            timing.start = calendar.start;
            timing.end = calendar.end;
            timing.spread_ms = spread_ms;
            match calendar.offset_minutes.and_then(Zone::offset_minutes) {
                Some(zone) => Timing::Calendar(timing.in_zone(zone)),
                None => Timing::Calendar(timing),
            }
        }
        EventKind::OneOff { time } => Timing::OneOff {
            time: *time,
            spread_ms,
            past: Past::Never,
        },
        EventKind::Immediate => Timing::Immediate {},
        EventKind::Startup => Timing::Periodic(periodic(UNFORESEEN_MS)),
        // Whoever can keep the agent from us can have it lose us as often as that.
        EventKind::ControllerLost | EventKind::ControllerConnected => {
            let timeout = control.agent.controller_timeout_s;
            Timing::Periodic(periodic(
                timeout.map_or(UNFORESEEN_MS, |s| seconds(s.max(1))),
            ))
        }
    })
}

#[cfg(test)]
mod tests;
