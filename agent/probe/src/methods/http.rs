//! What the methods over HTTP share: URLs, connections with every phase timed, bounded readers of answers, transfers that
//! fill the line, and the permission for them.
//!
//! ```text
//!   Url ──▶ way: redirects, admission ──▶ way: bulk permission ──▶ load: connections ──▶ download / upload ──▶ slots ──▶ outcome
//! ```
//!
//! Answers are read by parsers of our own making ([`head::Head`], [`body::Body`]) instead of a general client's: content is
//! looked at in the read buffer and never copied, so that a router's processor is not what is measured, and each phase has
//! its clock. Heads are bounded by [`head::HEAD_LIMIT`], chunk lines and trailers too; every phase has
//! [`connection::PHASE_LIMIT`].

pub mod body;
pub mod connection;
mod download;
pub mod error;
pub mod head;
pub(crate) mod load;
pub(crate) mod options;
pub(crate) mod outcome;
mod run;
#[cfg(test)]
pub(crate) mod server;
pub mod slots;
mod upload;
pub mod url;
pub(crate) mod way;
mod wire;

pub use options::TransferOptions;
pub use upload::received;
pub use way::{CONSENT_LIMIT, CONSENT_TARGET};
