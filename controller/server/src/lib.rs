//! GLIMPSE: the controller, as a library for its program and its tests.
//!
//! ```text
//!  agents ──mTLS──▶ listener ──▶ enrolment, supervisor ─┐
//!                            └─▶ repository ────────────┼──▶ Store ◀── cli (same database, no server needed)
//!  ALTO clients ──TLS──▶ listener ──▶ alto ◀─ every N s ┘
//!  operators ─TLS──▶ listener ──▶ restconf: the fleet, and each agent's own root
//!  agents ─dial──▶ callhome ◀─────┘
//!  loopback ──▶ admin: health, metrics
//! ```
//!
//! Each service has the same files: `routes` knows HTTP and nothing else does, `service` does the
//! work, `error` says what can go wrong in the service's own words. [`error`] is the one place
//! where those words become status codes.

pub mod admin;
pub mod admission;
pub mod alto;
pub mod app;
mod body;
mod caller;
pub mod callhome;
pub mod cli;
mod clock;
pub mod config;
mod document;
pub mod enrolment;
pub mod error;
pub mod export;
#[cfg(test)]
mod fixture;
pub mod listener;
pub mod pairing;
pub mod pki;
pub mod repository;
pub mod restconf;
pub mod supervisor;
