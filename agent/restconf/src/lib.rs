//! RESTCONF (RFC 8040) as a function: a request and a datastore in, what is to be done out, then the response.
//!
//! ```text
//! Request ──> Server::plan ──> Reply ───────────────────────────> Response
//!                 │            Commit ──> applied, stored ──> finish ──> Response
//!             Datastore        Invoke ──> carried out ──────> finish ──> Response
//!         (tree, state, rules) Stream ──> frames of notifications
//! ```
//!
//! There is no I/O, no clock and no task here: the server at the edge reads HTTP, knows who asks and what time it is, and does what
//! was planned. The data model is the schema's; no module is known but those that RESTCONF itself is made of.
//!
//! What a request cannot do, it does not do in part: a [`server::Plan::Commit`] holds a whole configuration that is valid and that
//! access control allows.

pub mod access;
pub mod cert_to_name;
mod commit;
pub mod date;
pub mod error;
mod escape;
mod exchange;
pub mod filter;
pub mod invoke;
pub mod library;
pub mod media;
pub mod message;
mod patch;
pub mod path;
pub mod query;
mod read;
mod resource;
pub mod server;
pub mod stream;
pub mod tags;
mod write;

pub use access::Counters;
pub use commit::Commit;
pub use error::{Error, Errors, Tag};
pub use invoke::Invoke;
pub use message::{Audit, Finished, Method, Request, Response, User};
pub use server::{Apply, Datastore, Plan, Server, Settings};
pub use stream::Stream;

#[cfg(test)]
mod tests;
