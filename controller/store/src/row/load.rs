//! What agents send by their own configuration, and changes of it.

use super::restconf::NewEdit;
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;

/// What somebody wants an agent to be or to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intention {
    /// Which agent.
    pub agent: AgentId,
    /// What the agent sends without it, as instructions: of this, what nobody has let pass is not judged now either.
    pub before: Vec<String>,
    /// What the agent would then send, to be judged; `None` where that is not known yet.
    pub loads: Option<Vec<String>>,
    /// The loads run once beside what the agent does anyway, rather than in its place.
    pub once: bool,
    /// The agent is about to have it: what is counted already begins now.
    pub delivered: bool,
    /// What is to be kept for the agent's next contact, if anything is.
    pub edit: Option<NewEdit>,
}

/// A load that agents have by their own configuration; equal ones of several agents together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingLoad {
    /// The instruction it amounts to, as JSON.
    pub document: String,
    /// How many agents have it; revoked ones left out.
    pub agents: u64,
    /// When the last of them got it.
    pub given: Timestamp,
}

/// What counts at a target of loads that nobody has let pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignLoad {
    /// The target, in words.
    pub target: String,
    /// Millionths of a run per hour; below 2^41 for one agent.
    pub runs_per_hour_millionths: u64,
    /// Millionths of a packet per second; below 2^41 for one agent.
    pub packets_per_second_millionths: u64,
}

/// What one agent would send instead of what it sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadChange {
    /// Loads that would be gone, and since when each stands.
    pub gone: Vec<(String, Timestamp)>,
    /// Loads that would be new.
    pub new: Vec<String>,
    /// Loads that are counted since that moment, and that the agent gets only now.
    pub begin: Vec<(String, Timestamp)>,
}

/// What goes on counting of a load, which stands since the first moment and is gone at the second; and since when.
pub type Remains = fn(&str, Timestamp, Timestamp) -> Option<(String, Timestamp)>;
