//! What the router's own services tell of the line, the machine and its Wi-Fi.
//!
//! ```text
//!  network.interface dump ─┐
//!  network.device status  ─┼─▶ pure readers ─▶ Facts, kept up to date by `follow`
//!  system board           ─┘
//!  iwinfo devices/info/assoclist ─▶ asked when somebody wants to know
//! ```
//! All of it is foreign: read within bounds, and anything may be missing.

mod cable;
mod follow;
mod interfaces;
#[cfg(test)]
mod tests;
pub mod wifi;

pub use cable::Device;
pub use interfaces::Wan;
pub use wifi::{Radio, Station, devices, radio, station};

pub(super) use follow::follow;

use super::{Bus, CallError};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Longest name taken, in bytes.
const NAME: usize = 64;

/// What is known now; nothing, where there is no system bus.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The way to the Internet.
    pub wan: Option<Wan>,
    /// The device below it.
    pub device: Device,
    /// Its radio, where it goes over Wi-Fi.
    pub radio: Option<Radio>,
    /// What machine this is.
    pub board: Option<Board>,
    /// When the way to the Internet was asked for.
    pub read: Option<Instant>,
}

impl Facts {
    /// How long the way to the Internet has been up, in seconds.
    pub fn uptime_s(&self, now: Instant) -> Option<u64> {
        let then = self.wan.as_ref().filter(|wan| wan.up)?.uptime_s?;
        Some(then.saturating_add(now.saturating_duration_since(self.read?).as_secs()))
    }
}

/// What machine this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// Such as `TP-Link Archer C7 v2`.
    pub model: String,
    /// Such as `OpenWrt 24.10.1`.
    pub release: Option<String>,
}

impl Board {
    /// Reads the answer of `system board`.
    pub fn read(answer: &Value) -> Option<Self> {
        let release = |member: &str| text(answer.get("release")?.get(member)?);
        let named = release("distribution").zip(release("version"));
        Some(Self {
            model: text(answer.get("model")?)?,
            release: named
                .map(|(distribution, version)| format!("{distribution} {version}"))
                .or_else(|| release("description")),
        })
    }

    /// As it is shown.
    pub fn to_json(&self) -> Value {
        json!({"model": self.model, "release": self.release})
    }
}

/// A name within bounds, safe to be shown.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = !text.is_empty() && text.len() <= NAME;
    fits.then(|| glimpse_model::read::printable(text))
}

/// The name of a network device: one that the kernel would take, so that it leads nowhere else as part of a path.
fn device(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let usable = (1..16).contains(&name.len()) && !matches!(name, "." | "..");
    let plain = |c: char| c.is_ascii_graphic() && c != '/' && c != ':';
    (usable && name.chars().all(plain)).then(|| name.to_owned())
}

async fn ask(bus: &Bus, path: &str, method: &str, arguments: Value) -> Result<Value, CallError> {
    let arguments = match arguments {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    bus.call(path, method, arguments).await
}
