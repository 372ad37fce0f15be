//! Why an agent is not enrolled.

use crate::pki::PkiError;
use glimpse_store::TokenFault;

/// Why no certificate was given.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// There is no token in the request.
    #[error("a one-time token is needed, as the password of HTTP Basic authentication")]
    NoToken,
    /// The token may not be used.
    #[error("{0}")]
    Token(TokenFault),
    /// The certificate request is refused.
    #[error("{0}")]
    Request(String),
    /// The agent that wants to renew is not known here, or was revoked.
    #[error("the agent is not known here, or was revoked")]
    NotKnown,
    /// The certificate could not be made.
    #[error("{0}")]
    Issue(PkiError),
    /// The database.
    #[error("{0}")]
    Store(#[from] glimpse_store::Error),
}

impl From<PkiError> for EnrolmentError {
    fn from(error: PkiError) -> Self {
        match error {
            PkiError::Request(_) => Self::Request(error.to_string()),
            other => Self::Issue(other),
        }
    }
}
