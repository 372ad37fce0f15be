//! Why an agent is not answered.

use glimpse_model::read::Refused;

/// Why a request to the supervisor fails.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A document or argument does not read.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The certificate is ours, but the agent is not in the repository.
    #[error("the agent is not known here")]
    Unknown,
    /// The agent was shut out.
    #[error("the agent was revoked")]
    Revoked,
    /// The agent has asked too often and waits for the answers.
    #[error("too many requests for instructions are open already")]
    Crowded,
    /// The wish to be forgotten is not the agent's own, or not of now.
    #[error("{0}")]
    Wish(&'static str),
    /// The database.
    #[error("{0}")]
    Store(#[from] glimpse_store::Error),
}
