//! RFC 8194 in virtual time: what a controller configured becomes runs, and runs become reports.
//!
//! ```text
//!  tree ─▶ Control ─▶ Machine ──Step──▶ executor, spool, collectors
//!                     │  ▲  ▲
//!  tree ◀── state ◀───┘  │  └── began, ended, denied, delivered
//!                        └── time, contact, trigger
//! ```
//!
//! The crate is pure: the time ([`Moment`]) and the seed are arguments, and [`Step`]s say what is to be done outside. One machine
//! serves an agent. It starts no measurement itself: every start passes the agent's guard and executor, as those of the JSON door
//! do, whose instructions are shown beside the schedules of LMAP and counted by the same counters.

#[cfg(test)]
mod bench;
pub mod collectors;
pub mod control;
pub mod event;
pub mod function;
pub mod glob;
pub mod moment;
pub mod names;
pub mod notice;
pub mod outbox;
pub mod output;
pub mod report;
pub mod resolve;
pub mod run;
pub mod shown;
pub mod state;
pub mod suppression;

pub use collectors::Collectors;
pub use control::Control;
pub use moment::Moment;
pub use output::Output;
pub use run::{Machine, RunId, Step};
