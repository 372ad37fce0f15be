//! Why a batch is not taken.

use glimpse_model::read::Refused;
use glimpse_model::record::MAX_BATCH;

/// Why a whole batch is refused; nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The document is no batch.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// The batch has too many records: half of them may pass.
    #[error("records: must have at most {MAX_BATCH} elements")]
    TooMany,
    /// Too many batches are being worked on.
    #[error("too many uploads at once")]
    Crowded,
    /// The agent has sent what it may in a day.
    #[error("as much was sent as may be in a day")]
    Spent {
        /// When it may send more, in seconds.
        after_s: u32,
    },
    /// The database.
    #[error("{0}")]
    Store(#[from] glimpse_store::Error),
}
