//! What can go wrong between the program and its database.

/// Why a call did not do its work. Nothing of the call is stored then.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Too much waits for the writer, or another process holds the lock: try again soon.
    #[error("the database is busy")]
    Busy,
    /// The disk or the bound of the database is full: try again when there is room.
    #[error("the database is full")]
    Full,
    /// The file is damaged, or is no database.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// The file cannot be opened, read or written.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// The store was closed, or its writer is gone.
    #[error("the database is closed")]
    Closed,
    /// A stored row does not read: it was written by something else.
    #[error("a stored {what} does not read: {reason}")]
    Row {
        /// Which kind of row.
        what: &'static str,
        /// Why.
        reason: String,
    },
    /// Anything else the database says.
    #[error("database: {0}")]
    Other(String),
}

impl Error {
    /// Whether the same call may succeed later without anybody mending anything but room.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy | Self::Full)
    }

    pub(crate) fn row(what: &'static str, reason: &impl ToString) -> Self {
        Self::Row {
            what,
            reason: reason.to_string(),
        }
    }
}
