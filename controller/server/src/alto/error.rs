//! Why there is nothing new to publish.

/// Why a publication could not be computed; the old one stands.
#[derive(Debug, thiserror::Error)]
pub enum AltoError {
    /// The database.
    #[error("{0}")]
    Store(#[from] glimpse_store::Error),
    /// A name is none that ALTO allows.
    #[error("{0}")]
    Name(#[from] glimpse_alto::NameError),
    /// A metric is none that ALTO allows.
    #[error("{0}")]
    Metric(#[from] glimpse_alto::MetricError),
    /// A prefix is in two places or clusters.
    #[error("{0}")]
    NetworkMap(#[from] glimpse_alto::NetworkMapError),
    /// A file of the operator that says where addresses are.
    #[error("{0}")]
    Places(#[from] super::PlaceError),
    /// The parts do not fit together.
    #[error("{0}")]
    Publication(#[from] glimpse_alto::PublicationError),
    /// What the database keeps of an earlier publication is of another program, or damaged.
    #[error("{what} in the database cannot be read: {reason}")]
    Kept {
        /// What it is.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Others published in between, each time.
    #[error("other controllers published on this database at the same time, {0} times")]
    Overtaken(usize),
    /// There is no randomness to hide the agents' ids with.
    #[error("the system gives no random bytes")]
    Randomness,
    /// The computation ended before its end.
    #[error("the computation was broken off: {0}")]
    BrokenOff(String),
}
