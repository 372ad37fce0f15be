//! What can go wrong with a server, in words for the record.

use std::io;
use std::net::SocketAddr;

use glimpse_net::stream::is_limit;

use super::body::BodyError;
use super::head::HeadError;
use super::url::UrlError;
use crate::methods::tls::TlsError;

/// Why a server could not be measured, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No address, or none that is admitted.
    #[error("{0}")]
    Locate(String),
    /// Bulk transfers may not go there.
    #[error(
        "bulk transfers to {host} are not allowed: it is none of the household's bulk_targets, and does not opt in ({reason})"
    )]
    NotListed {
        /// The host.
        host: String,
        /// What its answer lacked.
        reason: String,
    },
    /// No connection.
    #[error("{remote}: {reason}")]
    Connect {
        /// The server.
        remote: SocketAddr,
        /// What the kernel said.
        reason: String,
    },
    /// No TLS session.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No answer in time.
    #[error("the server did not answer within {0} ms")]
    Silent(u64),
    /// The answer's head did not end in time.
    #[error("the server's answer had no end of its head within {0} ms")]
    Slow(u64),
    /// The connection ended where an answer should be.
    #[error("the server closed without an answer")]
    Unanswered,
    /// The answer is not HTTP/1.
    #[error("{0}")]
    Head(#[from] HeadError),
    /// The content is not what was announced.
    #[error("{0}")]
    Body(#[from] BodyError),
    /// Bytes that answer nothing.
    #[error("the server sent more than it had announced")]
    Surplus,
    /// A status that is no success.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// A redirect when none was asked for.
    #[error("the server redirects to {0}: option redirects says how often that is followed")]
    Redirected(String),
    /// More redirects than asked for.
    #[error("more than {limit} redirects, the last to {last}")]
    Redirects {
        /// How many were allowed.
        limit: u32,
        /// Where the last one pointed.
        last: String,
    },
    /// A redirect that gives up TLS.
    #[error("the server redirects from https to http ({0}): refused")]
    Downgrade(String),
    /// A redirect to nowhere.
    #[error("the server redirects to {location:?}, which {reason}")]
    Location {
        /// The header, shortened.
        location: String,
        /// What is wrong with it.
        reason: UrlError,
    },
    /// Answers so short that requests are all there is.
    #[error("the server's answers are too short to measure with: {0} requests were made")]
    Trickle(u32),
    /// Nothing came, and nothing was acknowledged, of which it can be told why.
    #[error("nothing was transferred")]
    Nothing,
    /// The run has used up its bytes.
    #[error("{0}")]
    Limit(String),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
}

impl From<io::Error> for HttpError {
    fn from(error: io::Error) -> Self {
        if is_limit(&error) {
            Self::Limit(error.to_string())
        } else {
            Self::Broken(error)
        }
    }
}
