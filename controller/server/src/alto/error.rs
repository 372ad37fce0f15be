//! Why there is nothing new to publish.

/// Why a publication could not be computed; the old one stands.
#[derive(Debug, thiserror::Error)]
pub enum AltoError {
    /// The database.
    #[error("{0}")]
    Store(#[from] glimpse_store::Error),
    /// The window has no length.
    #[error("{0}")]
    Window(#[from] glimpse_aggregate::WindowError),
    /// What was published before does not allow it.
    #[error("{0}")]
    Refused(#[from] glimpse_aggregate::Refused),
    /// A name is none that ALTO allows.
    #[error("{0}")]
    Name(#[from] glimpse_alto::NameError),
    /// A prefix is in two clusters of the operator's list.
    #[error("alto.clusters: {0}")]
    NetworkMap(#[from] glimpse_alto::NetworkMapError),
    /// The parts do not fit together.
    #[error("{0}")]
    Publication(#[from] glimpse_alto::PublicationError),
    /// The computation ended before its end.
    #[error("the computation was broken off: {0}")]
    BrokenOff(String),
}
