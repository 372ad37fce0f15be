//! The object `glimpse`: its methods, what arguments they take, and what becomes of an answer. Pure.
//!
//! Status 2 is for arguments of another type than the one announced, status 3 for methods that are not there. Everything
//! else that is refused is answered with `{"error": …}` and status 0: whoever comes by rpcd sees data with that alone.

#[cfg(test)]
mod tests;

use super::blob::{Kind, Writer, fields, to_json};
use super::message::{Method, Status};
use crate::local::service::Request;
use serde_json::{Map, Value, json};

/// Its path on the bus.
pub const PATH: &str = "glimpse";
/// Longest answer, in bytes of the bus.
pub const MAX_ANSWER: usize = 60 << 10;
/// The user who may do what is the owner's.
const OWNER: &str = "root";
/// What rpcd adds to the arguments of whoever calls through it.
const SESSION: &str = "ubus_rpc_session";

type Arguments = &'static [(&'static str, Kind)];

const METHODS: &[(&str, Arguments)] = &[
    ("status", &[]),
    (
        "results",
        &[
            ("since", Kind::Text),
            ("until", Kind::Text),
            ("before", Kind::Text),
            ("limit", Kind::Int32),
            ("method", Kind::Text),
            ("status", Kind::Text),
            ("own", Kind::Bool),
            ("id", Kind::Text),
        ],
    ),
    (
        "series",
        &[
            ("figure", Kind::Text),
            ("range", Kind::Text),
            ("target", Kind::Text),
            ("points", Kind::Int32),
        ],
    ),
    (
        "run",
        &[
            ("method", Kind::Text),
            ("options", Kind::Table),
            ("schedule", Kind::Text),
        ],
    ),
    ("run_status", &[("id", Kind::Text)]),
    ("cancel", &[("id", Kind::Text)]),
    ("capabilities", &[("method", Kind::Text)]),
    ("schedules", &[]),
    ("budget", &[]),
    (
        "enrol",
        &[
            ("token", Kind::Text),
            ("controller", Kind::Text),
            ("fingerprint", Kind::Text),
        ],
    ),
    ("diagnose", &[("kind", Kind::Text), ("client", Kind::Text)]),
    ("survey_get", &[]),
    (
        "survey_answer",
        &[("answers", Kind::Table), ("share", Kind::Bool)],
    ),
    ("export", &[("format", Kind::Text), ("cursor", Kind::Text)]),
    ("erase", &[("confirm", Kind::Text)]),
];

/// The methods as the bus is told them.
pub fn methods() -> Vec<Method> {
    let arguments = |arguments: Arguments| {
        let arguments = arguments.iter();
        arguments
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect()
    };
    METHODS
        .iter()
        .map(|(name, taken)| Method {
            name: (*name).to_owned(),
            arguments: arguments(taken),
        })
        .collect()
}

/// What is done about a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The daemon is asked.
    Ask(Request),
    /// It is answered with these words.
    Refuse(String),
    /// It ends with this status, after these words.
    Fail(Status, String),
}

/// Reads a call of `method` by `user` with the arguments `data`.
pub fn read(method: &str, data: &[u8], user: Option<&str>) -> Decision {
    let Some((_, taken)) = METHODS.iter().find(|(name, _)| *name == method) else {
        let said = "there is no such method: see 'ubus -v list glimpse'".to_owned();
        return Decision::Fail(Status::MethodNotFound, said);
    };
    let arguments = match arguments(data, taken) {
        Ok(arguments) => arguments,
        Err(said) => return Decision::Fail(Status::InvalidArgument, said),
    };
    match Request::of_call(method, &arguments) {
        Some(Ok(request)) if request.is_of_owner() && user != Some(OWNER) => {
            Decision::Refuse("only root may do this".to_owned())
        }
        Some(Ok(request)) => Decision::Ask(request),
        Some(Err(refused)) => Decision::Refuse(refused.to_string()),
        None => Decision::Fail(Status::MethodNotFound, "there is no such method".to_owned()),
    }
}

/// The arguments, if they have the types that were announced. `null` is as if it were not there: that is how forms send
/// what is left empty.
fn arguments(data: &[u8], taken: Arguments) -> Result<Map<String, Value>, String> {
    for field in fields(data) {
        let field = field.map_err(|error| error.to_string())?;
        let known = taken.iter().find(|(name, _)| name.as_bytes() == field.name);
        let Some((name, wanted)) = known else {
            continue;
        };
        if !fits(field.kind, *wanted) {
            return Err(format!("{name}: must be {}", noun(*wanted)));
        }
    }
    match to_json(data).map_err(|error| error.to_string())? {
        Value::Object(mut members) => {
            members.retain(|name, value| !value.is_null() && name != SESSION);
            Ok(members)
        }
        _ => Ok(Map::new()),
    }
}

fn fits(kind: Kind, wanted: Kind) -> bool {
    let whole = matches!(kind, Kind::Int64 | Kind::Int32 | Kind::Int16);
    kind == wanted || kind == Kind::Null || (wanted == Kind::Int32 && whole)
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "a string",
        Kind::Bool => "true or false",
        Kind::Table => "an object",
        _ => "a whole number",
    }
}

/// An answer of the daemon in bytes of the bus; one that is too long is an error that says so.
pub fn answer(answer: &Value) -> Vec<u8> {
    let encode = |answer: &Value| {
        let mut writer = Writer::default();
        match answer {
            Value::Object(members) => writer.members(members),
            other => writer.value("answer", other),
        }
        writer.into_bytes()
    };
    let bytes = encode(answer);
    if bytes.len() <= MAX_ANSWER {
        return bytes;
    }
    refusal("the answer is too long for the bus: ask for less, by a smaller limit or a filter")
}

/// A refusal in bytes of the bus.
pub fn refusal(said: &str) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.value("error", &json!(said));
    writer.into_bytes()
}
