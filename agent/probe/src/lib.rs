//! The measurement methods and their registry.
//!
//! ```text
//!   Options ──▶ Descriptor::read ──▶ worst_case_bytes, longest_run ──▶ (the guard admits) ──▶ run ──▶ Outcome
//!                                                                                  Context ──┘
//! ```
//!
//! A method is a value ([`registry::Descriptor`]) with a trait object behind it, so that programs outside this crate can
//! register their own. Each built-in one has a folder under `methods` with the same files: `options` (what may be asked),
//! `machine` (what happens when; pure, in virtual time), `run` (sockets and timers), `outcome` (the figures).
//!
//! Invariants: a failed network operation is an [`Outcome`](glimpse_model::outcome::Outcome), never an error of the program;
//! every address passes [`Context::admit`](context::Context::admit) after resolution and before the first packet;
//! dropping a run's future ends all it has started.
//!
//! ```
//! use glimpse_model::options::Options;
//! use glimpse_probe::registry::Registry;
//!
//! let registry = Registry::built_in();
//! let ping = registry.find("ping").unwrap();
//! let options = Options::from_words(&ping.options, ["host=192.0.2.1", "count=10"]).unwrap();
//! ping.check(&options).unwrap();
//! assert!(ping.worst_case_bytes(&options) > 10 * 2 * (28 + 74));
//! ```

#[cfg(feature = "ping")]
mod alarm;
pub mod context;
pub mod methods;
#[cfg(feature = "responder")]
pub mod peer;
#[cfg(feature = "plugins")]
pub mod plugin;
pub mod registry;
pub mod resolve;
#[cfg(feature = "responder")]
pub mod responder;
