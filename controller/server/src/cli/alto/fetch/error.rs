//! Why a server gave no answer, and what to do about it.

use super::MOST_REDIRECTIONS;
use super::trust::BUNDLES;
use crate::alto::client::Refused;
use crate::cli::CliError;
use hyper::StatusCode;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum FetchError {
    #[error("{0}: an address begins with https:// or http:// and names a host")]
    Address(String),
    #[error("{url}: cannot look up {host}: {source}")]
    Resolve {
        url: String,
        host: String,
        source: io::Error,
    },
    #[error("{url}: cannot connect: {source}")]
    Connect { url: String, source: io::Error },
    #[error("{url}: no trusted connection: {source}")]
    Tls { url: String, source: io::Error },
    #[error("{url}: the connection broke: {source}")]
    Broken { url: String, source: hyper::Error },
    #[error("{url}: no answer within {} s", .after.as_secs())]
    Timeout { url: String, after: Duration },
    #[error("{url}: the answer has more than {limit} bytes")]
    TooLarge { url: String, limit: usize },
    #[error("{url}: the answer is in coding {coding:?}, which was not asked for")]
    Coding { url: String, coding: String },
    #[error("{url}: the answer is of type {media_type:?}, not {wanted}")]
    Type {
        url: String,
        media_type: String,
        wanted: &'static str,
    },
    #[error("{url}: the answer is no gzip: {source}")]
    Inflate { url: String, source: io::Error },
    #[error("{url}: redirected {MOST_REDIRECTIONS} times without an end")]
    Redirections { url: String },
    #[error("{url}: redirected to {target:?}, which is not followed: {reason}")]
    Redirection {
        url: String,
        target: String,
        reason: &'static str,
    },
    #[error("{url}: the server refuses: {refused}")]
    Refused { url: String, refused: Box<Refused> },
    #[error("{url}: the server answers {status}{}", .detail.as_ref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Status {
        url: String,
        status: StatusCode,
        detail: Option<String>,
        retry_after: Option<Duration>,
    },
    #[error("{file}: {source}", file = .file.display())]
    Roots { file: PathBuf, source: io::Error },
    #[error("{}: holds no certificate in PEM form that can be a root", .0.display())]
    NoRoots(PathBuf),
    #[error("none of {} can be read", BUNDLES.join(", "))]
    NoBundle,
    #[error("{0}")]
    Library(#[from] rustls::Error),
}

impl FetchError {
    /// Whether the same request may succeed later.
    pub(in crate::cli) fn is_passing(&self) -> bool {
        match self {
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Broken { .. }
            | Self::Timeout { .. } => true,
            // A connection may be cut in the middle of the handshake; a certificate does not mend itself.
            Self::Tls { source, .. } => source
                .get_ref()
                .is_none_or(|inner| !inner.is::<rustls::Error>()),
            Self::Status { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            _ => false,
        }
    }

    /// When the server wants to be asked again.
    pub(in crate::cli) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Resolve { .. } | Self::Connect { .. } => {
                "correct host and port of the address, or start the server"
            }
            Self::Tls { .. } => {
                "the name in the address must be one of the server's certificate; a server whose authority the system does not know is verified with --ca FILE (of a controller of ours: pki/root.pem)"
            }
            Self::TooLarge { .. } => "ask for less with --filter, or allow more with --max-bytes",
            Self::Refused { .. } => "correct the question; the directory says what may be asked",
            Self::Status { status, .. } if *status == StatusCode::NOT_FOUND => {
                "give the address of the server's directory (IRD)"
            }
            Self::Status { status, .. } if *status == StatusCode::PAYLOAD_TOO_LARGE => {
                "ask for less: fewer sources, destinations or endpoints at once"
            }
            Self::Status { status, .. } if *status == StatusCode::SERVICE_UNAVAILABLE => {
                "try again later"
            }
            Self::NoBundle => "install ca-certificates, or name the server's authority: --ca FILE",
            _ => "",
        }
    }
}

impl From<FetchError> for CliError {
    fn from(error: FetchError) -> Self {
        Self::hinting(&error, error.hint())
    }
}
