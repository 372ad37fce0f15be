//! Why there is no TLS session, in the same words for every method that speaks TLS.

use std::io;

use rustls::{AlertDescription, CertificateError};

/// Why a server could not be spoken to by TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// None can be had on this machine.
    #[error("no tls: {0}")]
    Unavailable(String),
    /// None with this server.
    #[error("tls with {peer}: {fault}")]
    Peer {
        /// The name or address that its certificate must carry.
        peer: String,
        /// What went wrong.
        fault: TlsFault,
    },
}

impl TlsError {
    /// Whether another try may do better: only of a server that was slow.
    pub const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Peer {
                fault: TlsFault::Slow(_),
                ..
            }
        )
    }
}

/// What a server did instead of proving who it is.
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
    /// Taken back by its authority.
    #[error("the certificate was revoked")]
    Revoked,
    /// Any other fault of it.
    #[error("the certificate is not fit for a server: {0}")]
    Certificate(String),
    /// What came is something else.
    #[error("the answer is not tls")]
    NotTls,
    /// It speaks only versions or ciphers that are not spoken here.
    #[error("no version or cipher in common")]
    NothingInCommon,
    /// It gave up, with this alert (RFC 8446 §6).
    #[error("the server gave up with alert {0}")]
    Alert(String),
    /// The connection ended.
    #[error("the server closed during the handshake")]
    Closed,
    /// The connection was torn down.
    #[error("the server reset the connection during the handshake")]
    Reset,
    /// Not in time.
    #[error("no handshake within {0} ms")]
    Slow(u64),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl TlsFault {
    /// What an error of a TLS stream says.
    pub fn of(error: &io::Error) -> Self {
        let inside = error
            .get_ref()
            .and_then(|inside| inside.downcast_ref::<rustls::Error>());
        match inside {
            Some(rustls::Error::InvalidCertificate(reason)) => Self::of_certificate(reason),
            Some(rustls::Error::InvalidMessage(_)) => Self::NotTls,
            Some(rustls::Error::PeerIncompatible(_)) => Self::NothingInCommon,
            Some(rustls::Error::AlertReceived(alert)) => match alert {
                // What servers answer, each after its own taste, to a hello of which they can use nothing.
                AlertDescription::ProtocolVersion
                | AlertDescription::HandshakeFailure
                | AlertDescription::InsufficientSecurity => Self::NothingInCommon,
                other => Self::Alert(format!("{other:?}")),
            },
            Some(other) => Self::Other(other.to_string()),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof => Self::Closed,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Reset,
                _ => Self::Other(error.to_string()),
            },
        }
    }

    fn of_certificate(reason: &CertificateError) -> Self {
        match reason {
            // The signature is wrong also of an authority that only shares its name with one that is known.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::UnknownAuthority
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::Revoked => Self::Revoked,
            other => Self::Certificate(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_words() {
        let within = |error: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, error);
        let certificate = |error| within(rustls::Error::InvalidCertificate(error));
        let alert = |alert| within(rustls::Error::AlertReceived(alert));
        for (error, words) in [
            (
                certificate(CertificateError::Expired),
                "the certificate has expired",
            ),
            (
                certificate(CertificateError::NotValidYet),
                "the certificate is not valid yet",
            ),
            (
                certificate(CertificateError::NotValidForName),
                "the certificate is for another name",
            ),
            (
                certificate(CertificateError::UnknownIssuer),
                "the certificate is from an unknown authority",
            ),
            (
                certificate(CertificateError::BadSignature),
                "the certificate is from an unknown authority",
            ),
            (
                certificate(CertificateError::Revoked),
                "the certificate was revoked",
            ),
            (
                certificate(CertificateError::BadEncoding),
                "the certificate is not fit for a server: ",
            ),
            (
                within(rustls::Error::InvalidMessage(
                    rustls::InvalidMessage::InvalidContentType,
                )),
                "the answer is not tls",
            ),
            (
                within(rustls::Error::PeerIncompatible(
                    rustls::PeerIncompatible::Tls12NotOffered,
                )),
                "no version or cipher in common",
            ),
            (
                alert(AlertDescription::ProtocolVersion),
                "no version or cipher in common",
            ),
            (
                alert(AlertDescription::UnrecognisedName),
                "the server gave up with alert UnrecognisedName",
            ),
            (
                io::ErrorKind::UnexpectedEof.into(),
                "the server closed during the handshake",
            ),
            (
                io::ErrorKind::ConnectionReset.into(),
                "the server reset the connection during the handshake",
            ),
        ] {
            let told = TlsFault::of(&error).to_string();
            assert!(told.starts_with(words), "{told} instead of {words}");
        }
    }
}
