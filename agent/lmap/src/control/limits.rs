//! How much an agent lets itself be told. The modules bound neither lists nor texts, and a router has a few megabytes: what is kept
//! several times over, and looked at with each event, has bounds of its own.
//!
//! | what | most |
//! |---|---|
//! | tasks, schedules, suppressions, events, of each | [`MAX_ENTRIES`] |
//! | options of a task or an action | [`MAX_OPTIONS`] |
//! | actions of a schedule | [`MAX_ACTIONS`] |
//! | functions, tags, suppression tags, globs, of one entry; destinations of an action | [`MAX_VALUES`] |
//! | value of an option | [`MAX_VALUE`] bytes |
//! | all other texts | [`MAX_TEXT`] bytes |
//! | actions started by events in a minute that has any, all schedules together | [`MAX_PER_MINUTE`] |

#[cfg(test)]
mod tests;

use super::{Action, Control, Event, EventKind, OptionEntry, Task};
use glimpse_model::instruction::{MAX_INSTRUCTIONS, MAX_TASKS};
use glimpse_yang::schema::Schema;
use glimpse_yang::{DataPath, Error, Segment, Tag};

/// Most entries of each list below `/lmap`: as many as the other door takes instructions.
pub const MAX_ENTRIES: usize = MAX_INSTRUCTIONS;
/// Most actions of a schedule: as many as an instruction has tasks.
pub const MAX_ACTIONS: usize = MAX_TASKS;
/// Most options of a task or an action: plenty, since methods that are programs may take any number.
pub const MAX_OPTIONS: usize = 1000;
/// Most entries of the other lists of one entry.
pub const MAX_VALUES: usize = 64;
/// Longest value of an option, in bytes.
pub const MAX_VALUE: usize = 4 << 10;
/// Longest name, tag, glob or other text, in bytes.
pub const MAX_TEXT: usize = 1 << 10;

/// Most actions started in a minute, as by the other door: looking at each would take all of a router's processor, and telling
/// that it did not run all of its log.
pub const MAX_PER_MINUTE: u64 = 6_000;

/// A node below `/lmap`: its steps, each with the key where one entry of a list is meant.
type Steps<'a> = [(&'a str, Option<&'a str>)];

/// The error at a node below `/lmap`.
pub(super) fn at(schema: &'static Schema, error: Error, steps: &Steps<'_>) -> Error {
    let mut segments = vec![Segment {
        module: Some("ietf-lmap-control"),
        name: "lmap",
        keys: None,
    }];
    segments.extend(steps.iter().map(|(name, key)| Segment {
        module: None,
        name,
        keys: key.map(|key| vec![key.to_owned()]),
    }));
    match DataPath::from_segments(schema, &segments) {
        Ok(path) => error.at(path),
        Err(_) => error,
    }
}

struct Limits {
    schema: &'static Schema,
}

impl Limits {
    fn few(&self, count: usize, most: usize, steps: &Steps<'_>) -> Result<(), Error> {
        if count <= most {
            return Ok(());
        }
        // As a max-elements of the module would be told (RFC 7950 §15.2).
        let message = format!("{count} entries, at most {most} on this agent");
        let error = Error::new(Tag::OperationFailed, message).app_tag("too-many-elements");
        Err(at(self.schema, error, steps))
    }

    fn short(&self, text: &str, most: usize, steps: &Steps<'_>) -> Result<(), Error> {
        if text.len() <= most {
            return Ok(());
        }
        let message = format!("{} bytes, at most {most} on this agent", text.len());
        Err(at(
            self.schema,
            Error::new(Tag::InvalidValue, message),
            steps,
        ))
    }

    /// The entries of a leaf-list, or of a list of one text each.
    fn texts<'a>(
        &self,
        values: impl ExactSizeIterator<Item = &'a String>,
        above: &Steps<'_>,
        list: &str,
    ) -> Result<(), Error> {
        let steps = [above, &[(list, None)]].concat();
        self.few(values.len(), MAX_VALUES, &steps)?;
        for value in values {
            self.short(value, MAX_TEXT, &steps)?;
        }
        Ok(())
    }

    fn options(&self, options: &[OptionEntry], above: &Steps<'_>) -> Result<(), Error> {
        let list = [above, &[("option", None)]].concat();
        self.few(options.len(), MAX_OPTIONS, &list)?;
        for option in options {
            self.short(&option.id, MAX_TEXT, &list)?;
            let entry = [above, &[("option", Some(option.id.as_str()))]].concat();
            for (leaf, value, most) in [
                ("name", &option.name, MAX_TEXT),
                ("value", &option.value, MAX_VALUE),
            ] {
                let value = value.as_deref().unwrap_or_default();
                let leaf = [&entry[..], &[(leaf, None)]].concat();
                self.short(value, most, &leaf)?;
            }
        }
        Ok(())
    }

    fn task(&self, task: &Task) -> Result<(), Error> {
        let list = [("tasks", None), ("task", None)];
        self.short(&task.name, MAX_TEXT, &list)?;
        let entry = [("tasks", None), ("task", Some(task.name.as_str()))];
        let program = [&entry[..], &[("program", None)]].concat();
        let name = task.program.as_deref().unwrap_or_default();
        self.short(name, MAX_TEXT, &program)?;
        let uris = task.functions.iter().map(|function| &function.uri);
        self.texts(uris, &entry, "function")?;
        for function in &task.functions {
            let function_entry = [&entry[..], &[("function", Some(function.uri.as_str()))]];
            self.texts(function.roles.iter(), &function_entry.concat(), "role")?;
        }
        self.texts(task.tags.iter(), &entry, "tag")?;
        self.options(&task.options, &entry)
    }

    fn action(&self, action: &Action, schedule: &Steps<'_>) -> Result<(), Error> {
        let list = [schedule, &[("action", None)]].concat();
        self.short(&action.name, MAX_TEXT, &list)?;
        let entry = [schedule, &[("action", Some(action.name.as_str()))]].concat();
        self.texts(action.destinations.iter(), &entry, "destination")?;
        self.texts(action.tags.iter(), &entry, "tag")?;
        self.texts(action.suppression_tags.iter(), &entry, "suppression-tag")?;
        self.options(&action.options, &entry)
    }

    fn all(&self, control: &Control) -> Result<(), Error> {
        for (above, list, count) in [
            ("tasks", "task", control.tasks.len()),
            ("schedules", "schedule", control.schedules.len()),
            ("suppressions", "suppression", control.suppressions.len()),
            ("events", "event", control.events.len()),
        ] {
            self.few(count, MAX_ENTRIES, &[(above, None), (list, None)])?;
        }
        for (leaf, text) in [
            ("group-id", &control.agent.group_id),
            ("measurement-point", &control.agent.measurement_point),
        ] {
            let text = text.as_deref().unwrap_or_default();
            self.short(text, MAX_TEXT, &[("agent", None), (leaf, None)])?;
        }
        for task in &control.tasks {
            self.task(task)?;
        }
        for schedule in &control.schedules {
            let list = [("schedules", None), ("schedule", None)];
            self.short(&schedule.name, MAX_TEXT, &list)?;
            let entry = [
                ("schedules", None),
                ("schedule", Some(schedule.name.as_str())),
            ];
            self.texts(schedule.tags.iter(), &entry, "tag")?;
            self.texts(schedule.suppression_tags.iter(), &entry, "suppression-tag")?;
            let actions = [&entry[..], &[("action", None)]].concat();
            self.few(schedule.actions.len(), MAX_ACTIONS, &actions)?;
            for action in &schedule.actions {
                self.action(action, &entry)?;
            }
        }
        for suppression in &control.suppressions {
            let list = [("suppressions", None), ("suppression", None)];
            self.short(&suppression.name, MAX_TEXT, &list)?;
            let name = suppression.name.as_str();
            let entry = [("suppressions", None), ("suppression", Some(name))];
            self.texts(suppression.matches.iter(), &entry, "match")?;
        }
        for event in &control.events {
            let list = [("events", None), ("event", None)];
            self.short(&event.name, MAX_TEXT, &list)?;
        }
        self.paced(control)
    }

    fn paced(&self, control: &Control) -> Result<(), Error> {
        let mut all = 0;
        for schedule in &control.schedules {
            let times = control.event(&schedule.start).map_or(0, per_minute);
            all += times * schedule.actions.len() as u64;
            if all > MAX_PER_MINUTE {
                let message = format!(
                    "starts, with the schedules before it, more than {MAX_PER_MINUTE} actions in a minute"
                );
                let error = Error::new(Tag::OperationFailed, message).app_tag("too-many-actions");
                let steps = [
                    ("schedules", None),
                    ("schedule", Some(schedule.name.as_str())),
                    ("start", None),
                ];
                return Err(at(self.schema, error, &steps));
            }
        }
        Ok(())
    }
}

/// How often it happens in a minute that has any of it; what is known to happen once, and what others cause, counts once.
fn per_minute(event: &Event) -> u64 {
    match &event.kind {
        EventKind::Never => 0,
        EventKind::Periodic { interval_s, .. } => 60_u64.div_ceil(u64::from(*interval_s).max(1)),
        EventKind::Calendar(calendar) => match calendar.times.seconds.len() as u64 {
            0 => 60,
            seconds => seconds,
        },
        EventKind::OneOff { .. }
        | EventKind::Immediate
        | EventKind::Startup
        | EventKind::ControllerLost
        | EventKind::ControllerConnected
        | EventKind::OnDemand => 1,
    }
}

/// Whether it is no more than an agent takes. References need no look of their own: they name what is there.
///
/// # Errors
/// [`Tag::OperationFailed`] with the app-tag `too-many-elements` and the path of the list; [`Tag::InvalidValue`] with the path of
/// the text, or of the list where it is a key; the former with `too-many-actions` and the path of a
/// schedule's `start`.
pub(super) fn check(control: &Control, schema: &'static Schema) -> Result<(), Error> {
    Limits { schema }.all(control)
}
