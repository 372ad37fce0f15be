//! What a measurement run yields.

use serde::Serialize;
use serde_json::{Map, Value};

/// Bytes counted at the sockets, IP headers included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByteCount {
    /// Bytes sent.
    pub sent: u64,
    /// Bytes received.
    pub received: u64,
}

impl ByteCount {
    /// Both directions together.
    pub fn total(self) -> u64 {
        self.sent.saturating_add(self.received)
    }
}

/// How a run ended. A network failure is an outcome, never a program error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It brought at least one figure or answer that was asked for; total loss is such a figure.
    Done,
    /// It brought none: name not found, no route, socket refused, nobody answered.
    Failed,
    /// Stopped from outside before its end.
    Aborted,
}

/// What one run of one task yielded.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// How the run ended.
    pub ending: Ending,
    /// The method's own figures, by the names of its documentation.
    pub probe_result: Map<String, Value>,
    /// What went wrong, for people; `None` when nothing did.
    pub error: Option<String>,
    /// Bytes counted, whatever the ending.
    pub bytes: ByteCount,
    /// Where a program measured and did not succeed: its exit status, or minus the number of the signal that ended it.
    pub exit: Option<i32>,
}

impl Outcome {
    /// A run that came to its end.
    pub fn done(probe_result: Map<String, Value>, bytes: ByteCount) -> Self {
        Self {
            ending: Ending::Done,
            probe_result,
            error: None,
            bytes,
            exit: None,
        }
    }

    /// A run that could not be made.
    pub fn failed(error: impl Into<String>, bytes: ByteCount) -> Self {
        Self {
            ending: Ending::Failed,
            probe_result: Map::new(),
            error: Some(error.into()),
            bytes,
            exit: None,
        }
    }

    /// A run that was stopped; `bytes` is what is known to have been used.
    pub fn aborted(error: impl Into<String>, bytes: ByteCount) -> Self {
        Self {
            ending: Ending::Aborted,
            ..Self::failed(error, bytes)
        }
    }
}
