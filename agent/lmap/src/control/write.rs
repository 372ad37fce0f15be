//! To the tree.

use super::{
    Action, Agent, CalendarEvent, Control, DAYS, Event, EventKind, MONTHS, Mode, OptionEntry,
    Parameters, Schedule, Stop, Suppression, Task,
};
use glimpse_model::precondition::Precondition;
use glimpse_model::time::Timestamp;
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::{NodeId, Schema};
use glimpse_yang::{Error, Tree};

/// State that is put beside what is configured.
pub(crate) trait Beside {
    fn capabilities(&self, lmap: &mut Draft) -> Result<(), Error>;
    fn agent(&self, agent: &mut Draft) -> Result<(), Error>;
    fn schedule(&self, schedule: &Schedule, draft: &mut Draft) -> Result<(), Error>;
    fn action(&self, schedule: &Schedule, action: &Action, draft: &mut Draft) -> Result<(), Error>;
    fn suppression(&self, suppression: &Suppression, draft: &mut Draft) -> Result<(), Error>;
    fn event(&self, event: &Event, draft: &mut Draft) -> Result<(), Error>;
    fn periodic(&self, event: &Event, draft: &mut Draft) -> Result<(), Error>;
}

/// Nothing beside it.
struct Alone;

impl Beside for Alone {
    fn capabilities(&self, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn agent(&self, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn schedule(&self, _: &Schedule, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn action(&self, _: &Schedule, _: &Action, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn suppression(&self, _: &Suppression, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn event(&self, _: &Event, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
    fn periodic(&self, _: &Event, _: &mut Draft) -> Result<(), Error> {
        Ok(())
    }
}

impl Control {
    /// The tree of a configuration.
    ///
    /// # Errors
    /// [`glimpse_yang::Tag::InvalidValue`] for a value that its type does not have, such as one with control characters.
    pub fn tree(&self, schema: &'static Schema) -> Result<Tree, Error> {
        tree(schema, &[self], &Alone)
    }
}

/// One tree of several configurations, whose names do not meet, with state.
pub(crate) fn tree(
    schema: &'static Schema,
    controls: &[&Control],
    beside: &dyn Beside,
) -> Result<Tree, Error> {
    let mut lmap = Draft::new(schema, NodeId::NONE, "ietf-lmap-control:lmap")?;
    beside.capabilities(&mut lmap)?;
    lmap.container("agent", |d| {
        if let Some(first) = controls.first() {
            put_agent(&first.agent, d)?;
        }
        beside.agent(d)
    })?;
    let each = || controls.iter().copied();
    if each().any(|control| !control.tasks.is_empty()) {
        lmap.container("tasks", |d| {
            for task in each().flat_map(|control| &control.tasks) {
                d.entry("task", |d| put_task(task, d))?;
            }
            Ok(())
        })?;
    }
    if each().any(|control| !control.schedules.is_empty()) {
        lmap.container("schedules", |d| {
            for schedule in each().flat_map(|control| &control.schedules) {
                d.entry("schedule", |d| put_schedule(schedule, d, beside))?;
            }
            Ok(())
        })?;
    }
    if each().any(|control| !control.suppressions.is_empty()) {
        lmap.container("suppressions", |d| {
            for suppression in each().flat_map(|control| &control.suppressions) {
                d.entry("suppression", |d| {
                    put_suppression(suppression, d)?;
                    beside.suppression(suppression, d)
                })?;
            }
            Ok(())
        })?;
    }
    if each().any(|control| !control.events.is_empty()) {
        lmap.container("events", |d| {
            for event in each().flat_map(|control| &control.events) {
                d.entry("event", |d| put_event(event, d, beside))?;
            }
            Ok(())
        })?;
    }
    let mut tree = Tree::new(schema);
    tree.push(lmap.done());
    Ok(tree)
}

fn truth(value: bool) -> Option<&'static str> {
    value.then_some("true")
}

fn put_agent(agent: &Agent, d: &mut Draft) -> Result<(), Error> {
    d.maybe("agent-id", agent.agent_id.as_deref())?
        .maybe("group-id", agent.group_id.as_deref())?
        .maybe("measurement-point", agent.measurement_point.as_deref())?
        .maybe("report-agent-id", truth(agent.report_agent_id))?
        .maybe("report-group-id", truth(agent.report_group_id))?
        .maybe(
            "report-measurement-point",
            truth(agent.report_measurement_point),
        )?
        .maybe(
            "controller-timeout",
            counted(agent.controller_timeout_s).as_deref(),
        )?;
    Ok(())
}

fn counted(number: Option<u32>) -> Option<String> {
    number.map(|number| number.to_string())
}

fn put_options(options: &[OptionEntry], d: &mut Draft) -> Result<(), Error> {
    for option in options {
        d.entry("option", |d| {
            d.leaf("id", &option.id)?
                .maybe("name", option.name.as_deref())?
                .maybe("value", option.value.as_deref())?;
            Ok(())
        })?;
    }
    Ok(())
}

fn put_task(task: &Task, d: &mut Draft) -> Result<(), Error> {
    d.leaf("name", &task.name)?;
    for function in &task.functions {
        d.entry("function", |d| {
            d.leaf("uri", &function.uri)?
                .leaf_list("role", &function.roles)?;
            Ok(())
        })?;
    }
    d.maybe("program", task.program.as_deref())?;
    put_options(&task.options, d)?;
    d.leaf_list("tag", &task.tags)?;
    Ok(())
}

fn put_schedule(schedule: &Schedule, d: &mut Draft, beside: &dyn Beside) -> Result<(), Error> {
    d.leaf("name", &schedule.name)?
        .leaf("start", &schedule.start)?;
    match &schedule.stop {
        Some(Stop::End(event)) => {
            d.leaf("end", event)?;
        }
        Some(Stop::Duration(seconds)) => {
            d.leaf("duration", &seconds.to_string())?;
        }
        None => {}
    }
    match schedule.mode {
        Mode::Sequential => {
            d.leaf("execution-mode", "sequential")?;
        }
        Mode::Parallel => {
            d.leaf("execution-mode", "parallel")?;
        }
        Mode::Pipelined => {}
    }
    d.leaf_list("tag", &schedule.tags)?
        .leaf_list("suppression-tag", &schedule.suppression_tags)?;
    beside.schedule(schedule, d)?;
    for action in &schedule.actions {
        d.entry("action", |d| {
            put_action(action, d)?;
            beside.action(schedule, action, d)
        })?;
    }
    d.maybe("glimpse-agent:lan", truth(schedule.lan))?;
    put_precondition(schedule.precondition, d)
}

fn put_precondition(precondition: Precondition, d: &mut Draft) -> Result<(), Error> {
    if precondition == Precondition::default() {
        return Ok(());
    }
    let no = |allowed: bool| (!allowed).then_some("false");
    d.container("glimpse-agent:precondition", |d| {
        let charge = (precondition.min_charge > 0).then(|| precondition.min_charge.to_string());
        d.maybe("on_wireless", no(precondition.on_wireless))?
            .maybe("on_wire", no(precondition.on_wire))?
            .maybe("on_cellular", no(precondition.on_cellular))?
            .maybe("min_charge", charge.as_deref())?;
        Ok(())
    })?;
    Ok(())
}

fn put_action(action: &Action, d: &mut Draft) -> Result<(), Error> {
    d.leaf("name", &action.name)?.leaf("task", &action.task)?;
    if let Some(parameters) = &action.parameters {
        d.container("parameters", |d| {
            let name = format!("glimpse-agent:{}", parameters.method);
            d.container(&name, |d| put_parameters(parameters, d))?;
            Ok(())
        })?;
    }
    put_options(&action.options, d)?;
    d.leaf_list("destination", &action.destinations)?
        .leaf_list("tag", &action.tags)?
        .leaf_list("suppression-tag", &action.suppression_tags)?;
    Ok(())
}

/// The inside of a container of parameters.
pub(crate) fn put_parameters(parameters: &Parameters, d: &mut Draft) -> Result<(), Error> {
    for (name, value) in &parameters.values {
        if parameters.method == "plugin" {
            d.entry("option", |d| {
                d.leaf("name", name)?.leaf("value", value)?;
                Ok(())
            })?;
        } else {
            d.leaf(name, value)?;
        }
    }
    Ok(())
}

fn put_suppression(suppression: &Suppression, d: &mut Draft) -> Result<(), Error> {
    d.leaf("name", &suppression.name)?
        .maybe("start", suppression.start.as_deref())?
        .maybe("end", suppression.end.as_deref())?
        .leaf_list("match", &suppression.matches)?
        .maybe("stop-running", truth(suppression.stop_running))?;
    Ok(())
}

fn put_bounds(
    d: &mut Draft,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
) -> Result<(), Error> {
    d.maybe("start", start.map(|at| at.to_string()).as_deref())?
        .maybe("end", end.map(|at| at.to_string()).as_deref())?;
    Ok(())
}

fn put_event(event: &Event, d: &mut Draft, beside: &dyn Beside) -> Result<(), Error> {
    d.leaf("name", &event.name)?
        .maybe("random-spread", counted(event.random_spread_s).as_deref())?
        .maybe("cycle-interval", counted(event.cycle_interval_s).as_deref())?;
    match &event.kind {
        EventKind::Never => {}
        EventKind::Periodic {
            interval_s,
            start,
            end,
        } => {
            d.container("periodic", |d| {
                d.leaf("interval", &interval_s.to_string())?;
                put_bounds(d, *start, *end)?;
                beside.periodic(event, d)
            })?;
        }
        EventKind::Calendar(calendar) => {
            d.container("calendar", |d| put_calendar(calendar, d))?;
        }
        EventKind::OneOff { time } => {
            d.container("one-off", |d| {
                d.leaf("time", &time.to_string())?;
                Ok(())
            })?;
        }
        EventKind::Immediate => {
            d.leaf("immediate", "")?;
        }
        EventKind::Startup => {
            d.leaf("startup", "")?;
        }
        EventKind::ControllerLost => {
            d.leaf("controller-lost", "")?;
        }
        EventKind::ControllerConnected => {
            d.leaf("controller-connected", "")?;
        }
        EventKind::OnDemand => {
            d.leaf("glimpse-agent:on-demand", "")?;
        }
    }
    beside.event(event, d)
}

fn put_calendar(calendar: &CalendarEvent, d: &mut Draft) -> Result<(), Error> {
    fn put(d: &mut Draft, leaf: &str, values: &[u8], names: &[&str]) -> Result<(), Error> {
        if values.is_empty() {
            d.leaf(leaf, "*")?;
        }
        for value in values {
            let name = names.get(usize::from(*value).wrapping_sub(1));
            d.leaf(leaf, name.map_or(&*value.to_string(), |name| *name))?;
        }
        Ok(())
    }
    let times = &calendar.times;
    put(d, "month", &times.months, &MONTHS)?;
    put(d, "day-of-month", &times.days_of_month, &[])?;
    put(d, "day-of-week", &times.days_of_week, &DAYS)?;
    put(d, "hour", &times.hours, &[])?;
    put(d, "minute", &times.minutes, &[])?;
    put(d, "second", &times.seconds, &[])?;
    let offset = calendar.offset_minutes.map(|minutes| {
        let sign = if minutes < 0 { '-' } else { '+' };
        let minutes = minutes.abs();
        format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    });
    d.maybe("timezone-offset", offset.as_deref())?;
    put_bounds(d, calendar.start, calendar.end)
}
