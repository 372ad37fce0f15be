//! What the daemon answers to programs on the same machine. The control socket is one binding of
//! it, the object on ubus another.

mod read;
mod request;
#[cfg(test)]
mod tests;

pub use request::{
    Complaint, Enrol, ExportFormat, Own, Request, ResultsQuery, SeriesQuery, Survey, Token,
};

use glimpse_model::id::ResultId;
use glimpse_model::record::Status;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Most results given at a time, where the answer need not fit into a message of ubus.
pub const MOST_RESULTS: usize = 1000;
/// Bytes of an answer that fit into a message of ubus beside what else stands in it.
pub const ANSWER_BYTES: usize = 56 << 10;
/// Events that wait for a slow listener; it then misses the oldest.
const EVENTS: usize = 32;

/// A question under way to the daemon.
pub type Asked = (Request, oneshot::Sender<Value>);

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It waits for the line.
    Waiting,
    /// It is under way.
    Running,
    /// It came to its end, whatever that was.
    Done,
    /// The household ended it.
    Cancelled,
}

impl JobState {
    /// The word in answers and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Something that happened, for whoever listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record was made.
    Result {
        /// Its id.
        id: ResultId,
        /// Name of the method; none of a whole firing that was skipped.
        method: Option<String>,
        /// What became of it.
        status: Status,
        /// It is of the household's own measurements.
        own: bool,
    },
    /// A job of the household's came a step further.
    Job {
        /// Its id.
        id: ResultId,
        /// How far it has come.
        state: JobState,
    },
}

impl Event {
    /// The name under which ubus sends it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Result { .. } => "result",
            Self::Job { .. } => "job",
        }
    }

    /// What is told of it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Result {
                id,
                method,
                status,
                own,
            } => json!({"id": id, "method": method, "status": status.as_str(), "own": own}),
            Self::Job { id, state } => json!({"id": id, "state": state.as_str()}),
        }
    }
}

/// A handle by which bindings ask.
#[derive(Debug, Clone)]
pub struct Service {
    daemon: mpsc::Sender<Asked>,
    events: broadcast::Sender<Event>,
}

impl Service {
    /// A service whose questions arrive at the returned receiver.
    pub fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (daemon, asked) = mpsc::channel(16);
        let (events, _) = broadcast::channel(EVENTS);
        (Self { daemon, events }, asked)
    }

    /// Asks; `None` when the daemon is stopping.
    pub async fn ask(&self, request: Request) -> Option<Value> {
        let (reply, answer) = oneshot::channel();
        self.daemon.send((request, reply)).await.ok()?;
        answer.await.ok()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The end at which events are told.
    pub fn teller(&self) -> broadcast::Sender<Event> {
        self.events.clone()
    }
}
