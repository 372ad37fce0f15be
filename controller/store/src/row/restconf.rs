//! What is known of agents' datastores, what waits to be written to them, and edits of many at once.

use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;

/// What became of the configuration that was written for an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Intended {
    /// Nothing was written.
    #[default]
    None,
    /// Some of it waits for the agent.
    Pending,
    /// The agent has taken all of it.
    Delivered,
    /// The agent has refused the last of it, or was not asked.
    Refused,
}

impl Intended {
    /// Its name in the database and in `glimpse-fleet`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::None, Self::Pending, Self::Delivered, Self::Refused]
            .into_iter()
            .find(|own| own.as_str() == name)
    }
}

/// An agent's datastore, without its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datastore {
    /// Whose it is.
    pub agent: AgentId,
    /// The content-id of its YANG library.
    pub module_set: Option<String>,
    /// Name and version of its program.
    pub version: Option<String>,
    /// Where it called from.
    pub address: Option<String>,
    /// When its tree was read.
    pub known: Option<Timestamp>,
    /// What became of what was written for it.
    pub intended: Intended,
    /// When something was written for it last.
    pub written: Option<Timestamp>,
    /// When it answered to that last.
    pub answered: Option<Timestamp>,
    /// Why it was refused: an array of JSON, as the server writes it.
    pub errors: String,
}

/// What an agent's datastore was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The content-id of its YANG library.
    pub module_set: Option<String>,
    /// Name and version of its program.
    pub version: Option<String>,
    /// Where it called from.
    pub address: Option<String>,
    /// As whom it has the agent report.
    pub identity: Identity,
    /// All of it, as JSON of RFC 7951.
    pub tree: String,
    /// When it was read.
    pub at: Timestamp,
}

/// As whom an agent reports, by its configuration (RFC 8194).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its agent-id.
    pub agent_id: Option<String>,
    /// Its group-id.
    pub group_id: Option<String>,
}

/// An edit that is to wait for its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEdit {
    /// Who wrote it.
    pub operator: String,
    /// The request, as the server writes it.
    pub request: String,
}

/// An edit that waits for its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its number: lower ones go first.
    pub id: i64,
    /// The job it is of.
    pub job: Option<u32>,
    /// Who wrote it.
    pub operator: String,
    /// The request, as the server writes it.
    pub request: String,
    /// When it was written.
    pub written: Timestamp,
}

/// What became of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The edit.
    pub edit: i64,
    /// Whose it is.
    pub agent: AgentId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was refused or withheld: an array of JSON.
    pub errors: String,
    /// When.
    pub at: Timestamp,
    /// What the agent's datastore is now, where that is known.
    pub known: Option<Known>,
}

/// What became of a job's edit at one agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The agent has not answered.
    Pending,
    /// It has taken the edit.
    Delivered,
    /// It has refused it.
    Refused,
    /// It was not asked: a target would get too much.
    Withheld,
    /// The job was cancelled before it was asked.
    Cancelled,
}

impl Outcome {
    /// Its name in the database and in `glimpse-fleet`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Withheld => "withheld",
            Self::Cancelled => "cancelled",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Delivered,
            Self::Refused,
            Self::Withheld,
            Self::Cancelled,
        ]
        .into_iter()
        .find(|own| own.as_str() == name)
    }
}

/// An edit of many agents, to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// The name its author gave it.
    pub patch_id: String,
    /// Who wrote it.
    pub operator: String,
    /// The request, as the server writes it: the same for all.
    pub request: String,
    /// For whom.
    pub agents: Vec<AgentId>,
    /// Why an agent is not asked for which as much waits as may: an array of JSON.
    pub no_room: String,
    /// When it was given.
    pub created: Timestamp,
}

/// Why a job is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoom {
    /// Its author has as many under way as one may.
    Operator,
    /// As many are under way as are kept.
    All,
}

/// What came of asking a job's agents again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retried {
    /// Agents that are asked.
    pub asked: u64,
    /// Agents that are not: they have taken a newer edit.
    pub overtaken: u64,
    /// Agents that are not: as much waits for them as may.
    pub crowded: u64,
}

/// An edit of many agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: u32,
    /// The name its author gave it.
    pub patch_id: String,
    /// Who wrote it.
    pub operator: String,
    /// When it was given.
    pub created: Timestamp,
    /// When the last agent had an outcome.
    pub ended: Option<Timestamp>,
    /// What became of it at each agent, by id.
    pub agents: Vec<JobAgent>,
}

/// What became of a job at one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobAgent {
    /// The agent.
    pub id: AgentId,
    /// What became of the edit.
    pub outcome: Outcome,
    /// How often the agent was asked.
    pub attempts: u32,
    /// When it had its outcome.
    pub answered: Option<Timestamp>,
    /// Why it was refused or withheld: an array of JSON.
    pub errors: String,
}

/// A report as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewReport {
    /// Media type of the body.
    pub media_type: String,
    /// How the body is written down.
    pub coding: Coding,
    /// The body.
    pub body: Vec<u8>,
}

/// How a body is written down (RFC 9110 §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// Compressed.
    Gzip,
}
