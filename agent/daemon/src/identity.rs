//! Who this agent is: its key, its certificate, and the authority it trusts.
//!
//! The key is made on the device and never leaves it. The certificate comes from the controller by EST (RFC 7030);
//! this module knows bytes in and bytes out, the HTTP client is elsewhere.
//!
//! ```text
//! identity/            0700
//!   key.pem            0600  PKCS#8, P-256
//!   ca.pem                   root first, then every controllers' intermediate
//!   controller               the name that the controller's certificate must carry
//!   url                      where it was enrolled
//!   certificate.pem          own certificate first; written last: without it the agent is not enrolled
//! ```
//!
//! # First contact
//! 1. Fetch `/.well-known/est/cacerts` over [`crate::tls::first_contact`], which verifies nothing and therefore is
//!    given nothing: no credentials, no body.
//! 2. [`Trust::from_cacerts`] accepts the answer only if it holds the root whose [`Fingerprint`] the household was
//!    given, and controllers' intermediates that this root signed. Whoever sits in between can withhold the answer, not change it.
//! 3. `POST simpleenroll` with the token over a new connection by [`crate::tls::enrolment`], which verifies.
//! 4. [`issued_chain`] takes the answer, [`Store::enrol`] keeps everything.
//!
//! # Renewal
//! [`Identity::renew_at`] says when; `POST simplereenroll` with [`Key::certificate_request`] over
//! [`crate::tls::steady`], [`issued_chain`], [`Store::renew`]. The key stays: a renewal replaces one file, by one rename.
//!
//! # An agent whose certificate expired while it was off
//! It cannot renew: the controller refuses the handshake. The operator invites the **same** agent again
//! (`glimpse-controller agent invite --agent ID`) and the household runs `glimpse-agent enrol` with that token. The new
//! certificate has the same id, so history, instructions and caps stay with it; the key and the trusted root are kept.
//!
//! # A new controllers' intermediate
//! An agent that was off during the change meets [`crate::tls::Refusal::UnknownIssuer`]. It repeats step 1 and calls
//! [`Trust::refreshed`]: the stored root vouches for the new intermediate, so nobody needs to be asked.

mod envelope;
mod fingerprint;
mod key;
mod store;
mod trust;
mod validity;

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;

pub use envelope::{MAX_ANSWER_BYTES, MAX_CERTIFICATES, certificates, issued_chain};
pub use fingerprint::Fingerprint;
pub use key::{Key, request_body};
pub use store::{Identity, Store};
pub use trust::{CONTROLLERS_UNIT, Trust};
pub use validity::{Validity, renew_at};

use std::io;
use std::path::PathBuf;

/// Why there is no usable identity, or why an answer of the controller was not taken.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The directory holds no certificate yet.
    #[error("no identity in {}: enrol this agent first (glimpse-agent enrol)", dir.display())]
    NotEnrolled {
        /// The identity directory.
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
    /// The key file can be read by other users.
    #[error("{path}: mode {mode:03o} lets others read the key: run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A stored file is not what it should be.
    #[error("{}: {reason}: enrol again with a fresh token", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The controller's answer is malformed, too large or not for us.
    #[error("the controller's answer {0}")]
    Answer(&'static str),
    /// The root that was promised is not in the answer: a wrong fingerprint, or somebody sits in between.
    #[error("the controller does not show the expected root {expected}: nothing was sent to it")]
    WrongRoot {
        /// The fingerprint that was asked for.
        expected: Fingerprint,
    },
    /// A fingerprint that cannot be read.
    #[error("{0}")]
    Fingerprint(&'static str),
    /// No key could be made, or it could not sign.
    #[error("{0}")]
    Key(&'static str),
}
