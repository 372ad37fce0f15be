//! What an agent can do, as it announces it (`PUT /agent/v2/capabilities`).

use crate::SCHEMA;
use crate::options::{OptionSpec, to_schema};
use serde::Serialize;
use serde_json::Value;

/// What a method needs from the machine or from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A raw or ping socket.
    RawSocket,
    /// A peer that takes part in the measurement.
    Peer,
    /// The line for itself: no other measurement runs beside it.
    ExclusiveLine,
}

/// One measurement method.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capability {
    /// Name, such as `ping`.
    pub name: String,
    /// Registry URIs of what it measures (RFC 8911; RFC 8194 `function`).
    pub functions: Vec<String>,
    /// JSON Schema of its options.
    pub options: Value,
    /// What it needs.
    pub needs: Vec<Need>,
}

impl Capability {
    /// The announcement of a method by its option table.
    pub fn new(name: &str, functions: &[&str], specs: &[OptionSpec], needs: &[Need]) -> Self {
        Self {
            name: name.to_owned(),
            functions: functions.iter().map(|uri| (*uri).to_owned()).collect(),
            options: to_schema(specs),
            needs: needs.to_vec(),
        }
    }
}

/// Limits an agent keeps, announced so that a controller does not ask in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Limits {
    /// Instructions accepted in one set.
    pub max_instructions: u32,
    /// Measurements that run side by side.
    pub max_parallel: u32,
    /// The household's monthly cap on fixed lines, in bytes.
    pub monthly_bytes: u64,
    /// The household's monthly cap on mobile lines, in bytes.
    pub mobile_monthly_bytes: u64,
}

/// The whole announcement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capabilities {
    /// Always 2.
    pub schema: u32,
    /// Name and version of the program, such as `glimpse-agent/0.1.0`.
    pub agent_version: String,
    /// What it can measure.
    pub methods: Vec<Capability>,
    /// What it limits itself to.
    pub limits: Limits,
}

impl Capabilities {
    /// An announcement of schema 2.
    pub fn new(agent_version: String, methods: Vec<Capability>, limits: Limits) -> Self {
        Self {
            schema: SCHEMA,
            agent_version,
            methods,
            limits,
        }
    }
}
