//! What `dnslookup` and `reversednslookup` share: one query, one answer, over a socket of its own.
//!
//! ```text
//!   options ─▶ query ─▶ datagram | stream (framing) | https ─▶ answer ─▶ value ─▶ outcome
//!    pure      pure             sockets                        pure      pure     pure
//! ```
//!
//! Nothing here asks the system's resolver or its cache: every try has a socket of its own from a port that the kernel
//! draws, an identifier drawn from the seed, and counts as answered only by a message from the server's address that
//! repeats both the identifier and the question, letter case included. Other messages are counted as `mismatched`, and
//! the wait goes on. Whatever comes is walked by bounded code: [`framing::next`] and [`answer::judge`] take any bytes.

pub mod answer;
mod datagram;
pub mod framing;
#[cfg(feature = "doh")]
mod https;
pub mod kinds;
pub(crate) mod lookup;
pub(crate) mod options;
pub(crate) mod outcome;
pub mod query;
pub mod server;
mod stream;
pub mod value;

use glimpse_net::stream::LimitReached;

use super::tls::TlsError;

/// Why a try brought no answer, in words for the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Nothing, or nothing that fits, within the time-out.
    #[error("no answer from {server} within {wait_ms} ms")]
    Silent {
        server: std::net::SocketAddr,
        wait_ms: u32,
    },
    /// The server's host says that nobody listens.
    #[error("{0}")]
    Refused(String),
    /// The network, or this host, could not bring the query there.
    #[error("{0}")]
    Unreachable(String),
    /// The connection ended before a whole answer had come.
    #[error("{0}")]
    Closed(String),
    /// The server did not prove who it is, or speaks no TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The HTTP server gave no DNS message.
    #[cfg(feature = "doh")]
    #[error("http: {0}")]
    Http(String),
    /// Too many bytes.
    #[error(transparent)]
    Limit(#[from] LimitReached),
}

impl Failure {
    /// Whether another try may do better.
    pub(crate) const fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Tls(error) => error.is_passing(),
            Self::Limit(_) => false,
            _ => true,
        }
    }
}
