//! From a configured task to what runs: the method, and its options with types.

use crate::control::{Action, OptionEntry, Task};
use crate::function::{self, REPORT_FUNCTION, REPORT_PROGRAM};
use glimpse_model::capability::Need;
use glimpse_model::options::{Kind, OptionSpec, Options};
use glimpse_model::read::printable;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A method that this agent has.
#[derive(Debug, Clone, PartialEq)]
pub struct Method {
    /// Its name, which tasks give as `program`.
    pub name: String,
    /// URIs of what it measures.
    pub functions: Vec<String>,
    /// Its options.
    pub options: Cow<'static, [OptionSpec]>,
    /// What it needs.
    pub needs: Vec<Need>,
}

/// What an action comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// A measurement.
    Measure {
        /// The method.
        method: String,
        /// Its options as given; those that are missing take their defaults.
        options: Map<String, Value>,
        /// What it measures.
        functions: Vec<String>,
    },
    /// Handing results over.
    Report {
        /// Where to, each once, in their order.
        collectors: Vec<String>,
        /// A report is sent though there is nothing to report.
        heartbeat: bool,
    },
}

/// Why an action cannot start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// Its status: 127 for what is not there, 126 for what is wrong with it, as shells have it.
    pub status: i32,
    /// Why, for people.
    pub message: String,
}

fn missing(message: impl Into<String>) -> Unresolved {
    Unresolved {
        status: 127,
        message: message.into(),
    }
}

fn wrong(message: impl Into<String>) -> Unresolved {
    Unresolved {
        status: 126,
        message: message.into(),
    }
}

/// What an action of `task` comes to with these methods. `channels` are the names under which the household knows collectors.
///
/// # Errors
/// [`Unresolved`]. Such a task is valid configuration; its actions fail when they run (RFC 8194 §4.1).
pub fn resolve(
    task: Option<&Task>,
    action: &Action,
    methods: &[Method],
    channels: &BTreeMap<String, String>,
) -> Result<Resolved, Unresolved> {
    let Some(task) = task else {
        return Err(missing(format!(
            "there is no task '{}'",
            printable(&action.task)
        )));
    };
    if is_report(task) {
        return report(task, action, channels);
    }
    let method = find(task, methods)?;
    let options = options(method, task, action)?;
    let checked = Options::read(&method.options, &options).map_err(|e| wrong(e.to_string()))?;
    let text = |name: &str| match checked.as_map().get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let functions = match function::of_run(&method.name, text) {
        Some(uri) => vec![uri],
        None => method.functions.clone(),
    };
    Ok(Resolved::Measure {
        method: method.name.clone(),
        options,
        functions,
    })
}

fn is_report(task: &Task) -> bool {
    match &task.program {
        Some(program) => program == REPORT_PROGRAM,
        None => task
            .functions
            .iter()
            .any(|function| function::is_same(&function.uri, REPORT_FUNCTION)),
    }
}

fn find<'a>(task: &Task, methods: &'a [Method]) -> Result<&'a Method, Unresolved> {
    match &task.program {
        Some(program) => methods
            .iter()
            .find(|method| method.name == *program)
            .ok_or_else(|| {
                missing(format!(
                    "'{}' is not a method of this agent",
                    printable(program)
                ))
            }),
        None if task.functions.is_empty() => {
            Err(missing("the task names neither a program nor a function"))
        }
        None => methods
            .iter()
            .find(|method| {
                method.functions.iter().any(|uri| {
                    let asked = task.functions.iter();
                    asked
                        .map(|function| &function.uri)
                        .any(|other| function::is_same(uri, other))
                })
            })
            .ok_or_else(|| missing("no method of this agent has a function of the task")),
    }
}

/// Options of the task, those of the action over them, and typed parameters, which none of them may name again.
fn options(
    method: &Method,
    task: &Task,
    action: &Action,
) -> Result<Map<String, Value>, Unresolved> {
    let mut given = named(&task.options, &method.options)?;
    given.extend(named(&action.options, &method.options)?);
    let Some(parameters) = &action.parameters else {
        return Ok(given);
    };
    if parameters.method != method.name && parameters.method != "plugin" {
        return Err(wrong(format!(
            "the parameters are those of {}, and the task runs {}",
            parameters.method, method.name
        )));
    }
    for (name, value) in &parameters.values {
        let value = typed(&method.options, name, value);
        if given.insert(name.clone(), value).is_some() {
            return Err(wrong(format!(
                "{} is both a parameter and an option",
                printable(name)
            )));
        }
    }
    Ok(given)
}

fn named(options: &[OptionEntry], specs: &[OptionSpec]) -> Result<Map<String, Value>, Unresolved> {
    let mut given = Map::new();
    for option in options {
        let Some(name) = &option.name else {
            return Err(wrong(format!(
                "option '{}' has no name",
                printable(&option.id)
            )));
        };
        let value = match &option.value {
            Some(value) => typed(specs, name, value),
            // A name alone switches something on.
            None => Value::Bool(true),
        };
        if given.insert(name.clone(), value).is_some() {
            return Err(wrong(format!("{} is given twice", printable(name))));
        }
    }
    Ok(given)
}

/// The value as the method's table wants it; what is none is left as text, which the table refuses by name.
fn typed(specs: &[OptionSpec], name: &str, text: &str) -> Value {
    let spec = specs.iter().find(|spec| spec.name == name);
    match spec.map(|spec| &spec.kind) {
        Some(Kind::Bool { .. }) => text.parse().map_or(Value::from(text), Value::Bool),
        Some(Kind::Integer { .. }) => text.parse::<i64>().map_or(Value::from(text), Value::from),
        _ => Value::from(text),
    }
}

fn report(
    task: &Task,
    action: &Action,
    channels: &BTreeMap<String, String>,
) -> Result<Resolved, Unresolved> {
    let mut collectors: Vec<String> = Vec::new();
    let mut heartbeat = false;
    for option in task.options.iter().chain(&action.options) {
        let value = option.value.as_deref().unwrap_or_default();
        let collector = match option.name.as_deref() {
            Some("collector") if value.starts_with("https://") => value,
            Some("collector") => {
                return Err(wrong(format!(
                    "collector '{}' is no https URL",
                    printable(value)
                )));
            }
            Some("channel") => channels.get(value).ok_or_else(|| {
                missing(format!(
                    "the household has no channel '{}'",
                    printable(value)
                ))
            })?,
            Some("heartbeat") => {
                heartbeat = value != "false";
                continue;
            }
            other => {
                let name = printable(other.unwrap_or("without a name"));
                return Err(wrong(format!("{name} is not an option here")));
            }
        };
        if collectors.iter().all(|known| known != collector) {
            collectors.push(collector.to_owned());
        }
    }
    if collectors.is_empty() {
        return Err(missing(
            "no option 'collector' or 'channel' says where results go",
        ));
    }
    Ok(Resolved::Report {
        collectors,
        heartbeat,
    })
}
