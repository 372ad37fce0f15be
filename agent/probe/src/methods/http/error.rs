//! What can go wrong with a server, in words for the record.

use std::io;
use std::net::SocketAddr;

use glimpse_net::stream::is_limit;
use rustls::CertificateError;

use super::body::BodyError;
use super::head::HeadError;
use super::url::UrlError;

/// Why a server could not be measured, or not to the end.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No address, or none that is admitted.
    #[error("{0}")]
    Locate(String),
    /// No TLS on this machine.
    #[error("no tls: {0}")]
    NoTls(String),
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
    /// No TLS session; by kind where the certificate is the cause.
    #[error("tls with {host}: {fault}")]
    Tls {
        /// The name that was asked for.
        host: String,
        /// What went wrong.
        fault: TlsFault,
    },
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

/// Why there is no TLS session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// No path to an authority that this machine trusts.
    #[error("the certificate is from an unknown authority")]
    UnknownAuthority,
    /// Another host's certificate.
    #[error("the certificate is for another name")]
    WrongName,
    /// Too old, or our clock is ahead.
    #[error("the certificate has expired")]
    Expired,
    /// Too new, or our clock is behind.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// Any other fault of it.
    #[error("the certificate is not fit for a server: {0}")]
    Certificate(String),
    /// Not in time.
    #[error("no handshake within {0} ms")]
    Slow(u64),
    /// Anything else: no TLS there, no common version, an alert.
    #[error("{0}")]
    Handshake(String),
}

impl TlsFault {
    /// What an error of the handshake says.
    pub fn of(error: &io::Error) -> Self {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(rustls::Error::InvalidCertificate(reason)) => match reason {
                CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                    Self::UnknownAuthority
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    Self::Expired
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    Self::NotYetValid
                }
                other => Self::Certificate(other.to_string()),
            },
            Some(other) => Self::Handshake(other.to_string()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Handshake("the server closed during the handshake".to_owned())
            }
            None => Self::Handshake(error.to_string()),
        }
    }
}
