//! What a GLIMPSE agent is told to do, and everything it says back, once, as plain values.
//!
//! ```text
//!  bytes ──▶ InstructionSet ──▶ Timing::next ──▶ (guard, run) ──▶ Outcome ──▶ Record ──▶ bytes
//!            Configuration                        Ledger                      Receipt
//! ```
//!
//! The crate is pure: it opens nothing, asks no clock and draws no randomness. Points in time
//! ([`time::Timestamp`]) and seeds are arguments. Documents from outside are parsed into types with
//! checked values, or refused with a path to the offending member ([`read::Refused`]).
//!
//! The JSON documents are those of `docs/protocol.md`; their schemas in `docs/schema/` are generated
//! from these types with the feature `schema`.
//!
//! ```
//! use glimpse_model::{instruction::InstructionSet, time::Timestamp};
//!
//! let set = InstructionSet::parse(br#"{"schema": 2, "instructions": [{
//!     "id": "i-1", "timing": {"periodic": {"interval": 60000}},
//!     "task": {"id": "t-1", "method": "ping", "options": {"host": "192.0.2.1"}}}]}"#)?;
//! let seen = Timestamp::parse("2026-01-01T00:00:30Z").unwrap();
//! let first = set.instructions[0].timing.first(seen).unwrap();
//! assert_eq!(set.instructions[0].timing.next(first, seen).unwrap().to_string(), "2026-01-01T00:01:30Z");
//! # Ok::<(), glimpse_model::read::Refused>(())
//! ```

pub mod budget;
pub mod capability;
pub mod configuration;
pub mod forget;
pub mod id;
pub mod instruction;
pub mod options;
pub mod outcome;
pub mod ping;
pub mod precondition;
pub mod read;
pub mod record;
#[cfg(feature = "schema")]
pub mod schema;
pub mod sorted;
pub mod time;
pub mod timing;
pub mod token;

/// Version of every document of the JSON door (`"schema": 2`); 1 is the original client's protocol.
pub const SCHEMA: u32 = 2;
