//! Objects that answer what stands in a file.
//!
//! ```json
//! {"path": "iwinfo", "methods": {"info": {
//!     "arguments": {"device": "text"},
//!     "answers": [{"when": {"device": "wlan0"}, "answer": {"signal": -61}}]}}}
//! ```
//! The first answer counts whose `when` agrees with the arguments; without any the status is 4, not found.

use super::client::{Call, Client};
use anyhow::{Context, Result};
use glimpse_agent::local::ubus::blob::Kind;
use glimpse_agent::local::ubus::message::{Method, Status};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// An object as it stands in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Its path on the bus.
    pub path: String,
    methods: BTreeMap<String, Behaviour>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Behaviour {
    #[serde(default)]
    arguments: BTreeMap<String, Argument>,
    answers: Vec<Answer>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Argument {
    Text,
    Integer,
    Bool,
    Table,
    Array,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    when: Map<String, Value>,
    answer: Value,
}

impl Description {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}: no object", path.display()))
    }

    fn methods(&self) -> Vec<Method> {
        let methods = self.methods.iter().map(|(name, behaviour)| {
            let arguments = behaviour.arguments.iter().map(|(name, argument)| {
                let kind = match argument {
                    Argument::Text => Kind::Text,
                    Argument::Integer => Kind::Int32,
                    Argument::Bool => Kind::Bool,
                    Argument::Table => Kind::Table,
                    Argument::Array => Kind::Array,
                };
                (name.clone(), kind)
            });
            Method {
                name: name.clone(),
                arguments: arguments.collect(),
            }
        });
        methods.collect()
    }

    fn serve(&self, call: Call) {
        let Some(behaviour) = self.methods.get(&call.name) else {
            return call.end(Status::MethodNotFound);
        };
        let fits = |answer: &&Answer| {
            answer
                .when
                .iter()
                .all(|(name, value)| call.arguments.get(name) == Some(value))
        };
        match behaviour.answers.iter().find(fits) {
            Some(found) => {
                call.answer(&found.answer);
                call.end(Status::Ok);
            }
            None => call.end(Status::NotFound),
        }
    }
}

/// Offers the object on the bus of `client`; it is there until the bus is gone, or the task ends.
///
/// # Errors
/// When the bus refuses it.
pub async fn offer(
    client: Arc<Client>,
    object: Description,
) -> Result<tokio::task::JoinHandle<()>> {
    let mut own = client
        .offer(&object.path, &object.methods())
        .await
        .with_context(|| format!("cannot offer {}", object.path))?;
    Ok(tokio::spawn(async move {
        while let Some(call) = own.next().await {
            object.serve(call);
        }
        drop(client);
    }))
}
