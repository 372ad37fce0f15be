//! The controller's own public-key infrastructure, and what it takes from and shows to others.
//!
//! ```text
//! root  (20 years, key kept off-line)
//! ├── controllers  (5 years, path length 0)   → server certificate  (1 year)
//! └── agents       (5 years, path length 0)   → agent certificates  (90 days)
//! ```
//! All authorities are P-256. No certificate outlives its issuer. The two intermediates are apart so that an agent's
//! certificate can never be taken for a controller's, nor the other way round: an agent anchors its trust at the
//! controllers' intermediate, the agent listener at the agents'. Their
//! usages separate nothing: each side is client and server (serverAuth, clientAuth). The controllers' intermediate is marked by the
//! organisational unit [`CONTROLLERS_UNIT`] in its subject, by which agents find it in a `cacerts` answer.
//!
//! # Files (directory 0700, private keys 0600)
//! | file | holds |
//! |---|---|
//! | `root.pem` | root certificate: its SHA-256 is the fingerprint that agents are given |
//! | `root.key.pem` | root key: **move it to off-line storage**; only a new intermediate needs it, nothing that runs reads it |
//! | `controllers.pem`, `controllers.key.pem` | signs server certificates |
//! | `agents.pem`, `agents.key.pem` | signs agent certificates |
//! | `peers.key.pem` | signs the tokens of measurements between agents |
//! | `server.pem` | server key, server certificate, controllers' intermediate: one file, so that renewal is one rename |
//!
//! # Enrolment (RFC 7030)
//! Of a certificate request only the public key is used, after its signature was verified. Subject, subject
//! alternative name, key usage and life are the controller's decision ([`Pki::issue_agent`]).
//! P-256, P-384 and Ed25519 keys are taken; RSA is refused, whatever its length: no agent of ours makes one, and a
//! short modulus is then no question to be decided.
//!
//! # Revocation
//! [`Revocations`] is asked in the handshake, before each request, and when it changes: an open connection of a
//! revoked agent is cut at once.
//!
//! # An agent whose certificate expired while it was off
//! The handshake refuses it, so it cannot renew. The operator makes a token bound to the **same** agent
//! (`glimpse-controller agent invite --agent ID`); the agent enrols with it, without showing its old certificate, and
//! gets a new one of the same id. Its history, labels and instructions stay.

mod create;
mod envelope;
mod files;
mod issue;
mod peer;
mod peers;
mod request;
mod revocation;
mod tls;

#[cfg(test)]
pub(crate) mod tests;

pub use create::{Lifetimes, Names, create};
pub use envelope::certs_only;
pub use files::{FILES, Pki, ServerIdentity};
pub use issue::{Issued, Serial, random_serial};
pub use peer::AgentCertificate;
pub use peers::PeerKey;
pub use request::{CertificateRequest, MAX_REQUEST_BYTES};
pub use revocation::{Revocations, Revoked};
pub use tls::{
    Pins, SharedClientConfig, SharedConfig, agent_listener, call_home, operator_listener,
    public_listener, shared,
};

use std::io;
use std::path::PathBuf;

/// Organisational unit in the subject of the controllers' intermediate. Agents look for exactly this word.
pub const CONTROLLERS_UNIT: &str = "controllers";
/// Organisational unit in the subject of the agents' intermediate.
pub const AGENTS_UNIT: &str = "agents";
/// What the subject alternative name (URI) of an agent's certificate begins with; the agent's id follows.
pub const AGENT_URN: &str = "urn:glimpse:agent:";

/// Why something about certificates could not be done.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// There is a PKI already; it is never overwritten.
    #[error("{} exists already: it is never overwritten", dir.display())]
    Exists {
        /// The directory.
        dir: PathBuf,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the PKI is not what it should be.
    #[error("{}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A name for the server certificate is neither a DNS name nor an address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    Name {
        /// The name as given.
        name: String,
    },
    /// No name for the server certificate was given.
    #[error("a server certificate needs at least one name")]
    NoName,
    /// The certificate request is refused: answer 400 (RFC 7030 §4.2.3).
    #[error("certificate request {0}")]
    Request(&'static str),
    /// The issuing authority has expired or is not valid yet.
    #[error(
        "the authority for {unit} is not valid at this time: make a new intermediate with the root key"
    )]
    Issuer {
        /// Its organisational unit.
        unit: &'static str,
    },
    /// A certificate of a peer that is no agent's.
    #[error("not an agent's certificate: {0}")]
    Peer(&'static str),
    /// A token for two agents could not be made.
    #[error("{0}")]
    Token(String),
    /// The system gives no randomness.
    #[error("the system gives no randomness")]
    Randomness,
    /// The certificate library refused its input.
    #[error("{0}")]
    Library(#[from] rcgen::Error),
    /// An ASN.1 structure could not be written.
    #[error("{0}")]
    Encoding(der::Error),
    /// The TLS library refused its input.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

// By hand: `der::Error` is no `std::error::Error` without the crate's `std` feature.
impl From<der::Error> for PkiError {
    fn from(error: der::Error) -> Self {
        Self::Encoding(error)
    }
}
