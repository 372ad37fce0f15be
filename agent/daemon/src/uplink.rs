//! The JSON door: everything that goes to or comes from the controller.
//!
//! ```text
//!             ┌ supervisor: pull configuration and instructions ──▶ daemon
//!  http ◀─────┤
//!             └ repository: batch from the spool ──▶ POST ──▶ receipt ──▶ spool
//! ```
//!
//! Two tasks, each with a connection of its own and its own back-off. Neither holds data that would
//! be lost with it: instructions are replaced as a whole, results stay in the spool until a receipt
//! names them.

pub mod backoff;
pub mod enrol;
pub mod http;
pub mod repository;
pub mod supervisor;

use glimpse_model::time::Timestamp;
use serde_json::{Value, json};

/// How one of the two tasks stands, for `status`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Contact {
    /// Last exchange that succeeded.
    pub last_success: Option<Timestamp>,
    /// Last attempt, whatever its end.
    pub last_attempt: Option<Timestamp>,
    /// When the next attempt is due after a failure.
    pub next_attempt: Option<Timestamp>,
    /// What went wrong in the last attempt.
    pub error: Option<String>,
}

impl Contact {
    /// An exchange that succeeded at `now`.
    pub fn succeeded(&mut self, now: Timestamp) {
        *self = Self {
            last_success: Some(now),
            last_attempt: Some(now),
            next_attempt: None,
            error: None,
        };
    }

    /// An attempt that failed at `now`; the next one follows in `wait_us`.
    pub fn failed(&mut self, now: Timestamp, wait_us: i64, error: &str) {
        self.last_attempt = Some(now);
        self.next_attempt = Some(now.plus_micros(wait_us));
        self.error = Some(error.to_owned());
    }

    /// As shown by `status --json`.
    pub fn to_json(&self) -> Value {
        json!({"last_success": self.last_success, "last_attempt": self.last_attempt,
            "next_attempt": self.next_attempt, "error": self.error})
    }
}
