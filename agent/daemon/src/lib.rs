//! The GLIMPSE agent: obeys a controller within the limits of the household it runs in, measures,
//! and sends what it found.
//!
//! ```text
//!  controller ──▶ uplink::supervisor ──▶ ┌────────┐ ──▶ executor ──▶ methods (glimpse-probe)
//!                                        │ daemon │ ◀──────┘
//!  household ──▶ local (UCI, socket) ──▶ └────────┘ ──▶ spooler ──▶ uplink::repository ──▶ controller
//!                                          │ guard, scheduler (pure)
//! ```
//!
//! `app` puts the parts together; `cli` is the command line. The crate is a library only for its
//! tests and benches.

pub mod app;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod diagnose;
pub mod executor;
pub mod files;
pub mod guard;
pub mod host;
pub mod identity;
pub mod local;
pub mod logger;
pub mod plugins;
pub mod random;
pub mod responder;
#[cfg(feature = "lmap")]
pub mod restconf;
pub mod scheduler;
pub mod spool;
pub mod spooler;
pub mod tls;
pub mod uplink;

/// Name and version, as the agent announces itself.
pub const VERSION: &str = concat!("glimpse-agent/", env!("CARGO_PKG_VERSION"));
