//! Rows as plain values.

mod alto;
mod load;
mod restconf;

pub use alto::{AltoPublic, Measured, MeasuredRow};
pub use load::{ForeignLoad, Intention, LoadChange, Remains, StandingLoad};
pub use restconf::{
    Coding, Datastore, Edit, Identity, Intended, Job, JobAgent, Known, NewEdit, NewJob, NewReport,
    NoRoom, Outcome, Retried, Settled,
};

use crate::Figures;
use glimpse_model::id::{AgentId, InstructionId, ResultId, TaskId};
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use std::collections::BTreeMap;

/// What an operator writes on an agent, such as `isp` and `region`.
pub type Labels = BTreeMap<String, String>;

/// SHA-256 of a one-time token; the token itself is stored nowhere.
pub type TokenHash = [u8; 32];

/// The certificate an agent was given last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Serial number as hexadecimal text.
    pub serial: String,
    /// End of its validity.
    pub not_after: Timestamp,
}

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id, which its certificate names.
    pub id: AgentId,
    /// Group for instructions.
    pub group: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// When it enrolled first.
    pub created: Timestamp,
    /// When it was last heard of, give or take a minute.
    pub last_seen: Option<Timestamp>,
    /// Its newest certificate.
    pub certificate: Certificate,
    /// When it was shut out, if it was.
    pub revoked: Option<Timestamp>,
    /// When its household wanted it forgotten, if it did: it is shut out since, and what it sent is deleted.
    pub forgotten: Option<Timestamp>,
}

/// A one-time token to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Hash of the token.
    pub hash: TokenHash,
    /// The agent that may come back by it; `None` admits a new one.
    pub agent: Option<AgentId>,
    /// Group of the new agent.
    pub group: Option<String>,
    /// Labels of the new agent.
    pub labels: Labels,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
}

/// What a token that may be used grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The agent that may come back by it.
    pub agent: Option<AgentId>,
}

/// Why a token may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is no such token.
    #[error("the token is not known here")]
    Unknown,
    /// It was used before.
    #[error("the token was used before")]
    Used,
    /// Its time has passed.
    #[error("the token has expired")]
    Expired,
    /// The agent it is for was revoked.
    #[error("the agent of this token was revoked")]
    Revoked,
}

/// An enrolment by token: the token is used up and the agent written in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// Hash of the token.
    pub hash: TokenHash,
    /// The id in the certificate: that of the [`Grant`], or a new one.
    pub agent: AgentId,
    /// The certificate made for it.
    pub certificate: Certificate,
    /// Now.
    pub at: Timestamp,
}

/// An agent that has enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The agent.
    pub agent: Agent,
    /// Instructions in force that cover a new agent and that it is not told of.
    pub withheld: Vec<Withheld>,
}

/// Why an agent is not told of an instruction that covers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withholding {
    /// The target that would get too much, or none at all.
    pub target: String,
    /// What it would come to, in the judge's own words.
    pub reason: String,
}

/// An instruction in force that an agent it covers is not told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The instruction.
    pub instruction: InstructionId,
    /// The target that would have got too much.
    pub target: String,
    /// What it would have come to when the agent enrolled.
    pub reason: String,
    /// Since when: the agent's enrolment.
    pub at: Timestamp,
}

/// Whom an instruction is for: everybody when both lists are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Audience {
    /// Agents by id.
    pub agents: Vec<AgentId>,
    /// Agents by group.
    pub groups: Vec<String>,
}

impl Audience {
    /// Whether it is for everybody.
    pub fn is_everybody(&self) -> bool {
        self.agents.is_empty() && self.groups.is_empty()
    }

    /// Whether an agent of this group is of it without being named.
    pub(crate) fn takes_in(&self, group: Option<&str>) -> bool {
        self.is_everybody() || group.is_some_and(|group| self.groups.iter().any(|g| g == group))
    }
}

/// An instruction to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInstruction {
    /// Its id; never used twice, since agents remember what they have carried out.
    pub id: InstructionId,
    /// The instruction as JSON.
    pub document: String,
    /// Whom it is for.
    pub audience: Audience,
    /// When it was given.
    pub created: Timestamp,
}

/// A stored instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstruction {
    /// Its id.
    pub id: InstructionId,
    /// The instruction as JSON.
    pub document: String,
    /// Whom it is for.
    pub audience: Audience,
    /// Agents that are told of it, or were when it was taken back; revoked ones left out.
    pub reach: u64,
    /// Agents that it covers and that are not told of it; revoked ones left out.
    pub withheld: u64,
    /// When it was given.
    pub created: Timestamp,
    /// When it was taken back, if it was.
    pub cancelled: Option<Timestamp>,
}

/// What is judged by: what stands and, for an addition, how far each new instruction would reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Instructions in force, and those that were taken back within the last hour.
    pub instructions: Vec<StoredInstruction>,
    /// Of the agents each of these reaches, in their order, those first told within the last hour.
    pub told_lately: Vec<u64>,
    /// Agents each of the new instructions reaches, in their order.
    pub reach: Vec<u64>,
    /// Instructions that the agent with the most of them would have afterwards.
    pub most_per_agent: u64,
    /// What agents send by their own configuration (RFC 8194), beside the instructions.
    pub loads: Vec<StandingLoad>,
    /// The same without having been let pass, by target.
    pub foreign: Vec<ForeignLoad>,
}

/// What one agent is told, and at which revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// Revision of the store this is read at, or an older one; for [`crate::Store::changed`].
    pub revision: i64,
    /// Instructions as JSON, oldest first.
    pub documents: Vec<String>,
}

/// A result to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResult {
    /// Its id, made on the agent.
    pub id: ResultId,
    /// The instruction that asked for it.
    pub instruction: Option<InstructionId>,
    /// The task within the instruction.
    pub task: Option<TaskId>,
    /// Name of the method.
    pub method: Option<String>,
    /// What became of the firing.
    pub status: Status,
    /// When it started, by the agent's clock.
    pub start: Option<Timestamp>,
    /// Whether the agent's clock is so far off that aggregation leaves the result out.
    pub clock_suspect: bool,
    /// Columns of pings.
    pub figures: Figures,
    /// What maps are made of; `None` for a result that has nothing for them.
    pub measured: Option<Measured>,
    /// The record as it was received.
    pub document: String,
}

/// What became of one result of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingest {
    /// Stored now.
    Stored,
    /// The same agent's result of this id was stored before.
    Duplicate,
    /// Another agent's result has this id; this one is not stored.
    Foreign,
}

/// Which results are wanted; a missing member means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this method.
    pub method: Option<String>,
    /// Started (or, without a start, received) at or after this.
    pub since: Option<Timestamp>,
    /// Of this agent.
    pub agent: Option<AgentId>,
}

/// A stored result.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Its id.
    pub id: ResultId,
    /// Whose it is.
    pub agent: String,
    /// The instruction that asked for it.
    pub instruction: Option<String>,
    /// The task within the instruction.
    pub task: Option<String>,
    /// Name of the method.
    pub method: Option<String>,
    /// What became of the firing, as on the wire.
    pub status: String,
    /// When it started, by the agent's clock.
    pub start: Option<Timestamp>,
    /// When it was received, by ours.
    pub received: Timestamp,
    /// Whether the agent's clock was far off.
    pub clock_suspect: bool,
    /// Columns of pings.
    pub figures: Figures,
    /// The record as it was received.
    pub document: String,
}
