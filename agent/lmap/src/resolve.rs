//! From a configured task to what runs: the method, and its options with types.

#[cfg(test)]
mod tests;

use crate::collectors::Collectors;
use crate::control::{Action, OptionEntry, Task};
use crate::function::{self, REPORT_FUNCTION, REPORT_PROGRAM};
use glimpse_model::capability::Need;
use glimpse_model::options::{Kind, OptionSpec, Options};
use glimpse_model::read::printable;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Most collectors of one action.
pub const MAX_COLLECTORS: usize = 8;

/// Options that are secret even where the method that has them is not compiled in, or no longer installed.
const SECRETS: &[&str] = &["token"];

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
        /// Where to, each once, in their order, at most [`MAX_COLLECTORS`].
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

/// Whether an option of this name is secret in any of these methods. One list for all: a task may name a method that is not there,
/// and its values are no less secret for that.
pub fn is_secret(methods: &[Method], name: &str) -> bool {
    let mut specs = methods.iter().flat_map(|method| method.options.iter());
    SECRETS.contains(&name) || specs.any(|spec| spec.secret && spec.name == name)
}

/// What an action of `task` comes to with these methods. Reports go to `collectors` only.
///
/// # Errors
/// [`Unresolved`]. Such a task is valid configuration; its actions fail when they run (RFC 8194 §4.1).
pub fn resolve(
    task: Option<&Task>,
    action: &Action,
    methods: &[Method],
    collectors: &Collectors,
) -> Result<Resolved, Unresolved> {
    let Some(task) = task else {
        return Err(missing(format!(
            "there is no task '{}'",
            printable(&action.task)
        )));
    };
    if is_report(task) {
        return report(task, action, collectors);
    }
    let method = find(task, action, methods)?;
    let mut options = options(method, task, action)?;
    if task.program.is_none() && action.parameters.is_none() {
        // Who asks for a variant by its function need not ask again by options; who does, has these.
        let asked = task.functions.iter().map(|function| function.uri.as_str());
        for (name, value) in function::variant(&method.name, asked) {
            if method.options.iter().any(|spec| spec.name == *name) {
                let value = typed(&method.options, name, value);
                options.entry(*name).or_insert(value);
            }
        }
    }
    let checked = Options::read(&method.options, &options).map_err(|e| wrong(e.to_string()))?;
    let text = |name: &str| match checked.as_map().get(name)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let mut functions = function::of_run(&method.name, text);
    if functions.is_empty() {
        functions.clone_from(&method.functions);
    }
    Ok(Resolved::Measure {
        method: method.name.clone(),
        options,
        functions,
    })
}

pub(crate) fn is_report(task: &Task) -> bool {
    match &task.program {
        Some(program) => program == REPORT_PROGRAM,
        None => task
            .functions
            .iter()
            .any(|function| function::is_same(&function.uri, REPORT_FUNCTION)),
    }
}

fn find<'a>(task: &Task, action: &Action, methods: &'a [Method]) -> Result<&'a Method, Unresolved> {
    if let Some(program) = &task.program {
        let named = methods.iter().find(|method| method.name == *program);
        return named.ok_or_else(|| {
            missing(format!(
                "'{}' is not a method of this agent",
                printable(program)
            ))
        });
    }
    if task.functions.is_empty() {
        return Err(missing("the task names neither a program nor a function"));
    }
    let mut able: Vec<&Method> = methods.iter().collect();
    able.retain(|method| {
        let mut asked = task.functions.iter();
        asked.any(|asked| {
            let mut functions = method.functions.iter();
            functions.any(|uri| function::is_same(uri, &asked.uri))
        })
    });
    // Where several methods measure one thing, such as looking up names and addresses, their options tell them apart.
    let suits = |method: &&&Method| match &action.parameters {
        Some(parameters) if parameters.method != "plugin" => parameters.method == method.name,
        _ => {
            let mut given = task.options.iter().chain(&action.options);
            given.all(|option| {
                let mut specs = method.options.iter();
                specs.any(|spec| option.name.as_deref() == Some(&*spec.name))
            })
        }
    };
    let found = able.iter().find(suits).or(able.first());
    found
        .copied()
        .ok_or_else(|| missing("no method of this agent has a function of the task"))
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

fn report(task: &Task, action: &Action, known: &Collectors) -> Result<Resolved, Unresolved> {
    let mut collectors: Vec<String> = Vec::new();
    let mut heartbeat = false;
    for option in task.options.iter().chain(&action.options) {
        let value = option.value.as_deref().unwrap_or_default();
        let collector = match option.name.as_deref() {
            Some("collector") if !value.starts_with("https://") => {
                return Err(wrong(format!(
                    "collector '{}' is no https URL",
                    printable(value)
                )));
            }
            Some("collector") if !known.knows(value) => {
                return Err(wrong(format!(
                    "collector {} is not the controller's nor a channel of this agent",
                    printable(value)
                )));
            }
            Some("collector") => value.trim_end_matches('/'),
            Some("channel") => known.channel(value).ok_or_else(|| {
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
    if collectors.len() > MAX_COLLECTORS {
        return Err(wrong(format!("more than {MAX_COLLECTORS} collectors")));
    }
    Ok(Resolved::Report {
        collectors,
        heartbeat,
    })
}
