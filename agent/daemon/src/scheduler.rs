//! From instructions to firings.
//!
//! [`plan`] is pure: it is handed the time and says what is due and when to ask again. [`state`]
//! is what must outlive the process: which instructions were seen when, which are done, and which
//! firings were under way.

pub mod plan;
pub mod skips;
pub mod state;
