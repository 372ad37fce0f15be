//! Agents that call home (RFC 8071): they dial, and are then the server of TLS and of HTTP; we are the client of both.
//!
//! ```text
//!  agent ──TCP──▶ accept ─▶ TLS (we are the client) ─▶ certificate: whose? ─▶ host-meta ─▶ Connections ◀── requests
//!                  │                                                            │
//!                  └ all of it within a bounded time                            └ one after the other, HTTP/1.1
//! ```
//! A connection belongs to the agent that its certificate names; a newer one of the same agent takes the place of the older.
//! An idle one is asked from time to time whether it lives. One that does not answer in time is closed.

mod connections;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub use connections::{Connections, Link, Lost};
pub(crate) use serve::{CallHome, Times};
